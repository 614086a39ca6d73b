"""Tests of `hpdash.load_model` and `hpdash save`: the model of a run, also in a process without hpdash."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import hpdash as command
from commands import invoke
from sweep_files import made_sweep

import hpdash
from hpdash import Options, data, run_sweep
from hpdash.api.models import save_model
from hpdash.errors import LogdirError, SpecError
from hpdash.logs import layout

SOURCE = """
import keras

L = keras.layers


def conv(input_shape, classes, filters=2):
    return keras.Sequential([
        keras.Input(input_shape), L.Reshape((*input_shape, 1)), L.Conv2D(filters, 3, activation="relu"),
        L.BatchNormalization(), L.Flatten(), L.Dense(classes, activation="softmax"),
    ])


@keras.saving.register_keras_serializable(package="nets")
class Net(keras.Model):
    def __init__(self, units, classes, **more):
        super().__init__(**more)
        self.units, self.classes = units, classes
        self.first, self.last = L.Dense(units, "relu"), L.Dense(classes, "softmax")
        self.flat = L.Flatten()

    def call(self, x):
        return self.last(self.first(self.flat(x)))

    def get_config(self):
        return {**super().get_config(), "units": self.units, "classes": self.classes}


def subclassed(input_shape, classes, units=4):
    return Net(units, classes)


def loop(trial):
    trial.report(1, loss=1.0, validation_accuracy=0.5)
"""
# Loads a model and predicts in a process in which hpdash cannot be imported; `nets` is the user's own module.
FRESH = """
import sys
sys.modules["hpdash"] = None
sys.path.insert(0, sys.argv[3])
import keras, numpy as np
if sys.argv[4:]:
    import nets
model = keras.saving.load_model(sys.argv[1])
x = np.load(sys.argv[2])
np.save(sys.argv[2] + ".out.npy", model.predict(x, verbose=0))
assert model.compiled
"""
MLP = {"hidden": [8, 6], "batchnorm_input": True, "l2": 1e-4}
NETS = {
    "mlp": ({"model": MLP, "hparams": {"dropout": [0.2]}}, "unit"),
    "maxout, standardised": (
        {"model": {"hidden": [6], "activation": "maxout"}, "hparams": {"noise": [0.1]}},
        "standard",
    ),
    "convolutions": ({"model": {"builder": "nets:conv"}, "hparams": {"filters": [3]}}, "unit"),
    "subclassed": ({"model": {"builder": "nets:subclassed"}, "hparams": {"units": [5]}}, "standard"),
}
LIKE_OTHERS = {"maxout, standardised", "convolutions"}


@pytest.fixture(autouse=True)
def _own_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "nets", raising=False)


def trained(folder: Path, tables: dict[str, Any], scale: str = "unit") -> Path:
    """Train one trial for three epochs on a few digits; return the logs root."""
    (folder / "nets.py").write_text(SOURCE)
    own = {
        "data": {"name": "digits", "train": 300, "scale": scale},
        "train": {"epochs": 3, "optimizer": "adam"},
        **tables,
    }
    run_sweep(made_sweep(folder, **own), folder / "logs", Options(workers=1))
    return folder / "logs"


@pytest.mark.usefixtures("one_process")
@pytest.mark.parametrize(
    ("tables", "scale"),
    [pytest.param(*net, id=name, marks=[pytest.mark.slow] * (name in LIKE_OTHERS)) for name, net in NETS.items()],
)
def test_it_is_the_model_that_was_trained(tables: dict[str, Any], scale: str, tmp_path: Path) -> None:
    """The model takes inputs as they are and has the validation metrics of the run; so has its file without hpdash."""
    logs = trained(tmp_path, tables, scale)
    (run,) = hpdash.read_runs(logs)
    assert run.result is not None
    own = data.load({"name": "digits"}, tmp_path)
    parts = data.split(own, {"validation": 0.2})
    x, y = (each[parts.validation.start : parts.validation.stop] for each in (own.x_train, own.y_train))
    model = hpdash.load_model("own/0", logs)
    found = model.evaluate(x.astype("float32"), y, return_dict=True, verbose=0)
    assert found["accuracy"] == pytest.approx(run.result.best["validation/accuracy"], abs=0.01)
    assert found["loss"] == pytest.approx(run.result.best["validation/loss"], rel=1e-3)
    path = save_model("own/0", tmp_path / "best.keras", logs)
    np.save(tmp_path / "x.npy", x.astype("float32"))
    program = [sys.executable, "-c", FRESH, str(path), str(tmp_path / "x.npy"), str(tmp_path)]
    user_code = ["own"] if "builder" in tables["model"] else []
    ended = subprocess.run([*program, *user_code], capture_output=True, text=True, timeout=200, check=False)
    assert ended.returncode == 0, ended.stderr
    predicted = np.load(tmp_path / "x.npy.out.npy")
    np.testing.assert_allclose(predicted, model.predict(x.astype("float32"), verbose=0), rtol=1e-4, atol=1e-6)


@pytest.mark.usefixtures("one_process")
def test_the_command_saves_with_and_without_the_scaling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`hpdash save` writes the file and says how to load it; `--bare` leaves the scaling out."""
    trained(tmp_path, {"model": {"hidden": [4]}, "hparams": {"dropout": [0.1]}})
    monkeypatch.chdir(tmp_path)
    shown = invoke("save", "own/0", "-o", "best.keras")
    assert (shown.exit_code, "keras.saving.load_model('best.keras')" in shown.stdout) == (0, True), shown.output
    assert invoke("save", "own/0", "-o", "bare.keras", "--bare", "--json").exit_code == 0
    import keras

    x = np.random.default_rng(0).integers(0, 17, (5, 8, 8)).astype("float32")
    whole, bare = (keras.saving.load_model(tmp_path / f"{name}.keras") for name in ("best", "bare"))
    np.testing.assert_allclose(whole.predict(x, verbose=0), bare.predict(x / 16, verbose=0), rtol=1e-4, atol=1e-6)
    alone = [sys.executable, "-m", "hpdash", "save", "own/0", "-o", "alone.keras"]  # it has to import TensorFlow itself
    ended = subprocess.run(alone, capture_output=True, text=True, timeout=200, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")  # without TensorFlow's log lines
    wrong = command("save", "own/0", "-o", "best.h5", cwd=tmp_path)
    assert (wrong.returncode, ".keras" in wrong.stderr) == (2, True)


@pytest.mark.usefixtures("one_process")
def test_what_has_no_model_is_refused(tmp_path: Path) -> None:
    """A run of a custom loop, an unknown run, and a run without weights are errors with a reason."""
    (tmp_path / "nets.py").write_text(SOURCE)
    path = made_sweep(tmp_path, loop="nets:loop", train={"epochs": 1}, hparams={"x": [1]})
    run_sweep(path, tmp_path / "logs", Options(workers=1))
    for name, said in (("own/0", "nets:loop"), ("own/7", "own/7")):
        with pytest.raises(SpecError, match=said):
            hpdash.load_model(name, tmp_path / "logs")
    (tmp_path / "keras").mkdir()
    logs = trained(tmp_path / "keras", {"model": {"hidden": [4]}, "hparams": {"dropout": [0.1]}})
    weights = next(logs.glob(f"*/*/{layout.WEIGHTS}"))
    weights.write_bytes(weights.read_bytes()[:-9])
    with pytest.raises(LogdirError, match="cannot read its kept weights"):
        hpdash.load_model("own/0", logs)
    weights.unlink()
    with pytest.raises(LogdirError, match="is gone"):
        hpdash.load_model("own/0", logs)
