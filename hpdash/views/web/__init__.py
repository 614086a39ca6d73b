"""What a page or a notebook shows."""
