"""Tests of graph reuse: trials that differ only in numbers share a compiled graph and keep their bits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from small_net import make_data, make_model
from trained import HERE, run, specs

from hpdash.engine import models, optimizers
from hpdash.engine.engine import Engine
from hpdash.engine.hyper import Hyper, hypers, make_hypers
from hpdash.records import TrialSpec
from hpdash.training.trainer import Trainer, to_engine_data

SGD: dict[str, Any] = {"optimizer": "sgd", "learning_rate": 0.05}
OF_MODEL = {"dropout": [0.1, 0.5], "noise": [0.1, 0.5], "l1": [1e-4, 1e-3], "l2": [1e-4, 1e-2]}
NUMBERS: dict[str, tuple[dict[str, list[float]], dict[str, Any]]] = {
    "sgd": ({"momentum": [0.5, 0.9], "clipnorm": [0.1, 0.01], **OF_MODEL}, SGD),
    "nesterov": ({"momentum": [0.5, 0.9]}, {**SGD, "nesterov": True}),
    "rmsprop": ({"rho": [0.5, 0.9], "momentum": [0.5, 0.9], "epsilon": [1e-7, 1e-2]}, {"optimizer": "rmsprop"}),
    "adam": ({"beta_1": [0.5, 0.99], "beta_2": [0.9, 0.999], "epsilon": [1e-7, 1e-2]}, {}),
    "adamw": ({"weight_decay": [0.01, 0.5]}, {"optimizer": "adamw"}),
}


def pair(name: str) -> tuple[TrialSpec, TrialSpec]:
    """Return two trials of a case that differ in every number of the case."""
    numbers, train = NUMBERS[name]
    chosen = specs(dict(numbers), model={"hidden": [16], "activation": "tanh"}, train=train)
    return chosen[0], chosen[-1]


every_run = pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow) if name in ("nesterov", "rmsprop", "adam") else name
        for name in NUMBERS
    ],
)


@every_run
def test_trials_that_differ_in_numbers_share_a_graph(name: str, tmp_path: Path) -> None:
    """Trials that run in turn on a shared graph give the same bits as on a graph of their own."""
    first, second = pair(name)
    trainer = Trainer(HERE)
    shared = [run(trainer, spec, tmp_path / str(turn)) for turn, spec in enumerate((first, second, first))]
    assert [result.reused_graph for result in shared] == [False, True, True]
    alone = run(Trainer(HERE), second, tmp_path / "alone")
    assert alone.weights_sha256 == shared[1].weights_sha256 != shared[0].weights_sha256 == shared[2].weights_sha256
    assert alone.metrics == shared[1].metrics


@every_run
def test_a_graph_learns_what_it_learns_from_constants(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers read from variables give the same weights as constants in Keras' own graph, within rounding."""
    spec = pair(name)[1]
    data = to_engine_data(Trainer(HERE)._load(spec.settings["data"]))

    def learned(is_held: bool) -> list[np.ndarray[Any, Any]]:
        model = models.build(spec.settings, HERE, (8, 8), 10, spec.seed)
        assert bool(hypers(model)) is is_held
        engine = Engine(model, data, 64)
        engine.train_epoch(0, 0, lambda _: None)
        return [values.copy() for _, _, values in engine.weights()]

    read = learned(is_held=True)
    for module in (models, optimizers):
        monkeypatch.setattr(module, "make_hypers", lambda *_: None)
    for ours, constant in zip(read, learned(is_held=False), strict=True):
        np.testing.assert_allclose(ours, constant, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("key", "tables"), [("dropout", {}), ("l2", {}), ("momentum", {"train": SGD})])
def test_zero_is_another_graph(key: str, tables: dict[str, Any]) -> None:
    """A trial with a rate of zero has another graph: one without dropout, penalty or momentum."""
    without, little, much = specs({key: [0.0, 0.1, 0.2]}, **tables)
    assert without.graph_key != little.graph_key == much.graph_key


def test_a_number_that_is_not_set_is_another_graph() -> None:
    """A number that is not set has another graph, because Keras' default is a constant of the graph."""
    train = {**SGD, "momentum": 0.9}
    plain, given = specs({"clipnorm": [0.5]}, train=train)[0], specs({"nesterov": [False]}, train=train)[0]
    assert plain.graph_key != given.graph_key


def test_a_builder_of_ones_own_shares_no_graph_over_numbers() -> None:
    """Trials of a user's builder that differ in numbers share no graph, because the builder may use them in Python."""
    chosen = specs({"momentum": [0.5, 0.9]}, model={"builder": "zoo:subclassed"}, train=SGD)
    assert len({spec.graph_key for spec in chosen}) == 2


@pytest.mark.parametrize("value", [0.999, 0.1, 1e-7])
def test_what_is_computed_from_a_hyper_follows_it(value: float) -> None:
    """A value computed from a Hyper in a graph is rounded like a constant and follows the variable of the Hyper."""
    number = Hyper.of(0.25)

    @tf.function(autograph=False)  # type: ignore[untyped-decorator]
    def graph() -> list[tf.Tensor]:
        results = number, 1 - number, 1 / (1 - number), number * 2, 2 * number, number**2, 1 + number, number / 3
        return [tf.convert_to_tensor(result) for result in results]

    graph()
    number.variable.assign(value)
    expected = value, 1 - value, 1 / (1 - value), value * 2, 2 * value, value**2, 1 + value, value / 3
    assert [float(result) for result in graph()] == [float(np.float32(each)) for each in expected]


def test_a_hyper_is_a_float_to_python() -> None:
    """In Python a Hyper compares like the float it was made from, and it is saved in a configuration as that float."""
    layer = keras.layers.Dropout(0.25)
    make_hypers(layer, ("rate", "noise_shape", "absent"))
    assert isinstance(layer.rate, Hyper)
    assert layer.rate == 0.25
    assert keras.layers.Dropout.from_config(layer.get_config()).rate == 0.25


def test_a_number_that_the_graph_does_not_read_forbids_reuse() -> None:
    """If the graph does not read a number, as a later version of Keras may cause, the graph is not reused."""
    engine = Engine(make_model(), make_data(), 32)
    engine.train_epoch(0, 0, lambda _: None)
    engine.validate()
    assert engine.is_reusable
    engine.model.layers[1].rate = Hyper.of(0.5)
    assert not engine.is_reusable
