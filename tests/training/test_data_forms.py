"""Tests of the forms of data that a sweep can train on: several inputs and outputs, weights, labels, own validation."""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from driven import children, digests, driving, trial_folder, until
from sweep_files import made_sweep

import hpdash
from hpdash import Options, run_sweep
from hpdash.errors import SpecError
from hpdash.logs import layout
from hpdash.records import TrialState

SOURCE = """
from pathlib import Path

import keras
import numpy as np

L = keras.layers
RANDOM = np.random.default_rng(3)
N = 160
LEFT = RANDOM.normal(size=(N, 5, 4)).astype("float32")
RIGHT = RANDOM.integers(0, 256, (N, 6), dtype="uint8")
KIND = (LEFT.sum((1, 2)) > 0).astype("int64") + (RIGHT[:, 0] > 127)
SIZE = LEFT.mean((1, 2))
WEIGHT = np.where(KIND == 2, 3.0, 1.0)
WORDS = np.array(["bird", "cat", "dog"])[KIND]
FLAT = LEFT.reshape(N, -1)
CUT = 120


def parts(x, y, **more):
    return dict(x_train=x[:CUT], y_train=y[:CUT], x_test=x[CUT:], y_test=y[CUT:], **more)


def one_hot():
    return parts(FLAT, np.eye(3)[KIND])


def words():
    return parts(FLAT, WORDS)


def weighted():
    return parts(FLAT, KIND, sample_weight=WEIGHT[:CUT])


def own_validation():
    weights = dict(sample_weight=WEIGHT[:80], sample_weight_val=WEIGHT[80:CUT])
    return dict(x_train=FLAT[:80], y_train=KIND[:80], x_val=FLAT[80:CUT], y_val=KIND[80:CUT], **weights)


def as_keras():
    return (FLAT[:CUT], KIND[:CUT], WEIGHT[:CUT]), (FLAT[CUT:], KIND[CUT:])


def named(part):
    return {"left": LEFT[part], "right": RIGHT[part]}, {"kind": KIND[part], "size": SIZE[part]}


def two():
    (x, y), (x_test, y_test) = named(slice(CUT)), named(slice(CUT, None))
    return dict(x_train=x, y_train=y, x_test=x_test, y_test=y_test)


def piped():
    import tensorflow as tf

    def batches(part):
        return tf.data.Dataset.from_tensor_slices((*named(part), WEIGHT[part])).batch(16)

    return batches(slice(80)), batches(slice(80, CUT)), batches(slice(CUT, None))


def sequenced():
    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 5

        def __getitem__(self, index):
            part = slice(24 * index, 24 * index + 24)
            return FLAT[part], WORDS[part]

    return Batches()


def mapped():
    folder = Path(__file__).parent
    np.save(folder / "x.npy", FLAT[:CUT])
    return {"x": np.load(folder / "x.npy", mmap_mode="r"), "y": KIND[:CUT]}


def pair():
    return parts_of((LEFT, RIGHT), KIND)


def parts_of(x, y):
    return dict(x_train=tuple(e[:CUT] for e in x), y_train=y[:CUT], x_test=tuple(e[CUT:] for e in x), y_test=y[CUT:])


def build(input_shape, classes, units=4):
    return keras.Sequential([keras.Input(input_shape), L.Flatten(), L.Dense(units), L.Dense(classes, "softmax")])


def build_two(input_shape, classes, units=4):
    x = {name: keras.Input(shape, name=name) for name, shape in input_shape.items()}
    hidden = L.Dense(units, "tanh")(L.Concatenate()([L.Flatten()(x["left"]), x["right"]]))
    y = {"kind": L.Dense(classes["kind"], "softmax", name="kind")(hidden), "size": L.Dense(1, name="size")(hidden)}
    return keras.Model(x, y)


def build_pair(input_shape, classes, units=4):
    left, right = map(keras.Input, input_shape)
    hidden = L.Dense(units, "tanh")(L.Concatenate()([L.Flatten()(left), right]))
    return keras.Model((left, right), L.Dense(classes, "softmax")(hidden))


def learn(trial):
    data = trial.data
    assert data.x_train["left"].shape[1:] == (5, 4) and data.y_validation["kind"].dtype == np.int32
    trial.report(1, loss=float(data.x_train["right"].mean()), validation_loss=float(data.y_train["size"].mean() ** 2))
"""
FORMS = {
    "one-hot labels": ("one_hot", "build", "validation/accuracy"),
    "texts as labels": ("words", "build", "validation/accuracy"),
    "sample weights": ("weighted", "build", "validation/accuracy"),
    "a validation set": ("own_validation", "build", "validation/accuracy"),
    "as keras.datasets, with weights": ("as_keras", "build", "validation/accuracy"),
    "two inputs and outputs": ("two", "build_two", "validation/loss"),
    "a pair of inputs": ("pair", "build_pair", "validation/accuracy"),
    "three pipelines": ("piped", "build_two", "validation/loss"),
    "a PyDataset": ("sequenced", "build", "validation/accuracy"),
    "an array mapped from a file": ("mapped", "build", "validation/accuracy"),
}


def sweep(folder: Path, function: str, builder: str, **tables: Any) -> Path:
    """Write a sweep over a builder's units on one of the data functions; return its file."""
    folder.mkdir(exist_ok=True)
    (folder / "forms.py").write_text(SOURCE)
    tables = {"data": {"name": f"forms:{function}"}, "model": {"builder": f"forms:{builder}"}, **tables}
    return made_sweep(folder, train={"epochs": 2, "batch_size": 16}, **{"hparams": {"units": [3, 5]}, **tables})


@pytest.mark.usefixtures("one_process")
@pytest.mark.parametrize(("data", "builder", "objective"), FORMS.values(), ids=FORMS.keys())
def test_it_trains_and_is_evaluated(data: str, builder: str, objective: str, tmp_path: Path) -> None:
    """Every form trains, with the objective that fits it; the best trials and their ensemble are evaluated."""
    outcome = run_sweep(sweep(tmp_path, data, builder), tmp_path / "logs", Options(workers=1))
    assert [result.state for result in outcome.results.values()] == [TrialState.FINISHED] * 2
    assert outcome.sweep.objective == objective
    known = json.loads((outcome.folder / layout.SWEEP_JSON).read_bytes())["known"]["inputs"][f"forms:{data}"]
    assert known["has_validation"] is (data in ("own_validation", "piped"))
    if data in ("one_hot", "two"):
        found = hpdash.evaluate(tmp_path / "logs", top=2).evaluation
        assert len(found.scores) == 2
        assert found.ensemble is not None and np.isfinite(found.ensemble["loss"])


@pytest.mark.usefixtures("one_process")
@pytest.mark.parametrize(("data", "builder", "objective"), FORMS.values(), ids=FORMS.keys())
def test_it_trains_in_python(data: str, builder: str, objective: str, tmp_path: Path) -> None:
    """Every form may be given in Python itself, and ends with the bits of the sweep whose file names the function."""
    path = sweep(tmp_path, data, builder, hparams={"units": [3]})
    named = run_sweep(path, tmp_path / "named", Options(workers=1))
    sys.path.insert(0, str(tmp_path))
    forms = importlib.import_module("forms")
    content = tomllib.loads(path.read_text())
    content["data"]["name"] = getattr(forms, data)()
    content["model"]["builder"] = getattr(forms, builder)
    given = run_sweep(content, tmp_path / "given", Options(workers=1))
    digests = [outcome.results[0].weights_sha256 for outcome in (named, given)]
    assert digests[0] == digests[1] and given.sweep.objective == objective


@pytest.mark.usefixtures("one_process")
def test_the_built_in_mlp_takes_one_hot_labels_and_weights(tmp_path: Path) -> None:
    """The built-in MLP trains on one-hot labels with the categorical loss, to the same accuracy as on whole numbers."""
    ends = {}
    for name in ("one_hot", "words"):
        path = sweep(tmp_path, name, "build", model={"hidden": [4]}, hparams={"dropout": [0.0]})
        outcome = run_sweep(path, tmp_path / name, Options(workers=1))
        ends[name] = outcome.results[0]
    assert ends["one_hot"].loss_function == "categorical_crossentropy"
    assert ends["one_hot"].metrics["validation/loss"] == pytest.approx(
        ends["words"].metrics["validation/loss"], rel=1e-4
    )


@pytest.mark.usefixtures("one_process")
def test_weights_weigh(tmp_path: Path) -> None:
    """Weights change what is learned: the same data without them end with other weights."""
    digests = set()
    for name in ("weighted", "words"):
        outcome = run_sweep(sweep(tmp_path, name, "build"), tmp_path / name, Options(workers=1))
        digests.add(outcome.results[0].weights_sha256)
    assert len(digests) == 2


@pytest.mark.usefixtures("one_process")
def test_a_loop_of_ones_own_gets_the_same_forms(tmp_path: Path) -> None:
    """A custom training loop gets inputs and outputs by their names."""
    (tmp_path / "forms.py").write_text(SOURCE)
    path = made_sweep(
        tmp_path, loop="forms:learn", data={"name": "forms:two"}, train={"epochs": 1}, hparams={"x": [1]},
        sweep={"objective": "validation/loss", "goal": "min"},
    )  # fmt: skip
    outcome = run_sweep(path, tmp_path / "logs", Options(workers=1))
    assert outcome.results[0].state is TrialState.FINISHED, outcome.results[0].error


REFUSED = {
    "the MLP with several inputs": (
        "two",
        {"model": {"hidden": [4]}, "hparams": {"dropout": [0.0, 0.1]}},
        "model.builder",
    ),
    "a part of one's own": ("own_validation", {"data": {"name": "forms:own_validation", "validation": 0.2}}, "x_val"),
    "a swept part": ("own_validation", {"hparams": {"validation": [0.1, 0.2]}}, "hparams.validation"),
}


@pytest.mark.usefixtures("one_process")
@pytest.mark.parametrize(("data", "tables", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_what_does_not_fit_is_refused_before_anything_starts(
    data: str, tables: dict[str, Any], said: str, tmp_path: Path
) -> None:
    """A key or a model that does not fit the form of the data is an error with a remedy; no folder is left."""
    path = sweep(tmp_path, data, "build", **tables)
    with pytest.raises(SpecError) as caught:
        run_sweep(path, tmp_path / "logs", Options(workers=1))
    assert said in str(caught.value)
    assert not (tmp_path / "logs" / "own").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("one_process")  # for the undisturbed sweep; the other has a driver and a worker of its own
def test_a_killed_sweep_of_pipelines_ends_with_the_same_bits(tmp_path: Path) -> None:
    """After kill -9 of the worker in the middle of a trial, the sweep ends with the same bits as one that was not.

    The data are pipelines with several inputs and outputs and with sample weights.
    """
    tables: dict[str, Any] = {"log": {"checkpoint_epochs": 1}, "hparams": {"units": [5]}}
    whole, killed = (sweep(tmp_path / name, "piped", "build_two", **tables) for name in ("whole", "killed"))
    for path in (whole, killed):
        path.write_text(path.read_text().replace("epochs = 2", "epochs = 60"))
    run_sweep(whole, whole.parent / "logs", Options(workers=1))
    logs = killed.parent / "logs" / "own"
    with driving(killed, "--workers", "1") as driver:
        until(lambda: list(logs.glob(f"*/{layout.CHECKPOINT}")), 60)
        for child in children(driver.pid):
            os.kill(child, signal.SIGKILL)
        out, err = driver.communicate(timeout=120)
        assert driver.returncode == 0, out + err
    assert digests(logs) == digests(whole.parent / "logs" / "own")
    assert not (trial_folder(logs, 0) / layout.CHECKPOINT).exists()
