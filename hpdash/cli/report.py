"""`hpdash report`: write a logdir as one HTML file."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import click

from ..views.text import plain
from .group import console_for, examples, main
from .ls import GOAL, LOGDIR, OBJECTIVE, WHERE, read_and_warn

FILE = click.Path(path_type=Path, dir_okay=False)


@main.command(epilog=examples("hpdash report logs -o report.html"))
@LOGDIR
@click.option("-o", "--output", default="report.html", show_default=True, type=FILE, help="The file to write.")
@click.option("--by", metavar="NAME", help="Group the curves by this hyperparameter when the report is opened.")
@WHERE
@OBJECTIVE
@GOAL
def report(
    logdir: Path, output: Path, by: str | None, where: str | None, objective: str | None, goal: str | None
) -> None:
    """Write the contents of LOGDIR as one HTML file, which can be opened offline and printed."""
    from .. import api  # noqa: PLC0415

    made = api.report(
        read_and_warn(logdir, objective=objective, goal=goal),
        output,
        by=by,
        where=where,
        command=shlex.join(["hpdash", *sys.argv[1:]]),
    )
    console_for().print(plain(f"{made}: {made.stat().st_size / 1e6:.1f} MB"), soft_wrap=True)
