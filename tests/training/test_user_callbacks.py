"""Tests of `[train] callbacks`: which hooks run, what is refused, and what a resumed trial does."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from driven import children, digests, driving, until
from sweep_files import made_sweep

from hpdash import Options, Watcher, read_runs, run_sweep
from hpdash.errors import SpecError
from hpdash.logs import layout
from hpdash.records import Event, Notice, TrialState

SOURCE = """
import json
from pathlib import Path
import keras

HERE = Path(__file__).parent


class Told(keras.callbacks.Callback):
    def __init__(self, rate=None):
        super().__init__()
        self.rate, self.told = rate, []

    def on_train_begin(self, logs=None):
        self.told.append("train")

    def on_epoch_begin(self, epoch, logs=None):
        self.told.append(f"begin {epoch}")

    def on_test_end(self, logs=None):
        self.told.append(f"test {sorted(logs)}")

    def on_epoch_end(self, epoch, logs=None):
        self.told.append(f"end {epoch} {sorted(logs)}")

    def on_train_end(self, logs=None):
        (HERE / f"told-{self.rate}.json").write_text(json.dumps(self.told))


class Halving(keras.callbacks.Callback):
    # halves the rate after every third epoch, counted in a state of its own
    def __init__(self):
        super().__init__()
        self.seen = 0

    def on_train_begin(self, logs=None):
        self.seen = 0

    def on_epoch_end(self, epoch, logs=None):
        self.seen += 1
        if self.seen % 3 == 0:
            self.model.optimizer.learning_rate = float(self.model.optimizer.learning_rate) / 2


class Stateful(Halving):
    def get_state(self):
        return {"seen": self.seen}

    def set_state(self, state):
        self.seen = state["seen"]


class ByBatch(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        pass


def told(learning_rate):
    return [Told(learning_rate)]


def halving():
    return Halving()


def stateful(**settings):
    assert settings["epochs"] > 1
    return [Stateful()]


def by_batch():
    return [ByBatch()]


def by_lambda():
    return keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: None)


def nothing():
    return None


def misspelt(learning_rte):
    return []


def picky(learning_rate):
    if learning_rate > 0.15:
        raise ValueError("too fast")
    return []
"""


def sweep(folder: Path, function: str, epochs: int = 2, **tables: Any) -> Path:
    """Write a sweep of the built-in MLP with one of the callback functions; return its file."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "hooks.py").write_text(SOURCE)
    train = {"epochs": epochs, "callbacks": f"hooks:{function}"}
    tables = {"data": {"name": "digits", "train": 200}, "hparams": {"learning_rate": [0.1]}, **tables}
    return made_sweep(folder, train=train, model={"hidden": [8]}, **tables)


@pytest.mark.usefixtures("one_process")
def test_the_hooks_of_training_epochs_and_validation_run(tmp_path: Path) -> None:
    """A function gets the keys it names, and the hooks of its callbacks run in Keras' order with Keras' logs."""
    path = sweep(tmp_path, "told", hparams={"learning_rate": [0.1, 0.2]})
    outcome = run_sweep(path, tmp_path / "logs", Options(workers=1))
    assert {result.state for result in outcome.results.values()} == {TrialState.FINISHED}
    logs = "['accuracy', 'loss', 'val_accuracy', 'val_loss']"
    epochs = [[f"begin {e}", "test ['accuracy', 'loss']", f"end {e} {logs}"] for e in (0, 1)]
    expected = ["train", *epochs[0], *epochs[1]]
    for rate in ("0.1", "0.2"):
        assert json.loads((tmp_path / f"told-{rate}.json").read_text()) == expected


@pytest.mark.usefixtures("one_process")
@pytest.mark.parametrize(
    ("function", "said"),
    [
        pytest.param("by_batch", "on_train_batch_end", id="batch-hook"),
        pytest.param("by_lambda", "on_train_batch_end", id="lambda"),
        pytest.param("misspelt", "learning_rte", id="unknown-parameter"),
        pytest.param("nothing", "expected a list of keras.callbacks.Callback", id="no-callbacks"),
    ],
)
def test_what_cannot_run_is_refused_by_name(function: str, said: str, tmp_path: Path) -> None:
    """A callback with a hook for batches, and a function that returns no callbacks, are refused before the sweep."""
    with pytest.raises(SpecError, match=said):
        run_sweep(sweep(tmp_path, function), tmp_path / "logs", Options(workers=1))
    assert not (tmp_path / "logs" / "own").exists()


@pytest.mark.usefixtures("one_process")
def test_a_function_that_fails_for_one_value_fails_that_trial(tmp_path: Path) -> None:
    """An error in the function itself fails its trial, and the others go on."""
    path = sweep(tmp_path, "picky", hparams={"learning_rate": [0.2, 0.1]})
    outcome = run_sweep(path, tmp_path / "logs", Options(workers=1))
    assert [outcome.results[n].state for n in (0, 1)] == [TrialState.FAILED, TrialState.FINISHED]


@pytest.mark.usefixtures("one_process")  # for the undisturbed sweep; the other has a driver and a worker of its own
@pytest.mark.parametrize(
    ("function", "resumes"), [("stateful", True), pytest.param("halving", False, marks=pytest.mark.slow)]
)
def test_a_killed_trial_ends_as_an_undisturbed_one(function: str, resumes: bool, tmp_path: Path) -> None:
    """A callback with a state goes on from the checkpoint; without one the trial starts over. Both end the same."""
    log = {"log": {"checkpoint_epochs": 1}}
    whole, killed = (sweep(tmp_path / name, function, epochs=40, **log) for name in ("whole", "killed"))
    told: list[Event | None] = []
    run_sweep(whole, whole.parent / "logs", Options(workers=1), Watcher(event=told.append))
    notices = [event.text for event in told if isinstance(event, Notice)]
    assert any("starts over" in text for text in notices) is not resumes
    logs = killed.parent / "logs" / "own"
    with driving(killed, "--workers", "1") as driver:
        until(lambda: epochs_of(logs) >= 4, 90)
        for child in children(driver.pid):
            os.kill(child, signal.SIGKILL)
        assert driver.wait(120) == 0
    assert bool(list(logs.glob(f"*/{layout.ATTEMPTS}/1/*"))) is not resumes
    assert digests(logs) == digests(whole.parent / "logs" / "own")


def epochs_of(logs: Path) -> int:
    """Return how many epochs the trial has logged."""
    if not list(logs.glob(f"*/{layout.EVENT_FILE}*")):
        return 0
    tag = "validation/epoch_loss"
    return max((len(run.scalars[tag].steps) for run in read_runs(logs.parent) if tag in run.scalars), default=0)
