"""The settings of `[[trial]]` tables, in the file's order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..spec import Sweep
from .evidence import Evidence


class Explicit:
    """A strategy with the settings of `[[trial]]` tables."""

    def __init__(self, sweep: Sweep) -> None:
        self._points = sweep.listed

    @property
    def count(self) -> int:
        """How many settings there are."""
        return len(self._points)

    def point(self, index: int, _: Sequence[Evidence] = ()) -> dict[str, Any]:
        """Return the setting at an index from 0 to count - 1."""
        return dict(self._points[index])
