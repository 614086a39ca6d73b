"""Measure how far apart the runs of a group are, and how much each run changes, over the steps of a histogram tag.

Every distance is a Wasserstein-1 distance, given twice: in weight units, and divided by the pooled standard deviation
of the distributions compared, sqrt(mean of their variances). The two can disagree: in weight units, larger weights are
further apart even if the runs are equally similar. Step 0 holds the initial weights, before any training. It is shown
separately and is in no mean. (`keras.callbacks.TensorBoard` counts from 0: its step 0 is the end of the first epoch.)
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from ..histograms.distances import mean_wasserstein, wasserstein
from ..histograms.histogram import Histogram
from ..records import Scalar
from ..runs import HistogramSeries

_BASELINES = (None, False, "none", "default")


@dataclass(frozen=True, slots=True)
class Pair:
    """A distance in two units: `raw` is in units of the weights, `scaled` is divided by a pooled standard deviation.

    Both are NaN if there is nothing to measure; `scaled` also if all weights are equal. A pair can also have the ratios
    of two distances, which have no unit.
    """

    raw: float
    scaled: float


@dataclass(frozen=True, slots=True)
class Trace:
    """A distance at each of the `steps`, in both units.

    `initial` is the distance at step 0; of a `change`, it is the one from step 0 to the next step. `mean` is the mean
    of the other distances. Each of the two is None if there is no such step or nothing to measure at it.
    """

    steps: tuple[int, ...]
    raw: tuple[float, ...]
    scaled: tuple[float, ...]
    initial: Pair | None
    mean: Pair | None


@dataclass(frozen=True, slots=True)
class SpreadGroup:
    """The runs that share a value, at the steps common to all runs of all groups.

    `spread` is the mean distance over all pairs of runs; it needs at least two runs. `change` is the mean over the runs
    of the distance between consecutive common steps, divided by the difference of the steps; its step is the later one.
    `drift` is the mean over the runs of the distance from the first common step. A run is left out at steps where it
    has no finite weight.
    """

    value: Scalar | None
    runs: int
    spread: Trace
    change: Trace
    drift: Trace


@dataclass(frozen=True, slots=True)
class Spread:
    """The groups of one tag at `steps`, which are common to all runs.

    `start` is the first of these steps, from which every `drift` is measured; None if there are no common steps.
    `logged` is the number of steps after 0 that at least one run has.
    """

    steps: tuple[int, ...]
    logged: int
    start: int | None
    groups: tuple[SpreadGroup, ...]


@dataclass(frozen=True, slots=True)
class Ratio:
    """The means of a group (`own`) and of the reference group, and their `ratio`, own divided by reference."""

    own: Pair
    reference: Pair
    ratio: Pair


@dataclass(frozen=True, slots=True)
class Contrast:
    """How a group's mean spread and mean change compare with those of a reference group; None if either has none."""

    value: Scalar | None
    reference: Scalar | None
    spread: Ratio | None
    change: Ratio | None


def measure(groups: Mapping[Scalar | None, Sequence[HistogramSeries]]) -> Spread:
    """Measure one tag; `groups` has, for each value of a hyperparameter, one series per run with that value."""
    logged = [set(series.steps.tolist()) for members in groups.values() for series in members]
    steps = sorted(set.intersection(*logged)) if logged else []
    found = (_group(value, [_at(series, steps) for series in members], steps) for value, members in groups.items())
    return Spread(tuple(steps), len(set().union(*logged) - {0}), steps[0] if steps else None, tuple(found))


def contrast(group: SpreadGroup, reference: SpreadGroup) -> Contrast:
    """Compare two groups of one `Spread`."""
    spread = _ratio(group.spread.mean, reference.spread.mean)
    return Contrast(group.value, reference.value, spread, _ratio(group.change.mean, reference.change.mean))


def baseline(groups: Sequence[SpreadGroup]) -> SpreadGroup:
    """Return the group to compare the others with: the first whose value means "off" or "unset", else the first."""
    return next((group for group in groups if group.value in _BASELINES), groups[0])


class _Point(NamedTuple):
    """The histogram of a run at a step, and its standard deviation."""

    histogram: Histogram
    std: float


def _at(series: HistogramSeries, steps: Iterable[int]) -> list[_Point]:
    known = dict(zip(series.steps.tolist(), series.histograms, strict=True))
    return [_Point(known[step], known[step].std) for step in steps]


def _group(value: Scalar | None, runs: Sequence[Sequence[_Point]], steps: Sequence[int]) -> SpreadGroup:
    spread = [_apart([run[at] for run in runs]) for at in range(len(steps))]
    gaps = [later - step for step, later in pairwise(steps)]
    change = [_mean(_moved(run[at], run[at + 1], gap) for run in runs) for at, gap in enumerate(gaps)]
    drift = [_mean(_moved(run[0], run[at]) for run in runs) for at in range(len(steps))]
    traces = _trace(steps, steps, spread), _trace(steps[1:], steps[:-1], change), _trace(steps, steps, drift)
    return SpreadGroup(value, len(runs), *traces)


def _apart(together: Sequence[_Point]) -> Pair:
    return _pair(mean_wasserstein([point.histogram for point in together]), together)


def _moved(before: _Point, after: _Point, gap: int = 1) -> Pair:
    return _pair(wasserstein(before.histogram, after.histogram) / gap, (before, after))


def _pair(distance: float, compared: Sequence[_Point]) -> Pair:
    stds = [point.std for point in compared if point.histogram.total]
    pooled = math.hypot(*stds) / math.sqrt(len(stds)) if stds else 0.0
    return Pair(distance, distance / pooled if pooled else math.nan)


def _trace(steps: Sequence[int], since: Sequence[int], pairs: Sequence[Pair]) -> Trace:
    """Return a trace from one pair per step.

    A pair whose entry in `since` is 0 is the trace's `initial` one; those with a later step are averaged in its `mean`.
    The entry is the pair's own step, or for a change the earlier of its two steps.
    """
    initial = _mean(pair for step, pair in zip(since, pairs, strict=True) if step == 0)
    mean = _mean(pair for step, pair in zip(since, pairs, strict=True) if step > 0)
    raw, scaled = tuple(pair.raw for pair in pairs), tuple(pair.scaled for pair in pairs)
    return Trace(tuple(steps), raw, scaled, _known(initial), _known(mean))


def _mean(pairs: Iterable[Pair]) -> Pair:
    known = list(pairs)
    return Pair(_average(pair.raw for pair in known), _average(pair.scaled for pair in known))


def _known(pair: Pair) -> Pair | None:
    return None if math.isnan(pair.raw) else pair


def _average(values: Iterable[float]) -> float:
    finite = [value for value in values if not math.isnan(value)]
    return math.fsum(finite) / len(finite) if finite else math.nan


def _ratio(own: Pair | None, reference: Pair | None) -> Ratio | None:
    if own is None or reference is None:
        return None
    return Ratio(own, reference, Pair(_over(own.raw, reference.raw), _over(own.scaled, reference.scaled)))


def _over(value: float, reference: float) -> float:
    if math.isnan(value):
        return value
    if reference:
        return value / reference
    return math.inf if value else 1.0
