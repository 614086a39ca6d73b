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
@click.option(
    "--tensorflow",
    is_flag=True,
    help="Load TensorFlow into TensorBoard, which then starts several times slower; "
    "some TensorBoard plugins of other packages need it.",
)
def board(logdir: Path, options: tuple[str, ...], tensorflow: bool) -> None:
    """Start TensorBoard on LOGDIR so that it shows every step; OPTIONS, such as --port 6007, go to TensorBoard."""
    if str(logdir).startswith("-"):  # LOGDIR was left out before an option of TensorBoard's
        logdir, options = Path("logs"), (str(logdir), *options)
    if not logdir.is_dir():
        raise SpecError([f"{logdir}: no such folder. Run a sweep first, or give another LOGDIR."])
    from ..plugin.launch import KEEP_ALL, refresh_records  # noqa: PLC0415  only this command needs them
    from .ls import warn  # noqa: PLC0415

    warn(refresh_records(logdir))
    module = "tensorboard.main" if tensorflow else "hpdash.plugin.start"
    command = [sys.executable, "-m", module, f"--logdir={logdir}", KEEP_ALL, *options]
    if sys.platform == "win32":  # there, exec returns to the shell before TensorBoard ends
        import subprocess  # noqa: PLC0415  every command imports this module, and only Windows needs it

        sys.exit(subprocess.call(command))
    os.execv(sys.executable, command)  # replace this process, so that ending it ends TensorBoard
