"""What `[log] series` costs: `python tests/bench/series_cost.py`, which needs the real MNIST and CIFAR-10.

Trains trials of one compiled graph in turn with the weights alone and with all three series, several of each, on one
core, and prints the median seconds an epoch and their ratio. Other work on the machine shows in the seconds, and less
in the ratios.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from hpdash import logdir, read_runs
from hpdash.search import trials
from hpdash.session import Host
from hpdash.spec import parse_sweep
from hpdash.train import Trainer
from hpdash.trial import Progress

ALL = ["weights", "gradients", "activations"]
NETS: dict[str, dict[str, Any]] = {
    "MNIST 784-50-50-50-10, batch 32": {"data": "mnist", "hidden": [50, 50, 50], "batch": 32, "epochs": 6},
    "CIFAR-10 3072-1000-10, batch 64": {"data": "cifar10", "hidden": [1000], "batch": 64, "epochs": 3},
}


class Quiet(Host):
    """A host that is told and says nothing."""

    stopping = False

    def progress(self, progress: Progress) -> None:
        """Let it pass."""

    def notice(self, text: str) -> None:
        """Let it pass."""


def main() -> None:
    """Print a line a net."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=4, help="trials of each kind (default 4)")
    turns = parser.parse_args().turns
    os.environ |= {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.2f} before the start")
    for name, net in NETS.items():
        bare, full = seconds(net, turns)
        print(f"{name}: {bare:.3f} s an epoch with weights, {full:.3f} with all three, ratio {full / bare:.2f}")


def seconds(net: dict[str, Any], turns: int) -> tuple[float, float]:
    """Return the median seconds of an epoch with the weights alone, and with all series."""
    with tempfile.TemporaryDirectory() as scratch:
        trainer = Trainer(Path(scratch))
        found: dict[str, list[float]] = {"bare": [], "full": []}
        for turn in range(turns + 1):
            for kind, series in (("bare", ["weights"]), ("full", ALL)):
                run = Path(scratch) / f"{turn}-{kind}"
                result = trainer.run(spec(net, series), run, "bench", Quiet())
                assert result.epochs == net["epochs"], result.traceback or result.error
                (read,) = read_runs(run)
                if turn:  # what is compiled and traced is by then
                    found[kind] += read.scalars[logdir.time_tag("epoch")].values[1:].tolist()
        return median(found["bare"]), median(found["full"])


def spec(net: dict[str, Any], series: list[str]) -> Any:
    """Return the trial of a net."""
    tables = {
        "data": {"name": net["data"]},
        "model": {"hidden": net["hidden"], "activation": "relu"},
        "train": {"epochs": net["epochs"], "batch_size": net["batch"]},
        "log": {"series": series},
        "hparams": {"learning_rate": [0.01]},
    }
    return trials(parse_sweep(tables, name="bench", folder=Path()))[0]


if __name__ == "__main__":
    main()
