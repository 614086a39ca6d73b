"""The answers `search` and `timeline`: how a sweep went, from its journal."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from ...analysis.progress import progress
from ...analysis.timeline import attempts, lanes
from ...journal.history import History
from ...journal.of_runs import journal_of
from ...runs import Run


def search_impl(runs: Sequence[Run]) -> dict[str, Any]:
    """Return the end of each trial in chronological order with the best value so far, and the decisions at the rungs.

    `note` says why there is nothing to draw. The rungs are those of the given trials. The objective is the sweep's own,
    because the journal has no other best values.
    """
    from ...views.terminal.progress import how_pruned, summary, to_json  # noqa: PLC0415  imports rich

    found = progress(runs)
    if found is None:
        return {"note": _of_several(runs) or _missing(runs), "steps": [], "rungs": []}
    journal = journal_of(runs)
    numbers = {run.number for run in runs}
    return {
        "note": "",
        "objective": {"name": found.objective.name, "goal": str(found.objective.goal)},
        "sentence": f"{summary(found)} {how_pruned(runs)}".rstrip(),
        **to_json(found),
        "known": found.known,
        "rungs": _rungs(History.of(journal.entries), numbers) if journal else [],
    }


def _of_several(runs: Sequence[Run]) -> str:
    several = len({run.sweep for run in runs}) > 1
    return "Each sweep has a search and times of its own: choose one of the sweeps." if several else ""


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

    `note` says why there is nothing to draw.
    """
    from ...views.terminal.progress import time_sentence  # noqa: PLC0415  imports rich

    found = None if _of_several(runs) else attempts(runs)
    if found is None:
        unknown = "These runs have no journal, so it is not known when they ran."
        why = _of_several(runs) or (unknown if runs else "No trial meets the filter.")
        return {"note": why, "spans": [], "lanes": 0}
    return {
        "note": "",
        "spans": [asdict(attempt) for attempt in found],
        "lanes": lanes(found),
        "sentence": time_sentence(found),
        "now": time.time(),
    }
