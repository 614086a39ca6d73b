"""Logs for the Trials tab: sweeps with replicates, failures and pruning, and runs of other tools."""

from __future__ import annotations

from pathlib import Path

import searched
from sweep_files import made_sweep

from hpdash import Options, run_sweep
from hpdash.logs.writer import RunWriter

LOOPS = """
import math
import time
from pathlib import Path

HERE = Path(__file__).parent

def learn(trial):
    does, x = trial.hparams["does"], trial.hparams["x"]
    if does == "raise":
        raise ValueError("<b>4 filters</b> are too many\\nsecond line")
    for epoch in range(1, trial.epochs + 1):
        while does == "wait" and epoch == 2 and not (HERE / "go").exists():
            time.sleep(0.05)
        loss = math.nan if does == "diverge" and epoch == 3 else 1 / (epoch * x)
        trial.report(epoch, loss=loss, validation_accuracy=x - abs(epoch - 3) / 100 + trial.seed / 1000)
"""
DOES = ("learn", "raise", "diverge")
NUMBERS = (0.2, 0.5, 0.9)
NAMED = {"lr=0.1,act=relu": 0.7, "lr=0.01,act=relu": 0.9, "lr=0.1,act=tanh": 0.8}


def grid(folder: Path, name: str = "grid", does: tuple[str, ...] = DOES, repeats: int = 2) -> Path:
    """Write the sweep of three numbers and of what a trial does, with replicates; return its file."""
    return made_sweep(
        folder,
        name=name,
        loop="loops:learn",
        source=LOOPS,
        sweep={"repeats": repeats},
        train={"epochs": 5},
        hparams={"x": NUMBERS, "does": does},
    )


def write(folder: Path) -> Path:
    """Write a logs root with the sweeps `grid` and `curves`, which prunes, and with three runs of another tool."""
    root = folder / "logs"
    run_sweep(grid(folder / "grid"), root, Options(workers=2))
    run_sweep(searched.written(folder / "curves"), root, Options(workers=2))
    for name, best in NAMED.items():
        with RunWriter(root / "other" / name) as run:
            for step in range(4):
                run.scalar("val_accuracy", best - abs(step - 2) / 10, step)
    return root
