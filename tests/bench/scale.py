"""What a driver with many workers costs, on a Ray cluster of this machine: `python tests/bench/scale.py`.

Runs 10,000 trials that wait a moment and report once, each with a graph of its own: on two local workers, on two
actors, and on as many actors as the machine can hold (--actors; each takes 0.13 GB), which do little but sleep.

The table has the driver's own processor time per trial, among the first trials and among the last; its memory after the
first tenth and at the end; and the trials per second. Here the actors share the cores with their driver. On a cluster
they have their own cores, so that the limit is the driver's processor time: the last column is the trials per second
that one full core allows.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from overhead import SWEEP, driver

LOOP = """
import time

def report(trial):
    time.sleep({seconds})
    trial.report(1, loss=trial.hparams["slope"], validation_accuracy=trial.seed)
"""


def main() -> None:
    """Run the sweep in each way, each in a separate process, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=10_000, help="how many trials (default 10,000)")
    parser.add_argument("--actors", type=int, default=48, help="how many actors, in the end (default 48)")
    parser.add_argument("--seconds", type=float, default=0.2, help="how long their trials sleep (default 0.2)")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(run(*options.child)))
        return
    print(f"{options.trials:,} trials; {os.cpu_count()} cores, load {os.getloadavg()[0]:.2f} before the start")
    print("| workers | a trial sleeps | first trial | CPU a trial, first tenth | second half | memory", end="")
    print(" | at the end | trials/s here | of a whole core |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    ways = [("local", 2, 0.0), ("ray", 2, 0.0), ("ray", options.actors, options.seconds)]
    for backend, workers, seconds in ways:
        print(row(backend, workers, seconds, measured(backend, workers, seconds, options.trials)), flush=True)


def measured(backend: str, workers: int, seconds: float, trials: int) -> dict[str, Any]:
    """Run the sweep in a separate driver and return its measurements."""
    with tempfile.TemporaryDirectory() as scratch:
        (Path(scratch) / "loop.py").write_text(LOOP.format(seconds=seconds))
        (Path(scratch) / "overhead.toml").write_text(SWEEP.format(trials=trials))
        command = [sys.executable, __file__, "--child", scratch, backend, str(workers)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert found["exit code"] == 0, "not all of them are finished"
    return found


def run(scratch: str, backend: str, workers: str) -> dict[str, Any]:
    """Run the sweep as a driver does; on our own cluster, the CPUs are divided among the actors."""
    from hpdash.backends.cluster import Cluster

    cores = os.cpu_count() or 1
    cluster = Cluster(cpus=min(1.0, cores / int(workers))) if backend == "ray" else None
    return driver(Path(scratch), int(workers), ray=cluster)


def row(backend: str, workers: int, seconds: float, found: dict[str, Any]) -> str:
    """Return a line of the table."""
    marks: list[list[float]] = found["marks"]
    start, end = marks[0], marks[-1]
    tenth, half = (next(mark for mark in marks if mark[0] >= end[0] * share) for share in (0.1, 0.5))
    early, late = (1000 * (b[3] - a[3]) / (b[0] - a[0]) for a, b in ((start, tenth), (half, end)))
    cells = [
        f"{workers} {'actors' if backend == 'ray' else 'local'}",
        f"{seconds:g} s",
        f"after {start[1]:.1f} s",
        f"{early:.2f} ms",
        f"{late:.2f} ms",
        f"{tenth[2] / 1e6:.0f} MB",
        f"{end[2] / 1e6:.0f} MB",
        f"{(end[0] - half[0]) / (end[1] - half[1]):.0f}",
        f"{1000 / late:.0f} trials/s",
    ]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
