"""What a trial costs in addition to its training: `python tests/bench/overhead.py`.

Runs a sweep of 10,000 trials on two workers, with the live view writing its lines. Each trial has a graph of its own
and only reports once. Then the same command runs again and finds nothing to do. Absolute times depend on this machine
and its disk, because each transition is fsynced. Memory is the resident set of the driver, without its workers.

Before that, the benchmark compares `hpdash check` with a process that only imports NumPy, pydantic, click and Rich. It
times whole processes, in turns, with the bytecode of every module cached. With `--trials 0` only this comparison runs.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

LOOP = "def report(trial):\n    trial.report(1, loss=trial.hparams['slope'], validation_accuracy=trial.seed)\n"
SWEEP = """
[sweep]
strategy = "random"
trials = {trials}
[data]
name = "synthetic"
train = 20
validation = 20
[train]
loop = "loop:report"
epochs = 1
[hparams]
slope = {{ min = 0.0, max = 0.9 }}
learning_rate = {{ min = 1e-4, max = 1e-1, scale = "log" }}
"""
IMPORTS = "import numpy, pydantic, click, rich.console, rich.table"
ROUNDS = 10  # processes of each kind, of which the median is taken


def main() -> None:
    """Run the sweep twice, each time in a separate process, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=10_000, help="how many trials (default 10,000)")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(driver(options.child)))
        return
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.2f} before the start")
    with tempfile.TemporaryDirectory() as scratch:
        (Path(scratch) / "loop.py").write_text(LOOP)
        (Path(scratch) / "overhead.toml").write_text(SWEEP.format(trials=options.trials or 1))
        print(check_against_imports(Path(scratch)), flush=True)
        if not options.trials:
            return
        for line in report(options.trials, measured(scratch), measured(scratch)):
            print(line)


def check_against_imports(scratch: Path) -> str:
    """Return a line with the median seconds of `hpdash check` and of the imports alone, and their ratio."""
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(scratch / "bytecode")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package has cached bytecode
    check = [sys.executable, "-m", "hpdash", "check", str(scratch / "overhead.toml")]
    imports = [sys.executable, "-c", IMPORTS]

    def seconds(command: list[str]) -> float:
        begin = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
        return time.perf_counter() - begin

    rounds = [(seconds(check), seconds(imports)) for _ in range(1 + ROUNDS)][1:]  # the first one writes the bytecode
    checked, imported = (statistics.median(column) for column in zip(*rounds, strict=True))
    ratio = checked / imported
    return f"hpdash check {checked:.2f} s, importing its libraries and NumPy {imported:.2f} s: ratio {ratio:.2f}"


def measured(scratch: str) -> dict[str, Any]:
    """Run the sweep in a separate driver; return its measurements and the seconds of the whole process."""
    begin = time.perf_counter()
    command = [sys.executable, __file__, "--child", scratch]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return {"seconds": time.perf_counter() - begin, **json.loads(done.stdout.splitlines()[-1])}


def driver(scratch: Path, workers: int = 2, **options: Any) -> dict[str, Any]:
    """Run the sweep like `hpdash sweep`, with its live view, and return its measurements.

    The marks give, during the sweep, the trials ended, the seconds, the memory and the processor time.
    """
    from hpdash import Options, run_sweep
    from hpdash.cli.group import console_for
    from hpdash.driver.plan import Watcher
    from hpdash.journal.journal import Journal
    from hpdash.records import Ended, Event, Started
    from hpdash.views.terminal.live import LiveView

    marks: list[tuple[int, float, float, float]] = []  # trials ended, seconds, bytes, seconds of the driver's CPU
    journal: list[float] = []
    begin = time.perf_counter()
    append = Journal.append

    def timed(*arguments: Any) -> Any:
        start = time.perf_counter()
        record = append(*arguments)
        journal.append(time.perf_counter() - start)
        return record

    def watch(event: Event | None) -> None:
        view.event(event)
        ended = view._tally.done if view._tally else 0
        if (isinstance(event, Ended) and ended % 50 == 0) or (isinstance(event, Started) and not marks):
            marks.append((ended, time.perf_counter() - begin, memory(), cpu()))

    Journal.append = timed  # type: ignore[method-assign]
    with LiveView(console_for(stderr=True)) as view:
        watcher = Watcher(Watcher.of(view).plan, watch)
        outcome = run_sweep(scratch / "overhead.toml", scratch / "logs", Options(workers, **options), watcher)
    return {"exit code": outcome.exit_code, "marks": marks, "journal": sum(journal), "cpu": cpu()}


def cpu() -> float:
    """Return the seconds of processor time that this process has taken."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def memory() -> float:
    """Return the resident bytes of this process or, without /proc, their maximum so far."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text().split()[1]) * float(resource.getpagesize())
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def report(trials: int, first: dict[str, Any], again: dict[str, Any]) -> list[str]:
    """Return the table's lines."""
    assert (first["exit code"], again["exit code"], again["marks"]) == (0, 0, []), "not all of them are finished"
    marks = first["marks"]
    start = marks[0][1]
    per = 1000 / trials
    lines = [
        f"{trials:,} trials of one report, each of a graph of its own, 2 workers",
        f"    until the first trial starts    {start:8.1f} s",
        f"    a trial, wall time              {(first['seconds'] - start) * per:8.2f} ms",
        f"    a trial, the driver's CPU       {first['cpu'] * per:8.2f} ms",
        f"    a trial, journalling (2 lines)  {first['journal'] * per:8.2f} ms",
        f"    run again, nothing to do        {again['seconds']:8.1f} s",
    ]
    shown = [mark for mark in marks if mark[0] in (0, trials // 10, trials // 2, trials)]
    last = start, 0
    for ended, seconds, size, _ in shown:
        pace = f", {(seconds - last[0]) * 1000 / (ended - last[1]):.2f} ms a trial since" if ended else ""
        lines.append(f"    memory after {ended:6,} trials      {size / 1e6:8.1f} MB{pace}")
        last = seconds, ended
    return lines


if __name__ == "__main__":
    main()
