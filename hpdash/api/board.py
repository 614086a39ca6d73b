"""TensorBoard beside a notebook: `hpdash.board` starts it, and the cell shows it."""

from __future__ import annotations

import json
import os
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import BackendError, SpecError
from ..logs import layout

KEEP_ALL = "--samples_per_plugin=scalars=1000000,histograms=1000000"  # with 0, TensorBoard keeps all but shows none
_BINARY = "TENSORBOARD_BINARY"  # names the program that TensorBoard's manager starts
_LINES = 5  # last lines of TensorBoard's output in an error


@dataclass(frozen=True, slots=True)
class Board:
    """A TensorBoard that runs in the background, which a notebook shows in its cell.

    `tab` is the tab that is opened first. `height` is that of the cell, in pixels. `pid` is the process.
    """

    logdir: Path
    tab: str
    height: int
    port: int
    pid: int

    @property
    def url(self) -> str:
        """The address for a browser on the same machine."""
        return f"http://localhost:{self.port}/#{self.tab}"

    def stop(self) -> None:
        """End TensorBoard; further calls do nothing."""
        with suppress(ProcessLookupError, ChildProcessError):  # it has ended, or another process started it
            os.kill(self.pid, signal.SIGTERM)
            os.waitpid(self.pid, 0)

    def _repr_html_(self) -> str:
        """Return a frame with the tab, found from where the notebook's page is, or at $TENSORBOARD_PROXY_URL."""
        proxy = os.environ.get("TENSORBOARD_PROXY_URL")
        base = proxy.replace("%PORT%", str(self.port)) if proxy else "/"
        name = f"hpdash-board-{self.port}-{self.tab}"
        return (
            f'<iframe id="{name}" width="100%" height="{self.height}" frameborder="0"></iframe><script>(() => {{'
            f"const url = new URL({json.dumps(base)}, window.location);"
            f"{'' if proxy else f'url.port = {self.port};'} url.hash = {json.dumps(self.tab)};"
            f"document.getElementById({json.dumps(name)}).src = url;}})()</script>"
        )


def board(logdir: Path | str = "logs", *, tab: str = layout.PLUGIN, height: int = 900) -> Board:
    """Start TensorBoard on a logdir, so that it keeps every step, and return it; a notebook shows it in the cell.

    A TensorBoard that an earlier call started for the same folder is used again.

    Args:
        logdir: the logs root.
        tab: the tab to open first: `hpdash_weights`, or one of TensorBoard's, such as `timeseries` or `hparams`.
        height: the height of the cell, in pixels.

    Raises SpecError if the folder does not exist, BackendError if TensorBoard does not start.
    """
    path = Path(logdir)
    if not path.is_dir():
        raise SpecError([f"{path}: no such folder. Run a sweep first, or give another logdir."])
    from tensorboard import manager  # noqa: PLC0415  only this function needs it

    with _own_tensorboard(), warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # the manager forgets the process that it has started
        started: Any = manager.start([f"--logdir={path.absolute()}", KEEP_ALL])
    if isinstance(started, manager.StartLaunched | manager.StartReused):
        return Board(path, tab, height, started.info.port, started.info.pid)
    output = getattr(started, "stderr", None) or getattr(started, "stdout", None) or str(started)
    raise BackendError("TensorBoard did not start:\n" + "\n".join(output.strip().splitlines()[-_LINES:]))


@contextmanager
def _own_tensorboard() -> Iterator[None]:
    """Let TensorBoard's manager start the TensorBoard of this environment, whatever the shell's PATH says."""
    own = Path(sys.executable).with_name("tensorboard")
    if _BINARY in os.environ or not own.is_file():
        yield
        return
    os.environ[_BINARY] = str(own)
    try:
        yield
    finally:
        del os.environ[_BINARY]
