"""Views for a terminal and for a pipe."""
