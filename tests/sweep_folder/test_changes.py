"""Tests of the list of changes to a sweep: each changed key has one line, spelled as in the sweep file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from hpdash.spec import parse_sweep
from hpdash.sweep_folder.changes import MOST, WIDTH, Change, changes, lines

OWN: dict[str, Any] = {"train": {"loop": "loops:train"}}
TWO = {"activation": ["relu", "tanh"], "dropout": [0.1, 0.2]}
SGD = {"optimizer": ["sgd", "adam"], "momentum": {"values": [0.1], "when": {"optimizer": "sgd"}}}
RMSPROP = {"optimizer": ["rmsprop", "adam"], "momentum": {"values": [0.1], "when": {"optimizer": "rmsprop"}}}


def settings(hparams: Mapping[str, Any] | None = None, **tables: Mapping[str, Any]) -> dict[str, Any]:
    """Return the normalised settings of a sweep as a record holds them, with the given tables replaced."""
    content: dict[str, Any] = {"data": {"name": "digits"}, "hparams": hparams or {"activation": ["relu", "tanh"]}}
    return dict(json.loads(json.dumps(parse_sweep({**content, **tables}, name="small", folder=Path()).to_json())))


def listed(*rates: float) -> dict[str, Any]:
    """Return the settings of a sweep of [[trial]] tables."""
    points = [{"learning_rate": rate} for rate in rates]
    made = parse_sweep({"data": {"name": "digits"}, "trial": points}, name="small", folder=Path())
    return made.to_json()


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        pytest.param(settings(), settings(), [], id="nothing"),
        pytest.param(
            settings(),
            settings(train={"epochs": 3}, sweep={"seed": 7}),
            [("sweep.seed", "0", "7", ""), ("train.epochs", "10", "3", "")],
            id="two-keys",
        ),
        pytest.param(
            settings(), settings(sweep={"trials": 1}), [("sweep.trials", "(none)", "1", "")], id="key-that-had-no-value"
        ),
        pytest.param(
            settings(data={"name": "synthetic", "scale": "unit"}),
            settings(),
            [("data.name", '"synthetic"', '"digits"', "")],
            id="data-without-the-defaults-it-decides",
        ),
        pytest.param(
            settings(train={"learning_rate": 0.5}),
            settings(train={"optimizer": "adam"}),
            [("train.optimizer", '"sgd"', '"adam"', ""), ("train.learning_rate", "0.5", "0.001", "")],
            id="decider-and-what-was-given",
        ),
        pytest.param(
            settings({"x": [1]}, **OWN, model={"width": 3}),
            settings({"x": [1]}, **OWN, model={"depth": "a"}),
            [("model.width", "3", "(none)", "removed"), ("model.depth", "(none)", '"a"', "added")],
            id="keywords-of-ones-own",
        ),
        pytest.param(
            settings(),
            settings({"activation": ["elu", "relu", "selu"]}),
            [
                (
                    "hparams.activation",
                    '["relu", "tanh"]',
                    '["elu", "relu", "selu"]',
                    'added "elu", "selu"; removed "tanh"',
                )
            ],
            id="swept-values",
        ),
        pytest.param(
            settings(),
            settings({"activation": ["tanh", "relu"]}),
            [("hparams.activation", '["relu", "tanh"]', '["tanh", "relu"]', "in another order")],
            id="order-of-values",
        ),
        pytest.param(
            settings({"x": [1]}, **OWN),
            settings({"x": [True]}, **OWN),
            [("hparams.x", "[1]", "[true]", "added true; removed 1")],
            id="true-is-not-one",
        ),
        pytest.param(
            settings(),
            settings(TWO),
            [("hparams.dropout", "(none)", "[0.1, 0.2]", "added")],
            id="another-name",
        ),
        pytest.param(
            settings(TWO),
            settings(dict(reversed(TWO.items()))),
            [("hparams", "activation, dropout", "dropout, activation", "in another order")],
            id="order-of-names",
        ),
        pytest.param(
            settings({"dropout": [0.1, 0.2]}),
            settings({"dropout": {"min": 0.1, "max": 0.2, "step": 0.1}}),
            [("hparams.dropout", "[0.1, 0.2]", "{ min = 0.1, max = 0.2, step = 0.1 }", "")],
            id="list-to-range",
        ),
        pytest.param(
            settings(SGD),
            settings(RMSPROP),
            [
                ("hparams.optimizer", '["sgd", "adam"]', '["rmsprop", "adam"]', 'added "rmsprop"; removed "sgd"'),
                ("hparams.momentum.when", '{ optimizer = ["sgd"] }', '{ optimizer = ["rmsprop"] }', ""),
            ],
            id="condition",
        ),
        pytest.param(
            listed(0.1, 0.2),
            listed(0.1, 0.3, 0.4),
            [
                ("trial[1]", "{ learning_rate = 0.2 }", "{ learning_rate = 0.3 }", ""),
                ("trial[2]", "(none)", "{ learning_rate = 0.4 }", "added"),
            ],
            id="listed-trials",
        ),
    ],
)
def test_each_change_is_told_once(
    before: dict[str, Any], now: dict[str, Any], expected: list[tuple[str, str, str, str]]
) -> None:
    """Each changed key, and no other, is listed with both values as TOML and what was added, removed or moved."""
    assert changes(before, now) == [Change(*each) for each in expected]


def test_a_long_value_is_cut_to_where_it_changed() -> None:
    """A long value is shortened to a window around the difference."""
    before, now = (settings({"dropout": [n / 100 for n in range(60) if n != gone]}) for gone in (None, 50))
    (change,) = changes(before, now)
    assert (change.before, change.now) == (
        "….47, 0.48, 0.49, 0.5, 0.51, 0.52, 0.53…",
        "….47, 0.48, 0.49, 0.51, 0.52, 0.53, 0.5…",
    )
    assert len(change.before) == WIDTH
    assert change.note == "removed 0.5"


def test_lines_are_aligned() -> None:
    """Keys, old values, new values and notes are aligned in columns."""
    assert list(lines([Change("a.long.key", "1", "[2, 3]", "added 3"), Change("b", "(none)", "4")])) == [
        "              before  now",
        "  a.long.key  1       [2, 3]  added 3",
        "  b           (none)  4",
    ]


def test_it_is_never_a_wall() -> None:
    """The number of lines is limited; the last line says how many more changes there are."""
    *shown, last = lines(changes(listed(*range(1, 1001)), listed(*range(1001, 2001))))
    assert len(shown) == 1 + MOST
    assert last == f"  … and {1000 - MOST} more"
