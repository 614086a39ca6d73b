"""How a search went, as people look at it: a table of what made it better, a sentence, and JSON."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console, RenderableType
from rich.text import Text

from ..analysis.progress import Progress, progress
from ..kept import kept
from ..runs import Run
from ..trial import DRAWN
from .text import number, plain, table


def searched(runs: Sequence[Run]) -> Progress | None:
    """Return how the search of a sweep went, None where all it does is run through what its file lists."""
    record = kept(runs[0])
    is_search = record and ("prune" in record.settings or record.settings.get("strategy") in DRAWN)
    return progress(runs) if is_search else None


def render(console: Console, found: Progress) -> Iterator[RenderableType]:
    """Draw the trials at which the best became better, each with what had been spent by then."""
    yield Text("")
    yield plain(f"The search, by best {found.objective.name} so far:")
    places = {id(step): place for place, step in enumerate(found.steps, 1)}
    rows = [
        [f"{step.trial:04d}", places[id(step)], step.spent, number(step.best), str(step.state)]
        for step in found.improvements
    ]
    yield table(console, ["trial", "ends", "epochs", "best so far", "which"], rows, left=1)
    yield plain(spending(found))


def spending(found: Progress) -> str:
    """Say in a sentence what a search has cost, and whom it stopped when."""
    trials = len({step.trial for step in found.steps})
    share = f", {100 * found.spent / found.whole:.0f} % of what they take whole" if found.whole > found.spent else ""
    stopped = ", ".join(f"{count} after {epoch}" for epoch, count in found.pruned.items())
    pruned = f"; pruned: {stopped} epochs" if stopped else ""
    return f"{trials:,} trials in {found.spent:,} epochs{share}{pruned}."


def to_json(found: Progress) -> dict[str, Any]:
    """Return the one JSON form."""
    steps = [
        {"trial": step.trial, "state": str(step.state), "epochs": step.epochs, "spent": step.spent}
        | {"value": _finite(step.value), "best": _finite(step.best)}
        for step in found.steps
    ]
    return {"steps": steps, "spent": found.spent, "whole": found.whole, "pruned": found.pruned}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
