"""Tests that search needs fewer epochs than random sampling, with learning curves made from Branin's function."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from simulated import best_after, reaches, simulate

from hpdash.spec import Sweep, parse_sweep

EPOCHS, TRIALS, SEEDS = 27, 40, 5


def branin(x: float, y: float) -> float:
    """Return Branin's function (Dixon and Szegő, 1978), whose minimum .397887 is reached at three points."""
    valley = y - 5.1 / (4 * math.pi**2) * x**2 + 5 / math.pi * x - 6
    return valley**2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10


def curve(point: Mapping[str, Any], epoch: int) -> float:
    """Return a setting's accuracy after an epoch.

    The accuracy is higher where Branin's function is lower, and at most .98.
    """
    return (1 - math.exp(-epoch / 3)) / (1 + branin(point["x"], point["y"]) / 20)


def sweep(strategy: str, seed: int, trials: int, **tables: Any) -> Sweep:
    """Build a search over the domain of Branin's function."""
    document = {
        "sweep": {"strategy": strategy, "trials": trials, "seed": seed},
        "data": {"name": "digits"},
        "model": {"builder": "nets:net"},
        "train": {"epochs": EPOCHS},
        "hparams": {"x": {"min": -5.0, "max": 10.0}, "y": {"min": 0.0, "max": 15.0}},
    }
    return parse_sweep(document | tables, name="x.toml", folder=Path())


@pytest.mark.slow
def test_tpe_and_asha_reach_what_random_does_in_a_third() -> None:
    """Over five seeds, tpe with asha reaches random's best value with a third of the epochs.

    On average, tpe alone ends with a better value than random.
    """
    budget, shares, tpe, drawn = EPOCHS * TRIALS, [], [], []
    for seed in range(SEEDS):
        random = best_after(simulate(sweep("random", seed, TRIALS), curve), budget)
        pruned = simulate(sweep("tpe", seed, 4 * TRIALS, prune={"strategy": "asha"}), curve)
        needed = reaches(pruned, random)
        assert needed is not None
        shares.append(needed / budget)
        drawn.append(random)
        tpe.append(best_after(simulate(sweep("tpe", seed, TRIALS), curve), budget))
    assert sum(shares) / SEEDS <= 1 / 3
    assert sum(tpe) / SEEDS > sum(drawn) / SEEDS


def test_every_pruner_saves_epochs() -> None:
    """Each pruner saves a fifth of the epochs on the same settings.

    It ends within a hundredth of the best value without pruning.
    """
    whole = simulate(sweep("sobol", 0, TRIALS), curve)
    for strategy in ("asha", "hyperband", "median"):
        path = simulate(sweep("sobol", 0, TRIALS, prune={"strategy": strategy}), curve)
        assert path[-1][0] < whole[-1][0] * 0.8
        assert path[-1][1] > whole[-1][1] - 0.01
