"""Tests of `[log] series`: the numbers are right for every kind of model, and logging does not affect training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from driven import series as logged
from resumed import kill, resume
from trained import HERE, run, specs

from hpdash import read_runs
from hpdash.engine import models
from hpdash.engine.layers import toggle_transposed
from hpdash.engine.probe import Probe, named_activations
from hpdash.logs import layout
from hpdash.reader import read_histograms
from hpdash.records import TrialResult, TrialSpec, TrialState
from hpdash.runs import Run
from hpdash.training.layer_series import RANGES, dead_units, norm, saturated_units
from hpdash.training.trainer import Trainer

ALL = ["weights", "gradients", "activations"]
MODEL = {"hidden": [16, 16], "activation": "relu", "batchnorm": "before", "dropout": 0.2, "l2": 0.01}
SHAPE, CLASSES, EXAMPLES = (8, 8), 10, 40


def build(seed: int = 1, **model: Any) -> keras.Model:
    """Build a model of the zoo, or the MLP, as a trial does."""
    (spec,) = specs({"epochs": [1]}, model=model)
    return models.build(spec.settings, HERE, SHAPE, CLASSES, seed)


def probe(model: keras.Model, notice: Callable[[str], None] = lambda _: None) -> Probe:
    """Return a probe of a model on a seeded batch."""
    random = np.random.default_rng(5)
    x = tf.constant(random.random((EXAMPLES, *SHAPE), np.float32))
    y = tf.constant(random.integers(0, CLASSES, EXAMPLES, np.int32))
    return Probe(model, x, y, None, notice)


NAMES: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "mlp": (MODEL, {"hidden_1": "relu", "hidden_2": "relu", "output": "softmax"}),
    "after": (MODEL | {"batchnorm": "after"}, {"hidden_1": "relu", "hidden_2": "relu", "output": "softmax"}),
    "maxout": ({"hidden": [4], "activation": "maxout"}, {"hidden_1": "Maxout", "output": "softmax"}),
    "prelu": ({"hidden": [4], "activation": "prelu"}, {"hidden_1": "PReLU", "output": "softmax"}),
    "leaky": ({"hidden": [4], "activation": "leaky_relu"}, {"hidden_1": "LeakyReLU", "output": "softmax"}),
    "convolutional": ({"builder": "zoo:convolutional"}, {"conv2d": "relu", "dense": "softmax"}),
    "subclassed": ({"builder": "zoo:subclassed"}, {"dense_3": "softmax"}),
    "functional": (
        {"builder": "zoo:shared"},
        {"twice": "tanh", "in/core": "LeakyReLU", "fork": "relu", "right": "sigmoid", "both": "elu", "nested": "relu",
         "after": "relu6", "last": "softmax"},
    ),
    "linear": ({"builder": "zoo:linear"}, {}),
}  # fmt: skip


@pytest.mark.parametrize("kind", NAMES)
def test_activations_are_named_by_the_layer_whose_kernel_they_follow(kind: str) -> None:
    """A separate activation layer is logged under the name of the layer whose kernel it follows.

    It is logged under its own name if that layer is ambiguous or its name is taken.
    """
    settings, names = NAMES[kind]
    model = build(**settings)
    assert {name: function for name, (_, function) in named_activations(model).items()} == names
    found = {activation.layer: activation.outputs.shape for activation in probe(model).activations()}
    assert found.keys() == names.keys()
    rows = {"twice": 2, "conv2d": 36}  # rows per example: two calls; 36 positions of a convolution
    assert all(shape[0] == EXAMPLES * rows.get(layer, 1) for layer, shape in found.items())


TROUBLE: dict[str, tuple[dict[str, Any], str]] = {
    "mlp": (MODEL, ""),
    "mixed-precision": ({"builder": "zoo:mixed"}, ""),
    "refused-by-xla": ({"builder": "zoo:refused"}, ""),
    "draws-and-counts": ({"builder": "zoo:drawing"}, ""),
    "graph-of-its-own": (
        {"builder": "zoo:enclosed"},
        "the activations of dense cannot be logged: the model calls the layer only inside a nested graph",
    ),
    "linear": ({"builder": "zoo:linear"}, "no activations can be logged: no layer"),
    "loss-of-its-own": (
        {"builder": "zoo:own_loss"},
        "the gradients of this model cannot be logged: NotImplementedError",
    ),
}


@pytest.mark.parametrize("kind", TROUBLE)
def test_a_look_leaves_no_trace(kind: str) -> None:
    """A probe changes no weights, statistics, random state, optimizer or metrics.

    It reports once what it cannot compute.
    """
    settings, expected = TROUBLE[kind]
    told: list[str] = []
    model = build(**settings)
    model.optimizer.build(model.trainable_variables)
    variables = [*model.variables, *model.optimizer.variables, *model.metrics_variables]
    before = [variable.numpy().copy() for variable in variables]
    probed = probe(model, told.append)
    for _ in range(2):
        gradients, activations = list(probed.gradients()), list(probed.activations())
    for variable, value in zip(variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value, err_msg=variable.path)
    assert [text[: len(expected)] for text in told] == [expected] * bool(expected)
    assert bool(gradients) == ("gradients" not in expected)
    assert bool(activations) == ("activations" not in expected)


@pytest.mark.parametrize("settings", [MODEL, {"builder": "zoo:mixed"}], ids=["mlp", "mixed-precision"])
def test_the_gradient_is_the_slope_of_the_loss(settings: Mapping[str, Any]) -> None:
    """Along the gradient, the loss that Keras evaluates, penalties included, changes at a rate equal to its norm."""
    model = build(**settings)
    probed = probe(model)
    gradients = [values for _, _, values in probed.gradients()]
    squared = sum(norm(values) ** 2 for values in gradients)
    x, y, _ = probed._batch
    losses = []
    for step in (0.01, -0.02):
        for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
            variable.assign_add(toggle_transposed(variable, step / np.sqrt(squared) * gradient))
        losses.append(model.evaluate(x, y, batch_size=EXAMPLES, verbose=0, return_dict=True)["loss"])
    assert (losses[0] - losses[1]) / 0.02 == pytest.approx(np.sqrt(squared), rel=0.03)


UNITS = np.array([[0, 0, 1.0, 0.05], [0, 2, 0.5, 0.95], [0, 0, 0.4, 0.06], [0, -1, 0.5, -0.9]])


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        pytest.param(dead_units(UNITS), 0.25, id="one-unit-of-four-is-always-0"),
        pytest.param(dead_units(np.zeros((3, 5))), 1.0, id="all-dead"),
        pytest.param(saturated_units(UNITS[:3, 2:], 0, 1), 3 / 6, id="sigmoid-ends-included"),
        pytest.param(saturated_units(UNITS[1:, 3:], -1, 1), 2 / 3, id="tanh-both-ends"),
    ],
)
def test_shares_of_units(share: float, expected: float) -> None:
    """A unit is dead if it is 0 for every example.

    An output is saturated if it lies within a twentieth of its range from either end.
    """
    assert share == pytest.approx(expected)


def spec_of(model: Mapping[str, Any], series: list[str]) -> TrialSpec:
    """Return a trial of four epochs that logs these series every second epoch and saves a checkpoint every epoch."""
    log = {"series": series, "histograms": 2, "checkpoint_epochs": 1}
    (spec,) = specs({"epochs": [4]}, model=dict(model), log=log)
    return spec


def train(trainer: Trainer, spec: TrialSpec, folder: Path) -> tuple[TrialResult, Run]:
    """Train a trial; return its result and the run that is read back from its logs."""
    result = run(trainer, spec, folder)
    assert result.state is TrialState.FINISHED, result.traceback
    (read,) = read_runs(folder)
    return result, read


@pytest.fixture(scope="module")
def trainer() -> Trainer:
    """Return one trainer for trials that differ only in the logged series, and so share a graph."""
    return Trainer(HERE)


def test_a_trial_has_its_bits_whatever_is_logged(trainer: Trainer, tmp_path: Path) -> None:
    """Logging all series gives the same weights' SHA-256 and metrics as logging the weights alone.

    All expected tags are logged.
    """
    plain, _ = train(trainer, spec_of(MODEL, ["weights"]), tmp_path / "plain")
    seen, read = train(trainer, spec_of(MODEL, ALL), tmp_path / "seen")
    assert (seen.weights_sha256, seen.metrics) == (plain.weights_sha256, plain.metrics)
    weights = {tag for tag in read.histograms if not layout.probe_prefix(tag)}
    trained = {tag for tag in weights if "moving" not in tag}
    layers = {tag.rpartition("/")[0] for tag in trained}
    looked = {"activations": {"hidden_1", "hidden_2", "output"}, "gradients": trained}
    looked |= {"gradient_norm": {*layers, "all"}, "dead_units": {"hidden_1", "hidden_2"}, "saturated_units": set()}
    tags = {*read.histograms, *read.scalars}
    for kind, expected in looked.items():
        assert {tag for tag in tags if tag.startswith(f"{kind}/")} == {f"{kind}/{each}" for each in expected}
    for tag in ("gradient_norm/hidden_1", "dead_units/hidden_2"):
        assert read.scalars[tag].steps.tolist() == [0, 2, 4]
    assert read.scalars["update_ratio/hidden_1/kernel"].steps.tolist() == [2, 4]


def test_an_update_ratio_is_one_epochs(trainer: Trainer, tmp_path: Path) -> None:
    """An update ratio is the distance between the weights of two successive epochs, divided by the earlier norm.

    Weights that start at 0 have no update ratio.
    """
    (short,) = specs({"epochs": [1]}, model=MODEL, log={"series": ALL})
    _, read = train(trainer, short, tmp_path)
    start = build(seed=short.seed, **MODEL)
    (engine,) = trainer._graphs.values()
    for (layer, name, now), before in zip(engine.weights(trainable=True), start.trainable_variables, strict=True):
        tag = f"update_ratio/{layer}/{name}"
        if name in ("bias", "beta"):
            assert tag not in read.scalars
        else:
            old = toggle_transposed(before, before.numpy())
            expected = np.linalg.norm(now - old) / np.linalg.norm(old)
            assert read.scalars[tag].values.tolist() == pytest.approx([expected], rel=1e-5)


def test_a_resumed_trial_writes_the_same_series(trainer: Trainer, tmp_path: Path) -> None:
    """A trial killed between an epoch and its update ratio resumes to the values of an undisturbed trial."""
    spec = spec_of(MODEL, ALL)
    run(trainer, spec, tmp_path / "whole")
    assert resume(trainer, spec, kill(trainer, spec, tmp_path / "torn", epoch=3)).state is TrialState.FINISHED
    assert logged(tmp_path / "torn") == logged(tmp_path / "whole")


def ends(read: Run, tag: str) -> list[float]:
    """Return a series' first and last value."""
    return [float(read.scalars[tag].values[0]), read.scalars[tag].last]


def test_a_relu_net_of_zeros_is_dead(tmp_path: Path) -> None:
    """With relu and zero weights, no unit is alive, no gradient reaches a hidden layer and one class is predicted.

    With Glorot's initializer, the units are alive.
    """
    relu = {"hidden": [16, 16], "bias_initializer": "same"}
    space = {"kernel_initializer": ["zeros", "glorot_normal"]}
    chosen = specs(space, model=relu, train={"epochs": 2}, log={"series": ALL})
    shared = Trainer(HERE)
    (dead, zeros), (alive, glorot) = (train(shared, spec, tmp_path / str(spec.number)) for spec in chosen)
    for layer in ("hidden_1", "hidden_2"):
        assert ends(zeros, f"dead_units/{layer}") == [1, 1]
        assert ends(zeros, f"gradient_norm/{layer}") == [0, 0]
        assert min(ends(glorot, f"gradient_norm/{layer}")) > 0
        assert max(ends(glorot, f"dead_units/{layer}")) < 0.5
    assert ends(zeros, "gradient_norm/all") == ends(zeros, "gradient_norm/output")
    assert dead.metrics["validation/accuracy"] < 0.15 < alive.metrics["validation/accuracy"]
    gradients = read_histograms(zeros, ["gradients/hidden_1/kernel"])["gradients/hidden_1/kernel"]
    assert all(abs(each.mean) < 1e-9 and each.total == 64 * 16 for each in gradients.histograms)


def test_wide_normal_weights_saturate_a_sigmoid() -> None:
    """random_normal(stddev=1) saturates sigmoids from the start; Glorot's initializer does not."""
    wide = {"name": "random_normal", "stddev": 1.0}
    normal, glorot = (
        next(probe(build(hidden=[16, 16], activation="sigmoid", kernel_initializer=kernel)).activations())
        for kernel in (wide, "glorot_normal")
    )
    assert normal.layer == "hidden_1"
    assert saturated_units(normal.outputs, *RANGES[normal.function]) > 0.3
    assert saturated_units(glorot.outputs, *RANGES[glorot.function]) < 0.01
