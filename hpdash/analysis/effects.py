"""Which hyperparameters matter: the results at each of their values, their importance, the top two's interaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..records import Scalar
from ..runs import Objective, Run
from .forest import Importance, importance
from .objective import best, objective_of
from .progress import SearchProgress
from .rows import RANKED, Stat, differing, hparam, sort_key

MOST_NUMBERS = 8  # distinct numbers that are shown one by one; more are grouped into bins
BINS = 4

Outcomes = Mapping[str, float]  # best objective by run name, only of the runs that count


@dataclass(frozen=True, slots=True)
class Level:
    """A value of a hyperparameter, or its numbers from `low` to `high`; both are None for trials without it.

    `trials` is the number of trials at this level. `best` is the mean over the best objectives of those that finished,
    None if none did. Runs whose log does not say how they ended count as finished (`RANKED`).
    """

    low: Scalar | None
    high: Scalar | None
    best: Stat | None
    trials: int


@dataclass(frozen=True, slots=True)
class Marginal:
    """A hyperparameter's levels; `explained` is the share of the variance between them (eta squared, 0 to 1)."""

    name: str
    levels: tuple[Level, ...]
    explained: float


@dataclass(frozen=True, slots=True)
class Interaction:
    """Two hyperparameters together: `cells[row][column]` has the best objectives of the trials with both levels.

    A cell is None if no trial with both levels finished.

    `share` is the part of the variance between the cells' means that is not the sum of a row effect and a column
    effect. Noise adds to it if cells have few trials. It is None if too few cells are filled or all means are equal.
    """

    rows: Marginal
    columns: Marginal
    cells: tuple[tuple[Stat | None, ...], ...]
    share: float | None


@dataclass(frozen=True, slots=True)
class Effects:
    """What the trials of one sweep show about its hyperparameters, the most important first.

    `trials` is the number of trials, `finished` the number of those that finished with a finite objective. `progress`
    is how the search went, None if nothing was searched.
    """

    sweep: str | None
    objective: Objective | None
    finished: int
    trials: int
    marginals: tuple[Marginal, ...]
    importance: Importance
    interaction: Interaction | None
    progress: SearchProgress | None = None


@dataclass(frozen=True, slots=True)
class RunGroup:
    """The runs with one value of a hyperparameter, or with values from `low` to `high`; None for runs without it."""

    low: Scalar | None
    high: Scalar | None
    runs: tuple[Run, ...]


def measure_effects(runs: Sequence[Run], most: int | None = None) -> Effects:
    """Return the effects of the hyperparameters that differ among the runs of one sweep; each replicate is a trial.

    If more than `most` trials have finished, the importance is left out, because it takes seconds for thousands.
    """
    objective = objective_of(runs)
    outcomes = outcomes_of(runs, objective)
    names = varied(runs)
    settings = {name: [hparam(run, name) for run in runs if run.name in outcomes] for name in names}
    if most is not None and len(outcomes) > most:
        shares = Importance(
            refused=f"it takes seconds for more than {most:,} finished trials; hpdash effects computes it"
        )
    else:
        shares = importance(settings, list(outcomes.values()))
    place = {share.name: place for place, share in enumerate(shares.shares)}
    parted = {name: group_runs(runs, name) for name in names}
    marginals = [_marginal(name, own, outcomes) for name, own in parted.items()]
    marginals.sort(key=lambda marginal: (place.get(marginal.name, 0), -marginal.explained))
    foremost = [(marginal, parted[marginal.name]) for marginal in marginals[:2]]
    interaction = _interaction(*foremost[0], *foremost[1], outcomes) if len(foremost) == 2 and outcomes else None
    sweep = runs[0].sweep if runs else None
    return Effects(sweep, objective, len(outcomes), len(runs), tuple(marginals), shares, interaction)


def interaction_of(runs: Sequence[Run], rows: str, columns: str) -> Interaction | None:
    """Return how two hyperparameters act together; None if no trial of the runs has a result."""
    outcomes = outcomes_of(runs, objective_of(runs))
    down, across = group_runs(runs, rows), group_runs(runs, columns)
    if not outcomes:
        return None
    return _interaction(_marginal(rows, down, outcomes), down, _marginal(columns, across, outcomes), across, outcomes)


def outcomes_of(runs: Sequence[Run], objective: Objective | None) -> dict[str, float]:
    """Return the best objective by run name, in the runs' order, if the run counts (`RANKED`) and has a finite one."""
    found = {run.name: best(run, objective) for run in runs if run.status in RANKED}
    return {name: pair[0] for name, pair in found.items() if pair is not None}


def varied(runs: Sequence[Run]) -> list[str]:
    """Return the hyperparameters that differ: those that a sweep varies, or all of them if no sweep varies any."""
    swept = {name for run in runs for name in run.swept}
    names = differing(runs)
    return [name for name in names if name in swept] or names


def group_runs(runs: Sequence[Run], name: str) -> list[RunGroup]:
    """Group runs by a hyperparameter's values, or by bins if it has many numbers.

    Bins are used if there are more than `MOST_NUMBERS` different values, all of them numbers. They are cut at
    quantiles, so that each has about the same number of runs. So they are the same on a linear and on a
    logarithmic scale. Runs without the hyperparameter are a group of their own, the last.
    """
    groups: dict[Scalar | None, list[Run]] = {}
    for run in runs:
        groups.setdefault(hparam(run, name), []).append(run)
    values = sorted(groups, key=sort_key)
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    if len(numbers) <= MOST_NUMBERS or len(numbers) < len(groups.keys() - {None}):
        return [RunGroup(value, value, tuple(groups[value])) for value in values]
    edges = np.quantile([n for n in numbers for _ in groups[n]], np.arange(1, BINS) / BINS, method="inverted_cdf")
    bins: dict[int, list[Scalar | None]] = {}
    for value in values:
        bins.setdefault(BINS if value is None else int(np.searchsorted(edges, float(value))), []).append(value)
    return [RunGroup(own[0], own[-1], tuple(run for value in own for run in groups[value])) for own in bins.values()]


def _stat(names: Iterable[str], outcomes: Outcomes) -> Stat | None:
    return Stat.of(outcomes[name] for name in names if name in outcomes)


def _names(part: RunGroup) -> list[str]:
    return [run.name for run in part.runs]


def _marginal(name: str, own: Sequence[RunGroup], outcomes: Outcomes) -> Marginal:
    levels = tuple(Level(part.low, part.high, _stat(_names(part), outcomes), len(part.runs)) for part in own)
    whole = Stat.of(outcomes.values())
    if whole is None or not whole.std or len(set(outcomes.values())) == 1:
        return Marginal(name, levels, 0.0)
    between = sum(level.best.n * (level.best.mean - whole.mean) ** 2 for level in levels if level.best)
    return Marginal(name, levels, between / (whole.std**2 * (whole.n - 1)))


def _interaction(
    rows: Marginal,
    row_parts: Sequence[RunGroup],
    columns: Marginal,
    column_parts: Sequence[RunGroup],
    outcomes: Outcomes,
) -> Interaction:
    down, across = ([set(_names(part)) for part in own] for own in (row_parts, column_parts))
    cells = tuple(tuple(_stat(sorted(row & column), outcomes) for column in across) for row in down)
    return Interaction(rows, columns, cells, _not_additive(cells))


def _not_additive(cells: Sequence[Sequence[Stat | None]]) -> float | None:
    """Return 1 - R² of the least squares fit of row + column effects to the means of the filled cells.

    Each cell has the same weight, however many trials it has (Yates 1934, the analysis of unweighted means). None if
    all means are equal. Also None if there are no more filled cells than independent effects (the rank of the design),
    because the fit is then always exact.
    """
    filled = [(i, j, cell.mean) for i, row in enumerate(cells) for j, cell in enumerate(row) if cell]
    rows, columns, means = (np.array(each) for each in zip(*filled, strict=True))
    in_row, in_column = rows[:, None] == np.arange(len(cells)), columns[:, None] == np.arange(len(cells[0]))
    design = np.hstack((in_row, in_column)).astype(float)
    if np.allclose(means, means[0], rtol=1e-9, atol=0) or np.linalg.matrix_rank(design) == len(filled):
        return None
    residuals = means - design @ np.linalg.lstsq(design, means)[0]
    return float((residuals**2).sum() / ((means - means.mean()) ** 2).sum())
