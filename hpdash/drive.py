"""One driver's run over a sweep's missing trials: tasks out, results into the journal, signals obeyed."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, Self

from . import logdir
from .backends.base import Backend, Queue, Task
from .backends.probe import FetchProgress
from .journal import Journal
from .signals import Signals
from .spec import Sweep
from .trial import Ended, Event, Started, TrialResult, TrialSpec, TrialState, caveats
from .views.leaderboard import leaderboard_html
from .writer import end_session, set_aside

GRACE_SECONDS = 10.0  # how long trials may take to stop after SIGTERM or SIGHUP, before they are killed


@dataclass(frozen=True, slots=True)
class Plan:
    """What is about to run: every trial, the results that stand, how many trials wait, on how many workers.

    `seconds` is about how long each trial may train: right in proportion, not in size.
    """

    sweep: Sweep
    folder: Path
    specs: Sequence[TrialSpec]
    results: Mapping[int, TrialResult]
    waiting: int
    workers: int
    synthetic: bool = False
    seconds: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a sweep stands when its driver ends: each trial's last result, and the signal that stopped it."""

    sweep: Sweep
    folder: Path
    specs: Sequence[TrialSpec]
    results: Mapping[int, TrialResult]
    signal: int | None = None
    synthetic: bool = False

    @property
    def exit_code(self) -> int:
        """Return 0 when all is well, 1 where a trial failed, 128 + n for signal n."""
        if self.signal is not None:
            return 128 + self.signal
        return int(any(result.state.is_fault for result in self.results.values()))

    def _repr_html_(self) -> str:
        """Show the leaderboard in a notebook."""
        title = ", ".join([self.sweep.name, *caveats(self.specs, self.synthetic)])
        return leaderboard_html(self.specs, self.results, title)


class View(Protocol):
    """What shows a sweep while it runs."""

    def plan(self, specs: Sequence[TrialSpec], results: Mapping[int, TrialResult], workers: int) -> None:
        """Begin: the trials there are, the results that stand already, how many workers."""

    def event(self, event: Event | None) -> None:
        """Show what happened."""

    def fetch(self, name: str, done: int, total: int | None) -> None:
        """Show how much of a data set has arrived."""


@dataclass(frozen=True, slots=True)
class Watcher:
    """Who is told what happens: the plan, every event (None when nothing did for a while), bytes of a fetch."""

    plan: Callable[[Plan], None] = field(default=lambda _: None)
    event: Callable[[Event | None], None] = field(default=lambda _: None)
    fetch: FetchProgress = field(default=lambda *_: None)

    @classmethod
    def of(cls, view: View) -> Self:
        """Tell a view."""
        return cls(lambda plan: view.plan(plan.specs, plan.results, plan.workers), view.event, view.fetch)


class Drive:
    """Run the tasks of a plan on a backend and keep the journal; `fail_fast` stops at the first fault."""

    def __init__(self, plan: Plan, journal: Journal, backend: Backend, watcher: Watcher, fail_fast: bool) -> None:
        self.plan, self._journal, self._backend, self._watcher = plan, journal, backend, watcher
        self._fail_fast = fail_fast
        self._results = dict(plan.results)
        self._running: dict[int, Started] = {}
        self._stopped_by: int | None = None

    def tasks(self, newest_first: bool = False) -> list[Task]:
        """Return the missing trials as tasks, each one's earlier attempt moved out of TensorBoard's sight."""
        missing = [spec for spec in self.plan.specs if spec.number not in self._results]
        return [self._task(spec) for spec in (reversed(missing) if newest_first else missing)]

    def _task(self, spec: TrialSpec) -> Task:
        sweep = self.plan.sweep
        run = self.plan.folder / logdir.run_name(spec.number, spec.swept, spec.seed if sweep.repeats > 1 else None)
        attempts = self._journal.attempts(spec.number)
        set_aside(run, max(attempts, 1))
        group = logdir.session_group(sweep.name, spec.setting)
        return Task(spec, attempts + 1, run, group, self.plan.seconds.get(spec.number, 0.0))

    def run(self, tasks: Sequence[Task], signals: Signals) -> Outcome:
        """Run the tasks until all have ended or a signal stops them."""
        runs = {task.spec.number: task.run for task in tasks}
        deadline: float | None = None
        for event in self._backend.run(Queue(tasks)):
            if event is not None:
                self._note(event, runs)
            self._watcher.event(event)
            if signals.last is not None and deadline is None:
                deadline = self._stop(signals.last)
            if deadline is not None and (signals.count > 1 or time.monotonic() > deadline):
                break
        self._backend.close()
        for started in list(self._running.values()):
            result = TrialResult(TrialState.INTERRUPTED, error="stopped with its driver")
            self._note(Ended(started.spec, started.attempt, result), runs)
        plan = self.plan
        return Outcome(plan.sweep, plan.folder, plan.specs, self._results, self._stopped_by, plan.synthetic)

    def _stop(self, number: int) -> float:
        """Ask the workers to stop; return when to stop waiting for them."""
        self._stopped_by = number
        self._backend.interrupt()
        return float("inf") if number == signal.SIGINT else time.monotonic() + GRACE_SECONDS

    def _note(self, event: Event, runs: Mapping[int, Path]) -> None:
        match event:
            case Started(spec, attempt, _):
                self._running[spec.number] = event
                self._journal.append(spec.number, TrialState.RUNNING, attempt)
            case Ended(spec, attempt, result, worker_died):
                self._running.pop(spec.number, None)
                if worker_died:
                    end_session(runs[spec.number], success=False)
                self._journal.append(spec.number, result.state, attempt, result)
                self._results[spec.number] = result
                if self._fail_fast and result.state.is_fault:
                    self._backend.interrupt()
