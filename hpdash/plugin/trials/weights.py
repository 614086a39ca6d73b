"""The answer `weights`: how the weights of one trial changed, as densities from its first to its last step."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

import numpy as np

from ...histograms.histogram import shared_edges
from ...reader import read_histograms
from ...runs import HistogramSeries
from .logdir import Snapshot

_KERNEL = "/kernel"
_TAGS = 6  # histograms that are drawn; the Weights tab has all of them
_STEPS = 24  # steps of a histogram
_BINS = 32


def weights_impl(snapshot: Snapshot, name: str) -> dict[str, Any]:
    """Return for some histograms of the trial with an id: their `steps`, and at each step the density in equal bins.

    `densities` are shares of the greatest one, in `bins` from `low` to `high`, which hold 99.9 % of the values. If the
    trial has kernels, only they are drawn; `left_out` is how many histograms are not drawn. Raises RefusedError if
    there is no such trial.
    """
    run = snapshot.run(name)
    tags = _chosen(run.histograms)
    found = read_histograms(run, tags)
    filled = [tag for tag in tags if tag in found and any(each.total for each in found[tag].histograms)]
    strips = [_strip(tag, found[tag]) for tag in filled]
    return {"version": snapshot.version, "strips": strips, "left_out": len(run.histograms) - len(strips)}


def _chosen(tags: Collection[str]) -> list[str]:
    """Return the kernels among the tags, or else all tags; at most `_TAGS`, with the numbers in them in order."""
    kernels = [tag for tag in tags if tag.endswith(_KERNEL)]
    return sorted(kernels or tags, key=_natural)[:_TAGS]


def _natural(tag: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", tag)]


def _strip(tag: str, series: HistogramSeries) -> dict[str, Any]:
    count = len(series.steps)
    places = np.unique(np.linspace(0, count - 1, min(count, _STEPS)).round().astype(int))
    histograms = [series.histograms[place] for place in places]
    edges = shared_edges(histograms, _BINS)
    densities = np.array([each.density(edges) if each.total else np.zeros(_BINS) for each in histograms])
    return {
        "tag": tag,
        "steps": series.steps[places].tolist(),
        "low": float(edges[0]),
        "high": float(edges[-1]),
        "densities": np.round(densities / densities.max(initial=np.finfo(float).tiny), 3).tolist(),
    }
