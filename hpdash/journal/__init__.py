"""What happened in a sweep, in a file that survives a crash at any moment."""
