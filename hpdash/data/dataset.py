"""A data set, and its split into a training and a validation part."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import DataError, Problem
from ..facts import Inputs
from ..nested import Nested, first_leaf, is_nested, leaves, map_leaves, structure

Array = npt.NDArray[Any]
_BLOCK = 1 << 20  # elements processed at once, so that the data are never copied as a whole


def data_error(where: str, expected: str, found: str, hint: str = "") -> DataError:
    """Return a DataError about one fault, worded as a `Problem`."""
    return DataError(str(Problem(where, expected, found, hint)))


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """Inputs x, targets y and, if they are given, sample weights: each an array with one example a row, or several."""

    x: Nested
    y: Nested
    weight: Nested | None = None

    def __len__(self) -> int:
        return len(first_leaf(self.x))


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """A training set, and optionally a validation set and a test set, checked on creation.

    x is uint8 or float32, one example a row, in its natural shape (28 x 28, 32 x 32 x 3, features).
    y is int32 labels 0..classes-1, one an example; or one-hot labels, float32 [n, classes]; or float32 targets if
    `classes` is None (regression).
    x, y, `maximum` and `classes` may be tuples, lists or dicts: a model's several inputs and outputs.
    `weight_…` are Keras' sample weights, float32, one an example (and output).
    `maximum` is the divisor under scale "unit", None if the inputs have no known maximum.
    `labels` are the names of the classes, by the path of the output, if the labels were texts.
    `synthetic` marks made-up data. `is_checked` says that the arrays come from a data set that was checked before.
    Raises DataError, which names the array, if an array is of another form or has values that are not finite.
    """

    name: str
    x_train: Nested
    y_train: Nested
    x_test: Nested | None = None
    y_test: Nested | None = None
    maximum: Any = None
    classes: Any = None
    synthetic: bool = False
    x_val: Nested | None = None
    y_val: Nested | None = None
    weight_train: Nested | None = None
    weight_test: Nested | None = None
    weight_val: Nested | None = None
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    is_checked: bool = False

    def __post_init__(self) -> None:
        if self.is_checked:
            return
        self._check("train", self.train)
        for part, x, y, weight in (
            ("test", self.x_test, self.y_test, self.weight_test),
            ("val", self.x_val, self.y_val, self.weight_val),
        ):
            if x is not None and y is not None:
                self._check(part, Examples(x, y, weight))
            elif x is not None or y is not None or weight is not None:
                raise data_error(f"{self.name}: x_{part} and y_{part}", "both or neither", "only one of them")

    @property
    def train(self) -> Examples:
        """The training set."""
        return Examples(self.x_train, self.y_train, self.weight_train)

    @property
    def test(self) -> Examples | None:
        """The test set."""
        return None if self.x_test is None else Examples(self.x_test, self.y_test, self.weight_test)

    @property
    def validation(self) -> Examples | None:
        """The validation set that the data set brings; None if one has to be cut off the training set."""
        return None if self.x_val is None else Examples(self.x_val, self.y_val, self.weight_val)

    @property
    def maxima(self) -> Nested:
        """The maximum of each input."""
        return self.maximum if is_nested(self.x_train) else map_leaves(lambda _: self.maximum, self.x_train)

    @property
    def is_images(self) -> bool:
        """Whether examples are pictures: height x width or height x width x channels, with a known maximum."""
        return not is_nested(self.x_train) and self.maximum is not None and self.x_train.ndim in (3, 4)

    @property
    def one_hot(self) -> Nested:
        """Whether the labels of each output are one-hot."""
        return map_leaves(lambda y, classes: classes is not None and y.ndim > 1, self.y_train, self._classes)

    @property
    def _classes(self) -> Nested:
        return self.classes if is_nested(self.y_train) else map_leaves(lambda _: self.classes, self.y_train)

    @property
    def input_shape(self) -> Nested:
        """The shape of one example of each input, such as (28, 28)."""
        return map_leaves(lambda x: x.shape[1:], self.x_train)

    @property
    def inputs(self) -> Inputs:
        """The description of one example."""
        if not is_nested(self.x_train):
            return inputs_of(self.x_train.shape[1:], self.maximum, self.x_val is not None)
        each = [(path, inputs_of(x.shape[1:], maximum)) for (path, x), (_, maximum) in zip(
            leaves(self.x_train), leaves(self.maximum), strict=True)]  # fmt: skip
        text = ", ".join(f"{path}: {one.text}" for path, one in each)
        scale = "unit" if any(one.maximum for _, one in each) else "none"
        return Inputs(scale, f"{len(each)} inputs ({text})", "feature or channel", 0.0, self.x_val is not None, True)

    @property
    def sha256(self) -> str:
        """The SHA-256 of the arrays, with their types and shapes, in hexadecimal."""
        digest = hashlib.sha256()
        parts = [self.x_train, self.y_train, self.x_test, self.y_test, self.x_val, self.y_val]
        for value in (*parts, self.weight_train, self.weight_test, self.weight_val):
            for path, array in leaves(value):
                if array is not None:
                    digest.update(f"{path}{array.dtype.str} {array.shape}".encode())
                    for block in blocks(array):
                        digest.update(np.ascontiguousarray(block).data)
        return digest.hexdigest()

    def _check(self, part: str, examples: Examples) -> None:
        for name, value, like in ("x", examples.x, self.x_train), ("y", examples.y, self.y_train):
            if structure(value) != structure(like):
                expected = f"the same structure as {name}_train"
                raise data_error(
                    f"{self.name}: {name}_{part}", expected, str(structure(value)).replace("None", "array")
                )
        count = len(examples)
        for (path, x), (_, like) in zip(leaves(examples.x), leaves(self.x_train), strict=True):
            _check_inputs(_where(self.name, f"x_{part}", path), x, like, count)
        outputs = zip(leaves(examples.y), leaves(self.y_train), leaves(self._classes), strict=True)
        for (path, y), (_, like), (_, number) in outputs:
            _check_targets(_where(self.name, f"y_{part}", path), y, like, number, count)
        if examples.weight is not None:
            name = "sample_weight" if part == "train" else f"sample_weight_{part}"
            for path, weight in leaves(examples.weight):
                _check_weight(_where(self.name, name, path), weight, count)


def _where(name: str, array: str, path: str) -> str:
    return f"{name}: {array}/{path}" if path else f"{name}: {array}"


def _check_inputs(where: str, x: Array, like: Array, count: int) -> None:
    if x.dtype not in (np.uint8, np.float32) or x.dtype != like.dtype:
        raise data_error(where, "uint8 or float32, the same in all sets", str(x.dtype))
    if x.ndim < 2 or x.size == 0 or x.shape[1:] != like.shape[1:] or len(x) != count:
        raise data_error(where, "at least one example, one per row, all of the same shape", f"shape {x.shape}")
    _check_finite(where, x)


def _check_targets(where: str, y: Array, like: Array, classes: int | None, count: int) -> None:
    if y.shape[:1] != (count,):
        raise data_error(where, f"{count} values, one per example", f"shape {y.shape}")
    if classes is None or y.ndim > 1:
        if y.dtype != np.float32 or y.shape[1:] != like.shape[1:]:
            kind = "targets" if classes is None else "one-hot labels"
            raise data_error(where, f"float32 {kind}, all of the same shape", f"{y.dtype} of shape {y.shape}")
        _check_finite(where, y)
    elif y.dtype != np.int32:
        raise data_error(where, "int32 labels, one per example", f"{y.dtype} of shape {y.shape}")
    elif y.min() < 0 or y.max() >= classes:
        raise data_error(where, f"labels from 0 to {classes - 1}", f"labels from {y.min()} to {y.max()}")


def _check_weight(where: str, weight: Array, count: int) -> None:
    if weight.dtype != np.float32 or weight.shape[:1] != (count,):
        found = f"{weight.dtype} of shape {weight.shape}"
        raise data_error(where, f"{count} weights in float32, one per example", found)
    _check_finite(where, weight)


def inputs_of(shape: tuple[int, ...], maximum: float | None, has_validation: bool = False) -> Inputs:
    """Describe an example by its shape; with a maximum and two or three dimensions, it is a picture."""
    size, bound = " x ".join(map(str, shape)), maximum or 0.0
    if maximum is not None and len(shape) in (2, 3):
        return Inputs("unit", f"pictures of {size}", "channel" if len(shape) > 2 else "", bound, has_validation)
    if len(shape) > 2:
        return Inputs("none", f"arrays of {size}", "channel", bound, has_validation)
    text = f"{shape[-1]:,} features" if len(shape) == 1 else f"series of {shape[0]:,} steps x {shape[-1]:,} features"
    return Inputs("none", text, "feature", bound, has_validation)


def _check_finite(where: str, values: Array) -> None:
    if values.dtype == np.float32:
        count = sum(int(block.size - np.isfinite(block).sum()) for block in blocks(values))
        if count:
            raise data_error(where, "finite values", f"{count:,} that are NaN or infinite", "Fill or drop them.")


def blocks(values: Array) -> Iterator[Array]:
    """Yield the rows of an array in blocks of about a million elements."""
    rows = max(1, _BLOCK // max(1, math.prod(values.shape[1:])))
    for start in range(0, len(values), rows):
        yield values[start : start + rows]


@dataclass(frozen=True, slots=True)
class Split:
    """The indices of the training and of the validation examples.

    `source` says what `validation` has indices into: "train", "test", or "validation" for the data set's own
    validation set.
    """

    train: range
    validation: range
    source: str = "train"

    def train_of(self, array: Array) -> Array:
        """Return the training rows of an array."""
        return array[self.train.start : self.train.stop]

    def held_out(self, dataset: Dataset) -> Examples:
        """Return the set that the validation examples are in."""
        found = {"train": dataset.train, "test": dataset.test, "validation": dataset.validation}[self.source]
        assert found is not None
        return found


def split(dataset: Dataset, settings: Mapping[str, Any]) -> Split:
    """Cut the validation part off the training set as the resolved [data] table says.

    `validation` is a count, a fraction (rounded to the nearest count, at least 1) or "test", which takes the test set
    and cuts nothing. It has no effect if the data set has a validation set. `validation_from` is the end of the
    training set to cut from, "start" or "end". `train` keeps only that many of the remaining examples, the first ones.
    Raises DataError if these do not fit the data.
    """
    count, validation, where = len(dataset.train), settings["validation"], f"{dataset.name}: data.validation"
    if dataset.validation is not None:
        left, held, source = range(count), range(len(dataset.validation)), "validation"
    elif validation == "test":
        if dataset.test is None:
            raise data_error(where, "a count or a fraction", '"test"', "This data set has no test set.")
        left, held, source = range(count), range(len(dataset.test)), "test"
    else:
        size = max(1, round(validation * count)) if isinstance(validation, float) else int(validation)
        if not 0 < size < count:
            raise data_error(where, f"fewer than the {count:,} training examples, at least 1", f"{size:,}")
        from_start, source = settings.get("validation_from", "end") == "start", "train"
        held = range(size) if from_start else range(count - size, count)
        left = range(size, count) if from_start else range(count - size)
    wanted = settings.get("train")
    if wanted is not None and not 0 < wanted <= len(left):
        expected = f"at most the {len(left):,} examples that validation leaves, at least 1"
        raise data_error(f"{dataset.name}: data.train", expected, f"{wanted:,}")
    return Split(left[:wanted], held, source)
