"""Views: what a terminal, a notebook, a page, a report or a comparison shows."""
