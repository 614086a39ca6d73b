"""A distribution as counts, and its mathematics."""
