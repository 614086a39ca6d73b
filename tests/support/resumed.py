"""Trials that are killed after an epoch and resumed from their checkpoint."""

from __future__ import annotations

from pathlib import Path

import pytest
from trained import Listener, run

from hpdash.logs.run_folder import prepare
from hpdash.records import Progress, TrialResult, TrialSpec
from hpdash.training.trainer import Trainer

EPOCHS = 4


class Killed(BaseException):
    """Simulates a kill -9: nothing in the trial catches it."""


class Deadly(Listener):
    """A host that kills its trial at the start of the epoch after `epoch`."""

    def __init__(self, epoch: int) -> None:
        super().__init__()
        self.epoch = epoch

    def progress(self, progress: Progress) -> None:
        """Raise Killed after the chosen epoch."""
        if progress.epoch == self.epoch:
            raise Killed


def kill(trainer: Trainer, spec: TrialSpec, folder: Path, epoch: int) -> Path:
    """Run a trial and kill it after an epoch; return its run folder."""
    with pytest.raises(Killed):
        run(trainer, spec, folder, Deadly(epoch))
    return folder / f"{spec.number:04d}"


def resume(trainer: Trainer, spec: TrialSpec, run_folder: Path, attempt: int = 1) -> TrialResult:
    """Resume a trial as a driver does."""
    epoch, trouble = prepare(run_folder, attempt, resume=True)
    assert trouble == ""
    return trainer.run(spec, run_folder, f"zoo/{spec.setting}", Listener(), epoch)


def same(one: TrialResult, other: TrialResult) -> bool:
    """Return whether two results are equal in everything except measured times."""
    kept = ("state", "epochs", "metrics", "best", "best_epoch", "weights_sha256", "parameters")
    return all(getattr(one, name) == getattr(other, name) for name in kept)
