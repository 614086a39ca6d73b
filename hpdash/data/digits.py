"""The digits that ship with scikit-learn: real data, small and always available."""

from __future__ import annotations

import numpy as np

from .dataset import Dataset
from .zipped import aligned

SHAPE = (8, 8)
TRAIN, TEST = 1437, 360
MAXIMUM = 16.0  # a grey value is the number of dark pixels in a square of 4 x 4


def load_digits() -> Dataset:
    """Load the 1,797 digits in a fixed random order, because scikit-learn's order is by writer."""
    from sklearn import datasets  # noqa: PLC0415  takes half a second; no other source needs it

    bundle = datasets.load_digits()
    order = np.random.default_rng(0).permutation(TRAIN + TEST)
    x = bundle.images.astype(np.uint8)[order]
    y = bundle.target.astype(np.int32)[order]
    train, test = slice(TRAIN), slice(TRAIN, None)
    return Dataset("digits", aligned(x[train]), y[train], aligned(x[test]), y[test], maximum=MAXIMUM, classes=10)
