"""Tests of custom training loops: killed or stopped loops resume, and one sweep can mix them with Keras models."""

from __future__ import annotations

import os
import re
import shutil
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import invoke
from driven import children, driving, own, run, series, session_ends, states, trial_folder, until, worker_pids
from resumed import kill, resume, same
from sweep_files import made_sweep
from tensorboard.plugins.hparams import api_pb2
from trained import Listener
from trained import run as run_trial

import hpdash
from hpdash.journal.journal import read_journal
from hpdash.logs import checkpoint, layout
from hpdash.logs.run_folder import prepare
from hpdash.records import Started, TrialSpec, TrialState
from hpdash.search import trials
from hpdash.spec import load_sweep, parse_sweep
from hpdash.training.trainer import Trainer

ROOT = Path(__file__).parents[2]
EPOCHS = 4


def spec_of(loop: str, what: str = "", **log: Any) -> TrialSpec:
    """Return a trial of four epochs with a training loop.

    It saves a checkpoint every second epoch, or as `log` says.
    """
    content = {
        "data": {"name": "digits", "train": 320, "validation": 50},
        "train": {"loop": loop, "epochs": EPOCHS, "batch_size": 16, "learning_rate": 0.1},
        "log": log or {"checkpoint_epochs": 2},
        "hparams": {"hidden": [[16]], "what": [what]},
    }
    (spec,) = trials(parse_sweep(content, name="own", folder=ROOT))
    return spec


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder with the loop of the README, the loops that hpdash ships and those of this module."""
    folder = tmp_path_factory.mktemp("loops")
    document = (ROOT / "hpdash" / "training" / "README.md").read_text(encoding="utf-8")
    (loop,) = (block for block in re.findall(r"```python\n(.*?)```", document, re.DOTALL) if "def run(trial)" in block)
    (folder / "readme_loop.py").write_text(loop)
    for path in (ROOT / "sweeps" / "levels.py", Path(__file__)):
        shutil.copy(path, folder)
    return folder


@pytest.mark.parametrize("loop", ["readme_loop:run", "levels:tape"])
def test_killed_it_goes_on_to_the_same_bits(home: Path, loop: str, tmp_path: Path) -> None:
    """A trial killed an epoch after its checkpoint resumes to the series and best values of an undisturbed trial.

    This holds in a process that has trained other trials and in a new one.
    """
    spec, trainer = spec_of(loop), Trainer(home)
    whole = run_trial(Trainer(home), spec, tmp_path / "whole")
    assert whole.error is None, whole.traceback
    assert whole.metrics["validation/accuracy"] > 0.5
    run_folder = kill(trainer, spec, tmp_path / "torn", epoch=3)
    assert checkpoint.read(run_folder / layout.CHECKPOINT).epoch == 2
    assert same(resume(trainer, spec, run_folder), whole)
    assert series(tmp_path / "torn") == series(tmp_path / "whole")


def walk(trial: hpdash.Trial) -> None:
    """Take one step per epoch, with a tick in the middle of the epoch, and save the state in checkpoints."""
    state: dict[str, Any] = {"place": 0.0, "steps": 0}
    state |= trial.checkpoint(lambda: state) or {}
    for epoch in range(trial.epoch + 1, trial.epochs + 1):
        state["place"] += np.random.default_rng((trial.seed, epoch)).normal()
        state["steps"] += 1
        trial.tick(0.5)
        trial.scalar("place", state["place"], epoch)
        trial.report(epoch, loss=1.0, validation_accuracy=float(state["steps"]))


def wander(trial: hpdash.Trial) -> None:
    """Tick and report in every epoch, without a checkpoint."""
    for epoch in range(1, trial.epochs + 1):
        trial.tick(0.5)
        trial.report(epoch, validation_accuracy=1.0)


def polite(trial: hpdash.Trial) -> None:
    """Check `should_stop` before each epoch and return if it is set."""
    for epoch in range(1, trial.epochs + 1):
        if trial.should_stop:
            return
        trial.report(epoch, validation_accuracy=1.0)


def early(trial: hpdash.Trial) -> None:
    """Report epochs 1 and 3 and return before the last epoch."""
    trial.report(1, validation_accuracy=1.0)
    trial.report(3, validation_accuracy=1.0)


def forgetful(trial: hpdash.Trial) -> None:
    """Save checkpoints but always start at epoch 1, even when resumed."""
    trial.checkpoint(lambda: {"nothing": 0})
    for epoch in range(1, trial.epochs + 1):
        trial.report(epoch, validation_accuracy=1.0)


def here(loop: Callable[[hpdash.Trial], None], **keys: Any) -> TrialSpec:
    """Return a trial with one of this module's loops."""
    return spec_of(f"test_own_loop:{loop.__name__}", **keys)


def test_asked_to_stop_it_ends_its_epoch_and_keeps_it(home: Path, tmp_path: Path) -> None:
    """A loop with a checkpoint that is asked to stop in an epoch finishes that epoch and saves it.

    It does so whatever checkpoint interval the file sets, and resumes to equal bits.
    """
    spec = here(walk, checkpoint_minutes=60.0)
    whole = run_trial(Trainer(home), spec, tmp_path / "whole")
    stopped = run_trial(Trainer(home), spec, tmp_path / "torn", Listener(calls=2))
    assert (stopped.state, stopped.epochs) == (TrialState.INTERRUPTED, 2)
    (run_folder,) = (tmp_path / "torn").iterdir()
    assert checkpoint.read(run_folder / layout.CHECKPOINT).epoch == 2
    again = resume(Trainer(home), spec, run_folder)
    assert same(again, whole)
    assert again.metrics["validation/accuracy"] == EPOCHS
    assert series(tmp_path / "torn") == series(tmp_path / "whole")


@pytest.mark.parametrize(
    ("loop", "epochs"), [pytest.param(wander, 0, id="in-its-epoch"), pytest.param(polite, 1, id="as-it-looks")]
)
def test_without_a_checkpoint_it_stops_at_once(
    home: Path, tmp_path: Path, loop: Callable[[hpdash.Trial], None], epochs: int
) -> None:
    """A loop without a checkpoint is interrupted at its next tick, or when it returns because of `should_stop`.

    The next run starts it from the beginning.
    """
    spec = here(loop)
    stopped = run_trial(Trainer(home), spec, tmp_path, Listener(calls=0))
    assert (stopped.state, stopped.epochs) == (TrialState.INTERRUPTED, epochs)
    assert prepare(tmp_path / f"{spec.number:04d}", 1, resume=True) == (0, "")


def test_a_loop_that_is_content_early_has_finished(home: Path, tmp_path: Path) -> None:
    """A loop may skip epochs, including the last ones; its trial is finished unless the sweep is stopping."""
    result = run_trial(Trainer(home), here(early), tmp_path)
    assert (result.state, result.epochs) == (TrialState.FINISHED, 3)


def test_an_epoch_is_reported_once(home: Path, tmp_path: Path) -> None:
    """A resumed loop that starts at epoch 1 again fails with an explanation, so no series is written twice."""
    spec = here(forgetful)
    run_folder = kill(Trainer(home), spec, tmp_path, epoch=3)
    result = resume(Trainer(home), spec, run_folder)
    assert result.state is TrialState.FAILED
    assert "expected an epoch after 2, found 1" in (result.error or "")
    assert "trial.epoch + 1" in (result.error or "")


UNFIT: Mapping[str, Any] = {
    "an-object": object(),
    "nothing": None,
    "a-table": {"a": 1},
    "an-array-of-objects": np.array([{}]),
}


def unfit(trial: hpdash.Trial) -> None:
    """Save a checkpoint with a value that is not an array or a number."""
    trial.checkpoint(lambda: {"good": 1, str(trial.hparams["what"]): UNFIT[str(trial.hparams["what"])]})
    trial.report(1, validation_accuracy=1.0)


@pytest.mark.parametrize("what", UNFIT)
def test_what_is_no_array_is_refused(home: Path, tmp_path: Path, what: str) -> None:
    """A checkpoint value that is not an array fails the trial with an error that names the value.

    Nothing is pickled and no checkpoint is written.
    """
    result = run_trial(Trainer(home), here(unfit, what=what, checkpoint_epochs=1), tmp_path)
    assert result.state is TrialState.FAILED
    assert "expected arrays and numbers" in (result.error or "")
    assert repr(what) in (result.error or "")
    assert not list(tmp_path.rglob(f"{layout.CHECKPOINT}*"))


# The same network as a raw loop and as a Keras model. The raw loop waits in its second epoch for the file `go`.
LEVELS: dict[str, Any] = {
    "data": {"name": "digits", "train": 600, "validation": 200},
    "model": {"builder": "levels:model", "hidden": [16]},
    "train": {"epochs": 4, "batch_size": 32, "learning_rate": 0.1},
    "log": {"checkpoint_epochs": 1},
    "trial": [{"level": "raw", "loop": "slow:raw"}, {"level": "sequential", "loop": "none"}],
}
SLOW = """
import os, time
from pathlib import Path
import levels

HERE = Path(__file__).parent

def raw(trial):
    tick = trial.tick
    def wait(fraction):
        while trial.epoch == 1 and not (HERE / "go").exists():
            (HERE / "pids" / str(os.getpid())).touch()
            time.sleep(0.05)
        tick(fraction)
    trial.tick = wait
    levels.raw(trial)
"""


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run the sweep with its worker killed in the raw loop's second epoch; return the sweep's folder."""
    folder = tmp_path_factory.mktemp("killed")
    (folder / "pids").mkdir()
    shutil.copy(ROOT / "sweeps" / "levels.py", folder)
    (folder / "slow.py").write_text(SLOW)
    path = made_sweep(folder, name="levels", **LEVELS)
    with driving(path, "--workers", "1") as driver:
        until(lambda: worker_pids(folder), 120)
        assert children(driver.pid) == worker_pids(folder)
        os.kill(*worker_pids(folder), signal.SIGKILL)
        (folder / "go").touch()
        _, err = driver.communicate(timeout=100)
    assert driver.returncode == 0, err
    assert re.search(r"killed by signal 9 .*; trying again from epoch 1", err)
    return folder / "logs" / "levels"


def test_raw_tensorflow_killed_goes_on_to_the_same_bits(killed: Path, tmp_path: Path) -> None:
    """After kill -9 in an epoch, weights, scalars and histograms equal those of an undisturbed run.

    The session ends once.
    """
    records = read_journal(killed / layout.JOURNAL).transitions
    assert [record.state for record in records if record.trial == 0] == [
        TrialState.RUNNING, TrialState.KILLED, TrialState.RUNNING, TrialState.FINISHED
    ]  # fmt: skip
    torn, home = trial_folder(killed, 0), killed.parents[1]
    whole, spec = tmp_path / torn.name, trials(load_sweep(home / "levels.toml"))[0]
    assert Trainer(home).run(spec, whole, "levels/0000", Listener()).state is TrialState.FINISHED
    assert series(tmp_path) == {key: value for key, value in series(killed).items() if key[0].startswith(torn.name)}
    assert (torn / layout.WEIGHTS).read_bytes() == (whole / layout.WEIGHTS).read_bytes()
    assert session_ends(torn) == [api_pb2.STATUS_SUCCESS]


def test_loops_and_keras_stand_in_one_table(killed: Path) -> None:
    """Custom loops and Keras models have the same swept settings, metrics and best epoch.

    The loop's weights use the model's tags.
    """
    runs = {run.hparams["level"]: run for run in hpdash.read_runs(killed)}
    assert {level: run.hparams["loop"] for level, run in runs.items()} == {"raw": "slow:raw", "sequential": "none"}
    raw, keras = runs["raw"], runs["sequential"]
    assert raw.hparams.keys() == keras.hparams.keys()
    biases = {"hidden_1/bias", "output/bias"}
    assert raw.histograms.keys() == keras.histograms.keys() - biases == {"hidden_1/kernel", "output/kernel"}
    for tag in ("epoch_loss", "epoch_accuracy", "validation/epoch_loss", "validation/epoch_accuracy", "best/accuracy"):
        assert raw.scalars[tag].steps.tolist() == keras.scalars[tag].steps.tolist()
    listed = invoke("ls", str(killed))
    assert re.search(r"raw +slow:raw +", listed.output)
    assert re.search(r"sequential +none +", listed.output)


WALKING = """
import os, time
from pathlib import Path

HERE = Path(__file__).parent

def behave(trial):
    steps = trial.checkpoint(lambda: {"steps": steps}) or {"steps": 0}
    steps = int(steps["steps"])
    for epoch in range(trial.epoch + 1, trial.epochs + 1):
        (HERE / "pids" / str(os.getpid())).touch()
        while epoch == 1 and not trial.should_stop and not (HERE / "mended").exists():
            trial.tick(0.5)
            time.sleep(0.05)
        trial.tick(0.9)
        steps += 1
        trial.report(epoch, validation_accuracy=steps)
"""


def test_ctrl_c_in_an_epoch(tmp_path: Path) -> None:
    """After Ctrl-C, the current epoch is finished and saved, no other starts, and the next run continues after it."""
    path = own(tmp_path, "walk", loops=WALKING)
    with driving(path, "--workers", "1") as driver:
        until(lambda: worker_pids(tmp_path), 30)
        os.killpg(driver.pid, signal.SIGINT)
        out, err = driver.communicate(timeout=60)
    folder = tmp_path / "logs" / "own"
    assert (driver.returncode, states(folder)) == (130, {0: TrialState.INTERRUPTED})
    assert "To continue: hpdash sweep" in out
    assert "Traceback" not in out + err
    outcome, told = run(path, workers=1)
    assert [event.epoch for event in told if isinstance(event, Started)] == [1]
    assert outcome.results[0].metrics == {"validation/accuracy": 2.0}
