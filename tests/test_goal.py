"""Tests of goals: whether each Keras metric is minimised or maximised, and that all comparisons follow the goal."""

from __future__ import annotations

import inspect
import math
from pathlib import Path
from typing import Any

import keras
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpdash.errors import SpecError
from hpdash.goal import Goal, goal_of_metric
from hpdash.spec import Sweep, parse_sweep

ARGUMENTS: tuple[dict[str, Any], ...] = (  # every metric of Keras can be made with one of these
    {}, {"num_classes": 2}, {"num_classes": 2, "target_class_ids": [0]}, {"recall": 0.5}, {"precision": 0.5},
    {"specificity": 0.5}, {"sensitivity": 0.5},
)  # fmt: skip
UNDIRECTED = {"metric", "mean", "sum", "mean_metric_wrapper"}  # their direction depends on what they measure
COUNTS = {"true_positives": "max", "true_negatives": "max", "false_positives": "min", "false_negatives": "min"}
AMBIGUOUS = {"dice", "tversky", "dice_loss", "tversky_loss", "loss", "loss_function_wrapper"}
DIRECTIONS = {"up": "max", "down": "min"}
REGRESSION: dict[str, Any] = {"data": {"name": "prices.npz"}, "hparams": {"hidden": [[4], [8]]}}


def made(kind: type) -> Any:
    """Return a metric of Keras, made with the arguments that it needs, or None if none of ARGUMENTS fits."""
    for arguments in ARGUMENTS:
        try:
            return kind(**arguments)
        except TypeError:
            continue
    return None


def metrics() -> dict[str, type]:
    """Return every class of `keras.metrics`."""
    return {
        name: kind
        for name, kind in vars(keras.metrics).items()
        if inspect.isclass(kind) and issubclass(kind, keras.metrics.Metric)
    }


@pytest.mark.parametrize("name", sorted(metrics()))
def test_every_metric_of_keras_improves_as_keras_says(name: str) -> None:
    """A metric has Keras' goal under its class name, as in `metrics = ["AUC"]`, and its log names, such as auc_1."""
    metric = made(metrics()[name])
    if metric is None or metric.name in UNDIRECTED:
        assert goal_of_metric(name) is None
        return
    expected = COUNTS.get(metric.name) or DIRECTIONS[metric._direction]
    for spelled in (name, metric.name, f"validation/{metric.name}", f"{metric.name}_1", f"output_{metric.name}"):
        assert goal_of_metric(spelled) == expected, spelled


@pytest.mark.parametrize("name", sorted(vars(keras.losses)))
def test_of_every_loss_less_is_better(name: str) -> None:
    """Losses named in `metrics = [...]` are minimised, except cosine similarity, which is also a metric to maximise."""
    known = inspect.isfunction(vars(keras.losses)[name]) and name not in ("get", "serialize", "deserialize")
    if known and name not in AMBIGUOUS | {"cosine_similarity"}:
        assert goal_of_metric(name) == "min"


@pytest.mark.parametrize("name", ["bleu", "score", "my_metric", "learning_rate", "", "_", "validation/", "f1"])
def test_a_metric_that_keras_does_not_have_is_not_guessed(name: str) -> None:
    """The goal of a metric that Keras does not have is not guessed from its name."""
    assert goal_of_metric(name) is None


@given(st.floats(allow_nan=False), st.floats(allow_nan=False), st.sampled_from(Goal))
def test_better_is_less_or_more(value: float, other: float, goal: Goal) -> None:
    """Worth increases as a value gets better; NaN and the worst value are never better than another value."""
    assert goal.better(value, other) == (value > other if goal is Goal.MAX else value < other)
    assert goal.better(value, other) == (goal.utility(value) > goal.utility(other))
    assert (goal.sign * value < goal.sign * other) == goal.better(value, other)
    assert not goal.better(math.nan, value)
    assert not goal.better(goal.worst, value)


def parse(content: dict[str, Any], **tables: dict[str, Any]) -> Sweep:
    """Parse a sweep with these tables."""
    return parse_sweep({**content, **tables}, name="goals", folder=Path())


@pytest.mark.parametrize("name", ["mean_absolute_error", "RootMeanSquaredError", "mape"])
def test_an_error_is_minimised_by_all_that_ranks(name: str) -> None:
    """For an error metric, both the sweep and its pruning minimise."""
    content = parse(
        REGRESSION,
        sweep={"objective": f"validation/{name}"},
        train={"metrics": [name]},
        prune={"strategy": "asha"},
    )
    assert content.pruning is not None
    assert {content.goal, content.pruning.goal} == {Goal.MIN}


@pytest.mark.parametrize(
    ("tables", "key"),
    [
        ({"sweep": {"objective": "validation/bleu"}}, "sweep.goal"),
        ({"prune": {"watch": "validation/bleu"}}, "prune.goal"),
        ({"sweep": {"goal": "min"}}, "sweep.objective"),
    ],
)
def test_what_nobody_knows_has_to_be_said(tables: dict[str, Any], key: str) -> None:
    """A metric that Keras does not have requires a goal, and a goal requires a metric."""
    content = {"data": {"name": "digits"}, "model": {"builder": "a:b"}, "hparams": {"units": [1, 2]}}
    with pytest.raises(SpecError, match=key):
        parse(content, **tables)


def test_a_goal_that_is_given_holds() -> None:
    """An explicit goal is used: from [sweep] for the objective, from [prune] for the metric that pruning watches."""
    content = {"data": {"name": "digits"}, "model": {"builder": "a:b"}, "hparams": {"units": [1, 2]}}
    sweep = parse(
        content,
        sweep={"objective": "validation/bleu", "goal": "max"},
        prune={"watch": "validation/regret", "goal": "min"},
    )
    assert sweep.pruning is not None
    assert (sweep.goal, sweep.pruning.goal) == ("max", "min")


@pytest.mark.parametrize(
    ("content", "objective", "is_open"),
    [
        ({"data": {"name": "digits"}}, "validation/accuracy", False),
        ({"data": {"name": "digits"}, "train": {"metrics": ["mae"]}}, "validation/loss", False),
        ({"data": {"name": "digits"}, "train": {"metrics": ["mae", "acc"]}}, "validation/acc", False),
        ({"data": {"name": "prices.npz"}}, "validation/accuracy", True),
        ({"data": {"name": "digits"}, "model": {"builder": "a:b"}}, "validation/accuracy", True),
    ],
)
def test_the_default_objective_fits_what_is_known(content: dict[str, Any], objective: str, is_open: bool) -> None:
    """The default is accuracy if data and metrics allow it, and open if data or model must be inspected first."""
    sweep = parse({"hparams": {"learning_rate": [0.1, 0.2]}, **content})
    assert (sweep.objective, sweep.ranking.is_open, sweep.ranking.is_default) == (objective, is_open, True)


@pytest.mark.parametrize(
    ("hparams", "tables", "key"),
    [
        ({"activation": ["relu", "tanh"]}, {"model": {"hidden": []}}, "hparams.activation"),
        ({"batchnorm": ["none", "before"]}, {"model": {"hidden": []}}, "hparams.batchnorm"),
        ({"dropout": [0.0, 0.5]}, {"model": {"hidden": []}}, "hparams.dropout"),
        ({"l1": [0.0, 0.5]}, {"model": {"hidden": []}}, "hparams.l1"),
        ({"l2": [0.0, 0.5]}, {"model": {"hidden": []}}, "hparams.l2"),
        ({"kernel_initializer": ["zeros", "ones"]}, {"model": {"hidden": []}}, "hparams.kernel_initializer"),
        ({"bias_initializer": ["zeros", "ones"]}, {"model": {"hidden": []}}, "hparams.bias_initializer"),
        ({"nesterov": [True, False]}, {}, "hparams.nesterov"),
        ({"min_delta": [0.0, 0.1]}, {}, "hparams.min_delta"),
        ({"validation_from": ["end", "start"]}, {"data": {"name": "digits", "validation": "test"}}, "validation_from"),
        ({"l2": [0.0, 0.1]}, {"train": {"min_delta": 0.1}}, "train.min_delta"),
        ({"noise": [0.0, 0.1]}, {"model": {"hidden": [], "dropout": 0.5}}, "model.dropout"),
        ({"x": [1, 2]}, {"train": {"loop": "a:b", "class_weight": "balanced"}}, "train.class_weight"),
        ({"x": [1, 2]}, {"train": {"loop": "a:b", "callbacks": "a:c"}}, "train.callbacks"),
        ({"xla": ["always", "never"]}, {"train": {"loop": "a:b"}}, "hparams.xla"),
    ],
)
def test_a_setting_that_changes_nothing_is_refused(hparams: dict[str, Any], tables: dict[str, Any], key: str) -> None:
    """A fixed or swept setting is refused if the sweep file alone shows that it has no effect on any trial."""
    with pytest.raises(SpecError, match=key):
        parse({"data": {"name": "digits"}, "hparams": hparams}, **tables)


@pytest.mark.parametrize(
    ("hparams", "tables"),
    [
        ({"activation": ["relu", "tanh"], "hidden": [[], [8]]}, {}),
        ({"kernel_initializer": ["zeros", "ones"]}, {"model": {"hidden": [], "output_initializer": "same"}}),
        ({"nesterov": [True, False]}, {"train": {"momentum": 0.9}}),
        ({"nesterov": [True, False], "momentum": [0.0, 0.9]}, {}),
        ({"min_delta": [0.0, 0.1]}, {"train": {"patience": 2}}),
        ({"min_delta": [0.0, 0.1]}, {"train": {"schedule": "plateau"}}),
        ({"validation_from": ["end", "start"], "validation": [0.1, "test"]}, {}),
        ({"loop": ["none", "a:b"]}, {"train": {"class_weight": "balanced", "callbacks": "a:c", "xla": "never"}}),
    ],
)
def test_a_setting_that_changes_something_for_some_trial_is_taken(
    hparams: dict[str, Any], tables: dict[str, Any]
) -> None:
    """A setting is accepted if it has an effect under at least one value of another setting."""
    parse({"data": {"name": "digits"}, "hparams": hparams}, **tables)
