"""Processes that run hpdash's command line, forked from one process that has imported TensorFlow.

Hundreds of tests start a command or a driver. As a new Python process, each would import hpdash, which takes a second
of a core. To train or load a Keras model, it would also import TensorFlow, which takes four seconds. A forked process
starts in some 40 ms. It is a child of the test's process, like any that `subprocess` starts: tests signal it, kill it
and read its pipes as usual.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import importlib
import os
import pickle
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy

from hpdash.backends.children import _IMPORTED, can_fork, tensorflow_environment
from hpdash.system import fork_server, lazy_imports

# A fork server that a driver forks has this text among its arguments too: `driven.children` finds it by "fork_server"
_PROGRAM = "import sys; sys.path[:] = {path!r}; from forked_drivers import serve; serve({link})  # not fork_server"
_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER in <sys/prctl.h>
_NUMBER_BYTES = 8
_READ_AT_START = (*fork_server._READ_AT_IMPORT, "LANG", "LC_")


class ForkedDriver(subprocess.Popen[str]):
    """A process that runs `hpdash ARGUMENTS`; everything else is as in `subprocess.Popen`."""

    def _execute_child(self, args: Sequence[str], *others: Any) -> None:
        """Fork the process. `subprocess.Popen` calls this method after it has made the pipes."""
        cwd, environment, pipes = others[4], others[5], others[9:15]
        output, errors = pipes[3], pipes[5]
        descriptors = [1 if output == -1 else output, 2 if errors == -1 else errors]
        request = list(args), str(cwd or Path.cwd()), dict(environment or os.environ)
        self.pid = _source().fork(request, descriptors)
        self._child_created = True
        self._close_pipe_fds(*pipes)  # type: ignore[attr-defined]


def fits(environment: Mapping[str, str]) -> bool:
    """Return whether a process with these environment variables may be forked.

    It may not if one of the variables that are read only at the start or at an import differs from the source's.
    """
    wanted = {**environment, **tensorflow_environment()}
    return can_fork() and _read_at_import(wanted) == _read_at_import(_environment())


def _environment() -> dict[str, str]:
    return {**os.environ, **tensorflow_environment()} if _made is None else _made.environment


def _read_at_import(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(_READ_AT_START)}


class _Source:
    """The process from which the others are forked."""

    def __init__(self) -> None:
        self.environment = {**os.environ, **tensorflow_environment()}
        self._link, theirs = socket.socketpair()
        program = _PROGRAM.format(path=sys.path, link=theirs.fileno())
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", program],
                env=self.environment,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        atexit.register(self._end)

    def fork(self, request: tuple[list[str], str, dict[str, str]], descriptors: Sequence[int]) -> int:
        """Fork a process with this standard output and error; return its id.

        The process that forks it ends at once, and this process adopts the orphan, so that it can wait for it.
        """
        content = pickle.dumps(request)
        _adopt_orphans(True)
        try:
            socket.send_fds(self._link, [len(content).to_bytes(_NUMBER_BYTES, "little")], descriptors)
            self._link.sendall(content)
            return int.from_bytes(_receive(self._link, _NUMBER_BYTES), "little")
        finally:
            _adopt_orphans(False)

    def _end(self) -> None:
        self._link.close()
        self._process.wait()


_made: _Source | None = None


def _source() -> _Source:
    global _made  # noqa: PLW0603
    _made = _made or _Source()
    return _made


def _adopt_orphans(yes: bool) -> None:
    ctypes.CDLL(None).prctl(_SUBREAPER, int(yes), 0, 0, 0)


def _receive(link: socket.socket, size: int) -> bytes:
    content = b""
    while len(content) < size:
        more = link.recv(size - len(content))
        if not more:
            raise EOFError
        content += more
    return content


def serve(descriptor: int) -> None:
    """Import TensorFlow and hpdash, then fork a process for each request, until the test's process closes the link."""
    lazy_imports.install()
    for module in (*_IMPORTED, "hpdash.cli", "hpdash.driver.runner", "hpdash.views.terminal.live"):
        importlib.import_module(module)
    gc.disable()
    gc.freeze()
    with socket.socket(fileno=descriptor) as link, suppress(EOFError, ConnectionResetError):
        while True:
            size, descriptors, *_ = socket.recv_fds(link, _NUMBER_BYTES, 2)
            if not size:
                return
            request = pickle.loads(_receive(link, int.from_bytes(size, "little")))
            _fork_twice(link, lambda request=request, descriptors=descriptors: _run(*request, descriptors))
            for each in descriptors:
                os.close(each)


def _fork_twice(link: socket.socket, work: Callable[[], None]) -> None:
    """Run `work` in the child of a child that ends at once, and send its process id to the test's process."""
    reading, writing = os.pipe()
    if child := os.fork():
        os.waitpid(child, 0)  # from now on the test's process is the parent of the grandchild
        link.sendall(os.read(reading, _NUMBER_BYTES))
        os.close(reading)
        os.close(writing)
        return
    if grandchild := os.fork():
        os.write(writing, grandchild.to_bytes(_NUMBER_BYTES, "little"))
        os._exit(0)
    os.close(reading)
    os.close(writing)
    link.close()
    work()


def _run(arguments: list[str], folder: str, environment: dict[str, str], descriptors: list[int]) -> None:
    """Run a command of hpdash, and exit as a new Python process would."""
    os.setsid()
    for number, descriptor in enumerate(descriptors, start=1):
        os.dup2(descriptor, number)
        os.close(descriptor)
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", closefd=False, buffering=1, errors="backslashreplace")  # noqa: SIM115
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.path.insert(0, folder)
    importlib.invalidate_caches()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    tempfile.tempdir = None  # it is chosen again, from this environment
    numpy.random.seed()  # otherwise all processes would draw the same numbers
    fork_server._launch = _launch  # type: ignore[assignment]
    sys.argv = ["hpdash", *arguments]
    code = 1
    try:
        importlib.import_module("hpdash.__main__").main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        _leave(code)


def _leave(code: int) -> None:
    """End the process; as Python does, wait for threads and run what was registered for the exit."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


class _ForkedServer:
    """A fork server that was forked from its driver, which has imported TensorFlow already."""

    def __init__(self, pid: int) -> None:
        self.pid, self.returncode = pid, None

    def poll(self) -> int | None:
        """Return the exit code, None while the process runs."""
        return self._wait(os.WNOHANG)

    def wait(self) -> int:
        """Wait for the end of the process; return its exit code."""
        code = self._wait(0)
        assert code is not None
        return code

    def kill(self) -> None:
        """End the process."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)

    def _wait(self, options: int) -> int | None:
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, options)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode


_start_python = fork_server._launch


def _launch(descriptor: int, environment: Mapping[str, str], modules: Sequence[str]) -> Any:
    """Fork a server from this driver; start a new Python process if this one has threads, which a fork would stop."""
    if not fork_server._thread_names() <= fork_server._FORKABLE_THREADS:
        return _start_python(descriptor, environment, modules)
    if pid := os.fork():
        return _ForkedServer(pid)
    _close_all_but(descriptor)
    try:
        fork_server.serve(descriptor, modules)
    finally:
        os._exit(1)


def _close_all_but(descriptor: int) -> None:
    """Close what a new process would not inherit, such as the sweep's lock.

    The standard streams are connected to os.devnull.
    """
    with Path(os.devnull).open("r+b") as nothing:
        for standard in range(3):
            os.dup2(nothing.fileno(), standard)
    for each in [int(name) for name in os.listdir("/proc/self/fd")]:  # noqa: PTH208
        if each > 2 and each != descriptor:
            with suppress(OSError):
                os.close(each)
