"""The steps at which the distributions of runs can be compared: common ones, or the first and last of each run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce

import numpy as np

from ..histograms.histogram import Histogram
from ..runs import HistogramSeries


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """The histograms of runs, by run name, at one `step`; None if the runs have different steps."""

    label: str
    step: int | None
    histograms: Mapping[str, Histogram]


def snapshots(series: Mapping[str, HistogramSeries]) -> tuple[Snapshot, ...]:
    """Return a snapshot of each step that all runs have, in order.

    If the runs have no step in common, there are two snapshots: of the first step of each run, and of the last step of
    each run. Runs without any step are left out.
    """
    series = {name: each for name, each in series.items() if len(each.steps)}
    if not series:
        return ()
    common = reduce(np.intersect1d, (each.steps for each in series.values())).tolist()
    if not common:
        ends = (("first", 0), ("last", -1))
        return tuple(
            Snapshot(label, None, {n: each.histograms[at] for n, each in series.items()}) for label, at in ends
        )
    places = {name: dict(zip(each.steps.tolist(), each.histograms, strict=True)) for name, each in series.items()}
    return tuple(Snapshot(f"step {step}", step, {name: own[step] for name, own in places.items()}) for step in common)
