"""The progress of a search as a table of its improvements, as a sentence, and as JSON."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console, RenderableType
from rich.text import Text

from ...analysis.progress import SearchProgress, progress
from ...analysis.timeline import Attempt, shares
from ...records import DRAWING_STRATEGIES
from ...runs import Run
from ...sweep_folder.sweep_json import record_of
from ..text import number, plain, table


def searched(runs: Sequence[Run]) -> SearchProgress | None:
    """Return the progress of a sweep's search.

    Return None if the sweep neither draws its settings nor prunes, or if its record, journal or objective is missing.
    """
    record = record_of(runs[0])
    is_search = record and ("prune" in record.settings or record.settings.get("strategy") in DRAWING_STRATEGIES)
    return progress(runs) if is_search else None


def render(console: Console, found: SearchProgress) -> Iterator[RenderableType]:
    """Yield a table of the trials that improved the best value, with the epochs that all trials had trained by then."""
    yield Text("")
    yield plain(f"Improvements of {found.objective.name} during the search:")
    places = {id(step): place for place, step in enumerate(found.steps, 1)}
    rows = [
        [f"{step.trial:04d}", places[id(step)], step.spent, number(step.best), str(step.state)]
        for step in found.improvements
    ]
    yield table(console, ["trial", "ends so far", f"{found.unit}s so far", "best so far", "state"], rows, left=1)
    yield plain(summary(found))


def spending(found: SearchProgress) -> str:
    """Return a sentence on how many epochs a search has trained, and how many trials it pruned after which epoch."""
    trials = len({step.trial for step in found.steps})
    percent = f"{100 * found.spent / found.whole:.0f} %" if found.whole > found.spent else ""
    share = f", {percent} of the {found.unit}s that they would train if none stopped early" if percent else ""
    pruned = f"; pruned: {_stopped(found)}" if found.pruned else ""
    return f"{trials:,} trials in {found.spent:,} {found.unit}s{share}{pruned}."


def _stopped(found: SearchProgress) -> str:
    return ", ".join(f"{count:,} after {found.unit} {epoch}" for epoch, count in found.pruned.items())


def summary(found: SearchProgress) -> str:
    """Return sentences on the epochs that a search has trained, and on when it last improved its best value."""
    return f"{spending(found)} {_last_improvement(found)}".rstrip()


def pruning_sentence(runs: Sequence[Run]) -> str:
    """Return sentences on how many trials of a sweep were pruned, when, and by which rule; "" if none was."""
    found = progress(runs) if runs and _rule_of(runs) else None
    if found is None or not found.pruned:
        return ""
    count = sum(found.pruned.values())
    was = "trial was" if count == 1 else "trials were"
    return f"{count:,} {was} pruned: {_stopped(found)}. {pruning_rule(runs)}".rstrip()


def how_pruned(runs: Sequence[Run]) -> str:
    """Return `pruning_rule`, and why more trials go on than the rule seems to say."""
    rule = _rule_of(runs)
    more = " Early trials have few rivals and a search finds better ones over time, so more may have gone on in all."
    return pruning_rule(runs) + (more if rule and rule["strategy"] != "median" else "")


def pruning_rule(runs: Sequence[Run]) -> str:
    """Return a sentence on which trials of a sweep go on after a rung; "" if the sweep does not prune."""
    rule = _rule_of(runs)
    if not rule:
        return ""
    if rule["strategy"] == "median":
        return f"A trial went on unless its value was worse than the median of the others at the same {runs[0].unit}."
    among = "trials of its bracket" if rule["strategy"] == "hyperband" else "trials"
    factor = rule["reduction_factor"]
    rest = f"of the {among} that had reached the {runs[0].unit} so far"
    return f"A trial went on if it was among the best 1 in {factor} {rest}."


def _rule_of(runs: Sequence[Run]) -> Mapping[str, Any] | None:
    record = record_of(runs[0])
    return record.settings.get("prune") if record else None


def _last_improvement(found: SearchProgress) -> str:
    """Return a sentence on when the search last improved its best value; "" if no trial has a value."""
    if not found.improvements:
        return ""
    step = found.improvements[-1]
    after = len(found.steps) - 1 - found.steps.index(step)
    more = "1 more trial has" if after == 1 else f"{after:,} more trials have"
    ends = f"{more} ended since then" if after else "the last to end"
    return f"The best value last improved with trial {step.trial:04d}, after {step.spent:,} {found.unit}s: {ends}."


def time_sentence(attempts: Sequence[Attempt]) -> str:
    """Return a sentence on how many attempts there were, and what took their time."""
    count = f"{len(attempts):,} attempt{'' if len(attempts) == 1 else 's'}"
    found = shares(attempts)
    if found is None:
        return f"{count}."
    training, compiling = (f"{100 * share:.0f} %" for share in found)
    second = f", about {compiling} compiling" if found[1] >= 0.005 else ""
    return f"{count}; {training} of their time was training{second}, the rest the start of workers, data and writing."


def to_json(found: SearchProgress) -> dict[str, Any]:
    """Return the progress as JSON values; values that are not finite become None."""
    steps = [
        {"trial": step.trial, "state": str(step.state), "epochs": step.epochs, "spent": step.spent}
        | {"value": _finite(step.value), "best": _finite(step.best)}
        for step in found.steps
    ]
    return {"steps": steps, "spent": found.spent, "whole": found.whole, "pruned": found.pruned}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
