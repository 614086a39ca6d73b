"""Views for a page and for a notebook."""
