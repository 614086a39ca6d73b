"""A subset of another strategy's points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .evidence import Evidence
from .strategy import Strategy


class SubsetStrategy:
    """A strategy with the points of another strategy at the chosen indices."""

    def __init__(self, base: Strategy, indices: Sequence[int]) -> None:
        self._base, self._indices = base, indices

    @property
    def count(self) -> int:
        """How many points were chosen."""
        return len(self._indices)

    def point(self, index: int, known: Sequence[Evidence] = ()) -> dict[str, Any]:
        """Return the chosen point at an index from 0 to count - 1."""
        return self._base.point(self._indices[index], known)
