"""Interpret a user's arrays as inputs, labels, targets and weights, and reject those that do not fit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..nested import Nested, is_nested, leaves, map_leaves
from .dataset import Array, Dataset, data_error
from .zipped import aligned

PARTS = ("train", "test", "val")
NAMES = ("x_train", "y_train", "x_test", "y_test")
KNOWN = (*NAMES, "x_val", "y_val", "sample_weight", "sample_weight_test", "sample_weight_val")
SHORT = ("x", "y")  # for x_train and y_train
_MOST_LABELS = 1 << 31
MAXIMUM = 255.0  # of uint8 inputs


def from_arrays(name: str, arrays: Mapping[str, Any]) -> Dataset:
    """Build a data set from x_train and y_train, or x and y, and perhaps the other arrays of `KNOWN`.

    x and y may be tuples, lists or dicts of arrays: several inputs and outputs. uint8 inputs stay uint8 (maximum 255);
    other inputs become float32. If y has integers, they are labels of (largest label + 1) classes. If it has texts, the
    distinct texts in sorted order are the classes. If each row is one-hot, it is the label of one of as many classes as
    there are columns. If y has other floating-point numbers, they are targets of a regression. Raises DataError, naming
    the array, if one does not fit.
    """
    if twice := [key for key in SHORT if key in arrays and f"{key}_train" in arrays]:
        hint = "x and x_train are two names of the same array."
        raise data_error(name, "each array once", ", ".join(f"{key} and {key}_train" for key in twice), hint)
    arrays = {f"{key}_train" if key in SHORT else key: value for key, value in arrays.items()}
    if not {"x_train", "y_train"} <= set(arrays) <= set(KNOWN):
        unknown = [key for key in arrays if key not in KNOWN]
        expected = f"arrays x_train and y_train (or x and y), and optionally {', '.join(KNOWN[2:])}"
        raise data_error(name, expected, ", ".join(sorted(map(str, unknown or arrays))) or "none of them")
    arrays = {key: _plain(f"{name}: {key}", value) for key, value in arrays.items() if value is not None}
    x = {part: _inputs(f"{name}: x_{part}", arrays.get(f"x_{part}")) for part in PARTS}
    y, classes, labels = _targets(name, {part: arrays.get(f"y_{part}") for part in PARTS})
    weights = {
        part: _weights(f"{name}: {key}", arrays.get(key))
        for part, key in (("train", "sample_weight"), ("test", "sample_weight_test"), ("val", "sample_weight_val"))
    }
    maximum = map_leaves(lambda array: MAXIMUM if array.dtype == np.uint8 else None, x["train"])
    return Dataset(
        name, x["train"], y["train"], x["test"], y["test"], maximum, classes,
        x_val=x["val"], y_val=y["val"],
        weight_train=weights["train"], weight_test=weights["test"], weight_val=weights["val"], labels=labels,
    )  # fmt: skip


def _plain(where: str, value: Any) -> Nested:
    """Return nested arrays as they are, and a list of numbers as one array.

    A list of arrays means several inputs or outputs, as in Keras.
    """
    if isinstance(value, Mapping):
        return {str(key): _plain(f"{where}/{key}", item) for key, item in value.items()}
    if not is_nested(value):
        return value
    if value and all(_is_array(item) or isinstance(item, Mapping) for item in value):
        parts = [_plain(f"{where}/{index}", item) for index, item in enumerate(value)]
        return tuple(parts) if isinstance(value, tuple) else parts
    return _array(where, value)


def _is_array(value: Any) -> bool:
    return getattr(value, "ndim", 0) >= 1


def _inputs(where: str, value: Nested) -> Nested:
    return None if value is None else _each(where, value, _input)


def _each(where: str, value: Nested, function: Any) -> Nested:
    """Apply a function to each array, preceded by its name for error messages, such as "name: x_train/left"."""
    places = {path: f"{where}/{path}" if path else where for path, _ in leaves(value)}
    paths = iter(places.values())
    return map_leaves(lambda item: function(next(paths), item), _in_order(value))


def _in_order(value: Nested) -> Nested:
    """Return nested arrays with the keys of dicts sorted, because `leaves` yields them in this order."""
    if isinstance(value, dict):
        return {key: _in_order(value[key]) for key in sorted(value)}
    return type(value)(map(_in_order, value)) if is_nested(value) else value


def _input(where: str, value: Any) -> Array:
    array = _numbers(where, value)
    return aligned(array if array.dtype == np.uint8 else _float32(array))


def _weights(where: str, value: Nested) -> Nested:
    return None if value is None else _each(where, value, lambda place, item: _float32(_numbers(place, item)))


def _targets(name: str, parts: Mapping[str, Nested]) -> tuple[dict[str, Nested], Nested, dict[str, tuple[str, ...]]]:
    """Return the targets of each part, the classes of each output, and the names of classes given as texts."""
    given = {part: dict(leaves(value)) for part, value in parts.items() if value is not None}
    paths = list(given["train"])
    for part, found in given.items():
        if list(found) != paths:
            expected = "the same outputs as y_train"
            raise data_error(f"{name}: y_{part}", expected, ", ".join(found) or "one array")
    classes, labels = {}, {}
    for path in paths:
        suffix = f"/{path}" if path else ""
        arrays = {part: (f"{name}: y_{part}{suffix}", found[path]) for part, found in given.items()}
        made, classes[path], names = _output(arrays)
        for part, array in made.items():
            given[part][path] = array
        if names:
            labels[path] = names
    rebuilt = {part: _rebuilt(value, given[part]) for part, value in parts.items() if value is not None}
    number = _rebuilt(parts["train"], classes)
    return {part: rebuilt.get(part) for part in PARTS}, number, labels


def _rebuilt(like: Nested, values: Mapping[str, Any]) -> Nested:
    found = iter(values.values())
    return map_leaves(lambda _: next(found), _in_order(like))


def _output(arrays: Mapping[str, tuple[str, Any]]) -> tuple[dict[str, Array], int | None, tuple[str, ...]]:
    """Return the targets of one output, by part, its number of classes, and the classes' names if they are texts."""
    raw = {part: (where, _array(where, value)) for part, (where, value) in arrays.items()}
    if any(array.dtype.kind in "US" for _, array in raw.values()):
        return _from_texts(raw)
    found = {part: (where, _checked(where, array)) for part, (where, array) in raw.items()}
    if all(_is_one_hot(array) for _, array in found.values()):
        width = found["train"][1].shape[1]
        return {part: _float32(array) for part, (_, array) in found.items()}, width, ()
    kinds = {part: array.dtype.kind == "f" for part, (_, array) in found.items()}
    if len(set(kinds.values())) > 1:
        part = next(part for part, is_float in kinds.items() if is_float != kinds["train"])
        raise data_error(found[part][0], "integers or floats as in y_train", str(found[part][1].dtype))
    if kinds["train"]:
        return {part: _float32(array) for part, (_, array) in found.items()}, None, ()
    labels = {part: _labels(where, array) for part, (where, array) in found.items()}
    return labels, max((int(y.max()) for y in labels.values() if y.size), default=0) + 1, ()


def _from_texts(raw: Mapping[str, tuple[str, Array]]) -> tuple[dict[str, Array], int, tuple[str, ...]]:
    for where, array in raw.values():
        if array.dtype.kind not in "US" or array.size != len(array):
            raise data_error(where, "one text per example", f"{array.dtype} of shape {array.shape}")
    flat = {part: array.reshape(-1).astype(str) for part, (_, array) in raw.items()}
    names = np.unique(np.concatenate(list(flat.values())))
    return (
        {part: np.searchsorted(names, y).astype(np.int32) for part, y in flat.items()},
        len(names),
        tuple(map(str, names)),
    )


def _labels(where: str, array: Array) -> Array:
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.size and int(array.max()) >= _MOST_LABELS - 1:
        raise data_error(where, f"labels below {_MOST_LABELS - 1:,}", f"{array.max():,}")
    return array.astype(np.int32)


def _array(where: str, value: Any) -> Array:
    try:
        array = np.asarray(value)
    except ValueError:  # arrays of different shapes
        raise data_error(
            where, "one array", f"a {type(value).__name__} of {len(value)} items of unequal shapes"
        ) from None
    if array.dtype.kind == "O" and array.size and all(isinstance(item, str) for item in array.reshape(-1)):
        array = array.astype(str)
    return array


def _numbers(where: str, value: Any) -> Array:
    return _checked(where, _array(where, value))


def _checked(where: str, array: Array) -> Array:
    check_numbers(where, array.shape, array.dtype)
    return array


def check_numbers(where: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Raise DataError unless an array of this shape and type holds numbers."""
    if dtype.kind in "biuf" and shape:
        return
    hint = "Turn texts into numbers first, for example with keras.layers.StringLookup." if dtype.kind in "US" else ""
    raise data_error(where, "an array of numbers", f"{dtype} of shape {shape}", hint)


def _float32(array: Array) -> Array:
    with np.errstate(over="ignore"):  # overflow gives infinity, which Dataset rejects
        return array.astype(np.float32, copy=False)


def _is_one_hot(array: Array) -> bool:
    if array.ndim != 2 or array.shape[1] < 2:
        return False
    return bool(((array == 0) | (array == 1)).all() and (array.sum(axis=1) == 1).all())
