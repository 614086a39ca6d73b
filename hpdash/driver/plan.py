"""What a driver runs (`Plan`), what it reports to (`View`, `Watcher`), and what it returns (`Outcome`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, Self

from ..analysis.caveats import caveats
from ..backends.probe import FetchProgress
from ..data import MappedDataset
from ..records import Event, TrialResult, TrialSpec
from ..search import Schedule
from ..spec import Sweep


@dataclass(frozen=True, slots=True)
class Plan:
    """What is about to run: the schedule of trials, the results that count so far, and the number of workers.

    `schedule` has the trials known so far. `results` has the results that count, by trial number; a pruned trial among
    them may still be promoted.
    `accepted` has the files and data functions whose changes were accepted during the sweep, each with the number of
    changes. `mapped` has what each data function returned, in files, by the function's reference. `seconds` estimates
    how long a trial trains; only the ratios between trials are meaningful, not the absolute values.
    """

    sweep: Sweep
    folder: Path
    schedule: Schedule
    results: Mapping[int, TrialResult]
    workers: int
    synthetic: bool = False
    accepted: Mapping[str, int] = field(default_factory=dict)
    mapped: Mapping[str, MappedDataset] = field(default_factory=dict)
    seconds: Callable[[TrialSpec], float] = lambda _: 0.0

    @property
    def is_program(self) -> bool:
        """Whether the trials are programs."""
        return self.sweep.command is not None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The state of a sweep when its driver ends.

    `specs` are the trials known so far, and `results` has the last result of each trial by number. `total` is the
    number of trials of the whole sweep: the greatest possible number, until it is certain that fewer run. `signal` is
    the number of the signal that stopped the sweep; `stopped` is another reason, in words. `accepted` has the files and
    data functions whose changes were accepted, each with the number of changes.
    """

    sweep: Sweep
    folder: Path
    specs: Sequence[TrialSpec]
    total: int
    results: Mapping[int, TrialResult]
    signal: int | None = None
    synthetic: bool = False
    stopped: str = ""
    accepted: Mapping[str, int] = field(default_factory=dict)

    @property
    def caveats(self) -> list[str]:
        """The caveats that must be shown with the results, such as "synthetic data"."""
        return caveats(self.specs, self.synthetic, self.accepted)

    @property
    def exit_code(self) -> int:
        """The exit code: 128 + n after signal n, else 1 if a trial failed, was killed or timed out, else 0."""
        if self.signal is not None:
            return 128 + self.signal
        return int(any(result.state.is_fault for result in self.results.values()))


class View(Protocol):
    """Something that shows a sweep while it runs."""

    def plan(self, specs: Sequence[TrialSpec], results: Mapping[int, TrialResult], workers: int, total: int) -> None:
        """Start with the trials known so far and the results that count so far, by trial number.

        `total` is how many trials run at least, unless the search ends early. Without pruning, it is the number of all
        trials. If the sweep prunes, it is the number of settings: each has at least one trial, and only good settings
        get more seeds.
        """

    def event(self, event: Event | None) -> None:
        """Show an event; None means that nothing happened for a while."""

    def fetch(self, name: str, done: int, total: int | None) -> None:
        """Show how many bytes of a data set have been fetched; `total` is None if it is unknown."""


@dataclass(frozen=True, slots=True)
class Watcher:
    """Callbacks for the plan, for every event (None if nothing happened for a while) and for the bytes of a fetch."""

    plan: Callable[[Plan], None] = field(default=lambda _: None)
    event: Callable[[Event | None], None] = field(default=lambda _: None)
    fetch: FetchProgress = field(default=lambda *_: None)

    @classmethod
    def of(cls, view: View) -> Self:
        """Return a watcher that passes everything on to a view."""
        return cls(
            lambda plan: view.plan(plan.schedule.specs, plan.results, plan.workers, plan.schedule.least),
            view.event,
            view.fetch,
        )
