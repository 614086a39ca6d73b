"""Compute results from runs, for the terminal, the report and the Weights tab; nothing here draws or writes."""
