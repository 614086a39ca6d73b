"""Trials of small sweeps on scikit-learn's digits, trained in this process, and a host that records their messages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hpdash.records import Progress, TrialResult, TrialSpec
from hpdash.search import trials
from hpdash.spec import parse_sweep
from hpdash.training.trainer import Trainer

HERE = Path(__file__).parent


class Listener:
    """A host that records the messages of a trial, and stops the trial after `calls` progress messages."""

    def __init__(self, calls: int | None = None) -> None:
        self.calls = calls
        self.heard: list[Progress] = []
        self.notices: list[str] = []

    @property
    def stopping(self) -> bool:
        """Whether the trial has used up its calls."""
        return self.calls is not None and len(self.heard) > self.calls

    def progress(self, progress: Progress) -> None:
        """Record the trial's progress."""
        self.heard.append(progress)

    def notice(self, text: str) -> None:
        """Record a notice."""
        self.notices.append(text)


def specs(hparams: dict[str, Any], **tables: dict[str, Any]) -> list[TrialSpec]:
    """Return the trials of a small sweep on digits."""
    train = {"epochs": 3, "batch_size": 64, "optimizer": "adam", "learning_rate": 0.01} | tables.get("train", {})
    tables["train"] = {name: value for name, value in train.items() if name not in hparams}
    sweep = parse_sweep({"data": {"name": "digits"}, "hparams": hparams, **tables}, name="zoo", folder=HERE)
    return trials(sweep)


def run(trainer: Trainer, spec: TrialSpec, folder: Path, listener: Listener | None = None) -> TrialResult:
    """Train one trial."""
    folder.mkdir(parents=True, exist_ok=True)
    return trainer.run(spec, folder / f"{spec.number:04d}", f"zoo/{spec.setting}", listener or Listener())
