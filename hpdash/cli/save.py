"""`hpdash save`: save the Keras model of a run."""

from __future__ import annotations

import os
from pathlib import Path

import click

from .group import JSON, console_for, examples, main, print_json


@main.command(epilog=examples("hpdash save quickstart/4 -o best.keras", "hpdash save 4 -o bare.keras --bare"))
@click.argument("run")
@click.option("--logdir", default="logs", show_default=True, type=click.Path(path_type=Path), help="The logs root.")
@click.option("-o", "--output", default="model.keras", show_default=True, type=click.Path(path_type=Path),
              help="The file to write, which ends in .keras.")  # fmt: skip
@click.option("--bare", is_flag=True, help="Leave out the scaling of the inputs.")
@JSON
def save(run: str, logdir: Path, output: Path, bare: bool, as_json: bool) -> None:
    """Save the Keras model of one RUN, with its kept weights, in a file that loads without hpdash."""
    from ..api.models import save_model  # noqa: PLC0415

    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    path = save_model(run, output, logdir, bare=bare)
    if as_json:
        print_json({"run": run, "path": str(path), "bare": bare})
    else:
        console_for().print(f"{path}: keras.saving.load_model({str(path)!r})", soft_wrap=True, markup=False)
