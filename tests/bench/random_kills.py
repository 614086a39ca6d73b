"""Kill sweeps at random times: `python tests/bench/random_kills.py --rounds 50 --seed N`.

Each round runs a sweep in a separate logs root. Its driver or one of its workers is killed with signal 9 once or twice,
at a random second or when a random share of the logs has been written. Then the same command runs again until the sweep
is finished. The journal, every scalar and histogram, every session and the final weights are compared with those of an
undisturbed sweep.

Prints one line per round; exits with 1 if anything differs.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from driven import (
    children,
    digests,
    driving,
    finished,
    journal_faults,
    series,
    session_ends,
    snapshot,
    trial_folder,
    until,
)

from hpdash.logs import layout

SWEEP = """
[sweep]
name = "kills"
repeats = 2
max_retries = 9
[data]
name = "digits"
train = 1000
validation = 300
[model]
hidden = [8]
dropout = 0.2
[train]
epochs = 4
batch_size = 4
optimizer = "adam"
[log]
checkpoint_epochs = 1
[hparams]
batchnorm = ["none", "before"]
"""
TRIALS = 4
BY_CLOCK = 0.3  # of the kills; the others depend on the bytes written
LOOK_SECONDS = 0.005  # between two checks of the disk
GONE_SECONDS = 5.0  # for which workers may outlive their driver
PATIENCE = 120.0  # seconds within which a driver must end
EXPECTED = (0, -signal.SIGKILL, 4)  # 4 if the child process that reads the data was killed
ERROR = 2000  # characters of a driver's stderr that are shown, from its end
MOST_RUNS = 3  # that the sweep may need to finish after the last kill


@dataclass(frozen=True)
class Blow:
    """A kill -9 at a given share of the bytes that remain to be written, or of the time of an undisturbed run.

    `worker`, from 0 to 1, selects a worker; None selects the driver.
    """

    worker: float | None
    part: float
    by_clock: bool

    @classmethod
    def draw(cls, chance: random.Random) -> Blow:
        """Draw a random kill; most depend on bytes only, because starting takes longer than all training."""
        return cls(chance.choice((None, chance.random())), chance.random(), chance.random() < BY_CLOCK)

    def is_due(self, time: float, size: float) -> bool:
        """Return whether to kill now, given the shares of the undisturbed run's seconds and of the remaining bytes."""
        return size >= self.part or (self.by_clock and time >= self.part)


@dataclass(frozen=True)
class Extent:
    """The seconds that a run has taken, and the bytes of its journal and event files."""

    seconds: float
    size: int


@dataclass(frozen=True)
class End:
    """The final state of a sweep, which must not depend on kills."""

    series: dict[tuple[str, str, int], bytes]
    sessions: dict[int, list[int]]
    weights: dict[int, str | None]

    @classmethod
    def of(cls, sweep: Path) -> End:
        """Read the final state from a sweep's folder; raise AssertionError if a step is present twice."""
        sessions = {number: session_ends(trial_folder(sweep, number)) for number in range(TRIALS)}
        return cls(series(sweep), sessions, digests(sweep))


class Round:
    """One sweep in a separate folder, and the problems found with it."""

    def __init__(self, folder: Path, workers: int, whole: Extent) -> None:
        folder.mkdir()
        self.file, self.sweep = folder / "kills.toml", folder / "logs" / "kills"
        self.file.write_text(SWEEP)
        self.workers, self.whole = workers, whole
        self.problems: list[str] = []
        self.kept: dict[int, dict[Path, tuple[int, bytes]]] = {}
        self.killed: Counter[str] = Counter()
        self.told: list[str] = []

    def run(self, blow: Blow | None) -> tuple[int, Extent]:
        """Run the sweep, with or without a kill; return the driver's exit code, its time and its bytes."""
        with driving(self.file, "--workers", str(self.workers)) as driver:
            extent = self._watch(driver, blow)
            out, err = driver.communicate(timeout=PATIENCE)
        if "Traceback" in out + err or driver.returncode not in EXPECTED:
            self.problems.append(f"the driver ended with {driver.returncode}: {err[-ERROR:]}")
        self.kept |= {number: files for number, files in finished(self.sweep).items() if number not in self.kept}
        return driver.returncode, extent

    def _watch(self, driver: subprocess.Popen[str], blow: Blow | None) -> Extent:
        """Follow a driver until it ends, and kill it or a worker when the kill is due."""
        begin, first, now = time.monotonic(), _size(self.sweep), Extent(0.0, 0)
        while driver.poll() is None and now.seconds < PATIENCE:
            now = Extent(time.monotonic() - begin, _size(self.sweep))
            size = (now.size - first) / max(self.whole.size - first, 1)
            if blow and blow.is_due(now.seconds / self.whole.seconds, size):
                self._strike(driver, blow, f"{now.seconds:.1f} s, {now.size:,} bytes")
                blow = None
            time.sleep(LOOK_SECONDS)
        return Extent(time.monotonic() - begin, _size(self.sweep))

    def _strike(self, driver: subprocess.Popen[str], blow: Blow, when: str) -> None:
        workers = children(driver.pid)
        if blow.worker is not None and workers:
            with suppress(ProcessLookupError):
                os.kill(workers[int(blow.worker * len(workers))], signal.SIGKILL)
            self._note("worker", when)
            return
        driver.kill()
        self._note("driver", when)
        try:
            until(lambda: not _group(driver.pid), GONE_SECONDS)
        except AssertionError:
            self.problems.append(f"left after {GONE_SECONDS} s: {_group(driver.pid)}")

    def _note(self, whom: str, when: str) -> None:
        self.killed[whom] += 1
        self.told.append(f"{whom} at {when}")

    def finish(self) -> bool:
        """Run the sweep until it is finished; return whether it finished."""
        codes = []
        while len(codes) < MOST_RUNS and codes[-1:] != [0]:
            codes.append(self.run(None)[0])
        if codes[-1]:
            self.problems.append(f"not finished: exit codes {codes}")
        return not codes[-1]

    def compare(self, undisturbed: End) -> None:
        """Compare the final state with that of an undisturbed sweep."""
        self.problems += journal_faults(self.sweep, TRIALS)
        self.problems += [
            f"trial {number} was finished, and has changed"
            for number, files in self.kept.items()
            if snapshot(trial_folder(self.sweep, number)) != files
        ]
        try:
            self.problems += _differences(End.of(self.sweep), undisturbed)
        except AssertionError as error:
            self.problems.append(str(error))
        self.problems += [f"left over: {path}" for path in self.sweep.rglob("*.part")]


def _differences(end: End, undisturbed: End) -> Iterator[str]:
    for name in End.__dataclass_fields__:
        one, other = getattr(end, name), getattr(undisturbed, name)
        if keys := sorted(str(key) for key in {*one, *other} if one.get(key) != other.get(key)):
            yield f"{len(keys)} other {name} than undisturbed, such as {keys[0]}"


def _size(sweep: Path) -> int:
    """Return the bytes of a sweep's journal and event files."""
    size = 0
    for path in (sweep / layout.JOURNAL, *sweep.rglob(f"{layout.EVENT_FILE}*")):
        with suppress(FileNotFoundError):
            size += path.stat().st_size
    return size


def _group(leader: int) -> list[tuple[int, str]]:
    """List the living processes of a driver's process group: the driver, its workers and other children."""
    listed = subprocess.run(
        ["ps", "-A", "-ww", "-o", "pid=,pgid=,stat=,command="], capture_output=True, text=True, check=True
    ).stdout
    rows = (line.split(maxsplit=3) for line in listed.splitlines())
    return [(int(row[0]), row[-1]) for row in rows if int(row[1]) == leader and not row[2].startswith("Z")]


def main() -> None:
    """Run an undisturbed sweep and then the rounds; print the result of each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=50, help="how many sweeps are disturbed (default 50)")
    parser.add_argument("--seed", type=int, default=0, help="what deaths are drawn from (default 0)")
    parser.add_argument("--workers", type=int, default=2, help="of each sweep (default 2)")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # exit normally, so that no driver is left running
    chance, killed, bad = random.Random(options.seed), Counter[str](), 0
    with tempfile.TemporaryDirectory() as scratch:
        first = Round(Path(scratch) / "undisturbed", options.workers, Extent(PATIENCE, 0))
        code, whole = first.run(None)
        assert code == 0, "the undisturbed sweep is not finished"
        undisturbed = End.of(first.sweep)
        print(f"undisturbed: {whole.seconds:.1f} s, {whole.size:,} bytes, {len(undisturbed.series)} values")
        for number in range(1, options.rounds + 1):
            begin, disturbed = time.monotonic(), Round(Path(scratch) / str(number), options.workers, whole)
            for blow in [Blow.draw(chance) for _ in range(chance.choice((1, 1, 2)))]:
                disturbed.run(blow)
            if disturbed.finish():
                disturbed.compare(undisturbed)
            killed, bad = killed + disturbed.killed, bad + bool(disturbed.problems)
            how = "; ".join(disturbed.problems) or "equal"
            print(f"{number:3} {', '.join(disturbed.told)}: {how} ({time.monotonic() - begin:.1f} s)", flush=True)
    print(f"seed {options.seed}: {options.rounds} rounds, {dict(killed)} killed, {bad} rounds differ")
    sys.exit(bad > 0)


if __name__ == "__main__":
    main()
