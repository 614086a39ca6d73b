"""A process between a worker and its program: `python -m hpdash.programs.guard [detached]`.

The guard starts the program in a process group of its own and reports its exit code. When the program ends, or when the
guard's standard input closes because the worker has ended, the guard kills everything that the program has started. It
reads orders from its standard input and writes reports to its standard output, one JSON object a line:

    {"start": {"arguments": [...], "folder": "...", "environment": {...}, "output": "..."}}
    {"signal": 15}

    {"started": 4711} or {"refused": "No such file or directory"}
    {"ended": 0, "lost": ""}: the exit code, or the negative number of a signal that killed it; and why output was lost
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..system.descendants import adopt_orphans, end_with_parent, kill_descendants, reap_orphans
from ..system.signals import WATCHED
from .output import BoundedFile

DETACHED = "detached"
_CHUNK = 2**16
_ORDERS, _REPORTS = 0, 1  # the file descriptors of the standard input and output


class _Program:
    """The program that runs now; what it prints goes to a bounded file."""

    def __init__(self, order: Mapping[str, Any]) -> None:
        self.output = BoundedFile(Path(order["output"]))
        self.lost = ""  # why its output could not be written
        try:
            self.process = subprocess.Popen(
                order["arguments"],
                cwd=order["folder"],
                env={**os.environ, **order["environment"]},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=end_with_parent,  # noqa: PLW1509  this process has no threads
            )
        except BaseException:
            self.output.close()
            raise
        assert self.process.stdout is not None
        self._pipe = self.process.stdout
        self.pipes = [self._pipe.fileno()]
        os.set_blocking(self.pipes[0], False)

    def copy_output(self) -> None:
        """Copy what the program has printed; when its output has ended, set `pipes` to an empty list."""
        try:
            while data := os.read(self._pipe.fileno(), _CHUNK):
                self._keep(data)
        except BlockingIOError:
            return
        self.pipes = []

    def _keep(self, data: bytes) -> None:
        try:
            if not self.lost:
                self.output.write(data)
        except OSError as error:
            self.lost = error.strerror or str(error)

    def signal(self, number: int) -> None:
        """Send a signal to the program and to all processes of its group."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)

    def finish(self) -> int:
        """Kill the program if it still runs, and what it has started; copy its output; return its exit code."""
        self.signal(signal.SIGKILL)
        code = self.process.wait()
        kill_descendants()
        self.copy_output()
        self._pipe.close()
        self.output.close()
        return code


def main() -> None:
    """Run programs as the worker orders, until it closes the pipe.

    With the argument `detached`, the guard moves into a process that is not a child of the worker. This is for Ray: if
    Ray kills a worker, it kills the worker's children too, and the guard could not end what its program has started.
    """
    if DETACHED in sys.argv[1:] and os.fork():
        os._exit(0)
    for number in WATCHED:
        signal.signal(number, lambda *_: None)  # not ignored: a program would inherit that
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    adopt_orphans()
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)  # so that its arrival is written to `wake`
    program: _Program | None = None
    orders = b""
    while True:
        ready, _, _ = select.select([_ORDERS, woken, *(program.pipes if program else ())], [], [])
        if woken in ready:
            os.read(woken, _CHUNK)
        if program:
            program.copy_output()
            if program.process.poll() is not None:
                _report({"ended": program.finish(), "lost": program.lost})
                program = None
            elif woken in ready:
                reap_orphans(program.process.pid)
        if _ORDERS in ready:
            data = os.read(_ORDERS, _CHUNK)
            if not data:
                break
            *lines, orders = (orders + data).split(b"\n")
            for line in lines:
                program = _obey(json.loads(line), program)
    if program:
        program.finish()


def _obey(order: Mapping[str, Any], program: _Program | None) -> _Program | None:
    """Carry out an order; return the program that runs now."""
    if "start" in order:
        try:
            program = _Program(order["start"])
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            _report({"refused": getattr(error, "strerror", None) or str(error)})
            return None
        _report({"started": program.process.pid})
    elif program:
        program.signal(order["signal"])
    return program


def _report(report: Mapping[str, Any]) -> None:
    with contextlib.suppress(BrokenPipeError):
        os.write(_REPORTS, json.dumps(report).encode() + b"\n")


if __name__ == "__main__":
    main()
