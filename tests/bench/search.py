"""What each search reaches with the same epochs: `python tests/bench/search.py [--seeds 5] [--logdir FOLDER]`.

Grid, random, tpe, and tpe with asha search for a small net on the real CIFAR-10, each with the same total of
trial-epochs and five seeds. The table has the best validation accuracy after a third, two thirds and all of the epochs,
as mean ± standard deviation over seeds; the share of the epochs after which that mean reaches the final mean of random;
and how many seeds have reached it after a third. A pruned trial counts with the best value it had reached. Needs
`hpdash data get cifar10`. An interrupted benchmark continues if it is run again with the same --logdir.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hpdash import read_runs, run_sweep
from hpdash.analysis.progress import Step, progress

TRIALS, EPOCHS = 30, 27
BUDGET = TRIALS * EPOCHS
MORE = 4  # times as many settings if most are pruned
SPACE: Mapping[str, Any] = {
    "learning_rate": {"min": 1e-4, "max": 1.0, "scale": "log"},
    "hidden": [[32], [64], [128], [64, 32], [128, 64]],
    "activation": ["relu", "elu", "tanh", "sigmoid"],
    "batchnorm": ["none", "before"],
    "kernel_initializer": ["glorot_uniform", "he_normal", {"name": "random_normal", "stddev": 1.0}],
    "optimizer": ["sgd", "adam"],
}
STRATEGIES: Mapping[str, Mapping[str, Any]] = {
    "grid": {"sweep": {"strategy": "grid", "trials": TRIALS}},
    "random": {"sweep": {"strategy": "random", "trials": TRIALS}},
    "tpe": {"sweep": {"strategy": "tpe", "trials": TRIALS}},
    "tpe + asha": {"sweep": {"strategy": "tpe", "trials": MORE * TRIALS}, "prune": {"strategy": "asha"}},
}


def main() -> None:
    """Run every search with every seed, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5, help="seeds a strategy (default 5)")
    parser.add_argument("--logdir", type=Path, help="where the sweeps are left, to go on with (default: nowhere)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        logs = options.logdir or Path(folder)
        paths = {name: [search(name, seed, logs) for seed in range(options.seeds)] for name in STRATEGIES}
    for line in table(paths):
        print(line, flush=True)


def search(name: str, seed: int, logs: Path) -> tuple[Step, ...]:
    """Run the trials that one search lacks, and return its steps."""
    called = f"{name.replace(' + ', '_')}_{seed}"
    asked = STRATEGIES[name]
    run_sweep(document(asked, called, seed), logs)
    found = progress(read_runs(logs / called).runs)
    assert found is not None
    print(f"{called}: {len(found.steps)} ends, {found.spent} epochs, best {found.steps[-1].best:.4f}", flush=True)
    return found.steps


def document(asked: Mapping[str, Any], called: str, seed: int) -> dict[str, Any]:
    """Return the content of the sweep file; the learning rates of a grid come from a coarse list."""
    hparams = dict(SPACE)
    if asked["sweep"]["strategy"] == "grid":
        hparams["learning_rate"] = [1e-4, 1e-3, 1e-2, 1e-1, 1.0]
    return {
        **asked,
        "sweep": {**asked["sweep"], "name": called, "seed": seed},
        "data": {"name": "cifar10", "train": 2000, "validation": 1000, "scale": "standard"},
        "train": {"epochs": EPOCHS, "batch_size": 64},
        "log": {"histograms": 0, "weights": "none"},
        "hparams": hparams,
    }


def best_after(steps: tuple[Step, ...], spent: float) -> float:
    """Return the best value of the trials that had ended when `spent` epochs were spent."""
    return max((step.best for step in steps if step.spent <= spent), default=0.0)


def mean_after(runs: list[tuple[Step, ...]], spent: float) -> float:
    """Return the mean over seeds of the best value after `spent` epochs."""
    return statistics.fmean(best_after(steps, spent) for steps in runs)


def needs(runs: list[tuple[Step, ...]], value: float) -> float | None:
    """Return the share of the budget after which the mean over seeds reaches a value, or None if it never does."""
    ends = sorted(step.spent for steps in runs for step in steps if step.spent <= BUDGET)
    return next((spent / BUDGET for spent in ends if mean_after(runs, spent) >= value), None)


def table(paths: Mapping[str, list[tuple[Step, ...]]]) -> Iterator[str]:
    """Yield the lines of the table."""
    shares = (1 / 3, 2 / 3, 1.0)
    goal = mean_after(paths["random"], BUDGET)
    yield f"best validation accuracy by share of {BUDGET} trial-epochs; random ends at {goal:.4f}"
    yield "| strategy | after a third | two thirds | all | comes to random's end after | seeds there after a third |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for name, runs in paths.items():
        cells = [told([best_after(steps, share * BUDGET) for steps in runs]) for share in shares]
        share, there = needs(runs, goal), sum(best_after(steps, BUDGET / 3) >= goal for steps in runs)
        reached = "does not" if share is None else f"{100 * share:.0f} %"
        yield f"| {name} | {' | '.join(cells)} | {reached} | {there} of {len(runs)} |"


def told(values: list[float]) -> str:
    """Format a mean ± standard deviation."""
    return f"{statistics.fmean(values):.4f} ± {statistics.stdev(values) if values[1:] else 0:.4f}"


if __name__ == "__main__":
    main()
