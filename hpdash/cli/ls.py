"""`hpdash ls`: the runs of a logdir as ranked tables."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..goal import Goal
from .group import JSON, console_for, main, print_json

if TYPE_CHECKING:
    from ..reading import Runs

LOGDIR = click.argument("logdir", default="logs", type=click.Path(path_type=Path))
WHERE = click.option("--where", metavar="CONDITION", help="Only runs such as 'batchnorm=before and not lr<0.01'.")
OBJECTIVE = click.option("--objective", metavar="METRIC", help="Rank by this metric instead of the sweep's own.")
GOAL = click.option(
    "--goal", type=click.Choice([goal.value for goal in Goal]), help="Whether less or more of it is better."
)


@main.command()
@LOGDIR
@WHERE
@OBJECTIVE
@GOAL
@click.option("--sort", metavar="KEY", help="Sort by a column, from small to great; -KEY from great to small.")
@click.option("--top", type=click.IntRange(1), help="Only so many rows a sweep; by default what fits a terminal.")
@click.option("--columns", metavar="A,B", help="These instead: hyperparameters, metrics, fields such as seed or error.")
@click.option("--repeats", is_flag=True, help="A row for each replicate instead of mean ± std (n).")
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
    """List the runs of LOGDIR, a table a sweep, best first."""
    names = [name.strip() for name in (columns or "").split(",") if name.strip()]
    runs = opened(logdir, where=where, sort=sort, columns=names, repeats=repeats, objective=objective, goal=goal)
    if as_json:
        print_json(runs.to_json(top))
        return
    console = console_for()
    for part in runs.render(console, top):
        console.print(part)


def opened(logdir: Path, **options: Any) -> Runs:
    """Read a logdir, and tell on standard error what was damaged or that nothing was found."""
    from ..reading import read_runs  # noqa: PLC0415

    runs = read_runs(logdir, **options)
    nothing = f"{logdir}: no runs. `hpdash sweep FILE` makes some; so does any training that logs for TensorBoard."
    warn(runs.warnings if runs.found.runs else [*runs.warnings, nothing])
    return runs


def warn(warnings: Iterable[str]) -> None:
    """Tell warnings on standard error."""
    from ..views.text import plain  # noqa: PLC0415

    console = console_for(stderr=True)
    for warning in warnings:
        console.print(plain(warning), style="yellow", soft_wrap=True)
