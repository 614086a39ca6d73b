"""How fast a logdir is read, compared with TensorBoard in the same run: `python tests/bench/read_speed.py`.

Prints ratios and the absolute times of this machine, each the minimum of several. Writes 1,000 runs of 20 steps with 8
histograms and 4 scalars (two of training, two of validation) into a temporary folder: about 130 MB, 240,000 values.

TensorBoard's EventAccumulator reads all of them, timed once in a process that has already imported TensorFlow, and once
as a whole process. TensorBoard's data server is timed from its start until it reports that everything is loaded: as
TensorBoard starts it, and with --checksum, because by default it verifies no checksums.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

LOADED = "from tensorboard.compat.proto import event_pb2\nfrom hpdash.reader import read"
CHILDREN = {  # the imports before the clock starts, and the timed code
    "uncached": (LOADED, "read({logs!r}, cached=False)"),
    "cached": (LOADED, "read({logs!r})"),
    "accumulator": (
        "from glob import glob\n"
        "import tensorflow\n"  # otherwise the accumulator would import it with its first file
        "from tensorboard.backend.event_processing.event_accumulator import EventAccumulator\n"
        "every = dict.fromkeys(('tensors', 'scalars', 'histograms', 'compressedHistograms', 'images', 'audio'), 0)\n"
        "folders = sorted(glob({logs!r} + '/sweep/*')) + sorted(glob({logs!r} + '/sweep/*/validation'))\n"
        "EventAccumulator(folders[0], size_guidance=every).Reload()",
        "for folder in folders: EventAccumulator(folder, size_guidance=every).Reload()",
    ),
}


def main() -> None:
    """Write the runs, measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000, help="how many runs (default 1000)")
    parser.add_argument("--best-of", type=int, default=5, help="how often each is measured (default 5)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["HPDASH_CACHE"] = f"{scratch}/cache"
        logs = Path(scratch) / "logs"
        write(logs, options.runs)
        size = sum(file.stat().st_size for file in logs.rglob("*tfevents*"))
        load = os.getloadavg()[0]
        print(f"{options.runs:,} runs, {size / 1e6:.0f} MB; {os.cpu_count()} cores, load {load:.2f} before the start")
        report(measure(logs, options.best_of))


def write(logs: Path, runs: int) -> None:
    """Write the runs as trials write them."""
    import numpy as np

    from hpdash.histograms.histogram import Histogram
    from hpdash.logs.writer import RunWriter

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


def measure(logs: Path, rounds: int) -> dict[str, float]:
    """Return the minimum seconds of each way; the ways take turns, because the machine's load varies."""
    ways: dict[str, Callable[[], float]] = {
        "data server": lambda: data_server(logs),
        "data server, checksums": lambda: data_server(logs, "--checksum"),
        "read": lambda: in_process(logs, "uncached")[0],
        "read, cached": lambda: in_process(logs, "cached")[0],
        "hpdash ls": lambda: whole_process(logs, cached=False),
        "hpdash ls, cached": lambda: whole_process(logs, cached=True),
    }
    in_process(logs, "cached")  # fills the cache for the cached reads
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    accumulator = []
    for _ in range(rounds):
        accumulator.append(in_process(logs, "accumulator"))
        for name, way in ways.items():
            seconds[name].append(way())
    inside, whole = map(min, zip(*accumulator, strict=True))
    theirs = {"EventAccumulator": inside, "EventAccumulator, process": whole}
    return theirs | {name: min(each) for name, each in seconds.items()}


def data_server(logs: Path, *options: str) -> float:
    """Return the seconds from the start of the data server until it reports the end of its first load cycle."""
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


def in_process(logs: Path, way: str) -> tuple[float, float]:
    """Return the seconds of a read in a new process without its necessary imports, and those of the whole process."""
    before, body = (part.format(logs=str(logs)) for part in CHILDREN[way])
    program = f"import time\n{before}\nbegin = time.perf_counter()\n{body}\nprint(time.perf_counter() - begin)"
    begin = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    return float(done.stdout.splitlines()[-1]), time.perf_counter() - begin


def whole_process(logs: Path, cached: bool) -> float:
    """Return the seconds of `hpdash ls` from start to end; without a cache, it also writes the cache."""
    environment = os.environ if cached else os.environ | {"HPDASH_CACHE": tempfile.mkdtemp(dir=logs.parent)}
    begin = time.perf_counter()
    command = [sys.executable, "-m", "hpdash", "ls", str(logs)]
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begin


def report(seconds: dict[str, float]) -> None:
    """Print the seconds of each way, and the ratios between them."""
    for name, each in seconds.items():
        print(f"    {name:28}{each:8.2f} s")
    for text, one, other in (
        ("EventAccumulator / read", "EventAccumulator", "read"),
        ("process / hpdash ls", "EventAccumulator, process", "hpdash ls"),
        ("hpdash ls / data server", "hpdash ls", "data server"),
        ("hpdash ls / with checksums", "hpdash ls", "data server, checksums"),
        ("read / read, cached", "read", "read, cached"),
        ("ls / ls, cached", "hpdash ls", "hpdash ls, cached"),
    ):
        print(f"    {text:28}{seconds[one] / seconds[other]:8.1f}")


if __name__ == "__main__":
    main()
