"""`hpdash export`: export trials or series for other programs."""

from __future__ import annotations

from pathlib import Path

import click

from ..errors import Problem, SpecError
from .group import JSON, examples, main, write
from .ls import GOAL, LOGDIR, OBJECTIVE, WHERE, read_and_warn

FORMATS = ("csv", "json", "parquet")
WHAT = ("trials", "series")


@main.command(
    epilog=examples(
        "hpdash export logs -o trials.csv", "hpdash export logs --what series --format parquet -o series.parquet"
    )
)
@LOGDIR
@WHERE
@OBJECTIVE
@GOAL
@click.option(
    "--format", "form", type=click.Choice(FORMATS), help="By default from the ending of the output file, else csv."
)
@click.option(
    "--what",
    type=click.Choice(WHAT),
    default="trials",
    show_default=True,
    help="Write one row per trial, or one row per point of every scalar.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="The file to write instead of standard output; Parquet needs one.",
)
@JSON
def export(
    logdir: Path,
    where: str | None,
    objective: str | None,
    goal: str | None,
    form: str | None,
    what: str,
    output: Path | None,
    as_json: bool,
) -> None:
    """Export the runs of LOGDIR: one row per trial, or one row per point of every scalar."""
    from .. import api  # noqa: PLC0415

    ending = output.suffix.removeprefix(".").lower() if output else ""
    form = form or ("json" if as_json else ending if ending in FORMATS else "csv")
    if form == "parquet" and output is None:
        raise SpecError(["--format parquet needs a file: add -o FILE.parquet."])
    data = api.export(read_and_warn(logdir, objective=objective, goal=goal), what, where=where).encoded(form)
    if output is None:
        write(data)
        return
    try:
        output.write_bytes(data)
    except OSError as error:
        raise SpecError([Problem("-o", "a file that can be written", f"{output}: {error.strerror}")]) from None
