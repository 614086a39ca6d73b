"""A scalar series as a sparkline, and a histogram as a few numbers."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ..histograms.histogram import Histogram
from ..logs import layout
from ..runs import HistogramSeries, Run

BARS = "▁▂▃▄▅▆▇█"
_CURVE = 20  # characters of a metric's curve
_LEVELS = {"p1": 0.01, "p50": 0.5, "p99": 0.99}
STATISTICS = ("mean", "std", "min", *_LEVELS, "max")


def sparkline(values: NDArray[np.float64], width: int = _CURVE) -> str:
    """Draw values as at most `width` characters, scaled from the least to the greatest finite value.

    If there are more values than characters, each character is the mean of the finite values in its part. A part
    without a finite value is blank.
    """
    parts = np.array_split(values, min(width, len(values)))
    means = np.array([np.mean(part[np.isfinite(part)]) if np.isfinite(part).any() else math.nan for part in parts])
    finite = means[np.isfinite(means)]
    if not finite.size:
        return " " * len(means)
    spread = np.ptp(finite) or 1.0
    places = np.nan_to_num((means - finite.min()) / spread * (len(BARS) - 1))
    return "".join(
        BARS[round(place)] if math.isfinite(mean) else " " for mean, place in zip(means, places, strict=True)
    )


def statistics(run: Run, tag: str, series: HistogramSeries, at: int) -> dict[str, float]:
    """Return the statistics of the histogram at index `at`; `near_0` and `nonfinite` are shares from 0 to 1."""
    histogram, step = series.histograms[at], int(series.steps[at])
    quantiles = histogram.quantiles(list(_LEVELS.values()))
    values = {"mean": histogram.mean, "std": histogram.std, "min": histogram.min, "max": histogram.max}
    return {
        "step": step,
        "values": histogram.total,
        **values,
        **dict(zip(_LEVELS, map(float, quantiles), strict=True)),
        "near_0": histogram.share_near_zero(),
        "nonfinite": _nonfinite(run, tag, histogram, step),
    }


def _nonfinite(run: Run, tag: str, histogram: Histogram, step: int) -> float:
    """Return the share of values that were NaN or infinite, from 0 to 1.

    hpdash logs this share as a scalar with each histogram; for other logs the histogram's own count is used.
    """
    logged = run.scalars.get(layout.nonfinite_tag(tag))
    if logged is not None and step in logged.steps:
        return float(logged.values[logged.steps == step][0])
    return histogram.nonfinite / max(histogram.total + histogram.nonfinite, 1)
