"""A TensorBoard beside a running sweep: it is started with the sweep, and ends with the command."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..errors import BackendError
from ..logs import layout
from ..system.scratch import Scratch
from .launch import KEEP_ALL
from .start import WITH_PARENT

_ADDRESS = re.compile(r"TensorBoard \S+ at (http://\S+?)/? ")
_PATIENCE = 60.0  # seconds in which TensorBoard has to start
_LINES = 5  # last lines of TensorBoard's output in an error


@dataclass(frozen=True, slots=True)
class BesideBoard:
    """A TensorBoard that this process has started."""

    url: str
    process: subprocess.Popen[bytes]

    @property
    def link(self) -> str:
        """The address of the Trials tab."""
        return f"{self.url}/#{layout.TRIALS_PLUGIN}"


@contextmanager
def board_beside(logdir: Path) -> Iterator[BesideBoard]:
    """Start TensorBoard on a logdir, which need not exist yet; it ends with the `with` block, and if this process dies.

    Signals of the terminal do not reach it. Raises BackendError if it does not start.
    """
    scratch = Scratch()
    output = scratch.folder / "tensorboard.txt"
    command = [sys.executable, "-m", "hpdash.plugin.start", WITH_PARENT, f"--logdir={logdir}", KEEP_ALL]
    with output.open("wb") as file:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=file, stderr=file, start_new_session=True)
    try:
        yield BesideBoard(_address(process, output), process)
    finally:
        process.terminate()  # it then removes its record in the temporary folder
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        assert process.stdin is not None
        process.stdin.close()
        scratch.close()


def _address(process: subprocess.Popen[bytes], output: Path) -> str:
    deadline = time.monotonic() + _PATIENCE
    while not (said := _ADDRESS.search(text := output.read_text(errors="replace"))):
        if process.poll() is not None or time.monotonic() > deadline:
            lines = "\n".join(text.strip().splitlines()[-_LINES:])
            raise BackendError(f"TensorBoard did not start; run the sweep without --board:\n{lines}")
        time.sleep(0.05)
    return said.group(1)
