"""What runs say, as numbers: the computations that the terminal, the report and the Weights tab share.

Nothing here draws or writes anything.
"""
