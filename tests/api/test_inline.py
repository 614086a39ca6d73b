"""Tests of sweeps that are given functions and arrays in Python: what runs, what is refused, what is kept."""

from __future__ import annotations

import pickle
import random
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from commands import hpdash as command

import hpdash
from hpdash import Options
from hpdash.data.function import as_dataset
from hpdash.errors import SpecError
from hpdash.logs import layout
from hpdash.spec import inline
from hpdash.spec.inline import DATA

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(120, 4)).astype(np.float32)
Y = (X.sum(1) > 0).astype(np.int64)
ARRAYS = {"x_train": X[:80], "y_train": Y[:80], "x_test": X[80:], "y_test": Y[80:]}
L = keras.layers


def builder(scale: int = 1) -> Any:
    """Return a builder that no other process can import."""

    def build(units: int, input_shape: Any, classes: int) -> Any:
        hidden = L.Dense(units * scale, "relu")
        return keras.Sequential([keras.Input(input_shape), hidden, L.Dense(classes, "softmax")])

    return build


def content(**tables: Any) -> dict[str, Any]:
    """Return a small sweep with a function and arrays."""
    tables = {"data": dict(ARRAYS), "model": {"builder": builder()}, "hparams": {"units": [2, 3]}, **tables}
    return {"sweep": {"name": "inline"}, "train": {"epochs": 2}, **tables}


def run(folder: Path, **tables: Any) -> hpdash.Outcome:
    """Run a small sweep."""
    return hpdash.run_sweep(content(**tables), folder / "logs", Options(workers=1))


def test_workers_get_functions_and_arrays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Real workers train with a function and arrays of this process; test set and model are there afterwards."""
    monkeypatch.chdir(tmp_path)
    outcome = run(tmp_path)
    assert [outcome.results[number].error for number in (0, 1)] == [None, None]
    model = hpdash.load_model("inline/1", "logs")
    assert model.layers[0].units == 3
    evaluated = hpdash.evaluate("logs").evaluation
    (best,) = evaluated.scores
    found = hpdash.load_model(f"inline/{best.trial}", "logs").evaluate(ARRAYS["x_test"], ARRAYS["y_test"], verbose=0)
    assert best.test["loss"] == pytest.approx(found if isinstance(found, float) else found[0], rel=1e-4)


@pytest.mark.usefixtures("one_process")
def test_the_same_bits_as_from_files(tmp_path: Path) -> None:
    """A sweep with objects ends with the bits of the sweep whose file names the same function and data."""
    (tmp_path / "nets.py").write_text(
        "import keras\nL = keras.layers\n\n"
        "def build(units, input_shape, classes):\n"
        "    hidden = L.Dense(units, 'relu')\n"
        "    return keras.Sequential([keras.Input(input_shape), hidden, L.Dense(classes, 'softmax')])\n"
    )
    np.savez(tmp_path / "mine.npz", **ARRAYS)
    (tmp_path / "inline.toml").write_text(
        "[data]\nname = 'mine.npz'\n[model]\nbuilder = 'nets:build'\n[train]\nepochs = 2\n[hparams]\nunits = [2, 3]\n"
    )
    named = hpdash.run_sweep(tmp_path / "inline.toml", tmp_path / "named", Options(workers=1))
    given = run(tmp_path)
    digests = [[outcome.results[n].weights_sha256 for n in (0, 1)] for outcome in (named, given)]
    assert digests[0] == digests[1]


@pytest.mark.usefixtures("one_process")
def test_what_the_folder_keeps_is_text(tmp_path: Path) -> None:
    """The folder has the references and the functions' source to read, and nothing pickled."""
    run(tmp_path)
    folder = tmp_path / "logs" / "inline"
    assert "def build(units" in (folder / layout.FUNCTIONS).read_text()
    assert "__main__:build" in (folder / layout.SWEEP_TOML).read_text()
    pickled = pickle.dumps(builder)[:2]
    for path in folder.rglob("*"):
        assert not path.is_file() or not path.read_bytes().startswith(pickled)
    assert not hpdash.verify(tmp_path / "logs").is_damaged


CHANGED = {
    "the function": ({"model": {"builder": builder(2)}}, "__main__:build"),
    "the arrays": ({"data": {**ARRAYS, "x_train": X[:80] + 1}}, DATA),
}


@pytest.mark.usefixtures("one_process")
@pytest.mark.parametrize(("tables", "said"), CHANGED.values(), ids=CHANGED.keys())
def test_a_change_is_refused_until_it_is_accepted(tables: dict[str, Any], said: str, tmp_path: Path) -> None:
    """Another function or other arrays are refused for a sweep that has results, also if it is finished."""
    assert len(run(tmp_path).results) == 2
    assert len(run(tmp_path).results) == 2
    with pytest.raises(SpecError, match=said):
        run(tmp_path, **tables)
    outcome = hpdash.run_sweep(content(**tables), tmp_path / "logs", Options(workers=1, new=True))
    assert len(outcome.results) == 2 and outcome.folder.name == "inline-2"


@pytest.mark.usefixtures("one_process")
def test_another_process_has_to_be_given_them_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the functions, a sweep cannot go on, be evaluated or give its model; each says what to do."""
    run(tmp_path)
    logs = tmp_path / "logs"
    monkeypatch.setattr(inline, "_remembered", {})
    monkeypatch.setattr("hpdash.system.user_functions._inline", {})
    for function in (lambda: hpdash.load_model("inline/0", logs), lambda: hpdash.evaluate(logs)):
        with pytest.raises(SpecError, match="run_sweep"):
            function()
    shown = command("sweep", str(logs / "inline" / layout.SWEEP_TOML), cwd=tmp_path)
    assert shown.returncode == 2 and "run_sweep" in shown.stderr
    assert len(run(tmp_path).results) == 2
    assert hpdash.load_model("inline/0", logs).layers


@pytest.mark.usefixtures("one_process")
def test_each_sweep_keeps_its_own_functions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model is built by its own sweep's function: never by another sweep's, nor by one that was refused."""
    run(tmp_path)
    run(tmp_path, sweep={"name": "other"}, model={"builder": builder(4)})
    with pytest.raises(SpecError, match="__main__:build"):
        run(tmp_path, model={"builder": builder(2)})
    logs = tmp_path / "logs"
    assert [hpdash.load_model(name, logs).layers[0].units for name in ("inline/0", "other/0")] == [2, 8]
    monkeypatch.setitem(inline._remembered, (logs / "other").resolve(), inline.NOTHING)
    with pytest.raises(SpecError, match="run_sweep"):
        hpdash.load_model("other/0", logs)
    assert hpdash.load_model("inline/0", logs).layers[0].units == 2


@pytest.mark.usefixtures("one_process")
def test_loading_a_model_leaves_the_notebooks_random_numbers(tmp_path: Path) -> None:
    """The generators of Python and NumPy go on after `load_model` as if it had not been called."""
    run(tmp_path)
    random.seed(5)
    np.random.seed(5)
    hpdash.load_model("inline/0", tmp_path / "logs")
    drawn = random.random(), np.random.rand()
    random.seed(5)
    np.random.seed(5)
    assert drawn == (random.random(), np.random.rand())


def test_class_weights_may_have_numbers_as_keys(tmp_path: Path) -> None:
    """A table of class weights as Keras takes it, also as a swept value."""
    weights = {0: 1.0, 1: 2.5}
    content = {"data": {"name": "digits"}, "hparams": {"class_weight": ["none", weights]}}
    assert hpdash.parse_sweep(content, name="mine", folder=tmp_path).values["class_weight"] == [
        "none",
        {"0": 1, "1": 2.5},
    ]
    fixed = {"data": {"name": "digits"}, "train": {"class_weight": weights}, "hparams": {"l2": [0.0, 0.1]}}
    assert hpdash.parse_sweep(fixed, name="mine", folder=tmp_path).fixed["train"]["class_weight"] == {"0": 1, "1": 2.5}


@pytest.mark.usefixtures("one_process")
def test_every_key_that_takes_a_function(tmp_path: Path) -> None:
    """Builders can be swept; callbacks, a data function and a training loop can be given too."""
    told: list[int] = []

    def callbacks(units: int) -> Any:
        return [keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: told.append(units))]

    hparams = {"builder": [builder(), builder(4)], "units": [2]}
    outcome = run(
        tmp_path,
        data={"name": lambda: dict(ARRAYS)},
        model={},
        train={"epochs": 1, "callbacks": callbacks},
        hparams=hparams,
    )
    assert [spec.swept["builder"] for spec in outcome.specs] == ["__main__:build", "__main__:build_2"]
    assert [outcome.results[n].parameters for n in (0, 1)] == [4 * 2 + 2 + 6, 4 * 8 + 8 + 18]

    def loop(trial: hpdash.Trial) -> None:
        trial.report(1, loss=float(trial.data.x_train.mean()), validation_loss=0.5)

    sweep = {"name": "loop", "objective": "validation/loss", "goal": "min"}
    outcome = run(tmp_path, sweep=sweep, model={}, train={"loop": loop, "epochs": 1}, hparams={"a": [1]})
    assert outcome.results[0].error is None


@pytest.mark.usefixtures("one_process")
@pytest.mark.parametrize(
    "data",
    [
        pytest.param(((X[:80], Y[:80]), (X[80:], Y[80:])), id="as keras.datasets"),
        pytest.param(tf.data.Dataset.from_tensor_slices((X[:80], Y[:80])).batch(16), id="pipeline"),
        pytest.param(as_dataset("mine", ARRAYS, None, lambda _: None), id="Dataset"),
    ],
)
def test_data_may_be_given_as_a_function_may_return_them(data: Any, tmp_path: Path) -> None:
    """`name` takes what a data function may return."""
    outcome = run(tmp_path, data={"name": data})
    assert [outcome.results[number].error for number in (0, 1)] == [None, None]


LOCK = threading.Lock()
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "what cannot be sent": ({"model": {"builder": lambda units, lock=LOCK: lock}}, "model.builder"),
    "arrays beside a name": ({"data": {"name": "digits", **ARRAYS}}, "data.name"),
    "an unknown array": ({"data": {**ARRAYS, "z": X}}, "z"),
    "x without y": ({"data": {"x": X}}, "y_train"),
    "a function where none is taken": ({"train": {"loss": lambda y, p: 0}}, "train.loss"),
}


@pytest.mark.parametrize(("tables", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_used_is_refused(tables: dict[str, Any], said: str, tmp_path: Path) -> None:
    """What cannot be used is an error with its key, and no folder is left."""
    with pytest.raises(hpdash.HpdashError, match=said):
        run(tmp_path, **tables)
    assert not (tmp_path / "logs" / "inline").exists()


def test_a_function_of_a_module_is_named_by_it(tmp_path: Path) -> None:
    """A function that workers can import is named in the sweep as in a file."""
    sweep = hpdash.parse_sweep(content(model={"builder": build_here}), name="mine", folder=tmp_path)
    assert sweep.given["model"]["builder"] == f"{__name__}:build_here"
    assert list(sweep.inline.functions) == []


def build_here() -> None:
    """A builder that other processes can import."""


@pytest.mark.parametrize("guard", ["__name__ == '__main__'", "True"], ids=["guarded", "not-guarded"])
def test_a_script_may_sweep_its_own_functions(tmp_path: Path, guard: str) -> None:
    """A script that is run, with its functions in `__main__`, sweeps them; workers do not run the script again."""
    (tmp_path / "mine.py").write_text(
        "import hpdash, numpy as np\n"
        "def learn(trial):\n"
        "    trial.report(1, loss=float(trial.data.x_train.mean()), validation_loss=trial.settings['model']['a'])\n"
        f"if {guard}:\n"
        "    x = np.ones((20, 2), 'float32')\n"
        "    outcome = hpdash.run_sweep({'sweep': {'objective': 'validation/loss', 'goal': 'min'},\n"
        "        'data': {'x': x, 'y': x[:, 0]}, 'train': {'loop': learn, 'epochs': 1}, 'hparams': {'a': [1., 2.]}},\n"
        "        'logs', hpdash.Options(workers=1))\n"
        "    print(sorted(result.metrics['validation/loss'] for result in outcome.results.values()))\n"
    )
    shown = subprocess.run([sys.executable, "mine.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert shown.stdout.strip() == "[1.0, 2.0]", shown.stderr
