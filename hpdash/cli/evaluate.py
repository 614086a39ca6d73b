"""`hpdash evaluate`: evaluate the selected trial on the test set, once."""

from __future__ import annotations

from pathlib import Path

import click

from .group import JSON, emit, examples, main
from .ls import LOGDIR, warn


@main.command(epilog=examples("hpdash evaluate logs/quickstart", "hpdash evaluate logs/quickstart --top 3"))
@LOGDIR
@click.option("--sweep", metavar="NAME", help="The sweep to evaluate, if LOGDIR has several.")
@click.option(
    "--top", type=click.IntRange(1), default=1, show_default=True, help="Evaluate this many trials, and their ensemble."
)
@click.option("--again", is_flag=True, help="Evaluate another selection on the same test set; every table will say so.")
@JSON
def evaluate(logdir: Path, sweep: str | None, top: int, again: bool, as_json: bool) -> None:
    """Evaluate the best trial of LOGDIR (by validation) on the test set, once, and record the result."""
    from .. import evaluation  # noqa: PLC0415

    found = evaluation.evaluate(logdir, sweep=sweep, top=top, again=again)
    warn(found.warnings)
    emit(found, as_json, soft_wrap=True)
