"""Initialisers as a sweep file names them: a Keras name, a table with arguments, or "default" or "same"."""

from __future__ import annotations

from typing import Any

from pydantic import BeforeValidator

from .faults import nearest

_FILLS = ("zeros", "ones", "constant")
_SCALED = ("glorot_uniform", "glorot_normal", "he_uniform", "he_normal", "lecun_uniform", "lecun_normal")
_RANDOM = ("random_uniform", "random_normal", "truncated_normal", "variance_scaling")
NAMES = (*_FILLS, *_SCALED, *_RANDOM, "orthogonal")
_MODES = ("fan_in", "fan_out", "fan_avg")
_DISTRIBUTIONS = ("truncated_normal", "untruncated_normal", "uniform")
# Each argument with the words it takes, or with the smallest number it takes (None: any number)
_ARGUMENTS: dict[str, dict[str, Any]] = {
    "constant": {"value": None},
    "random_uniform": {"minval": None, "maxval": None},
    "random_normal": {"mean": None, "stddev": 0},
    "truncated_normal": {"mean": None, "stddev": 0},
    "variance_scaling": {"scale": 0, "mode": _MODES, "distribution": _DISTRIBUTIONS},
    "orthogonal": {"gain": None},
}


def initializer(default: str, also: tuple[str, ...] = (), never: tuple[str, ...] = ()) -> BeforeValidator:
    """Return a pydantic validator for an initialiser, which turns the word "default" into Keras' default.

    `default` is the name of Keras' default, `also` are other words to accept, `never` are Keras names to refuse. A
    table that has only a name becomes this name.
    """
    names = tuple(name for name in NAMES if name not in never)
    options = (*names, *also, "default")

    def check(value: Any) -> str | dict[str, Any]:
        if isinstance(value, dict):
            return _table(value, names)
        if value not in options:
            raise ValueError(f'one of {", ".join(options)}, or a table {{ name = "random_normal", stddev = 1.0 }}')
        return default if value == "default" else str(value)

    return BeforeValidator(check)


def _table(table: dict[str, Any], names: tuple[str, ...]) -> str | dict[str, Any]:
    name = table.get("name")
    if name not in names:
        raise ValueError(f"a table whose name is one of {', '.join(names)}")
    known = _ARGUMENTS.get(name, {})
    resolved = {"name": name}
    for key, value in table.items():
        if key != "name":
            resolved[key] = _argument(name, known, key, value)
    return resolved if len(resolved) > 1 else str(name)


def _argument(name: str, known: dict[str, Any], key: str, value: Any) -> Any:
    if key not in known:
        takes = f"{', '.join(known)} as arguments of {name}" if known else f"no arguments of {name}"
        raise ValueError(f"{takes}. {nearest(key, known)}".rstrip(". "))
    if isinstance(known[key], tuple):
        if value not in known[key]:
            raise ValueError(f"{key} to be one of {', '.join(known[key])}")
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{key} to be a number")
    if known[key] is not None and value < known[key]:
        raise ValueError(f"{key} to be at least {known[key]}")
    return float(value)
