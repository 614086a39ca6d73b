"""Tests of the keys of programs: what a sweep file may set, and which placeholders a command may have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hpdash.errors import SpecError
from hpdash.search import trials
from hpdash.spec import Sweep, parse_sweep

COMMAND = ["python", "train.py", "{*}", "--logdir={run}"]
GOOD: dict[str, dict[str, Any]] = {
    "sweep": {"objective": "Loss/val", "goal": "min"},
    "train": {"command": COMMAND},
    "hparams": {"learning_rate": [0.1, 0.2]},
}


def parsed(**tables: Any) -> Sweep:
    """Parse a sweep of programs; `tables` replace those in GOOD."""
    return parse_sweep({**GOOD, **tables}, name="x.toml", folder=Path())


def test_the_names_of_hpdash_are_free() -> None:
    """A program may have any hyperparameter, also one that is called like a key of hpdash and has other values."""
    sweep = parsed(hparams={"learning_rate": [0.1, 0.2], "optimizer": ["lamb"], "folds": [3], "epochs": [7]})
    first, _ = trials(sweep)
    assert dict(first.hparams) == {"learning_rate": 0.1, "optimizer": "lamb", "folds": 3, "epochs": 7}
    assert (first.epochs, first.unit, first.is_program) == (0, "step", True)
    assert trials(parsed(hparams={"x": [1]}, train={"command": COMMAND, "steps": 5}))[0].epochs == 5


FAULTS = {
    "mixed values": ({"hparams": {"x": [1, "a"]}}, "hparams.x", "one type"),
    "data": ({"data": {"name": "digits"}}, "data.name", "Leave it out"),
    "model": ({"model": {"hidden": [4]}}, "model.hidden", ""),
    "key of Keras": ({"train": {"command": COMMAND, "epochs": 3}}, "train.epochs", "Leave it out"),
    "log": ({"log": {"histograms": 0}}, "log.histograms", "Leave it out"),
    "no objective": ({"sweep": {}}, "sweep.objective", "tag"),
    "unknown goal": ({"sweep": {"objective": "odd thing"}}, "sweep.goal", "min"),
    "prune without steps": ({"prune": {}}, "train.steps", "prune"),
    "command is a text": ({"train": {"command": "python train.py"}}, "train.command", "list"),
    "empty command": ({"train": {"command": []}}, "train.command", "list"),
    "unknown placeholder": ({"train": {"command": ["x", "{lerning_rate}"]}}, "train.command[1]", "learning_rate"),
    "open brace": ({"train": {"command": ["x", "{learning_rate"]}}, "train.command[1]", "{{"),
    "format": ({"train": {"command": ["x", "{learning_rate:.2f}"]}}, "train.command[1]", "{{"),
    "star in a text": ({"train": {"command": ["x", "a{*}"]}}, "train.command[1]", "alone"),
    "program from a value": ({"train": {"command": ["{learning_rate}"]}}, "train.command[0]", "program"),
    "reserved name": ({"hparams": {"run": [1]}}, "hparams.run", "{run}"),
    "odd name": ({"hparams": {"a b": [1]}}, "hparams", "letters"),
    "hidden name": ({"hparams": {"_a": [1]}}, "hparams._a", "letter"),
    "name of a column": ({"hparams": {"epoch": [1]}}, "hparams.epoch", "column"),
    "steps that are not set": ({"train": {"command": ["x", "{steps}"]}}, "train.command[1]", "Set steps"),
    "value that some lack": (
        {
            "train": {"command": ["x", "{b}"]},
            "hparams": {"a": [1, 2], "b": {"values": [1], "when": {"a": 1}}},
        },
        "train.command[1]",
        "{*}",
    ),
    "trial that lacks it": (
        {"train": {"command": ["x", "{a}"]}, "hparams": {}, "trial": [{"a": 1, "b": 1}, {"b": 2}]},
        "train.command[1]",
        "{*}",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_does_not_fit_is_named(name: str) -> None:
    """The error names the key, and what to do."""
    tables, key, remedy = FAULTS[name]
    with pytest.raises(SpecError) as caught:
        parsed(**tables)
    assert key in str(caught.value) and remedy in str(caught.value)


def test_a_metric_of_keras_keeps_its_form() -> None:
    """Without a command, an objective has to have the form of a metric, as before."""
    with pytest.raises(SpecError, match=r"sweep\.objective"):
        parse_sweep(
            {
                "data": {"name": "digits"},
                "sweep": {"objective": "Loss/val", "goal": "min"},
                "hparams": {"l2": [0.0, 0.1]},
            },
            name="x.toml",
            folder=Path(),
        )


@pytest.mark.parametrize(
    ("command", "said"),
    [(COMMAND, False), (["x", "{a}{b}"], False), (["x", "{a}"], True)],
    ids=["all", "each", "one is missing"],
)
def test_a_hyperparameter_that_the_command_lacks_is_said(command: list[str], said: bool) -> None:
    """A line says which hyperparameters the program can only find in its environment."""
    remarks = parsed(hparams={"a": [1, 2], "b": [3]}, train={"command": command}).remarks
    assert any("b" in each and "HPDASH_HPARAMS" in each for each in remarks) is said


def test_the_goal_of_a_tag() -> None:
    """If a part of the tag is a metric of Keras, its goal is known."""
    assert parsed(hparams={"x": [1]}, sweep={"objective": "loss/validation"}).goal == "min"
    assert parsed(hparams={"x": [1]}, sweep={"objective": "accuracy/validation"}).goal == "max"
