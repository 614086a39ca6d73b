"""The commands: each calls a function of another package and prints its result. No other package prints or exits."""

from __future__ import annotations

from . import board, compare, data, effects, evaluate, export, ls, new, report, save, show, sweeping, verify
from .group import main

__all__ = [
    "board", "compare", "data", "effects", "evaluate", "export", "ls", "main", "new", "report", "save", "show",
    "sweeping", "verify",
]  # fmt: skip
