"""`hpdash verify`: find damage in a logdir."""

from __future__ import annotations

from pathlib import Path

import click

from .group import JSON, emit, examples, main
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
    emit(found, as_json)
    context.exit(int(found.is_damaged))
