"""Split the results of Keras' metrics, which may be arrays or dicts, into single numbers with names, for the logs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np


def scalars(metrics: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    """Yield the name and the value of every number in a result of `Model.get_metrics_result`.

    An array gives one number for each component: `f1_score_0`, `f1_score_1`, or `confusion_0_1`. A dict gives one
    number for each key, joined to the name by an underscore.
    """
    for name, value in metrics.items():
        if isinstance(value, Mapping):
            yield from scalars(value, f"{prefix}{name}_")
            continue
        array = np.asarray(value, np.float64)
        for index, number in np.ndenumerate(array):
            yield (
                "_".join([f"{prefix}{name}", *map(str, index)]) if array.size > 1 else f"{prefix}{name}",
                float(number),
            )
