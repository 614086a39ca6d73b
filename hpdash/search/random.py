"""Points drawn at random: distinct ones of a finite space, independent ones of an infinite space."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any

from ..spec import Sweep
from .evidence import Evidence
from .order import Order
from .rejection import first_allowed


def shuffled(count: int, seed: int) -> Iterator[int]:
    """Yield the indices from 0 to count - 1 in a random order: a Fisher-Yates shuffle.

    `count` may be huge: only the entries that moved are stored.
    """
    rng = random.Random(seed)
    moved: dict[int, int] = {}
    for index in range(count):
        other = rng.randrange(index, count)
        yield moved.get(other, other)
        moved[other] = moved.pop(index, index)


class Random:
    """A strategy with random points; each depends only on the sweep's seed and on its own index."""

    def __init__(self, sweep: Sweep, count: int) -> None:
        self.count = count
        self._sweep, self._order = sweep, Order(sweep)

    def point(self, index: int, _: Sequence[Evidence] = ()) -> dict[str, Any]:
        """Return the point at an index from 0 to count - 1, in the file's order of names."""
        return first_allowed(self._sweep, self.draws(index))

    def draws(self, index: int) -> Iterator[dict[str, Any]]:
        """Yield candidates for the point at an index, without end; the first one that is allowed becomes the point."""
        for attempt in count():
            rng = random.Random(f"{self._sweep.seed}/{index}" + (f"/{attempt}" if attempt else ""))
            yield self._order.point(lambda hparam, rng=rng: hparam.domain.sample(rng))  # type: ignore[misc]
