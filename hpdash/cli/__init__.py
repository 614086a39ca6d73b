"""The commands: open, call one function, print. Nothing else in hpdash prints or exits."""

from __future__ import annotations

from . import board, data, sweeping
from .group import main

__all__ = ["board", "data", "main", "sweeping"]
