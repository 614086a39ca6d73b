"""Which trials stop before their last epoch: by successive halving (ASHA), Hyperband, or the median."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping
from functools import cached_property
from heapq import nlargest
from typing import Protocol

from ..journal.history import History
from ..records import STEPS
from ..spec import Sweep
from ..spec.pruning import Pruning


class Pruner(Protocol):
    """Decide at each rung of a trial whether the trial goes on.

    A decision depends only on the trial's value and the journal's entries so far. `promotes` says whether a pruned
    trial may go on later.
    """

    promotes: bool

    def rungs(self, setting: int, epochs: int) -> tuple[int, ...]:
        """Return the rungs: the epochs, below `epochs`, after which a setting's first trial may be pruned."""

    def goes_on(self, trial: int, epoch: int, value: float, history: History) -> bool:
        """Return whether a trial that has reached the rung `epoch` goes on; `value` is its watched metric."""

    def promoted(self, history: History) -> int | None:
        """Return a pruned trial that should go on now, or None if there is none."""


def pruner_for(sweep: Sweep) -> Pruner | None:
    """Return the pruner that a sweep asks for, or None if it does not prune."""
    if sweep.pruning is None:
        return None
    if sweep.pruning.strategy == "median":
        return Median(sweep.pruning)
    return Halving(sweep.pruning, sweep.repeats, _longest(sweep), promotes=sweep.is_resumable)


def _longest(sweep: Sweep) -> int:
    """Return the largest number of epochs, or of a program's steps, that a trial of a sweep may train."""
    return int(max(sweep.values["epochs" if sweep.command is None else STEPS]))


class Halving:
    """Asynchronous successive halving (ASHA): at each rung, the best of the trials that have reached it go on.

    Source: Li et al., A System for Massively Parallel Hyperparameter Tuning (2020), algorithm 2. If n trials have
    reached a rung, the best n // factor go on. A pruned trial goes on later if it is among the best after
    more trials have reached the rung. Each rung has `factor` times the epochs of the one before.

    If pruned trials cannot go on (`promotes` is false), at least the best trial so far goes on, as in Optuna's
    SuccessiveHalvingPruner. Otherwise the first trials would all be lost.

    Hyperband (Li et al., 2018) divides the settings into brackets. The first rung of each bracket has `factor` times
    the epochs of the first rung of the bracket before; the last bracket never prunes. Trials are compared within
    their bracket. In this class, a setting's bracket depends on its index alone, and each bracket gets as large a share
    of the settings as in the paper.
    """

    def __init__(self, pruning: Pruning, repeats: int, longest: int, promotes: bool = True) -> None:
        self._pruning, self._repeats, self.promotes = pruning, repeats, promotes
        self._factor = pruning.reduction_factor
        self._first = [pruning.min_epochs]
        while pruning.strategy == "hyperband" and self._first[-1] < longest:
            self._first.append(self._first[-1] * self._factor)

    def rungs(self, setting: int, epochs: int) -> tuple[int, ...]:
        """Return the rungs: the epochs, below `epochs`, after which a setting's first trial may be pruned."""
        return tuple(self._ladder(self._first[self._bracket(setting)], epochs))

    def _ladder(self, first: int, epochs: int) -> Iterator[int]:
        while first < epochs:
            yield first
            first *= self._factor

    def goes_on(self, trial: int, epoch: int, value: float, history: History) -> bool:
        """Return whether a trial is among the best n // factor at a rung.

        n is the number of trials of its bracket that have reached the rung, the trial itself included.
        """
        bracket = self._bracket(trial // self._repeats)
        values = self._reached(epoch, history).get(bracket, {}) | {trial: self._pruning.goal.utility(value)}
        return trial in self._best(values)

    def promoted(self, history: History) -> int | None:
        """Return a pruned trial that is now among the best at the rung where it stopped, or None if there is none.

        If there are several, those at the highest rung go first, and among these the best of a bracket.
        """
        for epoch in sorted(history.rungs, reverse=True) if self.promotes else ():
            for values in self._reached(epoch, history).values():
                for trial in self._best(values):
                    if history.pruned_after(trial) == epoch:
                        return trial
        return None

    def _reached(self, epoch: int, history: History) -> dict[int, dict[int, float]]:
        """Return, by bracket, the utility of each trial that has reached a rung (larger is better)."""
        brackets: dict[int, dict[int, float]] = {}
        for trial, rung in history.rungs.get(epoch, {}).items():
            values = brackets.setdefault(self._bracket(trial // self._repeats), {})
            values[trial] = self._pruning.goal.utility(rung.value)
        return brackets

    def _best(self, values: Mapping[int, float]) -> list[int]:
        count = len(values) // self._factor if self.promotes else max(1, len(values) // self._factor)
        return nlargest(count, values, key=lambda trial: (values[trial], -trial))

    def _bracket(self, setting: int) -> int:
        return self._pattern[setting % len(self._pattern)]

    @cached_property
    def _pattern(self) -> list[int]:
        """The brackets of consecutive settings, repeated in a cycle; each is as frequent as in the paper."""
        last = len(self._first) - 1
        sizes = [-(-len(self._first) * self._factor ** (last - b) // (last - b + 1)) for b in range(len(self._first))]
        pattern, given = list[int](), [0] * len(sizes)
        for place in range(1, sum(sizes) + 1):
            due = [place * size / sum(sizes) - had for size, had in zip(sizes, given, strict=True)]
            pattern.append(due.index(max(due)))
            given[pattern[-1]] += 1
        return pattern


class Median:
    """Stop a trial that is worse than the median of the others that reached the same epoch (Golovin et al., 2017).

    Trials are compared after every epoch from `min_epochs` on. A pruned trial is never promoted.
    """

    promotes = False

    def __init__(self, pruning: Pruning) -> None:
        self._pruning = pruning

    def rungs(self, _: int, epochs: int) -> tuple[int, ...]:
        """Return the rungs: every epoch from `min_epochs` to the last but one."""
        return tuple(range(self._pruning.min_epochs, epochs))

    def goes_on(self, trial: int, epoch: int, value: float, history: History) -> bool:
        """Return whether a trial is no worse than the median of the others at this epoch, or they are too few."""
        goal = self._pruning.goal
        others = [goal.utility(rung.value) for n, rung in history.rungs.get(epoch, {}).items() if n != trial]
        return len(others) < self._pruning.startup or goal.utility(value) >= statistics.median(others)

    def promoted(self, _: History) -> int | None:
        """Return None: a pruned trial is never promoted."""
        return None
