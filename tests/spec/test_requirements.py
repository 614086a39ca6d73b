"""Tests of [[require]]: the conditions that a setting must meet."""

from __future__ import annotations

from pathlib import Path

import pytest

from hpdash.errors import SpecError
from hpdash.search import strategy_for
from hpdash.spec import Sweep, parse_sweep


def sweep(*conditions: str, **hparams: object) -> Sweep:
    """Build a sweep whose settings meet conditions."""
    swept = hparams or {"hidden": [[8], [8, 8], [64, 32]], "optimizer": ["sgd", "adam"]}
    tables = {"data": {"name": "digits"}, "hparams": swept, "require": [{"that": each} for each in conditions]}
    return parse_sweep(tables, name="x.toml", folder=Path())


HOLDS = {
    "product": ("product(hidden) <= 64", {"hidden": [8, 8]}, {"hidden": [64, 32]}),
    "sum and arithmetic": ("sum(hidden) * 2 + 1 < 100 / 2", {"hidden": [8]}, {"hidden": [64]}),
    "length": ("len(hidden) == 2", {"hidden": [8, 8]}, {"hidden": [8]}),
    "place": ("hidden[0] > hidden[-1]", {"hidden": [9, 8]}, {"hidden": [8, 9]}),
    "sorted": ("hidden == sorted(hidden)", {"hidden": [8, 9]}, {"hidden": [9, 8]}),
    "list": ("hidden in ([8], [64])", {"hidden": [8]}, {"hidden": [9]}),
    "text": ("optimizer == 'sgd' or epochs < 3", {"optimizer": "sgd"}, {"optimizer": "adam"}),
    "not in": ("optimizer not in ['sgd', 'rmsprop']", {"optimizer": "adam"}, {"optimizer": "sgd"}),
    "chain": ("0.001 < learning_rate <= 0.01", {"optimizer": "sgd"}, {"optimizer": "adam"}),
    "boolean": ("not batchnorm_input == true", {}, {"batchnorm_input": True}),
    "initialiser": ("kernel_initializer != 'random_normal(stddev=1)'", {},
                    {"kernel_initializer": {"name": "random_normal", "stddev": 1.0}}),
    "as in --where": ("optimizer = sgd and 8 in hidden", {"optimizer": "sgd", "hidden": [8]}, {"optimizer": "adam"}),
    "list as tables show it": ("hidden = 64-32", {"hidden": [64, 32]}, {"hidden": [8]}),
    "boolean alone": ("batchnorm_input or min(hidden) > 8", {"batchnorm_input": True, "hidden": [8]},
                {"batchnorm_input": False, "hidden": [8]}),
    "negative": ("-epochs < -5", {"epochs": 6}, {"epochs": 5}),
}  # fmt: skip


@pytest.mark.parametrize(("condition", "met", "unmet"), HOLDS.values(), ids=HOLDS.keys())
def test_what_a_condition_says(condition, met, unmet):
    """A condition is a Python expression on any setting: swept, fixed or default."""
    made = sweep(condition)
    assert made.allows(met)
    assert not made.allows(unmet)


ABSENT = {
    "alone": ("momentum < 0.5", True, True),
    "turned round": ("not momentum < 0.5", True, False),
    "beside one that holds": ("momentum < 0.5 and len(hidden) == 1", True, True),
    "beside one that does not": ("momentum < 0.5 and len(hidden) == 2", False, False),
    "or one that does not": ("momentum < 0.5 or len(hidden) == 2", True, True),
    "or one that holds": ("momentum > 0.5 or len(hidden) == 1", True, True),
}


@pytest.mark.parametrize(("condition", "adam", "sgd"), ABSENT.values(), ids=ABSENT.keys())
def test_what_does_not_apply_decides_nothing(condition, adam, sgd):
    """A comparison with a setting that does not apply is neither true nor false.

    A condition that depends on this comparison alone holds.
    """
    made = sweep(condition)
    assert made.allows({"hidden": [8], "optimizer": "adam"}) is adam
    assert made.allows({"hidden": [8], "optimizer": "sgd"}) is sgd  # momentum is 0 here


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("hidden < 3", "not supported between"),
        ("optimizer * 2 == 'sgdsgd'", "expected a number, found 'sgd'"),
        ("epochs / (batch_size - 32) > 1", "division by zero"),
        ("hidden[5] == 1", "out of range"),
        ("sum(epochs) == 1", "expected a list, found 10"),
    ],
)
def test_what_cannot_be_computed_is_said(condition, said):
    """A condition that cannot be computed for a setting is an error that names the file, the key and the values."""
    with pytest.raises(SpecError, match=r"x: require\[0\]\.that: expected a condition that can be com") as error:
        strategy_for(sweep(condition))
    assert said in str(error.value)


def test_every_condition_has_to_hold():
    """A grid keeps only the settings that meet all conditions, in the grid's order."""
    made = strategy_for(sweep("len(hidden) == 2", "product(hidden) > 64", "optimizer != 'sgd'"))
    assert [made.point(index) for index in range(made.count)] == [{"hidden": [64, 32], "optimizer": "adam"}]


def test_conditions_that_nothing_meets():
    """A sweep is refused if none of its settings meets the conditions."""
    with pytest.raises(SpecError, match=r"x: require: expected at least one setting .*condition, found none"):
        strategy_for(sweep("len(hidden) == 5"))


def test_conditions_are_part_of_the_sweep():
    """The normalised settings contain the conditions, but only if the sweep has conditions."""
    assert sweep("epochs > 1").to_json()["require"] == ["epochs > 1"]
    assert "require" not in sweep().to_json()
