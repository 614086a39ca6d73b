"""Tests of checkpoints: they are read completely or rejected, and a resumed trial gives the same bits."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from driven import series
from resumed import EPOCHS, Deadly, Killed, kill, resume, same
from trained import HERE, Listener, run, specs

from hpdash.errors import LogdirError
from hpdash.logs import checkpoint, layout
from hpdash.logs.checkpoint import Checkpoint
from hpdash.logs.run_folder import prepare
from hpdash.records import TrialSpec, TrialState
from hpdash.training.trainer import Trainer

KINDS: dict[str, dict[str, Any]] = {
    "mlp": {"hidden": [16], "batchnorm": "before", "dropout": 0.2, "noise": 0.1},
    "convolutional": {"builder": "zoo:convolutional"},
    "subclassed": {"builder": "zoo:subclassed"},
    "refused-by-xla": {"builder": "zoo:refused"},
    "mixed-precision": {"builder": "zoo:mixed"},
    "state-beyond-the-model": {"builder": "zoo:stray"},
}


def spec_of(kind: str, **log: Any) -> TrialSpec:
    """Return a trial of four epochs that writes a checkpoint every second epoch."""
    keys = {"checkpoint_epochs": 2} | log
    given = {name: value for name, value in keys.items() if value is not None}
    (spec,) = specs({"epochs": [EPOCHS]}, model=KINDS[kind], log=given)
    return spec


LIKE_OTHERS = {
    "convolutional",
    "subclassed",
    "refused-by-xla",
}  # models whose checkpoints hold nothing that the other checkpoints lack


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=[pytest.mark.slow] * (kind in LIKE_OTHERS)) for kind in KINDS]
)
def test_a_resumed_trial_has_the_bits_of_an_undisturbed_one(kind: str, tmp_path: Path) -> None:
    """A trial that resumes from a checkpoint has the weights, series and best values of an undisturbed one.

    The trial is killed one epoch after its checkpoint. It resumes in a trainer without the model's graph and in one
    that has it.
    """
    spec, trainer = spec_of(kind), Trainer(HERE)
    whole = run(trainer, spec, tmp_path / "whole")
    assert whole.state is TrialState.FINISHED
    for name, next_trainer in (("fresh", Trainer(HERE)), ("known", trainer)):
        run_folder = kill(trainer, spec, tmp_path / name, epoch=3)
        result = resume(next_trainer, spec, run_folder)
        assert same(result, whole), (result, whole)
        assert series(tmp_path / name) == series(tmp_path / "whole")


@pytest.fixture(scope="module")
def trainer() -> Trainer:
    """Return a trainer that has the graph shared by all trials of the built-in MLP."""
    return Trainer(HERE)


def test_a_trial_dies_twice(tmp_path: Path, trainer: Trainer) -> None:
    """A trial that dies twice still ends with the same bits.

    The resumed attempt dies without writing a checkpoint of its own, and what it wrote is set aside.
    """
    spec = spec_of("mlp", checkpoint_epochs=1)
    whole = run(trainer, spec, tmp_path / "whole")
    run_folder = kill(trainer, spec, tmp_path / "torn", epoch=1)
    epoch, _ = prepare(run_folder, 1, resume=True)
    (run_folder / layout.CHECKPOINT).rename(tmp_path / "kept")
    with pytest.raises(Killed):
        shutil.copy(tmp_path / "kept", run_folder / layout.CHECKPOINT)
        trainer.run(spec, run_folder, "zoo/0", Deadly(3), epoch)
    shutil.copy(tmp_path / "kept", run_folder / layout.CHECKPOINT)  # as if no checkpoint had been written since
    assert same(resume(trainer, spec, run_folder, attempt=2), whole)
    assert series(tmp_path / "torn") == series(tmp_path / "whole")
    assert [path.name for path in (run_folder / layout.ATTEMPTS).iterdir()] == ["2"]


def test_an_interrupted_trial_ends_its_epoch_and_keeps_it(tmp_path: Path, trainer: Trainer) -> None:
    """A trial that is asked to stop within an epoch resumes from the end of that epoch.

    This holds even if the sweep file asks for no checkpoints.
    """
    spec = spec_of("mlp", checkpoint_epochs=None)
    whole = run(trainer, spec, tmp_path / "whole")
    result = run(trainer, spec, tmp_path / "torn", Listener(calls=3))
    assert result.state is TrialState.INTERRUPTED
    assert 1 <= result.epochs < EPOCHS
    run_folder = tmp_path / "torn" / f"{spec.number:04d}"
    assert checkpoint.read(run_folder / layout.CHECKPOINT).epoch == result.epochs
    again = resume(trainer, spec, run_folder)
    assert same(again, whole)
    assert again.seconds > result.seconds
    assert series(tmp_path / "torn") == series(tmp_path / "whole")


def test_minutes_are_minutes(tmp_path: Path, trainer: Trainer) -> None:
    """`checkpoint_minutes` is measured in minutes.

    At one checkpoint an hour, a trial of a few seconds writes none. At one a microsecond, it writes one after each
    epoch but the last.
    """
    for minutes, epoch in ((60.0, None), (1e-8, EPOCHS - 1)):
        spec = spec_of("mlp", checkpoint_epochs=None, checkpoint_minutes=minutes)
        run(trainer, spec, tmp_path / str(minutes))
        path = tmp_path / str(minutes) / f"{spec.number:04d}" / layout.CHECKPOINT
        assert (checkpoint.read(path).epoch if path.exists() else None) == epoch


def test_a_model_it_does_not_fit_fails_the_trial(tmp_path: Path) -> None:
    """A checkpoint with other shapes fails the trial, and the error says how to start over.

    Wrong weights are never loaded.
    """
    small, large = specs({"hidden": [[8], [16]]}, log={"checkpoint_epochs": 1}, train={"epochs": EPOCHS})
    fresh = Trainer(HERE)
    run_folder = kill(fresh, small, tmp_path, epoch=1)
    result = fresh.run(large, run_folder, "zoo/1", Listener(), 1)
    assert result.state is TrialState.FAILED
    assert "--retry-failed" in (result.error or "")


MADE = Checkpoint(
    epoch=3,
    metrics={"loss": 0.5, "validation/loss": float("inf")},
    best={"loss": 0.25},
    best_epoch=2,
    seconds=1.5,
    marks={},
    arrays={
        "about": np.arange(6, dtype=np.float32).reshape(2, 3),
        "a/b.npy": np.array(7, np.int64),
        "\x00../": np.zeros((0, 2), np.float16),
    },
)


def test_a_checkpoint_is_read_as_it_was_written(tmp_path: Path) -> None:
    """A checkpoint is read back with every field and array, whatever the arrays' names, shapes and types.

    The order of the arrays is kept, also when there are many.
    """
    arrays = {**MADE.arrays, **{str(number): np.full(1, number, np.int32) for number in range(12, 0, -1)}}
    checkpoint.write(tmp_path, Checkpoint(3, MADE.metrics, MADE.best, 2, 1.5, {"a": 1}, arrays))
    read = checkpoint.read(tmp_path / layout.CHECKPOINT)
    assert (read.epoch, read.metrics, read.best, read.best_epoch, read.seconds) == (3, MADE.metrics, MADE.best, 2, 1.5)
    assert read.marks == {"a": 1}
    assert list(read.arrays) == list(arrays)
    for one, other in zip(read.arrays.values(), arrays.values(), strict=True):
        assert (one.shape, one.dtype, one.tobytes()) == (other.shape, other.dtype, other.tobytes())
    assert [path.name for path in tmp_path.iterdir()] == [layout.CHECKPOINT]


def test_every_cut_and_every_flipped_byte_is_found(tmp_path: Path) -> None:
    """A truncated checkpoint raises a ValueError that names it.

    A flipped byte raises one too, unless the byte does not affect the content.
    """
    checkpoint.write(tmp_path, MADE)
    path = tmp_path / layout.CHECKPOINT
    data = path.read_bytes()
    for place in range(len(data)):
        path.write_bytes(data[:place])
        with pytest.raises(ValueError, match="cannot be read"):
            checkpoint.read(path)
    for place in range(0, len(data), 3):
        path.write_bytes(data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :])
        with contextlib.suppress(ValueError):
            read = checkpoint.read(path)
            assert (read.epoch, read.metrics, read.best_epoch) == (MADE.epoch, MADE.metrics, MADE.best_epoch)
            kept = {name: array.tobytes() for name, array in read.arrays.items()}
            assert kept == {name: array.tobytes() for name, array in MADE.arrays.items()}


ODD = ["null", "3", "[" * 9999, "{", '{"schema": 1}', '{"schema": 2}', '{"schema": 2, "names": [[]]}']


@pytest.mark.parametrize("about", ODD)
def test_an_odd_description_is_damage(tmp_path: Path, about: str) -> None:
    """A checkpoint with an invalid description raises a ValueError."""
    path = tmp_path / layout.CHECKPOINT
    np.savez(path, about=np.frombuffer(about.encode(), np.uint8))
    with pytest.raises(ValueError, match="cannot be read"):
        checkpoint.read(path)


def test_a_disk_that_refuses_it_leaves_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If a checkpoint cannot be written, a LogdirError is raised and the earlier checkpoint stays intact."""
    checkpoint.write(tmp_path, MADE)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(LogdirError, match="No space left"):
        checkpoint.write(tmp_path, Checkpoint(9, {}, {}, None, 0.0, {}))
    assert checkpoint.read(tmp_path / layout.CHECKPOINT).epoch == MADE.epoch
