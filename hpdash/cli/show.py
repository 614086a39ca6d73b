"""`hpdash show`: show everything about one run."""

from __future__ import annotations

from pathlib import Path

import click

from .group import JSON, emit, examples, main
from .ls import warn


@main.command(epilog=examples("hpdash show quickstart/3", "hpdash show run_1 --logdir logs --json"))
@click.argument("run")
@click.option("--logdir", default="logs", show_default=True, type=click.Path(path_type=Path), help="The logs root.")
@JSON
def show(run: str, logdir: Path, as_json: bool) -> None:
    """Show everything about one RUN, given by folder, name, id (quickstart/0003), or number if it is unique."""
    from .. import api  # noqa: PLC0415

    found = api.show(run, logdir)
    warn(found.warnings)
    emit(found, as_json)
