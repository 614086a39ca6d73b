"""Where an axis has its ticks and what they say, for charts that are drawn here and not by a library."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def ticks(low: float, high: float, most: int) -> list[float]:
    """Return at most `most` round numbers between two, a step of 1, 2 or 5 times a power of ten apart."""
    if not (math.isfinite(high - low) and high > low) or most < 2:
        return [low]
    rough = (high - low) / most
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * size for factor in (1, 2, 5, 10, 20) if count(low, high, factor * size) <= most)
    first = math.ceil(low / step - 1e-9)
    return [(first + place) * step for place in range(count(low, high, step))]


def count(low: float, high: float, step: float) -> int:
    """Return how many multiples of a step lie between two numbers."""
    return math.floor(high / step + 1e-9) - math.ceil(low / step - 1e-9) + 1


def labels(values: Sequence[float]) -> list[str]:
    """Spell ticks with the digits that tell them apart and no more."""
    for digits in range(1, 8):
        texts = [f"{value:.{digits}g}" for value in values]
        off = [abs(float(text) - value) for text, value in zip(texts, values, strict=True)]
        if max(off, default=0) <= 1e-6 * max(map(abs, values), default=0):
            return ["0" if float(text) == 0 else text for text in texts]
    return [f"{value:.4g}" for value in values]


def is_log(values: NDArray[np.float64]) -> bool:
    """Say whether an axis of finite values has to be logarithmic: all positive, and orders of magnitude apart."""
    return bool(values.size and values.min() > 0 and values.max() / values.min() > 1000)


def usual(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return the ends of an axis for finite values that a few extreme ones do not ruin, as the first epochs would.

    From the 10th to the 90th percentile and half their distance more on either side, as far as there are values.
    """
    if not values.size:
        return 0.0, 1.0
    low, high = (float(edge) for edge in np.quantile(values, [0.1, 0.9]))
    reach = (high - low) / 2
    low, high = max(float(values.min()), low - reach), min(float(values.max()), high + reach)
    margin = 0.5 * max(abs(low), 1e-3) if high <= low else 0.0
    return low - margin, high + margin
