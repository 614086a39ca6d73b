"""Every point of a finite space, counted and found by index, never built."""

from __future__ import annotations

from typing import Any

from ..spec import Hyperparameter, Sweep
from .order import children, parents_first, ruled_out

Blocked = frozenset[str]  # hyperparameters further on whose `when` is already known not to hold


class Grid:
    """Count a space and find its points; the last name varies fastest.

    A conditional name comes right after the names it depends on and does not multiply where it does not apply.
    `_counts[i][blocked]` is the number of ways to set the names from i on.
    """

    def __init__(self, sweep: Sweep) -> None:
        self._file_order = [hparam.name for hparam in sweep.hparams]
        self._children = children(sweep.hparams)
        self._names = parents_first(sweep.hparams)
        self._start = ruled_out(sweep)
        self._counts = self._count()

    @property
    def count(self) -> int:
        """How many points there are, exactly."""
        return self._counts[0][self._start]

    def point(self, index: int) -> dict[str, Any]:
        """Return the point at an index from 0 to count - 1, in the file's order of names."""
        if not 0 <= index < self.count:
            raise IndexError(f"no point {index} among {self.count}")
        point: dict[str, Any] = {}
        blocked = self._start
        for position, hparam in enumerate(self._names):
            counts = self._counts[position + 1]
            for branch, size, first in self._branches(hparam, blocked):
                within = size * counts[branch]
                if index < within:
                    digit, index = divmod(index, counts[branch])
                    if first is not None:
                        point[hparam.name] = hparam.domain.value(first + digit)
                    blocked = branch
                    break
                index -= within
        return {name: point[name] for name in self._file_order if name in point}

    def _branches(self, hparam: Hyperparameter, blocked: Blocked) -> list[tuple[Blocked, int, int | None]]:
        """List (what is blocked then, how many values lead there, the first one's index) of a name's values in order.

        None stands for the index where the name does not apply, which is one way to set it.
        """
        dependent = self._children[hparam.name]
        rest = blocked - {hparam.name}
        if hparam.name in blocked:
            return [(rest.union(child.name for child in dependent), 1, None)]
        size = hparam.domain.size
        if size is None:
            raise ValueError(f"{hparam.name} has no finite domain")
        if not dependent:
            return [(rest, size, 0)]
        values = (hparam.domain.value(index) for index in range(size))
        return [
            (rest.union(child.name for child in dependent if value not in child.when[hparam.name]), 1, index)
            for index, value in enumerate(values)
        ]

    def _count(self) -> list[dict[Blocked, int]]:
        reached: list[set[Blocked]] = [{self._start}]
        for hparam in self._names:
            reached.append({branch for state in reached[-1] for branch, _, _ in self._branches(hparam, state)})
        counts: list[dict[Blocked, int]] = [dict.fromkeys(reached[-1], 1)]
        for hparam, states in zip(reversed(self._names), reversed(reached[:-1]), strict=True):
            after = counts[-1]
            counts.append({s: sum(size * after[then] for then, size, _ in self._branches(hparam, s)) for s in states})
        return counts[::-1]
