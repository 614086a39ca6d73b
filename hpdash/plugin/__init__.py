"""The Weights tab: a TensorBoard plugin that compares weight distributions across runs, by hyperparameter.

http_api.md is the contract between this server half and the page in static/.
"""
