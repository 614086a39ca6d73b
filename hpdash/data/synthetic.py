"""Made-up data: one Gaussian blob for each class. The same sizes always give the same data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .dataset import Dataset
from .zipped import aligned

EXAMPLES, FEATURES, CLASSES = 2000, 20, 4
SIZE_KEYS = ("examples", "features", "classes")
_NOISE = 2.0  # so that classes overlap and no model gets them all right


def load_synthetic(settings: Mapping[str, Any]) -> Dataset:
    """Make `examples` points of `features` numbers in `classes` blobs; the last fifth is the test set.

    Centres are drawn from a standard normal distribution, points around them with a standard deviation of 2.
    """
    examples = settings.get("examples") or EXAMPLES
    classes = settings.get("classes") or CLASSES
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(classes, settings.get("features") or FEATURES))
    y = rng.integers(classes, size=examples, dtype=np.int32)
    x = (centres[y] + _NOISE * rng.normal(size=(examples, centres.shape[1]))).astype(np.float32)
    cut = examples - examples // 5
    return Dataset("synthetic", aligned(x[:cut]), y[:cut], aligned(x[cut:]), y[cut:], classes=classes, synthetic=True)
