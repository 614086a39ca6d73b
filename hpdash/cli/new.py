"""`hpdash new`: start from an example sweep file with comments."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from .group import JSON, console_for, examples, main, print_json


@main.command(epilog=examples("hpdash new --list", "hpdash new quickstart", "hpdash new cifar_cnn --folder mine"))
@click.argument("name", required=False)
@click.option("--list", "as_list", is_flag=True, help="List the example sweep files, and what each compares.")
@click.option("--folder", type=click.Path(path_type=Path, file_okay=False),
              help="The folder to write into; by default the current one.")  # fmt: skip
@JSON
def new(name: str | None, as_list: bool, folder: Path | None, as_json: bool) -> None:
    """Copy NAME, an example sweep file with comments, and the Python modules that it needs, into a folder."""
    from ..api.shipped_sweeps import copy_shipped_sweep, shipped_sweeps  # noqa: PLC0415

    if as_list == (name is not None) or (as_list and folder):
        raise click.UsageError("Give either the NAME of an example sweep file, perhaps with --folder, or --list.")
    console = console_for()
    if name is None:
        shipped = shipped_sweeps()
        if as_json:
            print_json([{"name": each.name, "description": each.description} for each in shipped])
            return
        width = max(len(each.name) for each in shipped)
        for each in shipped:
            console.print(f"{each.name:{width}}  {each.description}", soft_wrap=True, markup=False, highlight=False)
        return
    copies = [str(path) for path in copy_shipped_sweep(name, folder or Path())]
    if as_json:
        print_json({"files": copies})
        return
    for path in copies:
        console.print(f"wrote {path}", soft_wrap=True, markup=False, highlight=False)
    console.print(f"run it: hpdash sweep {shlex.quote(copies[0])}", soft_wrap=True, markup=False, highlight=False)
