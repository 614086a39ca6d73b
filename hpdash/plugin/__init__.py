"""The Weights tab: a TensorBoard plugin that compares weight distributions across runs, by hyperparameter.

http_api.md describes the requests of the page in static/ to the server half in this package.
"""
