"""`hpdash verify`: find damage in a logdir."""

from __future__ import annotations

from pathlib import Path

import click

from .group import JSON, console_for, examples, main, print_json
from .ls import LOGDIR


@main.command(epilog=examples("hpdash verify logs"))
@LOGDIR
@JSON
@click.pass_context
def verify(context: click.Context, logdir: Path, as_json: bool) -> None:
    """Find damage in LOGDIR (a logs root, or the folder of a sweep or run), and say what is affected and what to do.

    Exits with 1 if anything is damaged. It writes nothing, and can run while a sweep is running.
    """
    from .. import api  # noqa: PLC0415

    found = api.verify(logdir)
    if as_json:
        print_json(found.to_json())
    else:
        console = console_for()
        for part in found.render(console):
            console.print(part)
    context.exit(int(found.is_damaged))
