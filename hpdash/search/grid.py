"""Every point of a finite space, counted and found by index, never built."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ..errors import Problem, SpecError
from ..spec import Hyperparameter, Sweep
from .evidence import Evidence
from .order import children, parents_first, ruled_out

Blocked = frozenset[str]  # hyperparameters further on whose `when` is already known not to hold
MOST_BLOCKED = 200_000  # names, in all the ways to be blocked that are told apart at once


class Grid:
    """Count a space and find its points; the last name varies fastest.

    A conditional name comes right after the names it depends on and does not multiply where it does not apply.
    `_counts[i][blocked]` is the number of ways to set the names from i on. Raises SpecError where conditions are so
    entangled that too many ways to be blocked had to be told apart.
    """

    def __init__(self, sweep: Sweep) -> None:
        self._file_order = [hparam.name for hparam in sweep.hparams]
        self._children = children(sweep.hparams)
        self._names = parents_first(sweep.hparams)
        self._start = ruled_out(sweep)
        self._where = sweep.where
        self._counts = self._count()

    @property
    def count(self) -> int:
        """How many points there are, exactly."""
        return self._counts[0][self._start]

    def point(self, index: int, _: Sequence[Evidence] = ()) -> dict[str, Any]:
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

    def _branches(self, hparam: Hyperparameter, blocked: Blocked) -> Iterator[tuple[Blocked, int, int | None]]:
        """Yield (what is blocked then, how many values lead there, the first one's index) of a name's values in order.

        None stands for the index where the name does not apply, which is one way to set it.
        """
        dependent = self._children[hparam.name]
        rest = blocked - {hparam.name}
        if hparam.name in blocked:
            yield rest.union(child.name for child in dependent), 1, None
            return
        size = hparam.domain.size
        if size is None:
            raise ValueError(f"{hparam.name} has no finite domain")
        if not dependent:
            yield rest, size, 0
            return
        for index in range(size):
            value = hparam.domain.value(index)
            yield rest.union(child.name for child in dependent if value not in child.when[hparam.name]), 1, index

    def _count(self) -> list[dict[Blocked, int]]:
        reached: list[set[Blocked]] = [{self._start}]
        for hparam in self._names:
            reached.append(self._reached(hparam, reached[-1]))
        counts: list[dict[Blocked, int]] = [dict.fromkeys(reached[-1], 1)]
        for hparam, states in zip(reversed(self._names), reversed(reached[:-1]), strict=True):
            after = counts[-1]
            counts.append({s: sum(size * after[then] for then, size, _ in self._branches(hparam, s)) for s in states})
        return counts[::-1]

    def _reached(self, hparam: Hyperparameter, states: set[Blocked]) -> set[Blocked]:
        reached: set[Blocked] = set()
        names = 0
        for branch in (branch for state in states for branch, _, _ in self._branches(hparam, state)):
            names += 0 if branch in reached else 1 + len(branch)
            reached.add(branch)
            if names > MOST_BLOCKED:
                expected, hint = "conditions that can be counted", "Let fewer names ask about several others."
                where = f"{self._where}: hparams.{hparam.name}"
                raise SpecError([Problem(where, expected, "too many that hang together", hint)])
        return reached
