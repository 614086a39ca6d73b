"""The settings of `[[trial]]` tables, in the file's order."""

from __future__ import annotations

from typing import Any

from ..spec import Sweep


class Listed:
    """Give the listed settings, at most [sweep] trials of them."""

    def __init__(self, sweep: Sweep) -> None:
        self._points = sweep.listed[: sweep.trials]

    @property
    def count(self) -> int:
        """How many settings there are."""
        return len(self._points)

    def point(self, index: int) -> dict[str, Any]:
        """Return the setting at an index from 0 to count - 1."""
        return dict(self._points[index])
