"""TensorBoard in a notebook: `hpdash.board` starts it, and the cell shows it."""

from __future__ import annotations

import json
import os
import secrets
import signal
import sys
import tempfile
import urllib.request
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import BackendError, SpecError
from ..logs import layout
from ..plugin.launch import KEEP_ALL, refresh_records

_BINARY = "TENSORBOARD_BINARY"  # environment variable: the program that TensorBoard's manager starts
_LINES = 5  # last lines of TensorBoard's output in an error
_ANSWER_SECONDS = 5.0  # a TensorBoard that takes longer to answer counts as ended
_RUNNING: set[int] = set()  # the processes of TensorBoards that this process has started and not stopped


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
        """End TensorBoard if this Python process started it; further calls do nothing."""
        if self.pid in _RUNNING:
            _RUNNING.discard(self.pid)
            with suppress(ProcessLookupError, ChildProcessError):  # it has ended by itself
                os.kill(self.pid, signal.SIGTERM)
                os.waitpid(self.pid, 0)

    def _repr_html_(self) -> str:
        """Return an iframe that shows the tab.

        Its address has the host of the notebook's page, or is $TENSORBOARD_PROXY_URL if that is set.
        """
        proxy = os.environ.get("TENSORBOARD_PROXY_URL")
        base = proxy.replace("%PORT%", str(self.port)) if proxy else "/"
        name = f"hpdash-board-{secrets.token_hex(4)}"  # two cells may show the same tab
        return (
            f'<iframe id="{name}" width="100%" height="{self.height}" frameborder="0"></iframe><script>(() => {{'
            f"const url = new URL({json.dumps(base)}, window.location);"
            f"{'' if proxy else f'url.port = {self.port};'} url.hash = {json.dumps(self.tab)};"
            f"document.getElementById({json.dumps(name)}).src = url;}})()</script>"
        )


def board(logdir: Path | str = "logs", *, tab: str = layout.PLUGIN, height: int = 900) -> Board:
    """Start TensorBoard on a logdir, so that it keeps every step, and return it; a notebook shows it in the cell.

    A TensorBoard that runs for the same folder, started from the same working directory, is used again. HParams records
    that are out of date are updated first.

    Args:
        logdir: the logs root.
        tab: the tab to open first, by its name in TensorBoard's addresses: `hpdash_weights`, `hpdash_trials`, or one of
            TensorBoard's own, such as `timeseries` or `hparams`.
        height: the height of the cell, in pixels.

    Raises SpecError if the folder does not exist, BackendError if TensorBoard does not start.
    """
    path = Path(logdir)
    if not path.is_dir():
        raise SpecError([f"{path}: no such folder. Run a sweep first, or give another logdir."])
    for message in refresh_records(path):
        warnings.warn(message, stacklevel=2)
    started = _start(path)
    if hasattr(started, "pid"):
        raise BackendError(f"TensorBoard did not start within a minute (process {started.pid} is still running).")
    if not hasattr(started, "info"):
        output = getattr(started, "stderr", None) or getattr(started, "stdout", None) or str(started)
        raise BackendError("TensorBoard did not start:\n" + "\n".join(output.strip().splitlines()[-_LINES:]))
    return Board(path, tab, height, started.info.port, started.info.pid)


def _start(logdir: Path) -> Any:
    """Start TensorBoard, or find one that runs; return what its manager returns."""
    from tensorboard import manager  # noqa: PLC0415  only this function needs it

    arguments = [f"--logdir={logdir.absolute()}", KEEP_ALL]
    with _own_tensorboard(), warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # the manager forgets the process that it has started
        started: Any = manager.start(arguments)
        if isinstance(started, manager.StartReused) and not _answers(started.info.port):
            # That TensorBoard was killed, so it did not delete the file that lets the manager believe that it runs
            (Path(tempfile.gettempdir()) / ".tensorboard-info" / f"pid-{started.info.pid}.info").unlink(missing_ok=True)
            started = manager.start(arguments)
    if isinstance(started, manager.StartLaunched):
        _RUNNING.add(started.info.pid)
    return started


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://localhost:{port}/data/environment", timeout=_ANSWER_SECONDS):
            return True
    except (OSError, ValueError):
        return False


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
