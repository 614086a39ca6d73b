"""Interpret a user's arrays as inputs, labels or targets, and reject those that do not fit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .dataset import Array, Dataset, data_error
from .zipped import aligned

NAMES = ("x_train", "y_train", "x_test", "y_test")
_WITHOUT_TEST_SET = {"x": "x_train", "y": "y_train"}
_MOST_LABELS = 1 << 31
MAXIMUM = 255.0  # of uint8 inputs


def from_arrays(name: str, arrays: Mapping[str, Any]) -> Dataset:
    """Build a data set from x_train, y_train and perhaps x_test, y_test, or from x and y.

    uint8 inputs stay uint8 (maximum 255); other inputs become float32. If the type of y is integer, its values are
    labels of (largest label + 1) classes; if it is floating-point, they are targets of a regression. Raises DataError,
    which names the array, if an array does not fit.
    """
    if set(arrays) == set(_WITHOUT_TEST_SET):
        arrays = {_WITHOUT_TEST_SET[key]: value for key, value in arrays.items()}
    if not {"x_train", "y_train"} <= set(arrays) <= set(NAMES):
        expected = "arrays x_train and y_train, and optionally x_test and y_test; or x and y"
        raise data_error(name, expected, ", ".join(sorted(map(str, arrays))) or "none of them")
    inputs = {key: _inputs(f"{name}: {key}", arrays[key]) for key in ("x_train", "x_test") if key in arrays}
    targets = {key: _targets(f"{name}: {key}", arrays[key]) for key in ("y_train", "y_test") if key in arrays}
    kinds = {array.dtype.kind for array in targets.values()}
    if len(kinds) > 1:
        raise data_error(f"{name}: y_test", "integers or floats as in y_train", str(targets["y_test"].dtype))
    classes = max((int(y.max()) for y in targets.values() if y.size), default=0) + 1 if kinds == {"i"} else None
    maximum = MAXIMUM if inputs["x_train"].dtype == np.uint8 else None
    test = inputs.get("x_test"), targets.get("y_test")
    return Dataset(name, inputs["x_train"], targets["y_train"], *test, maximum=maximum, classes=classes)


def _inputs(where: str, value: Any) -> Array:
    array = _numbers(where, value)
    return aligned(array if array.dtype == np.uint8 else _float32(array))


def _targets(where: str, value: Any) -> Array:
    array = _numbers(where, value)
    if _is_one_hot(array):
        raise data_error(where, "labels as whole numbers", "one-hot rows", "Save y.argmax(axis=1) instead.")
    if array.dtype.kind == "f":
        return _float32(array)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.size and int(array.max()) >= _MOST_LABELS - 1:
        raise data_error(where, f"labels below {_MOST_LABELS - 1:,}", f"{array.max():,}")
    return array.astype(np.int32)


def _numbers(where: str, value: Any) -> Array:
    try:
        array = None if isinstance(value, Mapping) else np.asarray(value)
    except ValueError:  # arrays of different shapes
        array = None
    if array is None:
        hint = "Models have a single input in hpdash: concatenate the arrays, or write your own training loop."
        raise data_error(where, "one array", f"a {type(value).__name__} of {len(value)}", hint)
    check_numbers(where, array.shape, array.dtype)
    return array


def check_numbers(where: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Raise DataError unless an array of this shape and type holds numbers."""
    if dtype.kind in "biuf" and shape:
        return
    hint = "For labels, save the index of each in np.unique(y)." if dtype.kind in "US" else ""
    raise data_error(where, "an array of numbers", f"{dtype} of shape {shape}", hint)


def _float32(array: Array) -> Array:
    with np.errstate(over="ignore"):  # overflow gives infinity, which Dataset rejects
        return array.astype(np.float32, copy=False)


def _is_one_hot(array: Array) -> bool:
    if array.ndim != 2 or array.shape[1] < 2:
        return False
    return bool(((array == 0) | (array == 1)).all() and (array.sum(axis=1) == 1).all())
