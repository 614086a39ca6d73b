"""How fast a logdir is read, side by side with TensorBoard, in one run: `python tests/bench/read_speed.py`.

Prints ratios; absolute times are this machine's, each the least of several. Writes 1,000 runs of 20 steps with 8
histograms and 4 scalars (two of training, two of validation) into a temporary folder: about 130 MB, 240,000 values.
TensorBoard's EventAccumulator reads a tenth of the runs, extended (--all: all of them, a minute). Its data server is
timed from its start until it says that it has loaded everything, as TensorBoard starts it, and with --checksum, since
by default it checks none.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

CHILDREN = {
    "uncached": "from hpdash.reader import read as go\ngo({logs!r}, cached=False)",
    "cached": "from hpdash.reader import read as go\ngo({logs!r})",
}


def main() -> None:
    """Write the runs, measure, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000, help="how many runs (default 1000)")
    parser.add_argument("--best-of", type=int, default=5, help="how often each is measured (default 5)")
    parser.add_argument("--all", action="store_true", help="EventAccumulator reads all runs instead of a tenth")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["HPDASH_CACHE"] = f"{scratch}/cache"
        logs = Path(scratch) / "logs"
        write(logs, options.runs)
        size = sum(file.stat().st_size for file in logs.rglob("*tfevents*"))
        load = os.getloadavg()[0]
        print(f"{options.runs:,} runs, {size / 1e6:.0f} MB; {os.cpu_count()} cores, load {load:.2f} before the start")
        report(measure(logs, options))


def write(logs: Path, runs: int) -> None:
    """Write the runs as trials do."""
    import numpy as np

    from hpdash.histogram import Histogram
    from hpdash.writer import RunWriter

    histograms = [Histogram.of(np.random.default_rng(seed).normal(size=2000), 30) for seed in range(8)]
    for number in range(runs):
        hparams = {"learning_rate": 0.001 * (number + 1), "batchnorm": "before" if number % 2 else "none", "epochs": 20}
        with RunWriter(logs / "sweep" / f"{number:04d}-learning_rate={hparams['learning_rate']:.4g}") as writer:
            writer.start(hparams, f"sweep/{number:04d}")
            for step in range(1, 21):
                for tag, histogram in enumerate(histograms):
                    writer.histogram(f"hidden_{tag // 2 + 1}/{'bias' if tag % 2 else 'kernel'}", histogram, step)
                for tag in ("epoch_loss", "epoch_accuracy"):
                    writer.scalar(tag, 1 / (number + step), step)
                    writer.scalar(tag, 1 / (number + step), step, validation=True)
            writer.end(True)


def measure(logs: Path, options: argparse.Namespace) -> dict[str, float]:
    """Return the seconds of each way, the least of several; the ways take turns, since other work comes and goes."""
    ways: dict[str, Callable[[], float]] = {
        "data server": lambda: data_server(logs),
        "data server, checksums": lambda: data_server(logs, "--checksum"),
        "read": lambda: in_process(logs, "uncached"),
        "read, cached": lambda: in_process(logs, "cached"),
        "hpdash ls": lambda: whole_process(logs, cached=False),
        "hpdash ls, cached": lambda: whole_process(logs, cached=True),
    }
    in_process(logs, "cached")  # what the cached reads find
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(options.best_of):
        for name, way in ways.items():
            seconds[name].append(way())
    return {"EventAccumulator": event_accumulator(logs, options)} | {name: min(each) for name, each in seconds.items()}


def event_accumulator(logs: Path, options: argparse.Namespace) -> float:
    """Return the seconds in which TensorBoard's Python loader reads every run and its validation, keeping all."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    every = {"tensors": 0, "scalars": 0, "histograms": 0, "compressedHistograms": 0, "images": 0, "audio": 0}
    runs = sorted((logs / "sweep").iterdir())
    some = runs if options.all else runs[:: max(1, min(10, len(runs)))]
    begin = time.perf_counter()
    for run in some:
        for folder in (run, run / "validation"):
            EventAccumulator(str(folder), size_guidance=every).Reload()
    return (time.perf_counter() - begin) * len(runs) / len(some)


def data_server(logs: Path, *options: str) -> float:
    """Return the seconds from the data server's start until it says that its first load cycle is finished."""
    from tensorboard.data.server_ingester import get_server_binary

    command = [get_server_binary().path, f"--logdir={logs}", "--reload=once", "--samples-per-plugin=", "--port=0"]
    begin = time.perf_counter()
    server = subprocess.Popen(
        [*command, "--die-after-stdin", "--verbose", *options], stdin=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert server.stderr is not None
    with closing(server.stderr) as lines:
        next(line for line in lines if b"Finished load cycle" in line)
        seconds = time.perf_counter() - begin
    server.kill()
    server.wait()
    return seconds


def in_process(logs: Path, way: str) -> float:
    """Return the seconds of a read in a fresh process, imports of what it needs anyway left out."""
    before = "import json, time\nfrom tensorboard.compat.proto import event_pb2\nfrom hpdash.reader import read\n"
    body = CHILDREN[way].format(logs=str(logs))
    program = f"{before}begin = time.perf_counter()\n{body}\nprint(json.dumps(time.perf_counter() - begin))"
    done = subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.PIPE)
    return float(json.loads(done.stdout))


def whole_process(logs: Path, cached: bool) -> float:
    """Return the seconds of `hpdash ls` from start to end; uncached, it also writes the cache."""
    environment = os.environ if cached else os.environ | {"HPDASH_CACHE": tempfile.mkdtemp(dir=logs.parent)}
    begin = time.perf_counter()
    command = [sys.executable, "-m", "hpdash", "ls", str(logs)]
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begin


def report(seconds: dict[str, float]) -> None:
    """Print each way's seconds, and how many times longer the others take."""
    for name, each in seconds.items():
        print(f"    {name:28}{each:8.2f} s")
    for text, one, other in (
        ("EventAccumulator / read", "EventAccumulator", "read"),
        ("EventAccumulator / hpdash ls", "EventAccumulator", "hpdash ls"),
        ("hpdash ls / data server", "hpdash ls", "data server"),
        ("hpdash ls / with checksums", "hpdash ls", "data server, checksums"),
        ("read / read, cached", "read", "read, cached"),
        ("ls / ls, cached", "hpdash ls", "hpdash ls, cached"),
    ):
        print(f"    {text:28}{seconds[one] / seconds[other]:8.1f}")


if __name__ == "__main__":
    main()
