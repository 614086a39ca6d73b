"""`hpdash board`: start TensorBoard so that it shows every step."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from ..errors import SpecError
from .group import examples, main


@main.command(
    context_settings={"ignore_unknown_options": True},
    epilog=examples("hpdash board logs", "hpdash board logs --port 6007"),
)
@click.argument("logdir", default="logs", type=click.Path(path_type=Path))
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def board(logdir: Path, options: tuple[str, ...]) -> None:
    """Start TensorBoard on LOGDIR so that it shows every step; OPTIONS, such as --port 6007, go to TensorBoard."""
    if not logdir.is_dir():
        raise SpecError([f"{logdir}: no such folder. Run a sweep first, or give another LOGDIR."])
    _refresh(logdir)
    from ..api.board import KEEP_ALL  # noqa: PLC0415  only this command needs it

    command = [sys.executable, "-m", "tensorboard.main", f"--logdir={logdir}", KEEP_ALL, *options]
    if sys.platform == "win32":  # there, exec returns to the shell before TensorBoard ends
        import subprocess  # noqa: PLC0415  every command imports this module, and only Windows needs it

        sys.exit(subprocess.call(command))
    os.execv(sys.executable, command)  # replace this process, so that ending it ends TensorBoard


def _refresh(logdir: Path) -> None:
    """Update TensorBoard's HParams records, which are out of date if a sweep's folder was copied or moved."""
    from .ls import warn  # noqa: PLC0415  only this command needs it

    try:
        from ..logs.hparams_record import outdated_sweeps, update_records  # noqa: PLC0415

        warn(update_records(logdir) if outdated_sweeps(logdir) else [])  # write only if a record is out of date
    except Exception as error:  # TensorBoard starts anyway, for example on a read-only disk
        warn([f"TensorBoard's HParams page may not show every sweep: {error}"])
