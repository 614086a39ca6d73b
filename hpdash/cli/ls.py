"""`hpdash ls`: list the runs of a logdir as ranked tables."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..goal import Goal
from .group import JSON, console_for, examples, main, print_json

if TYPE_CHECKING:
    from ..api import Runs

LOGDIR = click.argument("logdir", default="logs", type=click.Path(path_type=Path))
WHERE = click.option(
    "--where",
    metavar="CONDITION",
    help="Use only runs that meet this condition, such as 'batchnorm=before and not lr<0.01'.",
)
OBJECTIVE = click.option("--objective", metavar="METRIC", help="Rank by this metric instead of the sweep's own.")
GOAL = click.option(
    "--goal",
    type=click.Choice([goal.value for goal in Goal]),
    help="Whether a smaller or a larger value of the metric is better.",
)


@main.command(epilog=examples("hpdash ls logs", "hpdash ls logs --where 'batchnorm = before and learning_rate < 0.01'"))
@LOGDIR
@WHERE
@OBJECTIVE
@GOAL
@click.option("--sort", metavar="COLUMN", help="Sort by this column, ascending; -COLUMN sorts descending.")
@click.option(
    "--top",
    type=click.IntRange(1),
    help="Show at most this many rows per sweep; by default 40 on a terminal, and all otherwise.",
)
@click.option(
    "--columns",
    metavar="A,B",
    help="Show these columns instead: hyperparameters, metrics, or fields such as seed or error.",
)
@click.option("--repeats", is_flag=True, help="Show one row per replicate instead of mean ± std (n).")
@JSON
def ls(
    logdir: Path,
    where: str | None,
    objective: str | None,
    goal: str | None,
    sort: str | None,
    top: int | None,
    columns: str | None,
    repeats: bool,
    as_json: bool,
) -> None:
    """List the runs of LOGDIR, one table per sweep, best first."""
    names = [name.strip() for name in (columns or "").split(",") if name.strip()]
    runs = read_and_warn(logdir, where=where, sort=sort, columns=names, repeats=repeats, objective=objective, goal=goal)
    if as_json:
        print_json(runs.to_json(top))
        return
    console = console_for()
    for part in runs.render(console, top):
        console.print(part)


def read_and_warn(logdir: Path, **options: Any) -> Runs:
    """Read a logdir; print on standard error what is damaged, or that there are no runs."""
    from ..api import read_runs  # noqa: PLC0415

    runs = read_runs(logdir, **options)
    nothing = f"{logdir}: no runs. Run `hpdash sweep FILE`, or any training that logs for TensorBoard, first."
    warn(runs.warnings if runs.found.runs else [*runs.warnings, nothing])
    return runs


def warn(warnings: Iterable[str]) -> None:
    """Print warnings on standard error."""
    from ..views.text import plain  # noqa: PLC0415

    console = console_for(stderr=True)
    for warning in warnings:
        console.print(plain(warning), style="yellow", soft_wrap=True)
