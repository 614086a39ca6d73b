"""Sobol's sequence: points that fill a space evenly, however many of them are taken."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any

from ..spec import Sweep
from ..spec.domains import identity
from .evidence import Evidence
from .order import Order
from .rejection import first_allowed

BITS = 30  # per coordinate, as in SciPy
BLOCK = 256  # points that are generated at once; a power of 2


class Sobol:
    """A strategy with the points of Sobol's sequence: one coordinate per hyperparameter, mapped to its domain.

    SciPy computes them with the direction numbers of Joe and Kuo (2008). A random digital shift from the sweep's seed
    changes them but keeps them evenly distributed (Owen, 1998). In a finite space no point comes twice. Points that do
    not meet the sweep's requirements are skipped, and hyperparameters that do not apply are left out.
    """

    def __init__(self, sweep: Sweep, count: int) -> None:
        rng = random.Random(f"sobol/{sweep.seed}")
        self.count = count
        self._sweep, self._order = sweep, Order(sweep)
        self._shifts = {hparam.name: rng.getrandbits(BITS) for hparam in sweep.hparams}
        self._finite = all(hparam.domain.size is not None for hparam in sweep.hparams)
        self._candidates = self._sequence()
        self._points: list[dict[str, Any]] = []
        self._taken: set[Any] = set()

    def point(self, index: int, _: Sequence[Evidence] = ()) -> dict[str, Any]:
        """Return the point at an index from 0 to count - 1, in the file's order of names."""
        if not 0 <= index < self.count:
            raise IndexError(f"no point {index} among {self.count}")
        while len(self._points) <= index:
            point = first_allowed(self._sweep, self._candidates, lambda each: identity(each) not in self._taken)
            self._points.append(point)
            if self._finite:
                self._taken.add(identity(point))
        return dict(self._points[index])

    def _sequence(self) -> Iterator[dict[str, Any]]:
        from scipy.stats.qmc import Sobol as Engine  # noqa: PLC0415  the import takes half a second

        engine = Engine(len(self._shifts), scramble=False, bits=BITS)
        while True:
            for row in engine.random(BLOCK):
                shares = {name: _shifted(x, by) for x, (name, by) in zip(row, self._shifts.items(), strict=True)}
                yield self._order.point(lambda hparam, shares=shares: hparam.domain.at(shares[hparam.name]))  # type: ignore[misc]


def _shifted(coordinate: float, shift: int) -> float:
    return float((int(coordinate * 2**BITS) ^ shift) / 2**BITS)
