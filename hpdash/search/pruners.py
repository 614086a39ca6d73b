"""Which trials go on and which stop before their last epoch: by halving, in brackets, or by the median."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping
from functools import cached_property
from heapq import nlargest
from typing import Protocol

from ..domains import Choice
from ..history import History
from ..spec import Sweep
from ..spec.pruning import Pruning


class Pruner(Protocol):
    """Decide at a trial's rungs, from what the journal had by then and nothing else.

    `promotes` says whether a trial that was stopped may go on later.
    """

    promotes: bool

    def rungs(self, setting: int, epochs: int) -> tuple[int, ...]:
        """Return the epochs after which a setting's first trial asks whether it goes on."""

    def goes_on(self, trial: int, epoch: int, value: float, history: History) -> bool:
        """Decide on a trial that has come to a rung; `value` is the metric that is watched."""

    def promoted(self, history: History) -> int | None:
        """Return a pruned trial that by now is to go on, None where there is none."""


def pruner_for(sweep: Sweep) -> Pruner | None:
    """Return the pruner that a sweep asks for, None where it asks for none."""
    if sweep.pruning is None:
        return None
    if sweep.pruning.strategy == "median":
        return Median(sweep.pruning)
    return Halving(sweep.pruning, sweep.repeats, _longest(sweep))


def _longest(sweep: Sweep) -> int:
    """Return the most epochs that a trial of a sweep may train."""
    swept = [hparam.domain for hparam in sweep.hparams if hparam.name == "epochs"]
    ends = [max(domain.values) if isinstance(domain, Choice) else domain.max for domain in swept]
    return int(max([*ends, sweep.fixed["train"]["epochs"]] if not swept or sweep.listed else ends))


class Halving:
    """Let the best share of those that came as far go on, whenever it is known: asynchronous successive halving.

    Source: Li et al., A System for Massively Parallel Hyperparameter Tuning (2020), algorithm 2. At a rung of n trials
    the best n // factor go on, at once or later, when others have come and they are still among them. Rungs lie a
    factor apart. Hyperband (Li et al., 2018) has brackets of settings whose first rung is each a factor later, the last
    of which trains whole; a setting's bracket follows from its number, in Hyperband's proportions.
    """

    promotes = True

    def __init__(self, pruning: Pruning, repeats: int, longest: int) -> None:
        self._pruning, self._repeats = pruning, repeats
        self._factor = pruning.reduction_factor
        self._first = [pruning.min_epochs]
        while pruning.strategy == "hyperband" and self._first[-1] < longest:
            self._first.append(self._first[-1] * self._factor)

    def rungs(self, setting: int, epochs: int) -> tuple[int, ...]:
        """Return the epochs after which a setting's first trial asks whether it goes on."""
        return tuple(self._ladder(self._first[self._bracket(setting)], epochs))

    def _ladder(self, first: int, epochs: int) -> Iterator[int]:
        while first < epochs:
            yield first
            first *= self._factor

    def goes_on(self, trial: int, epoch: int, value: float, history: History) -> bool:
        """Let a trial go on that is among the best share of those that came as far, itself counted."""
        bracket = self._bracket(trial // self._repeats)
        values = self._reached(epoch, history).get(bracket, {}) | {trial: self._pruning.goal.worth(value)}
        return trial in self._best(values)

    def promoted(self, history: History) -> int | None:
        """Return the best pruned trial that has come to be among the best share, of the highest rung there is one."""
        for epoch in sorted(history.rungs, reverse=True):
            for values in self._reached(epoch, history).values():
                for trial in self._best(values):
                    if history.pruned_after(trial) == epoch:
                        return trial
        return None

    def _reached(self, epoch: int, history: History) -> dict[int, dict[int, float]]:
        """Return by bracket what each trial is worth that came to a rung."""
        brackets: dict[int, dict[int, float]] = {}
        for trial, rung in history.rungs.get(epoch, {}).items():
            values = brackets.setdefault(self._bracket(trial // self._repeats), {})
            values[trial] = self._pruning.goal.worth(rung.value)
        return brackets

    def _best(self, values: Mapping[int, float]) -> list[int]:
        return nlargest(len(values) // self._factor, values, key=lambda trial: (values[trial], -trial))

    def _bracket(self, setting: int) -> int:
        return self._pattern[setting % len(self._pattern)]

    @cached_property
    def _pattern(self) -> list[int]:
        """The brackets of the first settings, then again: each as often as Hyperband has settings in it."""
        last = len(self._first) - 1
        sizes = [-(-len(self._first) * self._factor ** (last - b) // (last - b + 1)) for b in range(len(self._first))]
        pattern, given = list[int](), [0] * len(sizes)
        for place in range(1, sum(sizes) + 1):
            due = [place * size / sum(sizes) - had for size, had in zip(sizes, given, strict=True)]
            pattern.append(due.index(max(due)))
            given[pattern[-1]] += 1
        return pattern


class Median:
    """Stop a trial that is worth less than the median of those before it that came as far (Golovin et al., 2017).

    It is compared after every epoch, and stops for good.
    """

    promotes = False

    def __init__(self, pruning: Pruning) -> None:
        self._pruning = pruning

    def rungs(self, _: int, epochs: int) -> tuple[int, ...]:
        """Return the epochs after which a trial asks whether it goes on: all from the first that counts."""
        return tuple(range(self._pruning.min_epochs, epochs))

    def goes_on(self, trial: int, epoch: int, value: float, history: History) -> bool:
        """Let a trial go on that is no worse than the median of the others at this epoch, once there are enough."""
        goal = self._pruning.goal
        others = [goal.worth(rung.value) for n, rung in history.rungs.get(epoch, {}).items() if n != trial]
        return len(others) < self._pruning.startup or goal.worth(value) >= statistics.median(others)

    def promoted(self, _: History) -> int | None:
        """Return None: who is stopped stays so."""
        return None
