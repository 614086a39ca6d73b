"""What the operating system gives and refuses."""
