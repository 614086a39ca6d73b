"""A sweep's folder: `sweep.toml`, `sweep.json`, and whether a sweep may go on in it."""
