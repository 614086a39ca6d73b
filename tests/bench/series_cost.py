"""What `[log] series` costs: `python tests/bench/series_cost.py`. Needs the real MNIST and CIFAR-10.

Trains trials of one compiled graph on one core, in turns with the weights alone and with all three series. Prints the
median seconds of an epoch, and the median processor time of a trial divided by its epochs, each with its ratio. Other
work on the machine hardly affects the processor time.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from hpdash import read_runs
from hpdash.logs import layout
from hpdash.records import Progress
from hpdash.search import trials
from hpdash.spec import parse_sweep
from hpdash.training.host import Host
from hpdash.training.trainer import Trainer

ALL = ["weights", "gradients", "activations"]
NETS: dict[str, dict[str, Any]] = {
    "MNIST 784-50-50-50-10, batch 32": {"data": "mnist", "hidden": [50, 50, 50], "batch": 32, "epochs": 10},
    "CIFAR-10 3072-1000-10, batch 64": {"data": "cifar10", "hidden": [1000], "batch": 64, "epochs": 3},
}


class Quiet(Host):
    """A host that ignores all messages."""

    stopping = False

    def progress(self, progress: Progress) -> None:
        """Ignore the progress."""

    def notice(self, text: str) -> None:
        """Ignore the notice."""


def main() -> None:
    """Print one line per net."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=4, help="trials of each kind (default 4)")
    turns = parser.parse_args().turns
    os.environ |= {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.2f} before the start")
    for name, net in NETS.items():
        print(f"{name}: an epoch with weights, with all three, ratio")
        for clock, (bare, full) in seconds(net, turns).items():
            print(f"  {clock}: {bare:.3f} s, {full:.3f} s, {full / bare:.3f}")


def seconds(net: dict[str, Any], turns: int) -> dict[str, tuple[float, float]]:
    """Return, for each clock, the median seconds of an epoch with the weights alone and with all series."""
    with tempfile.TemporaryDirectory() as scratch:
        trainer = Trainer(Path(scratch))
        wall: dict[str, list[float]] = {"bare": [], "full": []}
        processor: dict[str, list[float]] = {"bare": [], "full": []}
        for turn in range(turns + 1):
            for kind, series in (("bare", ["weights"]), ("full", ALL)):
                run = Path(scratch) / f"{turn}-{kind}"
                begin = time.process_time()
                result = trainer.run(spec(net, series), run, "bench", Quiet())
                assert result.epochs == net["epochs"], result.traceback or result.error
                if turn:  # the first turn also compiles and traces
                    processor[kind].append((time.process_time() - begin) / net["epochs"])
                    (read,) = read_runs(run)
                    wall[kind] += read.scalars[layout.time_tag("epoch")].values[1:].tolist()
        clocks = {"wall": wall, "processor": processor}
        return {clock: (median(own["bare"]), median(own["full"])) for clock, own in clocks.items()}


def spec(net: dict[str, Any], series: list[str]) -> Any:
    """Return the trial that trains a net."""
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
