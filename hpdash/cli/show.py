"""`hpdash show`: one run whole."""

from __future__ import annotations

from pathlib import Path

import click

from .group import JSON, console_for, main, print_json
from .ls import warn


@main.command()
@click.argument("run")
@click.option("--logdir", default="logs", show_default=True, type=click.Path(path_type=Path), help="The logs root.")
@JSON
def show(run: str, logdir: Path, as_json: bool) -> None:
    """Show one RUN whole: its folder, its name, its id (quickstart/0003) or, where only one has it, its number."""
    from .. import reading  # noqa: PLC0415

    found = reading.show(run, logdir)
    warn(found.warnings)
    if as_json:
        print_json(found.to_json())
        return
    console = console_for()
    for part in found.render(console):
        console.print(part)
