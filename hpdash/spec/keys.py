"""The values that the keys of a sweep file take: types, texts that say what is expected, and validators."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal, get_args

from pydantic import Field

from ..logs.layout import is_sweep_name
from ..records import KERAS_LOOP

IMAGES = ("mnist", "fashion_mnist", "cifar10", "digits")
DATA_SETS = (*IMAGES, "synthetic")
MLP = "mlp"

StrategyName = Literal["grid", "list", "random", "sobol", "tpe"]
Direction = Literal["min", "max"]
PrunerName = Literal["asha", "hyperband", "median"]
Side = Literal["end", "start"]
InputScale = Literal["none", "unit", "standard"]
Activation = Literal["relu", "leaky_relu", "prelu", "elu", "selu", "gelu", "silu", "tanh", "sigmoid", "maxout"]
Norm = Literal["none", "before", "after"]
Optimizer = Literal["sgd", "rmsprop", "adam", "adamw"]
Schedule = Literal["exponential", "step", "cosine", "plateau"]
Xla = Literal["auto", "always", "never"]
Weights = Literal["best", "last", "none"]
SeriesKind = Literal["weights", "gradients", "activations"]

Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]
Penalty = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, lt=1)]
Unit = Annotated[float, Field(ge=0, le=1)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Text = Annotated[str, Field(min_length=1)]

COUNT, POSITIVE, PENALTY = "an integer of at least 1", "a number above 0", "a number of at least 0"
SHARE, UNIT = "a number of at least 0 and below 1", "a number from 0 to 1"
SWITCH, FUNCTION = "true or false", '"package.module:function"'
DATA = f'one of {", ".join(DATA_SETS)}, a path that ends in ".npz", or {FUNCTION}'
SERIES = ", ".join(f'"{name}"' for name in get_args(SeriesKind))
METRIC = 'a metric such as "validation/accuracy" or "loss"'
FOLDER = "1 to 64 ASCII letters, digits, `_`, `.` and `-`, not starting with `.`, `-` or `hparams-` or ending with `.`"
CLASS_WEIGHT = '"balanced", "none", or a table of a weight above 0 for each class, such as { 0 = 1.0, 1 = 5.0 }'
INITIALIZER = 'a Keras name or a table such as { name = "random_normal", stddev = 1.0 }'


def is_reference(text: str) -> bool:
    """Return whether a text names a function as "package.module:function"."""
    module, colon, function = text.partition(":")
    return bool(colon) and all(part.isidentifier() for part in (*module.split("."), function))


def _require(valid: bool) -> None:
    if not valid:
        raise ValueError("")  # the message is empty, so that the key's own text says what is expected


def data_name(name: str) -> str:
    """Return the name if it is a data set, an .npz file or a function. Raises ValueError otherwise."""
    _require(name in DATA_SETS or name.endswith(".npz") or is_reference(name))
    return name


def builder_name(name: str) -> str:
    """Return the name if it is "mlp" or a function. Raises ValueError otherwise."""
    _require(name == MLP or is_reference(name))
    return name


def loop_name(name: str) -> str:
    """Return the name if it is "none" or a function. Raises ValueError otherwise."""
    _require(name == KERAS_LOOP or is_reference(name))
    return name


def folder_name(name: str) -> str:
    """Return the name if a sweep's folder can have it. Raises ValueError otherwise."""
    _require(is_sweep_name(name))
    return name


def metric_tag(name: str) -> str:
    """Return the name if it can be the tag of a scalar, such as `Loss/val (mean)`. Raises ValueError otherwise."""
    _require(bool(name) and name.isprintable() and name == name.strip())
    return name


def is_metric(name: str) -> bool:
    """Return whether a name has the form of a metric of hpdash: `loss` or `validation/loss`."""
    return re.fullmatch(r"(validation/)?[A-Za-z_]\w*", name, re.ASCII) is not None


def class_weights(value: Any) -> Any:
    """Return a word for class weights, or a table of a weight above 0 for each class. Raises ValueError otherwise."""
    if isinstance(value, dict):
        numbers = all(isinstance(each, int | float) and not isinstance(each, bool) for each in value.values())
        _require(bool(value) and numbers and all(each > 0 for each in value.values()))
        return {str(name): float(each) for name, each in value.items()}
    _require(value in ("balanced", "none"))
    return value


def switched(value: Any) -> Any:
    """Return "before" for true and "none" for false; any other value stays as it is."""
    return ("before" if value else "none") if isinstance(value, bool) else value


def key(default: Any, expected: str, description: str, options: Sequence[str] = ()) -> Any:
    """Return the pydantic field of a key: its default, what values are expected, what it is for, the words it takes."""
    return Field(default, title=expected, description=description, examples=list(options) or None)


def one_of(default: str | None, choices: Any, description: str) -> Any:
    """Return the pydantic field of a key that takes one of the words of a Literal."""
    return key(default, f"one of {', '.join(get_args(choices))}", description, get_args(choices))
