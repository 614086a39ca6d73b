"""Histograms: distributions as counts, their statistics, and the distances between them."""
