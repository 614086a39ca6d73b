"""What a data set is, which part of it trains and which validates, and how its inputs are scaled."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import DataError, Problem
from ..known import WHOLE, Inputs

Array = npt.NDArray[Any]
_BLOCK = 1 << 20  # elements looked at in one go, so that no second copy of the data is ever made


def fault(where: str, expected: str, found: str, hint: str = "") -> DataError:
    """Return the DataError of one fault, worded like every other problem."""
    return DataError(str(Problem(where, expected, found, hint)))


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """A training set, and a test set where there is one, checked when built.

    x is uint8 or float32, one example a row, in its natural shape (28 x 28, 32 x 32 x 3, features).
    y is int32 labels 0..classes-1, one an example, or float32 targets where `classes` is None (regression).
    `maximum` is what scale "unit" divides by, None where inputs have no such bound.
    Raise DataError naming the array that is not so.
    """

    name: str
    x_train: Array
    y_train: Array
    x_test: Array | None = None
    y_test: Array | None = None
    maximum: float | None = None
    classes: int | None = None
    synthetic: bool = False

    def __post_init__(self) -> None:
        self._check("train", self.x_train, self.y_train)
        if self.x_test is not None and self.y_test is not None:
            self._check("test", self.x_test, self.y_test)
        elif self.x_test is not None or self.y_test is not None:
            raise fault(f"{self.name}: x_test and y_test", "both or neither", "only one of them")

    @property
    def is_images(self) -> bool:
        """Whether an example is a picture (height x width, or that x channels): uint8 in two or three dimensions."""
        return self.maximum is not None and self.x_train.ndim in (3, 4)

    @property
    def inputs(self) -> Inputs:
        """What an example is."""
        return inputs_of(self.x_train.shape[1:], self.maximum)

    @property
    def sha256(self) -> str:
        """The digest of the arrays, with their types and shapes."""
        digest = hashlib.sha256()
        for array in (self.x_train, self.y_train, self.x_test, self.y_test):
            if array is not None:
                digest.update(f"{array.dtype.str} {array.shape}".encode())
                for block in _blocks(array):
                    digest.update(np.ascontiguousarray(block).data)
        return digest.hexdigest()

    def _check(self, part: str, x: Array, y: Array) -> None:
        where = f"{self.name}: x_{part}"
        if x.dtype not in (np.uint8, np.float32) or x.dtype != self.x_train.dtype:
            raise fault(where, "uint8 or float32, the same in both sets", str(x.dtype))
        if x.ndim < 2 or x.size == 0 or x.shape[1:] != self.x_train.shape[1:]:
            raise fault(where, "at least one example a row, all of one shape", f"shape {x.shape}")
        if y.shape[:1] != x.shape[:1]:
            raise fault(f"{self.name}: y_{part}", f"{len(x)} values, one an example", f"shape {y.shape}")
        _check_finite(where, x)
        self._check_targets(f"{self.name}: y_{part}", y)

    def _check_targets(self, where: str, y: Array) -> None:
        if self.classes is None:
            if y.dtype != np.float32 or y.shape[1:] != self.y_train.shape[1:]:
                raise fault(where, "float32 targets, all of one shape", f"{y.dtype} of shape {y.shape}")
            _check_finite(where, y)
        elif y.dtype != np.int32 or y.ndim != 1:
            raise fault(where, "int32 labels, one an example", f"{y.dtype} of shape {y.shape}")
        elif y.min() < 0 or y.max() >= self.classes:
            raise fault(where, f"labels from 0 to {self.classes - 1}", f"labels from {y.min()} to {y.max()}")


def inputs_of(shape: tuple[int, ...], maximum: float | None) -> Inputs:
    """Return what an example is by its shape; those with a maximum, in two or three dimensions, are pictures."""
    size, bound = " x ".join(map(str, shape)), maximum or 0.0
    if maximum is not None and len(shape) in (2, 3):
        return Inputs("unit", f"pictures of {size}", "channel" if len(shape) > 2 else "", bound)
    if len(shape) > 2:
        return Inputs("none", f"arrays of {size}", "channel", bound)
    text = f"{shape[-1]:,} features" if len(shape) == 1 else f"series of {shape[0]:,} steps x {shape[-1]:,} features"
    return Inputs("none", text, "feature", bound)


def _check_finite(where: str, values: Array) -> None:
    if values.dtype == np.float32:
        count = sum(int(block.size - np.isfinite(block).sum()) for block in _blocks(values))
        if count:
            raise fault(where, "finite values", f"{count:,} that are NaN or infinite", "Fill or drop them.")


def _blocks(values: Array) -> Iterator[Array]:
    rows = max(1, _BLOCK // max(1, math.prod(values.shape[1:])))
    for start in range(0, len(values), rows):
        yield values[start : start + rows]


@dataclass(frozen=True, slots=True)
class Split:
    """Which examples train and which validate: `validation` counts in the test set where it is the test set."""

    train: range
    validation: range
    validation_is_test: bool


def split(dataset: Dataset, settings: Mapping[str, Any]) -> Split:
    """Cut the validation part off the training set as the resolved [data] table says.

    `validation` is a count, a fraction (the nearest count, at least 1) or "test"; `validation_from` the side it is
    cut from; `train` keeps only the first so many of what is left. Raise DataError where they do not fit.
    """
    count, validation, where = len(dataset.x_train), settings["validation"], f"{dataset.name}: data.validation"
    if validation == "test":
        if dataset.x_test is None:
            raise fault(where, "a count or a fraction", '"test"', "This data set has no test set.")
        left, held = range(count), range(len(dataset.x_test))
    else:
        size = max(1, round(validation * count)) if isinstance(validation, float) else int(validation)
        if not 0 < size < count:
            raise fault(where, f"fewer than the {count:,} training examples, at least 1", f"{size:,}")
        from_start = settings.get("validation_from", "end") == "start"
        held = range(size) if from_start else range(count - size, count)
        left = range(size, count) if from_start else range(count - size)
    wanted = settings.get("train")
    if wanted is not None and not 0 < wanted <= len(left):
        expected = f"at most the {len(left):,} examples that validation leaves, at least 1"
        raise fault(f"{dataset.name}: data.train", expected, f"{wanted:,}")
    return Split(left[:wanted], held, validation == "test")


@dataclass(frozen=True, slots=True, eq=False)
class Scaling:
    """What scales an input: (x - offset) / divisor, float32 arrays that broadcast over one example."""

    offset: npt.NDArray[np.float32]
    divisor: npt.NDArray[np.float32]


def scaling(dataset: Dataset, split: Split, settings: Mapping[str, Any]) -> Scaling:
    """Return the scaling that a resolved [data] table asks for: "none", "unit" or "standard".

    "unit" divides by the data set's maximum. "standard" takes mean and standard deviation of `split.train` only: one a
    channel for pictures, one for pictures without channels, one a feature for vectors and series of steps x features.
    Raises DataError for "unit" on data without a maximum.
    """
    kind = settings["scale"]
    if kind == "standard":
        x = dataset.x_train[split.train.start : split.train.stop]
        return _standard(x, is_whole=x.ndim == 3 and (dataset.is_images or bool(settings.get(WHOLE))))
    if kind == "unit" and dataset.maximum is None:
        hint = 'Use "standard" or "none".'
        raise fault(f"{dataset.name}: data.scale", "inputs with a known maximum", "floating-point inputs", hint)
    divisor = dataset.maximum if kind == "unit" else 1.0
    return Scaling(np.zeros((), np.float32), np.asarray(divisor, np.float32))


def _standard(x: Array, is_whole: bool) -> Scaling:
    """Return the scaling by mean and std of all values if `is_whole`, else of each index of the last axis."""
    moments = _counted_moments if x.dtype == np.uint8 and x.ndim > 2 else _summed_moments
    mean, std = moments(x, 1 if is_whole else x.shape[-1])
    # A constant column of floats has a rounding error for a std; below float32's resolution it is none.
    std = np.where(std > np.finfo(np.float32).eps * np.abs(mean), std, 1.0)
    shape = () if is_whole else mean.shape
    return Scaling(mean.astype(np.float32).reshape(shape), std.astype(np.float32).reshape(shape))


def _counted_moments(x: Array, groups: int) -> tuple[Array, Array]:
    """Return mean and std of each group from how often each of the 256 values occurs."""
    counts = np.zeros(groups * 256, np.int64)
    firsts = np.arange(groups) * 256
    for block in _blocks(x):
        counts += np.bincount((block.reshape(-1, groups) + firsts).ravel(), minlength=counts.size)
    weights = counts.reshape(groups, 256) / (x.size // groups)
    values = np.arange(256.0)
    mean = weights @ values
    return mean, np.sqrt((weights * (values - mean[:, None]) ** 2).sum(1))


def _summed_moments(x: Array, groups: int) -> tuple[Array, Array]:
    """Return mean and std of each group in two passes over float64 blocks."""
    count = x.size // groups

    def total(centre: Array | float, power: int) -> Array:
        sums = np.zeros(groups)
        for block in _blocks(x):
            sums += ((block.reshape(-1, groups).astype(np.float64) - centre) ** power).sum(0)
        return sums / count

    mean = total(0.0, 1)
    return mean, np.sqrt(total(mean, 2))
