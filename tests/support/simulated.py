"""Simulated searches without training: a curve replaces each trial; the search and the pruner are real; one worker."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

from hpdash.journal.entries import RungDecision, Transition
from hpdash.journal.history import History
from hpdash.records import TrialResult, TrialSpec, TrialState
from hpdash.search import Schedule
from hpdash.spec import Sweep

Curve = Callable[[Mapping[str, Any], int], float]  # (setting, epochs) -> objective after that many epochs
Path = list[tuple[int, float]]  # (epochs trained so far, best objective so far)


def simulate(sweep: Sweep, curve: Curve) -> Path:
    """Run a sweep on curves; return the best objective so far after each epoch of any trial."""
    schedule, history, seq = Schedule(sweep), History(), count(1)
    path: Path = [(0, float("-inf"))]
    while (spec := _next(schedule, history)) is not None:
        paused = history.pruned_after(spec.number) or 0
        history.add(Transition(next(seq), spec.number, TrialState.RUNNING, 1, 0.0))
        state = TrialState.FINISHED
        value, epoch = 0.0, paused
        for epoch in range(paused + 1, sweep.fixed["train"]["epochs"] + 1):
            value = curve(spec.swept, epoch)
            path.append((path[-1][0] + 1, max(path[-1][1], value)))
            if epoch in spec.rungs and schedule.pruner is not None:
                goes_on = schedule.pruner.goes_on(spec.number, epoch, value, history)
                history.add(RungDecision(next(seq), 0.0, spec.number, epoch, value, goes_on))
                if not goes_on:
                    state = TrialState.PRUNED
                    break
        metrics = {sweep.objective: value}
        result = TrialResult(state, epochs=epoch, metrics=metrics, best=metrics)
        history.add(Transition(next(seq), spec.number, state, 1, 0.0, result))
    return path


def _next(schedule: Schedule, history: History) -> TrialSpec | None:
    waiting = (spec for spec in schedule.waiting(history) if spec.number not in history.latest)
    spec = next(waiting, None) or schedule.next(history, alone=True)
    if spec is None and (point := schedule.propose(history)) is not None:
        spec = schedule.add(point)[0]
    return spec


def best_after(path: Path, spent: int) -> float:
    """Return the best objective after `spent` epochs, counted over all trials."""
    return max(best for epochs, best in path if epochs <= spent)


def reaches(path: Path, value: float) -> int | None:
    """Return how many epochs over all trials it takes to reach a value; None if it is never reached."""
    return next((epochs for epochs, best in path if best >= value), None)
