"""Tests of row 14 in README.md: a loss that is NaN at once, later or only in validation, or that is infinite.

The trial has diverged, which is a result but never a good one: the trial is not ranked and its session has failed. Its
logs can be read, and the sweep exits with 0.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from driven import driving, run, session_ends, started, states, trial_folder
from sweep_files import made_sweep
from tensorboard.plugins.hparams import api_pb2

from hpdash import read_runs
from hpdash.logs import layout
from hpdash.reader import read_histograms
from hpdash.records import TrialState

LOOPS = """
import numpy as np

BAD = {"nan": (1, "loss", np.nan), "nan_later": (3, "loss", np.nan), "nan_in_validation": (2, "val_loss", np.nan),
       "inf": (2, "loss", np.inf), "minus_inf": (2, "loss", -np.inf)}

def behave(trial):
    bad, name, value = BAD.get(trial.hparams["does"], (0, "", 0.0))
    for epoch in range(1, trial.epochs + 1):
        metrics = {"loss": 1.0, "val_loss": 1.0}
        if epoch == bad:
            metrics[name] = value
        trial.histogram("net/kernel", np.arange(8.0) * sum(metrics.values()), epoch)
        trial.report(epoch, **metrics, validation_accuracy=0.1 if trial.hparams["does"] == "learn" else 0.9)
"""
DIVERGE = {"nan": 1, "nan_later": 3, "nan_in_validation": 2, "inf": 2, "minus_inf": 2}  # and after how many epochs


@dataclass(frozen=True)
class Shown:
    """What the command left on the disk, and what it printed."""

    path: Path
    folder: Path
    exit_code: int
    out: str
    err: str


def swept(path: Path) -> Shown:
    """Run a sweep with the real command."""
    with driving(path, "--workers", "1") as driver:
        out, err = driver.communicate(timeout=60)
    return Shown(path, path.parent / "logs" / path.stem, driver.returncode, out, err)


@pytest.fixture(scope="module")
def own_loops(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    """Run training loops that diverge after they reach a higher accuracy than the loop that does not diverge."""
    tables = {"train": {"epochs": 4}, "hparams": {"does": [*DIVERGE, "learn"]}}
    return swept(made_sweep(tmp_path_factory.mktemp("diverged"), loop="loops:behave", source=LOOPS, **tables))


@pytest.mark.parametrize(("number", "epochs"), list(enumerate(DIVERGE.values())), ids=DIVERGE)
def test_it_has_diverged(own_loops: Shown, number: int, epochs: int) -> None:
    """A trial diverges at the epoch of its bad loss, and its session has failed.

    Its series and histograms can be read up to that epoch.
    """
    run = read_runs(own_loops.folder.parent)[number]
    assert states(own_loops.folder)[number] is run.status is TrialState.DIVERGED
    assert session_ends(trial_folder(own_loops.folder, number)) == [api_pb2.STATUS_FAILURE]
    assert run.scalars["epoch_loss"].steps.tolist() == list(range(1, epochs + 1))
    read = read_histograms(run, ["net/kernel"])["net/kernel"]
    assert read.steps.tolist() == list(range(1, epochs + 1))
    assert all(np.isfinite(each.edges).all() for each in read.histograms)
    assert not run.damage


def test_it_is_not_ranked(own_loops: Shown) -> None:
    """A diverged trial is not ranked, however good it was before; only the finished trial is.

    The sweep exits with 0.
    """
    ranked = re.findall(r"^\s*(\d+)\s+(\d{4})\s+(\S+)", own_loops.out, re.MULTILINE)
    assert ranked == [("1", f"{len(DIVERGE):04d}", "learn")]
    assert own_loops.exit_code == 0
    assert "Traceback" not in own_loops.out + own_loops.err


def test_it_is_a_result(own_loops: Shown) -> None:
    """The next run starts no diverged trial again, unless `retry_failed` is set."""
    assert started(run(own_loops.path, workers=1)[1]) == []
    assert started(run(own_loops.path, workers=1, retry_failed=True)[1]) == list(range(len(DIVERGE)))


@pytest.fixture(scope="module")
def keras(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    """Train a model with a far too high learning rate, then with a good one, in the same worker and the same graph."""
    path = made_sweep(
        tmp_path_factory.mktemp("keras"),
        name="rates",
        data={"name": "synthetic", "train": 200, "validation": 100},
        model={"hidden": [8]},
        train={"epochs": 3},
        hparams={"learning_rate": [1e30, 0.01]},
    )
    return swept(path)


def test_a_model_diverges(keras: Shown) -> None:
    """If the weights of a Keras model become NaN, its logs say so; the next trial in the same graph is unaffected."""
    diverged, sound = read_runs(keras.folder.parent)
    assert (diverged.status, sound.status) == (TrialState.DIVERGED, TrialState.FINISHED)
    assert session_ends(diverged.folder) == [api_pb2.STATUS_FAILURE]
    assert read_histograms(diverged, ["hidden_1/kernel"])["hidden_1/kernel"].steps.tolist() == [0, 1]
    assert diverged.scalars[layout.nonfinite_tag("hidden_1/kernel")].last == 1
    assert sound.scalars["validation/epoch_loss"].steps.tolist() == [1, 2, 3]
    assert np.isfinite(sound.scalars["validation/epoch_loss"].values).all()
    assert keras.exit_code == 0
