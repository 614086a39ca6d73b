"""Access to the operating system: files, limits, signals, users' functions and the versions of packages."""
