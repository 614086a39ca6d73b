"""What is written into a run's folder, and how it is named."""
