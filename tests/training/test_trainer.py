"""Tests of the trainer that a worker uses, with every kind of model, on scikit-learn's digits."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from trained import HERE, Listener, run, specs

from hpdash.records import TrialState
from hpdash.training.trainer import Trainer
from hpdash.training.trial import Trial

BUILDERS: dict[str, dict[str, Any]] = {
    "convolutional": {"filters": [3]},
    "subclassed": {"depth": [2]},
    "refused": {"learning_rate": [0.01, 0.02]},
    "mixed": {"epochs": [3, 4]},
    "compiled": {"epochs": [3, 4]},
}


@pytest.mark.parametrize("name", BUILDERS)
def test_a_model_of_ones_own_learns(name: str, tmp_path: Path) -> None:
    """A user's model trains: convolutional, subclassed, refused by XLA, mixed-precision or compiled.

    A notice says if XLA is not used.
    """
    trainer, listener = Trainer(HERE), Listener()
    for spec in specs(BUILDERS[name], model={"builder": f"zoo:{name}"}):
        result = run(trainer, spec, tmp_path, listener)
        assert result.error is None, result.traceback
        assert result.state is TrialState.FINISHED
        assert result.epochs == spec.settings["train"]["epochs"]
        assert result.metrics["validation/accuracy"] > 0.3
        assert result.xla is (name != "refused")
        assert result.reused_graph is (spec.number == 1 and name in ("refused", "mixed", "compiled"))
    assert len(listener.notices) == (name == "refused")


def test_a_compiled_model_keeps_what_it_was_compiled_with(tmp_path: Path) -> None:
    """A compiled model's own metrics are reported and its own learning rate is used."""
    (spec,) = specs({"epochs": [2]}, model={"builder": "zoo:compiled"})
    result = run(Trainer(HERE), spec, tmp_path)
    assert result.metrics["validation/top_2"] >= result.metrics["validation/accuracy"]
    assert result.metrics["learning_rate"] == pytest.approx(0.02)


def test_lambdas_that_differ_in_a_constant_do_not_share_a_graph(tmp_path: Path) -> None:
    """Two models that look the same to Keras get two graphs.

    A model that is trained again reuses its graph and gives the same bits.
    """
    trainer = Trainer(HERE)
    small, large = specs({"factor": [0.01, 3.0]}, model={"builder": "zoo:scaled_by"})
    assert small.graph_key != large.graph_key
    results = [run(trainer, spec, tmp_path / str(turn)) for turn in (0, 1) for spec in (small, large)]
    assert [result.reused_graph for result in results] == [False, False, True, True]
    assert results[0].weights_sha256 == results[2].weights_sha256 != results[1].weights_sha256
    assert results[1].weights_sha256 == results[3].weights_sha256


@pytest.mark.parametrize("builder", [pytest.param("frozen", marks=pytest.mark.slow), "jittered"])
def test_random_constants_keep_trials_from_sharing_a_graph(tmp_path: Path, builder: str) -> None:
    """Trials do not share a graph if the builder, or a layer while it is traced, draws random constants.

    Each trial gives the bits that it gives alone, and one notice tells the user.
    """
    trainer, listener = Trainer(HERE), Listener()
    chosen = specs({"units": [16]}, model={"builder": f"zoo:{builder}"}, sweep={"repeats": 2}, train={"epochs": 1})
    together = [run(trainer, spec, tmp_path / "together", listener) for spec in chosen]
    alone = [run(Trainer(HERE), spec, tmp_path / "alone") for spec in chosen]
    assert [result.weights_sha256 for result in together] == [result.weights_sha256 for result in alone]
    assert [result.reused_graph for result in together] == [False] * 2
    assert [f"zoo:{builder}" in notice for notice in listener.notices] == [True]


def test_a_metric_that_is_a_vector_is_a_scalar_a_component(tmp_path: Path) -> None:
    """Each component of a vector metric is a scalar of its own and can be the objective."""
    objective = {"objective": "validation/predicted_3", "goal": "max"}
    (spec,) = specs({"units": [16]}, model={"builder": "zoo:measured"}, sweep=objective)
    result = run(Trainer(HERE), spec, tmp_path)
    assert result.state is TrialState.FINISHED, result.error
    assert {f"validation/predicted_{index}" for index in range(10)} < set(result.metrics)
    assert sum(result.metrics[f"predicted_{index}"] for index in range(10)) == pytest.approx(1, abs=1e-5)
    assert objective["objective"] in result.best


def test_the_built_in_mlp_shares_a_graph_over_seeds_initialisers_and_rates(tmp_path: Path) -> None:
    """One compiled graph serves all seeds, initializers and rates, with the same bits as separate graphs."""
    space = {"kernel_initializer": ["he_normal", "zeros"], "learning_rate": [0.1, 0.01]}
    model = {"hidden": [16], "batchnorm": "before", "dropout": 0.1}
    chosen = specs(space, model=model, sweep={"repeats": 2}, train={"epochs": 2})
    assert len({spec.graph_key for spec in chosen}) == 1
    trainer = Trainer(HERE)
    shared = [run(trainer, spec, tmp_path / "shared") for spec in chosen]
    assert [result.reused_graph for result in shared] == [False] + [True] * 7
    alone = run(Trainer(HERE), chosen[-3], tmp_path / "alone")
    assert alone.weights_sha256 == shared[-3].weights_sha256
    assert alone.metrics == shared[-3].metrics
    assert len({result.weights_sha256 for result in shared}) == 8


MISFITS: dict[str, tuple[dict[str, Any], str]] = {
    "too-few-units": ({}, "10 classes"),
    "one-unit": ({"activation": "sigmoid"}, "10 classes"),
    "one-hot-loss": ({"compiled": "categorical_crossentropy"}, "sparse_categorical_crossentropy"),
    "regression-loss": ({"compiled": "mse"}, '"mse"'),
    "not-flattened": ({"flat": False}, "8 x 10"),
    "metric": ({"compiled": "sparse_categorical_crossentropy", "measure": "f1_score"}, "a metric"),
}


@pytest.mark.parametrize("name", MISFITS)
def test_what_does_not_fit_is_said_before_tensorflows_error(tmp_path: Path, name: str) -> None:
    """The error gives the likely cause in one line, then TensorFlow's error without the stack of its graph."""
    model, cause = MISFITS[name]
    units = {"too-few-units": 3, "one-unit": 1}.get(name, 10)
    (spec,) = specs({"units": [units]}, model={"builder": "zoo:shaped", **model}, sweep={"objective": "loss"})
    result = run(Trainer(HERE), spec, tmp_path)
    assert (result.state, result.error is not None) == (TrialState.FAILED, True)
    first, _, rest = str(result.error).partition("\n")
    assert cause in first
    assert "Error: " in rest
    assert "File " not in rest


def test_one_unit_with_a_sigmoid_learns_two_classes(tmp_path: Path) -> None:
    """One sigmoid unit learns two classes.

    The loss is binary cross-entropy without being set in the file, and the accuracy is the binary one.
    """
    data = {"name": "synthetic", "classes": 2, "examples": 400, "validation": 100}
    model = {"builder": "zoo:shaped", "activation": "sigmoid"}
    (spec,) = specs({"units": [1]}, data=data, model=model, train={"epochs": 60})
    result = run(Trainer(HERE), spec, tmp_path)
    assert result.state is TrialState.FINISHED, result.error
    assert result.best["validation/accuracy"] > 0.8
    assert result.loss_function == "binary_crossentropy"


def test_a_failing_builder_fails_its_trial_alone(tmp_path: Path) -> None:
    """An exception in a user's builder is its trial's error, with the traceback; the next trial still trains."""
    trainer = Trainer(HERE)
    first, second = (
        run(trainer, spec, tmp_path) for spec in specs({"width": [13, 7]}, model={"builder": "zoo:broken"})
    )
    assert (first.state, second.state) == (TrialState.FAILED, TrialState.FINISHED)
    assert first.error == "ValueError: 13 brings bad luck"
    assert first.traceback is not None
    assert "zoo.py" in first.traceback


def test_a_builder_that_returns_no_model_is_named(tmp_path: Path) -> None:
    """The error names the builder and the type of what it returned."""
    (spec,) = specs({"epochs": [1]}, model={"builder": "zoo:not_a_model"})
    assert run(Trainer(HERE), spec, tmp_path).error == "zoo:not_a_model: expected a keras.Model, found str"


def test_a_loss_that_is_not_finite_diverges(tmp_path: Path) -> None:
    """A learning rate that makes the loss infinite or NaN ends its trial as diverged after that epoch.

    The graph then trains the next trial correctly.
    """
    trainer = Trainer(HERE)
    wild, tame = specs({"learning_rate": [1e20, 0.05]}, model={"hidden": [16]}, train={"optimizer": "sgd"})
    result = run(trainer, wild, tmp_path)
    assert result.state is TrialState.DIVERGED
    assert result.epochs == 1
    again = run(trainer, tame, tmp_path)
    assert again.reused_graph
    assert again.weights_sha256 == run(Trainer(HERE), tame, tmp_path / "alone").weights_sha256


def test_a_trial_stops_at_the_next_compiled_call(tmp_path: Path) -> None:
    """A trial whose host is stopping ends as interrupted and does not write the end of its session."""
    (spec,) = specs({"hidden": [[16]]}, train={"epochs": 50})
    listener = Listener(calls=5)
    result = run(Trainer(HERE), spec, tmp_path, listener)
    assert result.state is TrialState.INTERRUPTED
    assert 1 <= result.epochs < 5
    assert {progress.phase for progress in listener.heard} == {"compiling", "training"}


def test_an_objective_that_nothing_reports_is_named(tmp_path: Path) -> None:
    """The error names the missing objective and lists the available metrics."""
    (spec,) = specs(
        {"epochs": [1]}, model={"builder": "zoo:compiled"}, sweep={"objective": "validation/f1", "goal": "max"}
    )
    error = run(Trainer(HERE), spec, tmp_path).error
    assert error is not None
    assert "validation/f1" in error
    assert "validation/top_2" in error


def loop(trial: Trial) -> None:
    """Fit least squares to the labels in a custom training loop, without Keras."""
    x = trial.data.x_train.reshape(len(trial.data.x_train), -1)
    weights = np.linalg.lstsq(x, trial.data.y_train, rcond=None)[0]
    held_out = trial.data.x_validation.reshape(len(trial.data.x_validation), -1)
    for epoch in range(1, trial.epochs + 1):
        guess = np.rint(held_out @ weights * float(trial.hparams["strength"]))
        trial.histogram("solution/weights", weights, epoch)
        trial.scalar("solution/norm", float(np.linalg.norm(weights)), epoch)
        trial.report(epoch, validation_accuracy=float((guess == trial.data.y_validation).mean()))


def test_a_loop_of_ones_own_is_a_trial(tmp_path: Path) -> None:
    """A custom training loop gets settings and scaled data and reports metrics, and its best epoch is recorded."""
    chosen = specs({"strength": [0.0, 1.0]}, train={"loop": "test_trainer:loop", "epochs": 2})
    none, full = (run(Trainer(HERE), spec, tmp_path) for spec in chosen)
    assert none.error is None, none.traceback
    assert full.metrics["validation/accuracy"] > none.metrics["validation/accuracy"]
    assert full.best_epoch == 1


WARM_UP = """
import sys
from pathlib import Path
from hpdash.system import lazy_imports
from hpdash.training.trainer import Trainer

lazy_imports.install()
Trainer(Path()).warm_up()
assert "keras" in sys.modules
print(*{"sklearn", "matplotlib"} & {*sys.modules}, "|")

import keras, sklearn, tensorflow
assert issubclass(keras.wrappers.SKLearnClassifier, sklearn.base.BaseEstimator)
assert tensorflow.keras.wrappers.SKLearnClassifier is keras.wrappers.SKLearnClassifier
assert keras.visualization.plot_image_gallery.__module__.startswith("keras.")
import matplotlib.pyplot
from keras.src.visualization import plot_image_gallery
assert plot_image_gallery.plt is matplotlib.pyplot
"""


def test_a_worker_imports_optional_packages_when_they_are_used() -> None:
    """A worker imports Keras without scikit-learn and Matplotlib, and what Keras does with them still works."""
    done = subprocess.run([sys.executable, "-c", WARM_UP], capture_output=True, text=True, timeout=200, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "|"), done.stderr
