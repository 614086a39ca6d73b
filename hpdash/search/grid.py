"""The points of a finite space, counted and computed from their index without a list of all points."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ..errors import Problem, SpecError
from ..spec import Hyperparameter, Sweep
from .evidence import Evidence
from .order import children, parents_first, ruled_out

Blocked = frozenset[str]  # later hyperparameters whose `when` is already known to be false
MOST_BLOCKED = 200_000  # limits memory: most sets of blocked names, plus the names in them, at one hyperparameter


class Grid:
    """A strategy with every point of a finite space; the last hyperparameter varies fastest.

    A hyperparameter with a `when` comes right after the last one that it depends on. Points to which it does not apply
    are counted once, not once for each of its values. `_counts[i][blocked]` is the number of ways to set the
    hyperparameters from index i on, if those in `blocked` do not apply. Raises SpecError if there are too many distinct
    sets of blocked names.
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
        """Yield (names blocked next, how many values lead there, index of the first one), in the order of the values.

        A hyperparameter that does not apply can be set in one way, and the index is None.
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
        """Return `_counts`: find the sets of blocked names that occur, from the first hyperparameter to the last.

        Then count the ways from the last hyperparameter back to the first.
        """
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
                expected = "fewer combinations of conditions"
                hint = "Let fewer hyperparameters have a `when` that refers to several others."
                where = f"{self._where}: hparams.{hparam.name}"
                raise SpecError([Problem(where, expected, "too many to count", hint)])
        return reached
