"""Sweep -> trials: which settings are tried, in which order, with which seeds. One file a strategy."""

from __future__ import annotations

import math
from typing import Any, Protocol

from ..errors import Problem, SpecError
from ..spec import Sweep
from ..trial import TrialSpec
from .grid import Grid
from .listed import Listed
from .random import Random, Sampled, draw

LARGEST = 100_000  # trials, and settings of a grid without [sweep] trials


class Strategy(Protocol):
    """Settings to try, each a pure function of the sweep and an index."""

    @property
    def count(self) -> int:
        """How many settings there are."""

    def point(self, index: int) -> dict[str, Any]:
        """Return the hyperparameters at an index from 0 to count - 1; those that do not apply are absent."""


def strategy_for(sweep: Sweep) -> Strategy:
    """Return the strategy a sweep asks for; raise SpecError where the space is too large or too small for it."""
    strategy = _strategy_for(sweep)
    if strategy.count * sweep.repeats > LARGEST:
        expected, found = f"at most {LARGEST} trials", f"{sweep.repeats} for each of {strategy.count} settings"
        raise SpecError([Problem(f"{sweep.where}: sweep.repeats", expected, found)])
    return strategy


def _strategy_for(sweep: Sweep) -> Strategy:
    if sweep.strategy == "list":
        return Listed(sweep)
    if sweep.strategy == "random" and any(hparam.domain.size is None for hparam in sweep.hparams):
        return Random(sweep, sweep.trials or 0)
    grid = Grid(sweep)
    if sweep.strategy == "random":
        return Sampled(grid, draw(grid.count, _at_most(sweep, grid.count), sweep.seed))
    if sweep.trials is not None and sweep.trials < grid.count:
        return Sampled(grid, sorted(draw(grid.count, sweep.trials, sweep.seed)))
    if grid.count > LARGEST:
        expected, hint = f"at most {LARGEST} settings in a grid", "Set [sweep] trials to try only so many of them."
        raise SpecError([Problem(f"{sweep.where}: hparams", expected, _amount(grid.count), hint)])
    return grid


def _at_most(sweep: Sweep, count: int) -> int:
    trials = sweep.trials or 0
    if trials > count:
        expected = f"at most {count}, for there are no more settings"
        raise SpecError([Problem(f"{sweep.where}: sweep.trials", expected, str(trials), "A grid tries all of them.")])
    return trials


def _amount(count: int) -> str:
    return str(count) if count < 10**15 else f"about 10^{round(math.log10(count))}"


def trial(sweep: Sweep, number: int) -> TrialSpec:
    """Return one trial; raise IndexError where there is none of that number."""
    return _trial(sweep, strategy_for(sweep), number)


def trials(sweep: Sweep) -> list[TrialSpec]:
    """Return every trial, replicates of a setting next to each other."""
    strategy = strategy_for(sweep)
    return [_trial(sweep, strategy, number) for number in range(strategy.count * sweep.repeats)]


def _trial(sweep: Sweep, strategy: Strategy, number: int) -> TrialSpec:
    setting, repeat = divmod(number, sweep.repeats)
    if not 0 <= setting < strategy.count:
        raise IndexError(f"no trial {number} among {strategy.count * sweep.repeats}")
    point = strategy.point(setting)
    return TrialSpec(number, setting, sweep.seed + repeat, point, sweep.settings(point), sweep.objective, sweep.goal)
