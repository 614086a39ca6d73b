"""A data set, its split into a training and a validation part, and the scaling of its inputs."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import DataError, Problem
from ..facts import WHOLE, Inputs

Array = npt.NDArray[Any]
_BLOCK = 1 << 20  # elements processed at once, so that the data are never copied as a whole


def data_error(where: str, expected: str, found: str, hint: str = "") -> DataError:
    """Return a DataError about one fault, worded as a `Problem`."""
    return DataError(str(Problem(where, expected, found, hint)))


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """A training set and an optional test set, checked on creation.

    x is uint8 or float32, one example a row, in its natural shape (28 x 28, 32 x 32 x 3, features).
    y is int32 labels 0..classes-1, one an example, or float32 targets if `classes` is None (regression).
    `maximum` is the divisor under scale "unit", None if the inputs have no known maximum.
    `synthetic` marks made-up data.
    Raises DataError, which names the array, if an array is of another form or has values that are not finite.
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
            raise data_error(f"{self.name}: x_test and y_test", "both or neither", "only one of them")

    @property
    def is_images(self) -> bool:
        """Whether examples are pictures: height x width or height x width x channels, with a known maximum."""
        return self.maximum is not None and self.x_train.ndim in (3, 4)

    @property
    def inputs(self) -> Inputs:
        """The description of one example."""
        return inputs_of(self.x_train.shape[1:], self.maximum)

    @property
    def sha256(self) -> str:
        """The SHA-256 of the arrays, with their types and shapes, in hexadecimal."""
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
            raise data_error(where, "uint8 or float32, the same in both sets", str(x.dtype))
        if x.ndim < 2 or x.size == 0 or x.shape[1:] != self.x_train.shape[1:]:
            raise data_error(where, "at least one example, one per row, all of the same shape", f"shape {x.shape}")
        if y.shape[:1] != x.shape[:1]:
            raise data_error(f"{self.name}: y_{part}", f"{len(x)} values, one per example", f"shape {y.shape}")
        _check_finite(where, x)
        self._check_targets(f"{self.name}: y_{part}", y)

    def _check_targets(self, where: str, y: Array) -> None:
        if self.classes is None:
            if y.dtype != np.float32 or y.shape[1:] != self.y_train.shape[1:]:
                raise data_error(where, "float32 targets, all of the same shape", f"{y.dtype} of shape {y.shape}")
            _check_finite(where, y)
        elif y.dtype != np.int32 or y.ndim != 1:
            raise data_error(where, "int32 labels, one per example", f"{y.dtype} of shape {y.shape}")
        elif y.min() < 0 or y.max() >= self.classes:
            raise data_error(where, f"labels from 0 to {self.classes - 1}", f"labels from {y.min()} to {y.max()}")


def inputs_of(shape: tuple[int, ...], maximum: float | None) -> Inputs:
    """Describe an example by its shape; with a maximum and two or three dimensions, it is a picture."""
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
            raise data_error(where, "finite values", f"{count:,} that are NaN or infinite", "Fill or drop them.")


def _blocks(values: Array) -> Iterator[Array]:
    rows = max(1, _BLOCK // max(1, math.prod(values.shape[1:])))
    for start in range(0, len(values), rows):
        yield values[start : start + rows]


@dataclass(frozen=True, slots=True)
class Split:
    """The indices of the training and of the validation examples.

    `validation` has indices into the test set if `validation_is_test`, else into the training set.
    """

    train: range
    validation: range
    validation_is_test: bool


def split(dataset: Dataset, settings: Mapping[str, Any]) -> Split:
    """Cut the validation part off the training set as the resolved [data] table says.

    `validation` is a count, a fraction (rounded to the nearest count, at least 1) or "test", which takes the test set
    and cuts nothing. `validation_from` is the end of the training set to cut from, "start" or "end". `train` keeps only
    that many of the remaining examples, the first ones. Raises DataError if these do not fit the data.
    """
    count, validation, where = len(dataset.x_train), settings["validation"], f"{dataset.name}: data.validation"
    if validation == "test":
        if dataset.x_test is None:
            raise data_error(where, "a count or a fraction", '"test"', "This data set has no test set.")
        left, held = range(count), range(len(dataset.x_test))
    else:
        size = max(1, round(validation * count)) if isinstance(validation, float) else int(validation)
        if not 0 < size < count:
            raise data_error(where, f"fewer than the {count:,} training examples, at least 1", f"{size:,}")
        from_start = settings.get("validation_from", "end") == "start"
        held = range(size) if from_start else range(count - size, count)
        left = range(size, count) if from_start else range(count - size)
    wanted = settings.get("train")
    if wanted is not None and not 0 < wanted <= len(left):
        expected = f"at most the {len(left):,} examples that validation leaves, at least 1"
        raise data_error(f"{dataset.name}: data.train", expected, f"{wanted:,}")
    return Split(left[:wanted], held, validation == "test")


@dataclass(frozen=True, slots=True, eq=False)
class Scaling:
    """The scaling (x - offset) / divisor of inputs x, with float32 arrays that broadcast over one example."""

    offset: npt.NDArray[np.float32]
    divisor: npt.NDArray[np.float32]


def scaling(dataset: Dataset, split: Split, settings: Mapping[str, Any]) -> Scaling:
    """Return the scaling that a resolved [data] table asks for: "none", "unit" or "standard".

    "unit" divides by the data set's maximum. "standard" uses mean and standard deviation of `split.train` only: those
    of each channel for pictures with channels, of all values for pictures without, and of each feature for vectors and
    for series of steps x features. A sweep that an older version started uses those of all values for series (`WHOLE`).
    Raises DataError for "unit" on data without a maximum.
    """
    kind = settings["scale"]
    if kind == "standard":
        x = dataset.x_train[split.train.start : split.train.stop]
        return _standard(x, is_whole=x.ndim == 3 and (dataset.is_images or bool(settings.get(WHOLE))))
    if kind == "unit" and dataset.maximum is None:
        hint = 'Use "standard" or "none".'
        expected = 'inputs with a known maximum, such as uint8, for "unit"'
        raise data_error(f"{dataset.name}: data.scale", expected, "floating-point inputs", hint)
    divisor = dataset.maximum if kind == "unit" else 1.0
    return Scaling(np.zeros((), np.float32), np.asarray(divisor, np.float32))


def _standard(x: Array, is_whole: bool) -> Scaling:
    """Return the scaling by mean and std: of all values if `is_whole`, else of each index of the last axis."""
    moments = _counted_moments if x.dtype == np.uint8 and x.ndim > 2 else _summed_moments
    mean, std = moments(x, 1 if is_whole else x.shape[-1])
    # The std of a constant column of floats is a rounding error. Below float32's resolution, divide by 1.
    std = np.where(std > np.finfo(np.float32).eps * np.abs(mean), std, 1.0)
    shape = () if is_whole else mean.shape
    return Scaling(mean.astype(np.float32).reshape(shape), std.astype(np.float32).reshape(shape))


def _counted_moments(x: Array, groups: int) -> tuple[Array, Array]:
    """Return mean and std of each group of uint8 values, float64 [groups], from counts of the 256 values.

    A group has the values at one index of the last axis; a single group has all values.
    """
    counts = np.zeros(groups * 256, np.int64)
    firsts = np.arange(groups) * 256
    for block in _blocks(x):
        counts += np.bincount((block.reshape(-1, groups) + firsts).ravel(), minlength=counts.size)
    weights = counts.reshape(groups, 256) / (x.size // groups)
    values = np.arange(256.0)
    mean = weights @ values
    return mean, np.sqrt((weights * (values - mean[:, None]) ** 2).sum(1))


def _summed_moments(x: Array, groups: int) -> tuple[Array, Array]:
    """Return mean and std of each group, as `_counted_moments`, for any type: in two passes over float64 blocks."""
    count = x.size // groups

    def mean_power(centre: Array | float, power: int) -> Array:
        sums = np.zeros(groups)
        for block in _blocks(x):
            sums += ((block.reshape(-1, groups).astype(np.float64) - centre) ** power).sum(0)
        return sums / count

    mean = mean_power(0.0, 1)
    return mean, np.sqrt(mean_power(mean, 2))
