"""Settings of an extended sweep: the earlier settings keep their indices, and the new ones follow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from ..spec.domains import identity
from .evidence import Evidence
from .strategy import Strategy

Point = Mapping[str, Any]


class Extended:
    """A strategy with the settings from before an extension, followed by the new ones of another strategy.

    `most` limits the number of all settings (None: no limit). Settings from before are always kept.
    """

    def __init__(self, base: Strategy, before: Sequence[Point], most: int | None) -> None:
        known = {identity(point) for point in before}
        new = (point for point in map(base.point, range(base.count)) if identity(point) not in known)
        wanted = None if most is None else max(0, most - len(before))
        self._points = [*before, *islice(new, wanted)]

    @property
    def count(self) -> int:
        """How many settings there are."""
        return len(self._points)

    def point(self, index: int, _: Sequence[Evidence] = ()) -> dict[str, Any]:
        """Return the setting at an index from 0 to count - 1."""
        return dict(self._points[index])
