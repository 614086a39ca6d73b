"""Write and read the files of a run folder, and name folders, files and tags."""
