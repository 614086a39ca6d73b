"""The answers `search` and `timeline`: how a sweep went, from its journal."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...analysis.progress import progress
from ...errors import LogdirError
from ...journal.history import History
from ...journal.journal import JournalContent, read_journal
from ...logs import layout
from ...records import TrialState
from ...runs import Run


def search_impl(runs: Sequence[Run]) -> dict[str, Any]:
    """Return the end of each trial in chronological order with the best value so far, and the decisions at the rungs.

    `note` says why there is nothing to draw. The rungs are those of the given trials.
    """
    from ...views.terminal.progress import spending, to_json  # noqa: PLC0415  imports rich

    found = progress(runs)
    if found is None:
        return {"note": _missing(runs), "steps": [], "rungs": []}
    journal = _journal(runs)
    numbers = {run.number for run in runs}
    return {
        "note": "",
        "objective": {"name": found.objective.name, "goal": str(found.objective.goal)},
        "sentence": spending(found),
        **to_json(found),
        "rungs": _rungs(History.of(journal.entries), numbers) if journal else [],
    }


def _missing(runs: Sequence[Run]) -> str:
    if _journal(runs) is None:
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
                "values": [decision.value for decision in own],
                "goes_on": [decision.goes_on for decision in own],
                "promoted": [epoch in history.promoted.get(decision.trial, ()) for decision in own],
            }
        )
    return [rung for rung in rungs if rung["trials"]]


def timeline_impl(runs: Sequence[Run]) -> dict[str, Any]:
    """Return the attempts at the trials in lanes: attempts at the same time are in different lanes.

    `end` is None while an attempt runs; it is also unknown if its driver died. `training` are its seconds of training:
    the rest of the time went into data, compilation and writing. `note` says why there is nothing to draw.
    """
    journal = _journal(runs)
    if journal is None:
        return {"note": "These runs have no journal, so it is not known when they ran.", "spans": [], "lanes": 0}
    attempts = _attempts(journal, runs)
    attempts.sort(key=lambda attempt: attempt["begin"])
    return {"note": "", "spans": attempts, "lanes": _lanes(attempts), "sentence": _sentence(attempts)}


def _attempts(journal: JournalContent, runs: Sequence[Run]) -> list[dict[str, Any]]:
    of_number = {run.number: run for run in runs if run.number is not None}
    attempts: list[dict[str, Any]] = []
    begun: dict[int, dict[str, Any]] = {}
    before: dict[int, float] = {}  # seconds of training in earlier attempts, which a resumed trial's result includes
    for record in journal.transitions:
        if record.trial not in of_number:
            continue
        if record.state is TrialState.RUNNING:
            begun[record.trial] = {
                "id": of_number[record.trial].id,
                "attempt": record.attempt,
                "state": str(of_number[record.trial].status or record.state),
                "begin": record.time,
                "end": None,
                "training": None,
                "epochs": None,
                "reason": None,
            }
            attempts.append(begun[record.trial])
        elif record.trial in begun:
            result = record.result
            ended = {"state": str(record.state), "end": record.time}
            if result:
                own = result.seconds - before.get(record.trial, 0.0)
                before[record.trial] = result.seconds
                training = own if own >= 0 else result.seconds  # it was started over
                ended |= {"training": training, "epochs": result.epochs, "reason": result.error}
            begun.pop(record.trial).update(ended)
    return attempts


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
        heapq.heappush(busy, (attempt["end"] or attempt["begin"], lane))
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


def _journal(runs: Sequence[Run]) -> JournalContent | None:
    """Return the journal of the sweep of these runs, None if there is none that can be read."""
    for folder in _folders(runs):
        try:
            return read_journal(folder / layout.JOURNAL)
        except LogdirError:
            return None
    return None


def _folders(runs: Sequence[Run]) -> list[Path]:
    """Return the folder that has the journal of these runs; of a trial without a folder, its own is the sweep's."""
    first = next((run for run in runs if run.number is not None), None)
    candidates = [first.folder.parent, first.folder] if first else []
    return [folder for folder in candidates if (folder / layout.JOURNAL).is_file()]
