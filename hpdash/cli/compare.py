"""`hpdash compare`: compare one tag across runs, in the terminal or in a file."""

from __future__ import annotations

from pathlib import Path

import click

from .group import JSON, console_for, examples, main, print_json
from .ls import LOGDIR, WHERE, read_and_warn, warn


@main.command(
    epilog=examples(
        "hpdash compare logs/mnist_batchnorm --by batchnorm --tag hidden_1/kernel",
        "hpdash compare logs/mnist_batchnorm --by activation --tag accuracy -o curves.html",
    )
)
@LOGDIR
@click.option("--tag", required=True, help="A scalar (epoch_accuracy, or accuracy) or a histogram (hidden_2/kernel).")
@click.option("--by", help="Group runs by this hyperparameter; by default, each run is shown separately.")
@WHERE
@click.option(
    "--step", type=int, help="Compare at this step; by default scalars at the last, histograms at the first and last."
)
@click.option("--over-steps", is_flag=True, help="Histograms: show one row per step.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Write to this file instead; its ending gives the format: .html, .png, .svg or .csv.",
)
@JSON
def compare(
    logdir: Path, tag: str, by: str | None, where: str | None, step: int | None, over_steps: bool,
    output: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Compare one tag across all runs of LOGDIR: curves of a scalar, weight distributions of a histogram."""
    from .. import api  # noqa: PLC0415
    from ..views.comparison import file_format  # noqa: PLC0415

    if output is not None:
        file_format(output)
    found = api.compare(read_and_warn(logdir), tag, by, where=where, step=step, over_steps=over_steps)
    warn(found.warnings)
    if output is not None:
        found.save(output)
    if as_json:
        print_json(found.to_json())
    elif output is None:
        console = console_for()
        console.print(found.render(console))
