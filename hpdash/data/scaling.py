"""The scaling of inputs: by their maximum, or by mean and standard deviation of the training part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..facts import WHOLE
from ..nested import Nested, leaves, map_leaves
from .dataset import Array, Dataset, Split, blocks, data_error


@dataclass(frozen=True, slots=True, eq=False)
class Scaling:
    """The scaling (x - offset) / divisor of inputs x, with float32 arrays that broadcast over one example.

    If a data set has several inputs, both have one array for each input.
    """

    offset: Nested
    divisor: Nested


def scaling(dataset: Dataset, split: Split, settings: Mapping[str, Any]) -> Scaling:
    """Return the scaling that a resolved [data] table asks for: "none", "unit" or "standard".

    "unit" divides by the data set's maximum. "standard" uses mean and standard deviation of `split.train` only: those
    of each channel for pictures with channels, of all values for pictures without, and of each feature for vectors and
    for series of steps x features. In a sweep that an older version started (`WHOLE`), a series has one mean and one
    standard deviation of all values. With several inputs, "unit" divides those that have a maximum. Raises DataError
    for "unit" on data without a maximum.
    """
    kind, maxima = settings["scale"], dataset.maxima
    if kind == "unit" and all(maximum is None for _, maximum in leaves(maxima)):
        hint = 'Use "standard" or "none".'
        expected = 'inputs with a known maximum, such as uint8, for "unit"'
        raise data_error(f"{dataset.name}: data.scale", expected, "floating-point inputs", hint)
    if kind == "standard":
        is_whole = bool(settings.get(WHOLE))
        pairs = map_leaves(
            lambda x, maximum: _standard(split.train_of(x), x.ndim == 3 and (maximum is not None or is_whole)),
            dataset.x_train,
            maxima,
        )
    else:
        divisors = map_leaves(lambda maximum: (maximum or 1.0) if kind == "unit" else 1.0, maxima)
        pairs = map_leaves(lambda divisor: _Pair(np.zeros((), np.float32), np.asarray(divisor, np.float32)), divisors)
    return Scaling(map_leaves(lambda pair: pair.offset, pairs), map_leaves(lambda pair: pair.divisor, pairs))


@dataclass(frozen=True, slots=True, eq=False)
class _Pair:
    offset: Array
    divisor: Array


def _standard(x: Array, is_whole: bool) -> _Pair:
    """Return the scaling by mean and std: of all values if `is_whole`, else of each index of the last axis."""
    moments = _counted_moments if x.dtype == np.uint8 and x.ndim > 2 else _summed_moments
    mean, std = moments(x, 1 if is_whole else x.shape[-1])
    # The std of a constant column of floats may be a rounding error. Below float32's resolution, divide by 1.
    std = np.where(std > np.finfo(np.float32).eps * np.abs(mean), std, 1.0)
    shape = () if is_whole else mean.shape
    return _Pair(mean.astype(np.float32).reshape(shape), std.astype(np.float32).reshape(shape))


def _counted_moments(x: Array, groups: int) -> tuple[Array, Array]:
    """Return mean and std of each group of uint8 values, float64 [groups], from counts of the 256 values.

    A group has the values at one index of the last axis; a single group has all values.
    """
    counts = np.zeros(groups * 256, np.int64)
    firsts = np.arange(groups) * 256
    for block in blocks(x):
        counts += np.bincount((block.reshape(-1, groups) + firsts).ravel(), minlength=counts.size)
    weights = counts.reshape(groups, 256) / (x.size // groups)
    values = np.arange(256.0)
    mean = weights @ values
    return mean, np.sqrt((weights * (values - mean[:, None]) ** 2).sum(1))


def _summed_moments(x: Array, groups: int) -> tuple[Array, Array]:
    """Return mean and std of each group, as `_counted_moments`, for any type: in two passes over float64 blocks."""
    count = x.size // groups

    def total(centre: Array | float, power: int) -> Array:
        sums = np.zeros(groups)
        for block in blocks(x):
            sums += ((block.reshape(-1, groups).astype(np.float64) - centre) ** power).sum(0)
        return sums / count

    mean = total(0.0, 1)
    return mean, np.sqrt(total(mean, 2))
