"""`hpdash effects`: show which hyperparameters matter."""

from __future__ import annotations

from pathlib import Path

from .group import JSON, console_for, examples, main, print_json
from .ls import GOAL, LOGDIR, OBJECTIVE, WHERE, opened


@main.command(epilog=examples("hpdash effects logs", "hpdash effects logs --where 'optimizer = adam'"))
@LOGDIR
@WHERE
@OBJECTIVE
@GOAL
@JSON
def effects(logdir: Path, where: str | None, objective: str | None, goal: str | None, as_json: bool) -> None:
    """Show which hyperparameters matter in LOGDIR: mean ± std for each value, importance, interaction."""
    from .. import api  # noqa: PLC0415

    found = api.effects(opened(logdir, objective=objective, goal=goal), where=where)
    if as_json:
        print_json(found.to_json())
        return
    console = console_for()
    for part in found.render(console):
        console.print(part)
