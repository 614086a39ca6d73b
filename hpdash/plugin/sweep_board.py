"""The TensorBoard of `hpdash sweep --board`: it is started before the sweep, and stopped when the command ends."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..errors import BackendError
from ..logs import layout
from ..system.scratch import Scratch
from .launch import KEEP_ALL
from .start import WITH_PARENT

_ADDRESS = re.compile(r"TensorBoard \S+ at (http://\S+?)/? ")
_PATIENCE = 60.0  # seconds in which TensorBoard has to start
_STARTS = 5  # attempts, if another program takes the port each time
_PORT_TAKEN = "is in use by another program"
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
    with closing(Scratch()) as scratch:
        board = _start(logdir, scratch.folder / "tensorboard.txt")
        try:
            yield board
        finally:
            _end(board.process)


def _start(logdir: Path, output: Path) -> SweepBoard:
    """Start TensorBoard, which writes into the file `output`; start it again if another program takes its port first.

    TensorBoard looks for a free port and then binds it. It ends if the port is no longer free.
    """
    command = [sys.executable, "-m", "hpdash.plugin.start", WITH_PARENT, f"--logdir={logdir}", KEEP_ALL]
    text = ""
    for _ in range(_STARTS):
        with output.open("wb") as file:
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=file, stderr=file, start_new_session=True)
        try:
            url, text = _address(process, output)
            if url:
                return SweepBoard(url, process)
        except BaseException:
            _end(process)
            raise
        _end(process)
        if _PORT_TAKEN not in text:
            break
    lines = "\n".join(text.strip().splitlines()[-_LINES:])
    raise BackendError(f"TensorBoard did not start; run the sweep without --board:\n{lines}")


def _address(process: subprocess.Popen[bytes], output: Path) -> tuple[str, str]:
    """Return the address of a TensorBoard, and its output; the address is "" if the TensorBoard does not start."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        has_ended = process.poll() is not None
        text = output.read_text(errors="replace")
        if said := _ADDRESS.search(text):
            return said.group(1), text
        if has_ended or time.monotonic() > deadline:
            return "", text
        time.sleep(0.05)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()  # TensorBoard then deletes its own temporary file
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    assert process.stdin is not None
    process.stdin.close()
