"""Where trials run: the backends, their workers, and the checks before the first trial."""
