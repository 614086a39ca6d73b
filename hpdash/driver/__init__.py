"""Run a sweep: only this package combines `spec`, `search`, `sweep_folder`, `journal` and `backends`."""
