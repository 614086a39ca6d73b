"""What a program has logged so far: its step, its last and best values, and the rungs that it has reached."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from difflib import get_close_matches

import numpy as np

from ..errors import MetricError, Problem
from ..goal import Goal
from ..logs import layout
from ..records import TrialSpec
from ..runs import Series

_LISTED = 20  # most tags that an error lists
_MOST = 100  # tags whose values the result of a trial has


class Logged:
    """The values that a trial's program has logged.

    The parameter `step` is the last step of an earlier attempt, the attribute `step` the last step so far.
    """

    def __init__(self, spec: TrialSpec, step: int = 0) -> None:
        self._spec = spec
        self._scalars: Mapping[str, Series] = {}
        self.step = step
        self._decided = 0
        self.pruned_after: int | None = None

    def update(self, scalars: Mapping[str, Series]) -> bool:
        """Take the scalars that have been logged; return whether there are new ones of the objective."""
        before = self._count()
        self._scalars = {tag: _from_zero(series) for tag, series in scalars.items()}
        series = scalars.get(self._spec.objective)
        if series is not None and len(series.steps):
            self.step = max(self.step, int(series.steps[-1]))
        return self._count() != before

    def _count(self) -> int:
        series = self._scalars.get(self._spec.objective)
        return 0 if series is None else len(series.steps)

    @property
    def metrics(self) -> dict[str, float]:
        """The last value of each scalar, the objective first."""
        tags = [*filter(self._scalars.__contains__, [self._spec.objective]), *self._scalars]
        return {tag: self._scalars[tag].last for tag in list(dict.fromkeys(tags))[:_MOST]}

    @property
    def best_step(self) -> int | None:
        """The step with the best finite value of the objective; None if there is none."""
        found = self._best()
        return None if found is None else found[1]

    @property
    def best(self) -> dict[str, float]:
        """The values at the best step, of the scalars that have one there."""
        found = self._best()
        if found is None:
            return {}
        at = {tag: series.values[series.steps == found[1]] for tag, series in self._scalars.items()}
        values = {tag: float(own[0]) for tag, own in list(at.items())[:_MOST] if len(own)}
        return {**values, self._spec.objective: found[0]}

    def best_scalars(self) -> dict[str, float]:
        """Return the best value of the objective and its step, by the tags under which TensorBoard's table has them."""
        found = self._best()
        if found is None:
            return {}
        base = self._spec.objective.removeprefix(layout.VALIDATION_PREFIX)
        return {layout.best_tag(base): found[0], layout.BEST_EPOCH: float(found[1])}

    def _best(self) -> tuple[float, int] | None:
        series = self._scalars.get(self._spec.objective)
        return None if series is None else series.best(self._spec.goal)

    def diverges(self, has_ended: bool) -> bool:
        """Return whether the objective is no longer finite, and then forget what was logged since.

        If lower is better, it is a loss: one value that is not finite is enough. Otherwise the last value counts, once
        the program `has_ended`, because scores may be undefined at first.
        """
        series = self._scalars.get(self._spec.objective)
        if series is None or not len(series.values):
            return False
        if self._spec.goal is Goal.MAX:
            return has_ended and not math.isfinite(series.last)
        odd = np.flatnonzero(~np.isfinite(series.values))
        if not odd.size:
            return False
        self._cut(int(series.steps[odd[0]]))
        self.step = int(series.steps[odd[0]])
        return True

    def reached(self) -> Iterator[tuple[int, float]]:
        """Yield each rung that has been reached since the last call, with the value at the first step from it on.

        If one value is the first for several rungs, only the last of these is yielded: otherwise the same value would
        be compared several times. An attempt that goes on yields earlier rungs again; the driver repeats its answers.
        """
        series = self._scalars.get(self._spec.watch) if self._spec.rungs else None
        if series is None:
            return
        firsts = np.searchsorted(series.steps, self._spec.rungs)
        found = {int(at): rung for at, rung in zip(firsts, self._spec.rungs, strict=True) if at < len(series.steps)}
        for at, rung in found.items():
            if rung > self._decided:
                self._decided = rung
                yield rung, float(series.values[at])

    def prune(self, rung: int) -> None:
        """Forget what the program has logged since it reached the rung after which it is pruned.

        Otherwise, its result would depend on how fast it has gone on until it was ended.
        """
        self.pruned_after = rung
        steps = self._scalars[self._spec.watch].steps
        self._cut(int(steps[np.searchsorted(steps, rung)]))

    def _cut(self, step: int) -> None:
        cut = {tag: _until(series, step) for tag, series in self._scalars.items()}
        self._scalars = {tag: series for tag, series in cut.items() if len(series.steps)}

    def require(self) -> None:
        """Raise MetricError unless the objective and, if the trial has rungs, the watched scalar have been logged."""
        asked = {"sweep.objective": self._spec.objective}
        asked |= {"prune.watch": self._spec.watch} if self._spec.rungs else {}
        for key, tag in asked.items():
            if tag not in self._scalars:
                near = get_close_matches(tag, self._scalars, n=1)
                hint = f"Did you mean {near[0]!r}?" if near else "The program has to log it below {run}."
                known = ", ".join([*self._scalars][:_LISTED])
                expected = f"one of the scalars that the program logged: {known}" if known else "a scalar in its logs"
                raise MetricError(str(Problem(key, expected, tag if known else f"none ({tag})", hint)))


def _until(series: Series, step: int) -> Series:
    count = int(np.searchsorted(series.steps, step, side="right"))
    return Series(series.steps[:count], series.values[:count], series.times[:count])


def _from_zero(series: Series) -> Series:
    """Return a series without steps below 0, which a journal cannot have."""
    start = int(np.searchsorted(series.steps, 0))
    return series if not start else Series(series.steps[start:], series.values[start:], series.times[start:])
