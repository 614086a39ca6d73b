"""A small sweep of learning curves that uses a search and a pruner."""

from __future__ import annotations

from pathlib import Path

from sweep_files import made_sweep

LOOPS = """
import math, time
import numpy as np

def curve(trial):
    kept = trial.checkpoint(lambda: {"total": np.array(total)})
    total = 0.0 if kept is None else float(kept["total"])
    for epoch in range(trial.epoch + 1, trial.epochs + 1):
        time.sleep(0.03)
        noise = np.random.default_rng((trial.number, epoch)).normal() / 100
        total += trial.hparams["q"] * math.exp(-epoch / 4) + noise
        trial.histogram("model/total", np.array([total, 1.0]), epoch)
        trial.report(epoch, loss=1 - total / 10, validation_accuracy=total / 10)
"""


def written(folder: Path, strategy: str = "tpe", pruner: str = "asha", repeats: int = 1) -> Path:
    """Write the sweep; return its file."""
    return made_sweep(
        folder,
        name="curves",
        loop="loops:curve",
        source=LOOPS,
        sweep={"strategy": strategy, "trials": 14, "repeats": repeats},
        train={"epochs": 9},
        prune={"strategy": pruner},
        hparams={"q": {"min": 0.0, "max": 1.0}},
    )
