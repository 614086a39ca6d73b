"""Curves with no more points than can be seen."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...runs import Series


def thinned(series: Series, most: int) -> dict[str, list[Any]]:
    """Return a curve as steps and values; of a longer one, the least and the greatest value of each part are kept."""
    places = np.arange(len(series.steps))
    if len(places) > most:
        known = np.isfinite(series.values)
        low, high = np.where(known, series.values, np.inf), np.where(known, series.values, -np.inf)
        parts = np.array_split(places, most // 2)
        ends = [place for part in parts for place in (part[low[part].argmin()], part[high[part].argmax()])]
        places = np.unique([0, *ends, len(series.steps) - 1])
    finite = np.isfinite(series.values[places])
    pairs = zip(series.values[places].tolist(), finite, strict=True)
    return {
        "steps": series.steps[places].tolist(),
        "values": [value if is_finite else None for value, is_finite in pairs],
    }
