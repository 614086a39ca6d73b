"""The training loop of the kept sweep `own`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def behave(trial: Any) -> None:
    """Learn, diverge, or fail, as the hyperparameter says."""
    trial.histogram("model/weights", np.random.default_rng(trial.seed).normal(size=8), 0)
    for epoch in range(1, trial.epochs + 1):
        metrics = {"loss": math.nan if trial.hparams["does"] == "diverge" else 1 / epoch}
        if trial.hparams["does"] != "fail":
            metrics["validation_accuracy"] = epoch / 4 + trial.seed / 100
        trial.report(epoch, **metrics)
