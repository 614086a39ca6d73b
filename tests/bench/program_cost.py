"""What a trial costs beside its program: `python tests/bench/program_cost.py`.

Runs a sweep of 2,000 programs, each of which ends immediately: `cp`, which copies an event file into the run folder.
Before it, a pool of threads runs the same commands and only waits for them. Both use two workers, and the times are the
wall time divided by the number of programs. The difference for each trial is what hpdash adds: starting the program
under its guard, reading its logs, the HParams session and the journal, each of whose lines is synced. The memory is the
resident set of the driver, without its workers, after a tenth of the trials and at the end.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from hpdash import Options
from hpdash.driver.plan import Watcher
from hpdash.driver.runner import drive_sweep
from hpdash.logs.writer import EventFile, scalar_value
from hpdash.records import Ended, Event

WORKERS = 2
SWEEP = """
[sweep]
objective = "score"
goal = "max"
[train]
command = ["cp", "{logged}", "{{run}}/events.out.tfevents.9999999999.copied"]
[hparams]
x = {{ min = 1, max = {trials}, step = 1 }}
"""


def main() -> None:
    """Run both and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=2000, help="how many programs (default 2,000)")
    trials = parser.parse_args().trials
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        with closing(EventFile(folder / "one")) as file:
            file.add(scalar_value("score", 1.0), 1)
        alone = bare(file.path, folder / "bare", trials)
        swept, memory = sweep(file.path, folder, trials)
    print(f"{trials:,} programs on {WORKERS} workers")
    print(f"| alone, by a pool of threads | {1000 * alone:.1f} ms each |")
    print(f"| as trials | {1000 * swept:.1f} ms each, {swept / alone:.1f} times as long |")
    print(f"| added for each trial, on one worker | {1000 * WORKERS * (swept - alone):.1f} ms |")
    early, late = memory
    print(f"| memory of the driver after {trials // 10:,} trials and at the end | {early:.0f} MB, {late:.0f} MB |")


def bare(logged: Path, folder: Path, trials: int) -> float:
    """Return the wall time in seconds, divided by the number of programs, without hpdash."""
    folder.mkdir()
    begin = time.perf_counter()
    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(lambda n: subprocess.run(["cp", logged, folder / str(n)], check=True), range(trials)))
    return (time.perf_counter() - begin) / trials


def sweep(logged: Path, folder: Path, trials: int) -> tuple[float, list[float]]:
    """Return the wall time from the first to the last end, divided by the number of trials, and the memory in MB."""
    path, times, memory = folder / "programs.toml", [], []
    path.write_text(SWEEP.format(logged=logged, trials=trials))

    def watch(event: Event | None) -> None:
        if isinstance(event, Ended):
            times.append(time.perf_counter())
            if len(times) in (trials // 10, trials):
                memory.append(resident())

    outcome = drive_sweep(path, folder / "logs", Options(workers=WORKERS), Watcher(event=watch))
    assert outcome.exit_code == 0, outcome
    assert threading.active_count() < 10
    return (times[-1] - times[0]) / (trials - 1), memory


def resident() -> float:
    """Return the resident set of this process in MB."""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main()
