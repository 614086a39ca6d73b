"""The answers `search` and `timeline`: how a sweep went, from its journal."""

from __future__ import annotations

import heapq
import math
import time
from collections.abc import Sequence
from typing import Any

from ...analysis.progress import progress
from ...journal.entries import Transition
from ...journal.history import History
from ...journal.journal import JournalContent
from ...journal.of_runs import journal_of
from ...records import TrialState
from ...runs import Run


def search_impl(runs: Sequence[Run]) -> dict[str, Any]:
    """Return the end of each trial in chronological order with the best value so far, and the decisions at the rungs.

    `note` says why there is nothing to draw. The rungs are those of the given trials. The objective is the sweep's own,
    because the journal has no other best values.
    """
    from ...views.terminal.progress import spending, to_json  # noqa: PLC0415  imports rich

    found = progress(runs)
    if found is None:
        return {"note": _missing(runs), "steps": [], "rungs": []}
    journal = journal_of(runs)
    numbers = {run.number for run in runs}
    return {
        "note": "",
        "objective": {"name": found.objective.name, "goal": str(found.objective.goal)},
        "sentence": spending(found),
        **to_json(found),
        "rungs": _rungs(History.of(journal.entries), numbers) if journal else [],
    }


def _missing(runs: Sequence[Run]) -> str:
    if not runs:
        return "No trial meets the filter."
    if journal_of(runs) is None:
        return "These runs have no journal, so it is not known in which order they ended."
    return "No trial has ended yet, or there is no objective."


def _rungs(history: History, numbers: set[int | None]) -> list[dict[str, Any]]:
    rungs = []
    for epoch, decisions in sorted(history.rungs.items()):
        own = [decision for trial, decision in sorted(decisions.items()) if trial in numbers]
        rungs.append(
            {
                "epoch": epoch,
                "trials": [decision.trial for decision in own],
                "values": [decision.value if math.isfinite(decision.value) else None for decision in own],
                "goes_on": [decision.goes_on for decision in own],
                "promoted": [epoch in history.promoted.get(decision.trial, ()) for decision in own],
            }
        )
    return [rung for rung in rungs if rung["trials"]]


def timeline_impl(runs: Sequence[Run]) -> dict[str, Any]:
    """Return the attempts at the trials in lanes: attempts at the same time are in different lanes.

    `end` is None while an attempt runs, and if its driver died before it could record the end. `training` is the number
    of seconds of training: the rest of the time went into data, compilation and writing. `note` says why there is
    nothing to draw.
    """
    journal = journal_of(runs)
    if journal is None:
        why = "These runs have no journal, so it is not known when they ran." if runs else "No trial meets the filter."
        return {"note": why, "spans": [], "lanes": 0}
    attempts = _attempts(journal, runs)
    attempts.sort(key=lambda attempt: attempt["begin"])
    return {
        "note": "",
        "spans": attempts,
        "lanes": _lanes(attempts),
        "sentence": _sentence(attempts),
        "now": time.time(),
    }


def _attempts(journal: JournalContent, runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Return the attempts in the order of the journal."""
    run_of = {run.number: run for run in runs if run.number is not None}
    attempts: list[dict[str, Any]] = []
    unfinished: dict[int, dict[str, Any]] = {}  # by trial, its last attempt until its end is found in the journal
    before: dict[int, float] = {}  # seconds of training in earlier attempts, which a resumed trial's result includes
    for record in journal.transitions:
        trial = record.trial
        if trial not in run_of:
            continue
        if record.state is TrialState.RUNNING:
            if trial in unfinished:  # its driver was killed before it could write the end
                unfinished[trial]["state"] = str(TrialState.INTERRUPTED)
            unfinished[trial] = _started(record, run_of[trial])
            attempts.append(unfinished[trial])
        elif trial in unfinished:
            attempt = unfinished.pop(trial)
            attempt |= {"state": str(record.state), "end": record.time}
            if result := record.result:
                own = result.seconds - before.get(trial, 0.0)
                before[trial] = result.seconds
                training = own if own >= 0 else result.seconds  # the attempt trained from the first epoch again
                training = min(training, max(record.time - attempt["begin"], 0.0))  # an attempt that died reports none
                attempt |= {"training": training, "epochs": result.epochs, "reason": result.error}
    for trial, attempt in unfinished.items():
        attempt["state"] = str(run_of[trial].status or TrialState.RUNNING)
    return attempts


def _started(record: Transition, run: Run) -> dict[str, Any]:
    """Return an attempt that has started; what is known only at its end is None."""
    unknown = dict.fromkeys(("end", "training", "epochs", "reason"))
    return {"id": run.id, "attempt": record.attempt, "state": str(record.state), "begin": record.time, **unknown}


def _lanes(attempts: Sequence[dict[str, Any]]) -> int:
    """Give each attempt a lane that is free when it begins; return the number of lanes."""
    free: list[int] = []
    busy: list[tuple[float, int]] = []  # the end of the last attempt of each lane that is in use
    count = 0
    for attempt in attempts:
        while busy and busy[0][0] <= attempt["begin"]:
            heapq.heappush(free, heapq.heappop(busy)[1])
        lane = heapq.heappop(free) if free else count
        count = max(count, lane + 1)
        attempt["lane"] = lane
        is_running = attempt["state"] == TrialState.RUNNING
        end = attempt["end"] if attempt["end"] is not None else math.inf if is_running else attempt["begin"]
        heapq.heappush(busy, (end, lane))
    return count


def _sentence(attempts: Sequence[dict[str, Any]]) -> str:
    known = [each for each in attempts if each["end"] is not None and each["training"] is not None]
    whole = sum(max(0.0, each["end"] - each["begin"]) for each in known)
    training = sum(each["training"] for each in known)
    count = f"{len(attempts):,} attempt{'' if len(attempts) == 1 else 's'}"
    if whole <= 0:
        return f"{count}."
    share = min(training / whole, 1.0)
    return f"{count}; {100 * share:.0f} % of their time was training, the rest data, compilation and writing."
