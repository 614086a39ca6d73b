"""`hpdash save`: save the Keras model of a run."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from .group import JSON, console_for, examples, main, print_json

# lines that TensorFlow's C++ code writes as it is imported, whatever its log level is
_LOG_LINE = re.compile(rb"WARNING: All log messages before absl::|[IWE]\d{4} \d\d:\d\d:")


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
    with _without_log_lines():
        path = save_model(run, output, logdir, bare=bare)
    if as_json:
        print_json({"run": run, "path": str(path), "bare": bare})
    else:
        console_for().print(f"{path}: keras.saving.load_model({str(path)!r})", soft_wrap=True, markup=False)


@contextmanager
def _without_log_lines() -> Iterator[None]:
    """Hide TensorFlow's log lines on standard error inside a `with` block; all other lines are written at its end."""
    before = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield
        finally:
            if sys.stderr is not None:
                sys.stderr.flush()
            os.dup2(before, 2)
            os.close(before)
            file.seek(0)
            for line in file:
                if not _LOG_LINE.match(line):
                    os.write(2, line)
