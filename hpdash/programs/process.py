"""The worker's side of a running program: start it, wait for it, ask it to end, kill it."""

from __future__ import annotations

import json
import select
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from signal import SIGKILL, SIGTERM
from typing import Any

from ..errors import LogdirError, TrialError
from ..system.descendants import adopt_orphans, kill_descendants
from .guard import DETACHED

GRACE_SECONDS = 5.0  # between SIGTERM and SIGKILL; less than the driver waits for its workers


class GuardLost(Exception):
    """The guard of a program has died; on Linux, the kernel then kills the program."""


class ProgramProcess:
    """Run one program after another, each under a guard: a process that ends it if this one dies.

    The guard is started with the first program and reused. `guard.py` describes the messages. If the guard is killed,
    this process kills what the program has started. A `detached` guard is not a child of this process, so this process
    cannot find what the program has started.
    """

    def __init__(self, detached: bool = False) -> None:
        self._detached = detached
        self._guard: subprocess.Popen[bytes] | None = None
        self._reports = b""
        self._output, self._marker = Path(), b""
        self.is_running = False
        if not detached:
            adopt_orphans()  # if the guard dies, what the program has started becomes a child of this process

    def start(self, arguments: Sequence[str], folder: Path, environment: Mapping[str, str], output: Path) -> None:
        """Start a program in a folder; what it prints is appended to the file `output`.

        Raises TrialError with the reason if the system cannot start it.
        """
        if self._guard is None or self._is_lost():
            self.close()
            self._guard = subprocess.Popen(
                [sys.executable, "-P", "-m", "hpdash.programs.guard", *([DETACHED] if self._detached else [])],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,  # Ctrl-C in a terminal goes to the driver alone
            )
        self._output, self._marker = output, f"HPDASH_RUN={environment['HPDASH_RUN']}".encode()
        about = {"folder": str(folder), "environment": dict(environment), "output": str(output)}
        self._order({"start": {"arguments": list(arguments), **about}})
        report = self._report(None)
        if report is not None and "refused" in report:
            raise TrialError(f"train.command: {arguments[0]!r} cannot be started: {report['refused']}")
        self.is_running = True

    def wait(self, seconds: float) -> int | None:
        """Wait up to some seconds for the end of the program; return its exit code, None if it still runs.

        The code is the negative number of a signal that killed it. Raises GuardLost if the guard has died, LogdirError
        if the output could not be written.
        """
        report = self._report(seconds)
        if report is None:
            return None
        self.is_running = False
        if report["lost"]:
            raise LogdirError(f"{self._output}: {report['lost']}")
        return int(report["ended"])

    def stop(self) -> int:
        """Ask the program to end, kill it `GRACE_SECONDS` later, and return its exit code."""
        self._order({"signal": SIGTERM})
        code = self.wait(GRACE_SECONDS)
        if code is None:
            self._order({"signal": SIGKILL})
            while code is None:
                code = self.wait(GRACE_SECONDS)
        return code

    def close(self) -> None:
        """End the guard, which kills a program that still runs."""
        if self._guard is not None:
            assert self._guard.stdin is not None and self._guard.stdout is not None
            with suppress(OSError):
                self._guard.stdin.close()
            self._guard.stdout.read()  # until it has ended
            self._guard.stdout.close()
            self._guard.wait()
            if self.is_running and not self._detached:
                kill_descendants(self._marker)
        self._guard, self._reports, self.is_running = None, b"", False

    def _is_lost(self) -> bool:
        """Return whether the guard has ended although no program runs: its pipe is then at its end."""
        assert self._guard is not None and self._guard.stdout is not None
        return bool(select.select([self._guard.stdout.fileno()], [], [], 0)[0])

    def _order(self, order: Mapping[str, Any]) -> None:
        assert self._guard is not None and self._guard.stdin is not None
        try:
            self._guard.stdin.write(json.dumps(order).encode() + b"\n")
            self._guard.stdin.flush()
        except OSError as error:
            raise GuardLost from error

    def _report(self, seconds: float | None) -> dict[str, Any] | None:
        """Return the next report of the guard; None if there is none within some seconds."""
        assert self._guard is not None and self._guard.stdout is not None
        pipe, deadline = self._guard.stdout.fileno(), time.monotonic() + (seconds or 0)
        while b"\n" not in self._reports:
            left = None if seconds is None else max(0.0, deadline - time.monotonic())
            ready, _, _ = select.select([pipe], [], [], left)
            if not ready:
                return None
            data = self._guard.stdout.read1()  # type: ignore[attr-defined]
            if not data:
                raise GuardLost
            self._reports += data
        line, _, self._reports = self._reports.partition(b"\n")
        report: dict[str, Any] = json.loads(line)
        return report
