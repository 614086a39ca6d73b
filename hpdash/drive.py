"""One driver's run over a sweep's missing trials: tasks out, results into the journal, signals obeyed."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol, Self

from . import checkpoint, logdir
from .backends.base import Backend, Queue, Task
from .backends.probe import FetchProgress
from .errors import HpdashError, LogdirError, SpecError
from .journal import Journal
from .search import Course
from .signals import Signals
from .spec import Sweep
from .trial import Ended, Event, Notice, Reached, Started, TrialResult, TrialSpec, TrialState, caveats
from .views.leaderboard import leaderboard_html
from .writer import end_session

MACHINES_LOST = 3  # that are not held against a trial: it may be what they die of
GRACE_SECONDS = 10.0  # how long trials may take to stop after SIGTERM or SIGHUP, before they are killed


@dataclass(frozen=True, slots=True)
class Plan:
    """What is about to run: the sweep's course so far, the results that stand, on how many workers.

    `seconds` says about how long a trial may train: right in proportion, not in size.
    """

    sweep: Sweep
    folder: Path
    course: Course
    results: Mapping[int, TrialResult]
    workers: int
    synthetic: bool = False
    accepted: Mapping[str, int] = field(default_factory=dict)
    seconds: Callable[[TrialSpec], float] = lambda _: 0.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a sweep stands when its driver ends: each trial's last result, and what stopped it: a signal, or why.

    `total` is how many trials it will have at most, of which `specs` are those known by now. `accepted` has the code
    and the data that were changed while it ran, and how often.
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
        """What has to stand beside the results wherever they are shown."""
        return caveats(self.specs, self.synthetic, self.accepted)

    @property
    def exit_code(self) -> int:
        """Return 0 when all is well, 1 where a trial failed, 128 + n for signal n."""
        if self.signal is not None:
            return 128 + self.signal
        return int(any(result.state.is_fault for result in self.results.values()))

    def _repr_html_(self) -> str:
        """Show the leaderboard in a notebook."""
        title = ", ".join([self.sweep.name, *self.caveats])
        return leaderboard_html(self.specs, self.results, title)


class View(Protocol):
    """What shows a sweep while it runs."""

    def plan(self, specs: Sequence[TrialSpec], results: Mapping[int, TrialResult], workers: int, total: int) -> None:
        """Begin: the trials known by now, the results that stand, how many workers, and trials at least."""

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
        return cls(
            lambda plan: view.plan(plan.course.specs, plan.results, plan.workers, plan.course.least),
            view.event,
            view.fetch,
        )


class Drive:
    """Run the tasks of a plan on a backend and keep the journal; `fail_fast` stops at the first fault.

    A trial whose worker died is tried again, as often as the sweep says.
    """

    def __init__(self, plan: Plan, journal: Journal, backend: Backend, watcher: Watcher, fail_fast: bool) -> None:
        self.plan, self._journal, self._backend, self._watcher = plan, journal, backend, watcher
        self._fail_fast = fail_fast
        self._results = dict(plan.results)
        self._running: dict[int, Started] = {}
        self._first = {number: record.attempt + 1 for number, record in journal.history.latest.items()}
        self._lost = Counter[int]()
        self._queue = Queue((), self._more)
        self._finished = any(result.state is TrialState.FINISHED for result in plan.results.values())
        self._failures = 0
        self._stopped_by: int | None = None
        self._told: set[str] = set()
        self._stopped = ""
        self._refused: HpdashError | None = None

    def run(self, signals: Signals, newest_first: bool = False) -> Outcome:
        """Run the missing trials until all have ended or something stops them."""
        waiting = self.plan.course.waiting(self._journal.history)
        missing = [spec for spec in waiting if spec.number not in self._results]
        for spec in waiting:
            if spec.number in self._results and not self._may_go_on(self._results[spec.number]):
                checkpoint.remove(self._folder(spec))  # left there by a driver that died just before
        for spec in reversed(missing) if newest_first else missing:
            self._queue.put(self._task(spec))
        deadline, heard = float("inf"), 0
        for event in self._backend.run(self._queue):
            self._watcher.event(self._note(event))
            if signals.last is not None and signals.count > heard:
                heard, deadline = signals.count, min(deadline, self._stop(signals.last, again=signals.count > 1))
            if time.monotonic() > deadline:
                break
        self._backend.close()
        for started in list(self._running.values()):
            result = TrialResult(TrialState.INTERRUPTED, error="stopped with its driver")
            self._note(Ended(started.spec, started.attempt, result))
        if self._refused:
            raise self._refused
        return self._outcome()

    def _outcome(self) -> Outcome:
        """Return how the sweep stands; when all of it is done, no checkpoint is left."""
        plan, results = self.plan, self._results
        total = plan.course.extent(self._journal.history, results)
        if total == len(results):  # extended, a pruned trial that is promoted starts over
            paused = (spec for spec in plan.course.specs if self._may_go_on(results.get(spec.number)))
            for spec in paused:
                checkpoint.remove(self._folder(spec))
        specs, stopped_by = plan.course.specs, self._stopped_by
        facts = plan.synthetic, self._stopped, plan.accepted
        return Outcome(plan.sweep, plan.folder, specs, total, results, stopped_by, *facts)

    def _may_go_on(self, result: TrialResult | None) -> bool:
        """Say whether a trial's result is one that promotion may yet change."""
        pruner = self.plan.course.pruner
        return bool(result and result.state is TrialState.PRUNED and pruner and pruner.promotes)

    def _more(self) -> None:
        """Put in line what is to run now, where results decide on it: a known trial, or those of a new setting."""
        course, history = self.plan.course, self._journal.history
        spec = course.next(history, alone=not self._running)
        if spec is not None:
            self._first[spec.number] = self._journal.attempts(spec.number) + 1  # promoted, it has its retries again
            self._queue.put(self._task(spec))
            return
        try:
            point = course.propose(history)
        except SpecError as error:
            self._watcher.event(Notice(f"the search ends early: {error}"))
            return course.end()
        if point is not None:
            self._journal.append_proposal(course.settings, point)
            new = course.add(point)
            for spec in new[:1] if course.pruner else new:
                self._queue.put(self._task(spec))

    def _decide(self, reached: Reached) -> None:
        """Say whether a trial goes on after a rung, as the journal has it, or decide; not once the sweep stops."""
        course, history = self.plan.course, self._journal.history
        if course.pruner is None or self._stopping:
            return
        goes_on = history.went_on(reached.number, reached.epoch)
        if goes_on is None:
            goes_on = course.pruner.goes_on(reached.number, reached.epoch, reached.value, history)
            self._journal.append_rung(reached.number, reached.epoch, reached.value, goes_on)
        self._backend.answer(reached.number, goes_on)

    @property
    def _stopping(self) -> bool:
        return self._stopped_by is not None or bool(self._stopped or self._refused)

    def _folder(self, spec: TrialSpec) -> Path:
        seed = spec.seed if self.plan.sweep.repeats > 1 else None
        return self.plan.folder / logdir.run_name(spec.number, spec.swept, seed)

    def _task(self, spec: TrialSpec) -> Task:
        """Return a trial's next attempt, its folder made ready: from its checkpoint, or all of it set aside."""
        run, last = self._folder(spec), self._journal.history.latest.get(spec.number)
        attempt = last.attempt if last else 0
        resume = last is None or last.state not in (TrialState.FAILED, TrialState.DIVERGED)
        epoch, trouble = checkpoint.prepare(run, max(attempt, 1), resume)
        if trouble:
            self._watcher.event(Notice(trouble, spec.number))
        group = logdir.session_group(self.plan.sweep.name, spec.setting)
        return Task(spec, attempt + 1, run, group, self.plan.seconds(spec), epoch)

    def _stop(self, number: int, again: bool) -> float:
        """Ask the workers to stop; return when to stop waiting for them: at once at a second Ctrl-C.

        Other signals may come more than once without meaning more: a terminal that closes sends several SIGHUPs.
        """
        self._stopped_by = self._stopped_by or number
        self._backend.interrupt()
        if number != signal.SIGINT:
            return time.monotonic() + GRACE_SECONDS
        if again:
            return 0.0
        self._watcher.event(Notice("stopping: running trials end their epoch; Ctrl-C again stops them now"))
        return float("inf")

    def _note(self, event: Event | None) -> Event | None:
        """Record an event; return what is to be told of it."""
        match event:
            case Notice(text):
                if text in self._told:  # by another trial, or another worker
                    return None
                self._told.add(text)
            case Started(spec, attempt, _):
                self._running[spec.number] = event
                self._journal.append(spec.number, TrialState.RUNNING, attempt)
            case Reached():
                self._decide(event)
            case Ended(spec, attempt, result):
                self._running.pop(spec.number, None)
                if result.is_refused and self._finished:  # other trials have the metric
                    result = replace(result, state=TrialState.FAILED)
                    event = replace(event, result=result)
                self._journal.append(spec.number, result.state, attempt, result)
                if event.lost_machine and self._lost[spec.number] < MACHINES_LOST:
                    self._lost[spec.number] += 1
                    self._first[spec.number] = self._first.get(spec.number, 1) + 1
                if self._tries_again(spec, attempt, result):
                    task = self._task(spec)
                    self._queue.put(task)
                    from_epoch = f" from epoch {task.epoch}" if task.epoch else ""
                    return Notice(f"{result.error}; trying again{from_epoch}", spec.number)
                self._conclude(spec, result)
        return event

    def _tries_again(self, spec: TrialSpec, attempt: int, result: TrialResult) -> bool:
        tried = attempt - self._first.get(spec.number, 1)
        return result.state is TrialState.KILLED and tried < self.plan.sweep.max_retries and not self._stopping

    def _conclude(self, spec: TrialSpec, result: TrialResult) -> None:
        """Take a trial's last result of this run, and stop where it says so."""
        self._results[spec.number] = result
        was_open = result.is_refused and result.state is TrialState.FAILED
        if was_open or result.state in (TrialState.KILLED, TrialState.TIMED_OUT):
            end_session(self._folder(spec), success=False)
        elif result.state is not TrialState.INTERRUPTED and not self._may_go_on(result):
            checkpoint.remove(self._folder(spec))
        if result.state is TrialState.INTERRUPTED and result.error and self._stopped_by is None:
            error = SpecError([f"{self.plan.sweep.where}: {result.error}"]) if result.stops_sweep else None
            self._refused = self._refused or error or LogdirError(result.error)
        self._count_failures(result)
        if self._refused or self._stopped:
            self._backend.interrupt()

    def _count_failures(self, result: TrialResult) -> None:
        self._finished |= result.state is TrialState.FINISHED
        self._failures += result.state is TrialState.FAILED
        if self._fail_fast and result.state.is_fault:
            self._stopped = "stopped at the first fault, as --fail-fast asks"
        elif not self._finished and self._failures >= self.plan.sweep.max_consecutive_failures:
            self._stopped = f"stopped: {self._failures} trials have failed and none has finished"
