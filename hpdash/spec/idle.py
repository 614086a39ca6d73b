"""Report keys, fixed or swept, that have no effect because of the values of other keys."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..records import KERAS_LOOP
from .faults import Faults
from .file_keys import table_of
from .keys import MLP

Values = Mapping[str, Collection[Any]]


@dataclass(frozen=True, slots=True)
class _Rule:
    """The keys `names` have no effect if `is_idle` is true for the values that each key may take."""

    names: tuple[str, ...]
    is_idle: Callable[[Values], bool]
    reason: str


def _never(name: str, *used: Any) -> Callable[[Values], bool]:
    """Return a function that says whether a key takes none of the values `used`."""
    return lambda values: not any(value in used for value in values[name])


def _always(name: str, *unused: Any) -> Callable[[Values], bool]:
    """Return a function that says whether a key takes no other values than `unused`."""
    return lambda values: bool(values[name]) and all(value in unused for value in values[name])


def _without_hidden(values: Values) -> bool:
    return all(builder == MLP for builder in values["builder"]) and _always("hidden", [])(values)


_RULES: Sequence[_Rule] = (
    _Rule(
        ("activation", "leaky_slope", "batchnorm", "dropout", "l1", "l2"),
        _without_hidden,
        "no hidden layer to act on: hidden is []",
    ),
    _Rule(
        ("kernel_initializer", "bias_initializer"),
        lambda values: _without_hidden(values) and _never("output_initializer", "same")(values),
        'no hidden layer to act on: hidden is [], and output_initializer is not "same"',
    ),
    _Rule(("nesterov",), _always("momentum", 0, None), "no momentum to act on: it is 0"),
    _Rule(
        ("min_delta",),
        lambda values: _always("patience", None)(values) and _never("schedule", "plateau")(values),
        'no patience and no schedule = "plateau"; only these use it',
    ),
    _Rule(
        ("validation_from",),
        _always("validation", "test"),
        'validation = "test", so no part of the training set is cut off',
    ),
    _Rule(
        ("callbacks", "class_weight", "xla"),
        _never("loop", None, KERAS_LOOP),
        "a training loop of your own (loop); only the training of a Keras model uses it",
    ),
)


def check_idle(values: Values, given: Mapping[str, Mapping[str, Any]], swept: Collection[str], faults: Faults) -> None:
    """Report keys that a file fixes or sweeps and that have no effect.

    Args:
        values: the values that each key may take, by its name.
        given: the keys that the file fixes, by table.
        swept: the names of the keys that the file sweeps.
        faults: the faults of the file, to which new ones are added.
    """
    for rule in _RULES:
        for name in rule.names:
            table = table_of(name)
            if name in swept and rule.is_idle(values):
                faults.add(("hparams", name), "a hyperparameter that changes something", rule.reason, "Leave it out.")
            elif name in given[table] and name in values and rule.is_idle(values):
                faults.add((table, name), "a key that changes something", rule.reason, "Leave it out.")
