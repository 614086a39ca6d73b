"""The TensorBoard of `hpdash sweep --board`: it is started before the sweep, and stopped when the command ends."""

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
class SweepBoard:
    """A TensorBoard that this process has started."""

    url: str
    process: subprocess.Popen[bytes]

    @property
    def link(self) -> str:
        """The address of the Trials tab."""
        return f"{self.url}/#{layout.TRIALS_PLUGIN}"


@contextmanager
def sweep_board(logdir: Path) -> Iterator[SweepBoard]:
    """Start TensorBoard on a logdir, which need not exist yet. Stop it at the end of the `with` block.

    It also stops if this process dies. Ctrl-C in the terminal does not stop it.

    Raises BackendError if it does not start.
    """
    scratch = Scratch()
    output = scratch.folder / "tensorboard.txt"
    command = [sys.executable, "-m", "hpdash.plugin.start", WITH_PARENT, f"--logdir={logdir}", KEEP_ALL]
    with output.open("wb") as file:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=file, stderr=file, start_new_session=True)
    try:
        yield SweepBoard(_address(process, output), process)
    finally:
        process.terminate()  # TensorBoard then deletes its own temporary file
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
