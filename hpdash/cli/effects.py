"""`hpdash effects`: show which hyperparameters matter."""

from __future__ import annotations

from pathlib import Path

from .group import JSON, emit, examples, main
from .ls import GOAL, LOGDIR, OBJECTIVE, WHERE, read_and_warn


@main.command(epilog=examples("hpdash effects logs", "hpdash effects logs --where 'optimizer = adam'"))
@LOGDIR
@WHERE
@OBJECTIVE
@GOAL
@JSON
def effects(logdir: Path, where: str | None, objective: str | None, goal: str | None, as_json: bool) -> None:
    """Show which hyperparameters matter in LOGDIR: mean ± std for each value, importance, interaction."""
    from .. import api  # noqa: PLC0415

    found = api.effects(read_and_warn(logdir, objective=objective, goal=goal), where=where)
    emit(found, as_json)
