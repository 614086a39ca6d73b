"""`hpdash board`: TensorBoard, so that it shows every step."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from ..errors import SpecError
from .group import main


@main.command(context_settings={"ignore_unknown_options": True})
@click.argument("logdir", default="logs", type=click.Path(path_type=Path))
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def board(logdir: Path, options: tuple[str, ...]) -> None:
    """Start TensorBoard on LOGDIR so that it shows every step; OPTIONS go to TensorBoard (--port 6007)."""
    if not logdir.is_dir():
        raise SpecError([f"{logdir}: expected a logs root, found no such folder. Run a sweep first, or name another."])
    _refresh(logdir)
    keep_all = "--samples_per_plugin=scalars=1000000,histograms=1000000"  # 0 keeps all, but then shows none of it
    command = [sys.executable, "-m", "tensorboard.main", f"--logdir={logdir}", keep_all, *options]
    if sys.platform == "win32":  # where exec leaves the shell before TensorBoard ends
        import subprocess  # noqa: PLC0415  every command imports this module, and only Windows needs it

        sys.exit(subprocess.call(command))
    os.execv(sys.executable, command)  # in this process, so that ending it ends TensorBoard


def _refresh(logdir: Path) -> None:
    """Put TensorBoard's HParams records right, which a sweep's folder that was copied or moved contradicts."""
    from .ls import warn  # noqa: PLC0415  what only this command needs

    try:
        from ..experiment import refresh, stale  # noqa: PLC0415

        warn(refresh(logdir) if stale(logdir) else [])  # nothing is written where all is right, or nothing is ours
    except Exception as error:  # TensorBoard starts all the same, on a disk that is read-only too
        warn([f"TensorBoard's HParams page may not show every sweep: {error}"])
