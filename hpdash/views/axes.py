"""Ticks, labels and ranges of axes, for charts that hpdash draws without a plotting library."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_SMALLEST = 1e-300  # a range that is divided must be larger: below 1e-308, floats lose their precision


def ticks(low: float, high: float, most: int) -> list[float]:
    """Return at most `most` round numbers from `low` to `high`, with a step of 1, 2 or 5 times a power of ten.

    Return only `low` if the range is empty, not finite or too small to divide, or if `most` is below 2.
    """
    if not (math.isfinite(high - low) and high - low > _SMALLEST) or most < 2:
        return [low]
    rough = (high - low) / most
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * size for factor in (1, 2, 5, 10, 20) if count(low, high, factor * size) <= most)
    first = math.ceil(low / step - 1e-9)
    return [(first + place) * step for place in range(count(low, high, step))]


def count(low: float, high: float, step: float) -> int:
    """Return how many multiples of `step` lie from `low` to `high`, both included."""
    return math.floor(high / step + 1e-9) - math.ceil(low / step - 1e-9) + 1


def labels(values: Sequence[float]) -> list[str]:
    """Format ticks with the fewest significant digits, at most 7, that show their values; with 4 if 7 are too few."""
    for digits in range(1, 8):
        texts = [f"{value:.{digits}g}" for value in values]
        off = [abs(float(text) - value) for text, value in zip(texts, values, strict=True)]
        if max(off, default=0) <= 1e-6 * max(map(abs, values), default=0):
            return ["0" if float(text) == 0 else text for text in texts]
    return [f"{value:.4g}" for value in values]


def needs_log_axis(values: NDArray[np.float64]) -> bool:
    """Return whether finite values need a logarithmic axis: all are positive, and the largest / smallest > 1000."""
    return bool(values.size and values.min() > 0 and values.max() / values.min() > 1000)


def usual(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return the ends of an axis for finite values, little affected by a few extreme ones such as the first epochs'.

    The axis reaches from the 10th to the 90th percentile and by half their distance further on either side, but not
    beyond the values.
    """
    if not values.size:
        return 0.0, 1.0
    low, high = (float(edge) for edge in np.quantile(values, [0.1, 0.9]))
    reach = (high - low) / 2
    low, high = max(float(values.min()), low - reach), min(float(values.max()), high + reach)
    margin = 0.5 * max(abs(low), 1e-3) if high <= low else 0.0
    return low - margin, high + margin
