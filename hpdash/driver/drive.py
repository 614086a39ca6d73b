"""Run the missing trials of a sweep: hand out tasks, record results in the journal, obey signals."""

from __future__ import annotations

import signal
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

from ..backends.base import Backend, Queue, Task
from ..errors import HpdashError, LogdirError, SpecError
from ..journal.journal import Journal
from ..logs import checkpoint, layout, program_folder, run_folder
from ..records import Ended, Event, Notice, Reached, Started, TrialResult, TrialSpec, TrialState
from ..system.signals import Signals
from .plan import Outcome, Plan, Watcher

# How often a trial whose machine has left the cluster runs again without using up a retry. There is a limit, because
# the trial itself may be the cause
MACHINES_LOST = 3
_TRAINED = (TrialState.FINISHED, TrialState.PRUNED)  # states that show that trials of the sweep can train
GRACE_SECONDS = 10.0  # how long trials may take to stop after SIGTERM or SIGHUP before they are killed


class Driver:
    """Run the tasks of a plan on a backend and keep the journal.

    With `fail_fast`, stop at the first trial that fails, is killed or times out. A trial whose worker died is tried
    again, up to the sweep's `max_retries` times.
    """

    def __init__(self, plan: Plan, journal: Journal, backend: Backend, watcher: Watcher, fail_fast: bool) -> None:
        self.plan, self._journal, self._backend, self._watcher = plan, journal, backend, watcher
        self._fail_fast = fail_fast
        self._results = dict(plan.results)
        self._running: dict[int, Started] = {}
        # By trial number: the attempt from which retries are counted, 1 if absent
        self._first_attempt = {number: record.attempt + 1 for number, record in journal.history.latest.items()}
        self._lost_machines = Counter[int]()
        self._queue = Queue((), self._queue_next)
        self._any_trained = any(result.state in _TRAINED for result in plan.results.values())
        self._failures = 0
        self._stop_signal: int | None = None
        self._shown_notices: set[str] = set()
        self._stop_reason = ""
        self._error: HpdashError | None = None

    def run(self, signals: Signals, newest_first: bool = False) -> Outcome:
        """Run the missing trials until all have ended or something stops them, and return the outcome.

        `newest_first` reverses the order of the trials that are known at the start. Raises SpecError if a trial shows
        that the sweep file is wrong, or that the user's code or data changed; LogdirError if a trial cannot use its
        run folder.
        """
        waiting = self.plan.schedule.waiting(self._journal.history)
        missing = [spec for spec in waiting if spec.number not in self._results]
        for spec in waiting:
            if spec.number in self._results and not self._is_promotable(self._results[spec.number]):
                checkpoint.remove(self._folder(spec))  # a driver died before it could remove it
        for spec in reversed(missing) if newest_first else missing:
            self._queue.put(self._prepare_task(spec))
        deadline, handled = float("inf"), 0
        for event in self._backend.run(self._queue):
            self._watcher.event(self._handle(event))
            if signals.last is not None and signals.count > handled:
                handled, deadline = signals.count, min(deadline, self._stop(signals.last, again=signals.count > 1))
            if time.monotonic() > deadline:
                break
        self._backend.close()
        for started in list(self._running.values()):
            result = TrialResult(TrialState.INTERRUPTED, error="stopped with its driver")
            self._handle(Ended(started.spec, started.attempt, result))
        if self._error:
            raise self._error
        return self._finish()

    def _finish(self) -> Outcome:
        """Return the outcome; if no trial is left to run, remove the checkpoints of pruned trials."""
        plan, results = self.plan, self._results
        total = plan.schedule.count_trials(self._journal.history, results)
        any_resumes = any(result.state is TrialState.INTERRUPTED for result in results.values())
        if total == len(results) and not any_resumes:  # if the sweep is extended later, promoted trials start over
            promotable = (spec for spec in plan.schedule.specs if self._is_promotable(results.get(spec.number)))
            for spec in promotable:
                checkpoint.remove(self._folder(spec))
        specs, stop_signal = plan.schedule.specs, self._stop_signal
        facts = plan.synthetic, self._stop_reason, plan.accepted
        return Outcome(plan.sweep, plan.folder, specs, total, results, stop_signal, *facts)

    def _is_promotable(self, result: TrialResult | None) -> bool:
        """Return whether a trial is pruned and may still be promoted."""
        pruner = self.plan.schedule.pruner
        return bool(result and result.state is TrialState.PRUNED and pruner and pruner.promotes)

    def _queue_next(self) -> None:
        """Queue the next trials in a sweep that prunes or proposes: a known trial, or those of a new setting."""
        schedule, history = self.plan.schedule, self._journal.history
        spec = schedule.next(history, alone=not self._running)
        if spec is not None:
            # A promoted trial gets new retries
            self._first_attempt[spec.number] = self._journal.attempts(spec.number) + 1
            self._queue.put(self._prepare_task(spec))
            return
        try:
            point = schedule.propose(history)
        except SpecError as error:
            self._watcher.event(Notice(f"the search ends early: {error}"))
            return schedule.end()
        if point is not None:
            self._journal.append_proposal(schedule.setting_count, point)
            new = schedule.add(point)
            for spec in new[:1] if schedule.pruner else new:
                self._queue.put(self._prepare_task(spec))

    def _answer_rung(self, reached: Reached) -> None:
        """Decide whether a trial that has reached a rung goes on, and send it the answer.

        If the journal has the decision, repeat it; otherwise decide and record it. If the sweep stops, do nothing.
        """
        schedule, history = self.plan.schedule, self._journal.history
        if schedule.pruner is None or self._stopping:
            return
        goes_on = history.decision_after(reached.number, reached.epoch)
        if goes_on is None:
            goes_on = schedule.pruner.goes_on(reached.number, reached.epoch, reached.value, history)
            self._journal.append_rung(reached.number, reached.epoch, reached.value, goes_on)
        self._backend.answer(reached.number, goes_on)

    @property
    def _stopping(self) -> bool:
        return self._stop_signal is not None or bool(self._stop_reason or self._error)

    def _folder(self, spec: TrialSpec) -> Path:
        seed = spec.seed if self.plan.sweep.repeats > 1 else None
        return self.plan.folder / layout.run_name(spec.number, spec.swept, seed)

    def _prepare_task(self, spec: TrialSpec) -> Task:
        """Return the task of a trial's next attempt, and prepare its run folder for it.

        The attempt continues from the checkpoint. If there is no checkpoint, or the last attempt failed or diverged, it
        starts at epoch 0, and the earlier files are set aside.
        """
        run, last = self._folder(spec), self._journal.history.latest.get(spec.number)
        attempt = last.attempt if last else 0
        resume = last is None or last.state not in (TrialState.FAILED, TrialState.DIVERGED)
        if self.plan.is_program:
            resume = resume and self.plan.sweep.is_resumable
            program_folder.prepare(run, max(attempt, 1), resume)
            epoch, trouble = (last.result.epochs if resume and last and last.result else 0), ""
        else:
            epoch, trouble = run_folder.prepare(run, max(attempt, 1), resume)
        if trouble:
            self._watcher.event(Notice(trouble, spec.number))
        group = layout.session_group(self.plan.sweep.name, spec.setting)
        mapped = self.plan.mapped.get(spec.settings["data"].get("name", ""))
        return Task(spec, attempt + 1, run, group, self.plan.seconds(spec), epoch, mapped)

    def _stop(self, number: int, again: bool) -> float:
        """Ask the workers to stop; return until when to wait for them, by the monotonic clock.

        After a first Ctrl-C, the wait has no limit. A Ctrl-C that is not the first signal (`again`) ends the wait at
        once. After SIGTERM or SIGHUP, the wait takes at most `GRACE_SECONDS`. Repeating them changes nothing, because
        one event may send several: a terminal that closes sends several SIGHUPs.
        """
        self._stop_signal = self._stop_signal or number
        self._backend.interrupt()
        if number != signal.SIGINT:
            return time.monotonic() + GRACE_SECONDS
        if again:
            return 0.0
        how = "asking each program to end" if self.plan.is_program else "stopping after the current epoch of each trial"
        self._watcher.event(Notice(f"{how}; Ctrl-C again stops at once"))
        return float("inf")

    def _handle(self, event: Event | None) -> Event | None:
        """Act on an event from the backend, and record it in the journal if it changes a trial's state.

        Return the event to show: the same one, a changed one, or a notice about the retry. Return None for a notice
        that was shown before.
        """
        match event:
            case Notice(text):
                if text in self._shown_notices:  # another trial or worker has sent the same notice
                    return None
                self._shown_notices.add(text)
            case Started(spec, attempt, _):
                self._running[spec.number] = event
                self._journal.append(spec.number, TrialState.RUNNING, attempt)
            case Reached():
                self._answer_rung(event)
            case Ended(spec, attempt, result):
                self._running.pop(spec.number, None)
                if result.is_refused and self._any_trained:  # other trials have the metric, so this trial is at fault
                    result = replace(result, state=TrialState.FAILED)
                    event = replace(event, result=result)
                self._journal.append(spec.number, result.state, attempt, result)
                if event.lost_machine and self._lost_machines[spec.number] < MACHINES_LOST:
                    self._lost_machines[spec.number] += 1
                    self._first_attempt[spec.number] = self._first_attempt.get(spec.number, 1) + 1
                if self._tries_again(spec, attempt, result):
                    task = self._prepare_task(spec)
                    self._queue.put(task)
                    from_epoch = f" from {spec.unit} {task.epoch}" if task.epoch else ""
                    return Notice(f"{result.error}; trying again{from_epoch}", spec.number)
                self._conclude(spec, result)
        return event

    def _tries_again(self, spec: TrialSpec, attempt: int, result: TrialResult) -> bool:
        tried = attempt - self._first_attempt.get(spec.number, 1)
        return result.state is TrialState.KILLED and tried < self.plan.sweep.max_retries and not self._stopping

    def _conclude(self, spec: TrialSpec, result: TrialResult) -> None:
        """Keep the result of a trial that is not tried again, and stop the sweep if the result requires it.

        Also end the HParams session if the worker has left it open, or remove the checkpoint if the trial is done.
        """
        self._results[spec.number] = result
        is_session_open = result.is_refused and result.state is TrialState.FAILED
        if is_session_open or result.state in (TrialState.KILLED, TrialState.TIMED_OUT):
            suffix = layout.END_SUFFIX if self.plan.is_program else ""
            run_folder.end_session(self._folder(spec), success=False, suffix=suffix)
        elif result.state is not TrialState.INTERRUPTED and not self._is_promotable(result):
            checkpoint.remove(self._folder(spec))
        if result.state is TrialState.INTERRUPTED and result.error and self._stop_signal is None:
            error = SpecError([f"{self.plan.sweep.where}: {result.error}"]) if result.stops_sweep else None
            self._error = self._error or error or LogdirError(result.error)
        self._count_failures(result)
        if self._error or self._stop_reason:
            self._backend.interrupt()

    def _count_failures(self, result: TrialResult) -> None:
        self._any_trained |= result.state in _TRAINED
        self._failures += result.state is TrialState.FAILED
        if self._fail_fast and result.state.is_fault:
            self._stop_reason = "stopped at the first failed trial, because of --fail-fast"
        elif not self._any_trained and self._failures >= self.plan.sweep.max_consecutive_failures:
            self._stop_reason = f"stopped: {self._failures} trials have failed before any has finished or was pruned"
