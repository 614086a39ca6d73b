"""`hpdash data`: list the named data sets, and fetch them."""

from __future__ import annotations

from typing import Any

import click

from ..views.text import plain
from .group import JSON, Commands, console_for, examples, main, print_json


@main.group(cls=Commands, invoke_without_command=True, epilog=examples("hpdash data", "hpdash data get mnist"))
@JSON
@click.pass_context
def data(ctx: click.Context, as_json: bool) -> None:
    """List the named data sets, and whether each is on this machine."""
    if ctx.invoked_subcommand is not None:
        return
    from ..data import SOURCES, status  # noqa: PLC0415
    from ..views.terminal.check import data_sets  # noqa: PLC0415

    found = [status(name) for name in SOURCES]
    if as_json:
        print_json([{**_fields(each), "where": each.where and str(each.where)} for each in found])
        return
    console = console_for()
    console.print(data_sets(console, found))


@data.command(epilog=examples("hpdash data get mnist"))
@click.argument("name")
def get(name: str) -> None:
    """Download the data set NAME, unless it is already on this machine."""
    from ..backends import probe  # noqa: PLC0415
    from ..data import status  # noqa: PLC0415
    from ..system.signals import Signals  # noqa: PLC0415
    from ..views.terminal.live import LiveView  # noqa: PLC0415

    if not status(name).here:
        with LiveView(console_for(stderr=True)) as view:
            probe.fetch([name], view.fetch, Signals())
    where = status(name).where
    console_for().print(plain(f"{name}: {where}" if where else f"{name}: needs no download"), soft_wrap=True)


def _fields(record: Any) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__dataclass_fields__}
