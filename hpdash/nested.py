"""Several inputs or outputs: tuples, lists and dicts of arrays at any depth, as Keras takes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

Nested = Any  # an array, or a tuple, a list or a dict of these


def leaves(value: Nested, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each array with its path, such as "image" or "0/image"; the path of a single array is empty."""
    if isinstance(value, dict):
        items = sorted(value.items())
    elif isinstance(value, tuple | list):
        items = list(enumerate(value))
    else:
        yield path, value
        return
    for key, item in items:
        yield from leaves(item, f"{path}/{key}" if path else str(key))


def from_paths(values: Mapping[str, Any]) -> dict[str, Nested]:
    """Return nested dicts of values given by their paths, such as "x/left".

    The outermost dict stays a dict. Below it, a dict with the keys 0, 1, … becomes a tuple.
    """
    found: dict[str, Any] = {}
    for path, value in values.items():
        first, _, rest = path.partition("/")
        if rest:
            found.setdefault(first, {})[rest] = value
        else:
            found[first] = value
    return {name: _level(item) if isinstance(item, dict) else item for name, item in found.items()}


def _level(values: Mapping[str, Any]) -> Nested:
    level = from_paths(values)
    indices = [str(index) for index in range(len(level))]
    return tuple(level[index] for index in indices) if set(level) == set(indices) else level


def map_leaves(function: Callable[..., Any], value: Nested, *others: Nested) -> Nested:
    """Apply a function to each array, together with those at the same place in `others`; return the same structure."""
    if isinstance(value, dict):
        return {key: map_leaves(function, item, *(each[key] for each in others)) for key, item in value.items()}
    if isinstance(value, tuple | list):
        items = zip(value, *others, strict=True)
        return type(value)(map_leaves(function, *each) for each in items)
    return function(value, *others)


def first_leaf(value: Nested) -> Any:
    """Return the first array."""
    return next(leaves(value))[1]


def is_nested(value: Nested) -> bool:
    """Return whether a value is more than a single array."""
    return isinstance(value, dict | tuple | list)


def structure(value: Nested) -> Nested:
    """Return the structure without the arrays, to compare it with another."""
    return map_leaves(lambda _: None, value)


def map_shapes(function: Callable[[tuple[int, ...]], Any], shapes: Nested) -> Nested:
    """Apply a function to each shape, which is a tuple of integers."""
    if isinstance(shapes, tuple) and all(isinstance(size, int) for size in shapes):
        return function(shapes)
    if isinstance(shapes, dict):
        return {key: map_shapes(function, item) for key, item in shapes.items()}
    return type(shapes)(map_shapes(function, item) for item in shapes)
