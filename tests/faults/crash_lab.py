"""Deaths of the driver at every change of the disk, in a small sweep.

The sweep runs in forks of one process, and each fork dies at some change of the disk. Further forks run the sweep again
until it is finished. The result is compared with an undisturbed run. Trials train in the driver (own_process.py), so
that everything happens in one process.

Started as `python crash_lab.py FOLDER SCENARIO`. Prints JSON: the number of points, and what went wrong at which point.
"""

from __future__ import annotations

import gc
import json
import random
import shutil
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from itertools import zip_longest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from deaths import DIED, Change, Point, in_fork, watch
from driven import finished, journal_faults, series, session_ends, snapshot, trial_folder, values
from own_process import install
from sweep_files import made_sweep

from hpdash import Options, run_sweep
from hpdash.journal.journal import Transition, read_journal
from hpdash.logs import kept_weights, layout

MOST_RUNS = 4  # the most runs after a death until all trials are finished
CHAINS = 12


@dataclass(frozen=True)
class Scenario:
    """What happens before the run that dies.

    `does` is what the trials do, `runs` how often the sweep ran before, and `lost` how many bytes at the end of the
    journal were lost. `retry_failed` is an option of every run of the sweep.
    """

    does: tuple[str, ...]
    runs: int = 0
    lost: int = 0
    retry_failed: bool = False


SCENARIOS = {
    "a new sweep": Scenario(("die", "learn")),
    "from a checkpoint": Scenario(("learn", "die"), runs=1),
    "failed before": Scenario(("fail", "learn"), runs=1, retry_failed=True),
    "a torn journal": Scenario(("learn", "learn too"), runs=1, lost=20),
    "deaths in a row": Scenario(("die", "learn")),
}


@dataclass(frozen=True)
class Lab:
    """A sweep file, and a logs root that also holds another, finished sweep."""

    folder: Path
    scenario: Scenario

    @property
    def logs(self) -> Path:
        """The logs root."""
        return self.folder / "logs"

    @property
    def sweep(self) -> Path:
        """The folder of the sweep whose driver dies."""
        return self.logs / "lab"

    @property
    def error(self) -> str:
        """The traceback of the last run that raised."""
        path = self.folder / "error.txt"
        return path.read_text() if path.exists() else ""

    def prepare(self) -> None:
        """Write the files, run the other sweep and then the earlier runs of the scenario."""
        (self.folder / "models.py").write_text("def build(does): ...\n")
        for name, does in (("other", ("learn",)), ("lab", self.scenario.does)):
            made_sweep(
                self.folder,
                name=name,
                sweep={"max_retries": 0},
                model={"builder": "models:build"},
                log={"checkpoint_epochs": 1},
                hparams={"does": does},
            )
        install(self.folder / "mended")
        run_sweep(self.folder / "other.toml", self.logs)  # in this process, so that its forks import nothing
        gc.disable()
        gc.freeze()  # garbage collection would copy the memory that the forks share
        for _ in range(self.scenario.runs):
            self.run(None)
        if self.scenario.lost:
            path = self.sweep / layout.JOURNAL
            path.write_bytes(path.read_bytes()[: -self.scenario.lost])
        (self.folder / "mended").touch()
        shutil.copytree(self.logs, self.folder / "start")

    def begin(self) -> None:
        """Reset the logs root to its state before the run that dies."""
        shutil.rmtree(self.logs)
        shutil.copytree(self.folder / "start", self.logs)

    def run(self, point: Point | None) -> int:
        """Run the sweep in a fork, which dies at the point if one is given; return its exit code."""

        def work() -> int:
            watch(point, [])
            options = Options(retry_failed=self.scenario.retry_failed)
            return run_sweep(self.folder / "lab.toml", self.logs, options).exit_code

        return in_fork(work, self.folder / "error.txt")

    def finish(self) -> bool:
        """Run the sweep until it exits with 0; return whether it did."""
        return any(self.run(None) == 0 for _ in range(MOST_RUNS))

    def changes(self) -> list[Change]:
        """Return the changes that an undisturbed run makes."""
        seen: list[Change] = []
        noted = self.folder / "changes.json"

        def work() -> int:
            watch(None, seen)
            run_sweep(self.folder / "lab.toml", self.logs, Options(retry_failed=self.scenario.retry_failed))
            noted.write_text(json.dumps([astuple(change) for change in seen]))
            return 0

        self.begin()
        if in_fork(work, self.folder / "error.txt"):
            raise RuntimeError(self.error)
        return [Change(*change) for change in json.loads(noted.read_text())]


@dataclass(frozen=True)
class End:
    """The result of a sweep, which no death may change."""

    series: dict[tuple[str, str, int], bytes]
    sessions: dict[str, list[int]]
    weights: dict[int, str | None]
    kept: dict[str, tuple[str | None, str]]
    experiments: dict[str, dict[str, bytes]]

    @classmethod
    def of(cls, lab: Lab) -> End:
        """Return the result found in the logs root."""
        latest = read_journal(lab.sweep / layout.JOURNAL).latest
        runs = {number: trial_folder(lab.sweep, number) for number in range(len(lab.scenario.does))}
        return cls(
            series(lab.sweep),
            {run.name: session_ends(run) for run in runs.values()},
            {number: record.result.weights_sha256 for number, record in latest.items() if record.result},
            {run.name: (_told(latest[number]), _kept(run)) for number, run in runs.items()},
            {
                sweep.name: {folder.name: _content(folder) for folder in layout.hparams_record_folders(sweep)}
                for sweep in (lab.sweep, lab.logs / "other")
            },
        )


def _told(record: Transition) -> str | None:
    return record.result.kept_sha256 if record.result else None


def _kept(run: Path) -> str:
    return kept_weights.digest(kept_weights.read(run / layout.WEIGHTS).items())


def _content(folder: Path) -> bytes:
    (content,) = (value.metadata.plugin_data.content for _, value in values(folder))
    return content


Snapshot = dict[Path, tuple[int, bytes]]


def problems(lab: Lab, deaths: Sequence[Point], undisturbed: End) -> Iterator[str]:
    """Die at each of the points in turn, finish the sweep, and yield every difference from an undisturbed run."""
    lab.begin()
    kept: dict[int, Snapshot] = {}
    for death in deaths:
        if lab.run(death) not in (DIED, 0, 1):  # a later run may finish before it reaches the point
            yield f"it ended otherwise; {lab.error}"
        kept |= finished(lab.sweep)
    if not lab.finish():
        yield f"not finished; {lab.error}"
        return
    yield from journal_faults(lab.sweep, len(lab.scenario.does))
    if any(snapshot(trial_folder(lab.sweep, number)) != files for number, files in kept.items()):
        yield "a finished trial's files have changed"
    end = End.of(lab)
    yield from (
        f"other {name}: {getattr(end, name)}, undisturbed: {getattr(undisturbed, name)}"
        for name in End.__dataclass_fields__
        if getattr(end, name) != getattr(undisturbed, name)
    )
    twice = Counter((run, value.tag, step) for run in lab.sweep.rglob("*") for step, value in values(run))
    if again := [point for point, times in twice.items() if times > 1]:
        yield f"written twice: {again}"
    if left := [str(path) for path in lab.logs.rglob("*.part")]:
        yield f"left over: {left}"


def every_point(changes: Sequence[Change]) -> Iterator[tuple[Point, ...]]:
    """Yield each point as a single death.

    A death after a change equals a death before the next change. It is yielded only if the next change is to another
    file, which may have been created in between. Deaths at an fsync are left out, because an fsync changes nothing
    here: a death before it equals a death after the previous change.
    """
    numbered = [(number, change) for number, change in enumerate(changes) if change.name != "fsync"]
    for (number, change), following in zip_longest(numbered, numbered[1:]):
        yield (Point(number, "before"),)
        if change.name == "write":
            yield (Point(number, "middle"),)
        if following is None or following[1].path != change.path:
            yield (Point(number, "after"),)


def chains(changes: Sequence[Change]) -> Iterator[tuple[Point, ...]]:
    """Yield random sequences of two or three deaths."""
    chance = random.Random(0)
    for _ in range(CHAINS):
        whens = chance.choices(("before", "middle", "after"), k=chance.choice((2, 3)))
        yield tuple(Point(chance.randrange(len(changes)), when) for when in whens)


def main() -> None:
    """Run one scenario and print what went wrong."""
    name = sys.argv[2]
    lab = Lab(Path(sys.argv[1]), SCENARIOS[name])
    lab.prepare()
    changes = lab.changes()
    if not lab.finish():
        raise RuntimeError(lab.error)
    undisturbed = End.of(lab)
    deaths = list((chains if name == "deaths in a row" else every_point)(changes))
    wrong = {str(each): found for each in deaths if (found := list(problems(lab, each, undisturbed)))}
    json.dump({"points": len(deaths), "wrong": wrong, "changes": [astuple(each) for each in changes]}, sys.stdout)


if __name__ == "__main__":
    main()
