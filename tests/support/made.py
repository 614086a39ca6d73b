"""Runs built by hand, for tests of the code that reads runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hpdash.goal import Goal
from hpdash.records import Scalar, TrialResult, TrialState
from hpdash.runs import Objective, Run, Series

ACCURACY = Objective("validation/accuracy", "validation/epoch_accuracy", Goal.MAX)


def series(*values: float, first: int = 1) -> Series:
    """Return a series with one value per step and one second between steps."""
    steps = np.arange(first, first + len(values))
    return Series(steps, np.array(values, float), 1000.0 + steps)


def foreign(name: str = "run", hparams: Mapping[str, Scalar] | None = None, **tags: Sequence[float]) -> Run:
    """Return a run that hpdash did not write; the keyword `validation__x` stands for the tag `validation/x`."""
    scalars = {tag.replace("__", "/"): series(*values) for tag, values in tags.items()}
    return Run(name, Path("logs") / name, hparams=hparams or {}, scalars=scalars)


def trial(number: int, *accuracies: float, sweep: str = "s", repeats: int = 1, **more: Any) -> Run:
    """Return a trial of a sweep over x and y, with its validation accuracies in both its result and its series."""
    state = more.pop("status", TrialState.FINISHED)
    hparams = {"x": number // repeats, "y": "a", "epochs": 4, **more.pop("hparams", {})}
    scalars = {ACCURACY.tag: series(*accuracies)} if accuracies else {}
    found = scalars[ACCURACY.tag].best(Goal.MAX) if accuracies else None
    result = TrialResult(
        state,
        epochs=len(accuracies),
        metrics={ACCURACY.name: accuracies[-1]} if accuracies else {},
        best={ACCURACY.name: found[0]} if found else {},
        best_epoch=found[1] if found else None,
        seconds=2.0 + number,
        **more.pop("result", {}),
    )
    name = f"{sweep}/{number:04d}-x={number}"
    settings: dict[str, Any] = {
        "hparams": hparams, "scalars": scalars, "status": state, "sweep": sweep, "number": number,
        "seed": number % repeats, "group": f"{sweep}/{number // repeats:04d}", "swept": ("x", "y"),
        "objective": ACCURACY, "attempt": 1, "result": None if state is TrialState.RUNNING else result,
    }  # fmt: skip
    return Run(name, Path("logs") / name, **{**settings, **more})
