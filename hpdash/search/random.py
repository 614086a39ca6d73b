"""Points drawn at random: distinct ones of a finite space, independent ones of an infinite space."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from ..spec import Sweep
from .grid import Grid
from .order import parents_first, ruled_out


def draw(count: int, number: int, seed: int) -> list[int]:
    """Draw distinct indices below `count`, however large; a larger number only adds to the end.

    The first steps of a Fisher-Yates shuffle, of which only the entries that moved are kept.
    """
    rng = random.Random(seed)
    moved: dict[int, int] = {}
    drawn = []
    for index in range(number):
        other = rng.randrange(index, count)
        drawn.append(moved.get(other, other))
        moved[other] = moved.pop(index, index)
    return drawn


class Sampled:
    """Give the points of a grid at chosen indices."""

    def __init__(self, grid: Grid, indices: Sequence[int]) -> None:
        self._grid, self._indices = grid, indices

    @property
    def count(self) -> int:
        """How many points were chosen."""
        return len(self._indices)

    def point(self, index: int) -> dict[str, Any]:
        """Return the chosen point at an index from 0 to count - 1."""
        return self._grid.point(self._indices[index])


class Random:
    """Draw points of an infinite space, each from the sweep's seed and its own index alone."""

    def __init__(self, sweep: Sweep, count: int) -> None:
        self.count = count
        self._seed = sweep.seed
        self._file_order = [hparam.name for hparam in sweep.hparams]
        self._ordered = [hparam for hparam in parents_first(sweep.hparams) if hparam.name not in ruled_out(sweep)]

    def point(self, index: int) -> dict[str, Any]:
        """Return the point at an index from 0 to count - 1, in the file's order of names."""
        rng = random.Random(f"{self._seed}/{index}")
        point: dict[str, Any] = {}
        for hparam in self._ordered:
            parents = hparam.when.keys() & self._file_order
            if all(parent in point and point[parent] in hparam.when[parent] for parent in parents):
                point[hparam.name] = hparam.domain.sample(rng)
        return {name: point[name] for name in self._file_order if name in point}
