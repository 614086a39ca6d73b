"""Choose the strategy that a sweep asks for, and check that its settings are neither too many nor too few."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import islice

from ..errors import Problem, SpecError
from ..spec import Sweep
from .explicit import Explicit
from .extended import Extended
from .grid import Grid
from .random import Random, shuffled
from .sobol import Sobol
from .strategy import Strategy
from .subset import SubsetStrategy
from .tpe import Tpe

MOST_TRIALS = 100_000  # most trials of a sweep, with replicates; most settings of a grid without [sweep] trials


def is_adaptive(sweep: Sweep) -> bool:
    """Return whether a sweep's settings depend on its results, so that they are proposed one after another."""
    return sweep.strategy == "tpe"


def strategy_for(sweep: Sweep) -> Strategy:
    """Return the strategy that a sweep asks for. Raises SpecError if the space is too large or too small for it."""
    strategy = _strategy_for(sweep)
    if sweep.tried:
        strategy = Extended(strategy, sweep.tried, sweep.trials)
    if strategy.count * sweep.repeats > MOST_TRIALS:
        expected, found = f"at most {MOST_TRIALS} trials", f"{sweep.repeats} for each of {strategy.count} settings"
        raise SpecError([Problem(f"{sweep.where}: sweep.repeats", expected, found)])
    return strategy


def _strategy_for(sweep: Sweep) -> Strategy:
    if sweep.strategy == "list":
        listed = Explicit(sweep)
        return SubsetStrategy(
            listed, _at_least_one(sweep, islice(_allowed(sweep, listed, range(listed.count)), sweep.trials))
        )
    if sweep.strategy == "grid":
        return _grid(sweep, Grid(sweep))
    trials = sweep.trials or 0
    if all(hparam.domain.size is not None for hparam in sweep.hparams):
        grid = Grid(sweep)
        drawn = _drawn(sweep, grid, trials)  # for every strategy, because it checks that there are enough settings
        if sweep.strategy == "random":
            return SubsetStrategy(grid, drawn)
    if sweep.strategy == "random":
        return Random(sweep, trials)
    return Tpe(sweep, trials) if is_adaptive(sweep) else Sobol(sweep, trials)


def _grid(sweep: Sweep, grid: Grid) -> Strategy:
    if sweep.trials is not None and sweep.trials < grid.count:
        drawn = islice(_allowed(sweep, grid, shuffled(grid.count, sweep.seed)), sweep.trials)
        return SubsetStrategy(grid, sorted(_at_least_one(sweep, drawn)))
    if grid.count > MOST_TRIALS:
        expected = f"at most {MOST_TRIALS} settings in a grid"
        hint = "Set [sweep] trials to try only that many of them."
        raise SpecError([Problem(f"{sweep.where}: hparams", expected, _amount(grid.count), hint)])
    if not sweep.requirements:
        return grid
    return SubsetStrategy(grid, _at_least_one(sweep, _allowed(sweep, grid, range(grid.count))))


def _allowed(sweep: Sweep, base: Strategy, indices: Iterable[int]) -> Iterator[int]:
    """Yield the indices of points that meet the requirements; stop if more than MOST_TRIALS in a row do not."""
    misses = 0
    for index in indices:
        if not sweep.requirements or sweep.allows(base.point(index)):
            misses = 0
            yield index
        elif (misses := misses + 1) > MOST_TRIALS:
            return


def _at_least_one(sweep: Sweep, indices: Iterable[int]) -> list[int]:
    if not (found := list(indices)):
        raise SpecError([Problem(f"{sweep.where}: require", "at least one setting that meets every condition", "none")])
    return found


def _drawn(sweep: Sweep, grid: Grid, trials: int) -> list[int]:
    """Return the indices of `trials` settings, drawn at random. Raises SpecError if there are not so many settings."""
    drawn = list(islice(_allowed(sweep, grid, shuffled(grid.count, sweep.seed)), trials))
    if len(drawn) < trials:
        expected = f"at most {len(drawn)}, the number of settings"
        hint = 'Set strategy = "grid" to try all of them.'
        if sweep.requirements:
            expected += " that meet every [[require]]"
        if sweep.requirements and grid.count > MOST_TRIALS:  # `_allowed` may have given up
            expected = f"at most {len(drawn)}: no more settings that meet every [[require]] were found"
            hint = f"The search for more ends when {MOST_TRIALS:,} settings in a row do not meet the conditions."
        raise SpecError([Problem(f"{sweep.where}: sweep.trials", expected, str(trials), hint)])
    return drawn


def _amount(count: int) -> str:
    return str(count) if count < 10**15 else f"about 10^{round(math.log10(count))}"
