"""The digits that ship with scikit-learn: real, small, always here."""

from __future__ import annotations

import numpy as np

from .dataset import Dataset
from .zipped import aligned

SHAPE = (8, 8)
TRAIN, TEST = 1437, 360
MAXIMUM = 16.0  # the grey values count the dark pixels of a 4 x 4 square


def load_digits() -> Dataset:
    """Load the 1,797 digits in an order of our own, for scikit-learn's goes by who wrote them."""
    from sklearn import datasets  # noqa: PLC0415  half a second that no other source needs

    bundle = datasets.load_digits()
    order = np.random.default_rng(0).permutation(TRAIN + TEST)
    x = bundle.images.astype(np.uint8)[order]
    y = bundle.target.astype(np.int32)[order]
    train, test = slice(TRAIN), slice(TRAIN, None)
    return Dataset("digits", aligned(x[train]), y[train], aligned(x[test]), y[test], maximum=MAXIMUM, classes=10)
