"""`hpdash verify`: what is damaged."""

from __future__ import annotations

from pathlib import Path

import click

from .group import JSON, console_for, main, print_json
from .ls import LOGDIR


@main.command()
@LOGDIR
@JSON
@click.pass_context
def verify(context: click.Context, logdir: Path, as_json: bool) -> None:
    """Look for damage in LOGDIR, a logs root, a sweep's folder or a run's: what is affected, and what to do.

    Ends with 1 where anything is damaged. Nothing is written, and a sweep may go on meanwhile.
    """
    from .. import reading  # noqa: PLC0415

    found = reading.verify(logdir)
    if as_json:
        print_json(found.to_json())
    else:
        console = console_for()
        for part in found.render(console):
            console.print(part)
    context.exit(int(found.is_damaged))
