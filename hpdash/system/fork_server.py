"""A process that has imported slow modules, and from which other processes are forked.

A forked process starts in milliseconds and shares the memory of what has been imported. Python's own server
(`multiprocessing`'s start method "forkserver") is not used, because a Python process has only one of those: hpdash and
the user's code would share it, and all sweeps would have the same environment.
"""

from __future__ import annotations

import gc
import importlib
import multiprocessing
import os
import select
import socket
import struct
import subprocess
import sys
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from itertools import count
from multiprocessing.connection import Connection, Pipe, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import Lock
from typing import Any

from . import lazy_imports
from .child_process import prepare_child, set_process_name
from .signals import blocked_signals, ignore_signals

IDLE_SECONDS = 600.0  # a server without processes ends after this time, and frees some 300 MB
_PROGRAM = "import sys; sys.path[:] = {path!r}; from hpdash.system.fork_server import serve; serve({link}, {modules!r})"
_REQUEST = struct.Struct("=cI")  # the kind of request, and the number of the process
_FORK, _KILL, _JOIN = b"f", b"k", b"j"
_EXIT_CODE = struct.Struct("=i")
_READY = b"\0"  # the server's first byte: everything is imported
_READ_AT_IMPORT = ("CUDA_", "GLIBC_", "KERAS_", "LD_", "MALLOC_", "MKL_", "OMP_", "OPENBLAS_", "PYTHON", "TF_", "XLA_")
_FORKABLE_THREADS = {"jemalloc_bg_thd"}  # TensorFlow's allocator stops this thread before a fork and starts it after

_server: ForkServer | None = None


def fork_server(modules: Sequence[str]) -> ForkServer:
    """Return a server with these modules: the last one if it fits, otherwise a new one.

    A server does not fit if an environment variable has changed that is read while modules are imported.
    """
    global _server  # noqa: PLW0603
    read = sorted((name, value) for name, value in os.environ.items() if name.startswith(_READ_AT_IMPORT))
    key = read, tuple(modules)
    if _server is None or _server.key != key or not _server.is_alive():
        _server = ForkServer(os.environ, modules, key)
    return _server


class ForkedProcess:
    """A process that a fork server starts; it has the part of `multiprocessing.Process` that its users need.

    Attributes:
        sentinel: for `multiprocessing.connection.wait`, ready when the process has ended.
        exitcode: the exit code, negative for a signal; None until the process is joined.
    """

    def __init__(self, server: ForkServer, number: int, sentinel: Connection) -> None:
        self._server, self._number = server, number
        self.sentinel = sentinel
        self.exitcode: int | None = None

    def is_alive(self) -> bool:
        """Return whether the process has not ended; also true before it is forked."""
        return self.exitcode is None and not wait([self.sentinel], 0)

    def kill(self) -> None:
        """End the process."""
        if self.exitcode is None:
            self._server.kill_process(self._number)

    def join(self) -> None:
        """Wait for the end of the process, and set `exitcode`."""
        if self.exitcode is None:
            self.exitcode = self._server.join_process(self._number)
            self.sentinel.close()


class ForkServer:
    """The driver's side of a server. All its processes end when it ends, and it ends with the driver."""

    def __init__(self, environment: Mapping[str, str], modules: Sequence[str], key: Any = None) -> None:
        self.key = key
        self._numbers, self._lock, self._is_ready = count(), Lock(), False
        self._link, theirs = socket.socketpair()
        with blocked_signals(), theirs:
            self._process = _launch(theirs.fileno(), environment, modules)
        weakref.finalize(self, _end, self._process, self._link)

    def is_alive(self) -> bool:
        """Return whether the server has not ended."""
        return self._process.poll() is None

    def start(self, work: Callable[..., None], *arguments: Any) -> tuple[Connection, ForkedProcess]:
        """Fork a process that calls `work(pipe, *arguments)`; return the other end of the pipe, and the process.

        The new process gets the caller's environment, working folder and sys.path as they are now. The call
        does not wait until the server has imported its modules.
        """
        (ours, theirs), (sentinel, end), number = Pipe(), Pipe(duplex=False), next(self._numbers)
        with self._lock, theirs, end, suppress(OSError):  # a server that has died is reported by the sentinel
            socket.send_fds(self._link, [_REQUEST.pack(_FORK, number)], [theirs.fileno(), end.fileno()])
        with suppress(OSError):
            ours.send((dict(os.environ), sys.path, _working_folder(), work, arguments))
        return ours, ForkedProcess(self, number, sentinel)

    def kill_process(self, number: int) -> None:
        """End a process. A server that is still importing is ended too: it reads requests only after the imports."""
        if not self.is_alive():
            return
        if not self._is_ready and not select.select([self._link], [], [], 0)[0]:
            self.kill()
            return
        with self._lock, suppress(OSError):
            self._link.sendall(_REQUEST.pack(_KILL, number))

    def join_process(self, number: int) -> int:
        """Wait for the end of a process and return its exit code, or that of the server if the server has died."""
        with self._lock, suppress(OSError):
            self._link.sendall(_REQUEST.pack(_JOIN, number))
            if self._await_imports() and (answer := self._link.recv(_EXIT_CODE.size)):
                code: int = _EXIT_CODE.unpack(answer)[0]
                return code
        return self._process.wait()

    def _await_imports(self) -> bool:
        """Wait until the server has imported its modules; return False if it has died before."""
        self._is_ready = self._is_ready or self._link.recv(len(_READY)) == _READY
        return self._is_ready

    def kill(self) -> None:
        """End the server and all its processes."""
        _end(self._process, self._link)


def _launch(descriptor: int, environment: Mapping[str, str], modules: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start a Python process that serves the link with this file descriptor."""
    program = _PROGRAM.format(path=sys.path, link=descriptor, modules=list(modules))
    quiet = subprocess.DEVNULL
    command = [sys.executable, "-c", program]
    return subprocess.Popen(command, env=environment, pass_fds=[descriptor], stdin=quiet, stdout=quiet, stderr=quiet)


def _end(server: subprocess.Popen[bytes], link: socket.socket) -> None:
    server.kill()
    server.wait()
    link.close()


def serve(descriptor: int, modules: Sequence[str]) -> None:
    """Run a server: import the modules, then fork, kill and join processes as requested.

    The server ends when the driver has died, or after `IDLE_SECONDS` without processes.
    """
    ignore_signals()
    set_process_name("hpdash-forks")
    lazy_imports.install()
    gc.disable()  # imports leave no garbage
    for module in modules:
        with suppress(Exception):  # a process that needs the module raises the error again, where it is reported
            importlib.import_module(module)
    gc.freeze()  # forked processes then leave the shared memory as it is
    processes: dict[int, BaseProcess | None] = {}  # None stands for a process that could not be started
    try:
        with socket.socket(fileno=descriptor) as link, suppress(OSError):
            link.send(_READY)
            while _answer(link, processes):
                pass
    finally:
        for process in filter(None, processes.values()):
            process.kill()  # otherwise Python would wait for them at exit


def _answer(link: socket.socket, processes: dict[int, BaseProcess | None]) -> bool:
    """Wait for a request and answer it; return False if there will be none."""
    if not processes and not select.select([link], [], [], IDLE_SECONDS)[0]:
        return False
    request, descriptors, *_ = socket.recv_fds(link, _REQUEST.size, 2)
    if not request:
        return False
    kind, number = _REQUEST.unpack(request)
    if kind == _FORK:
        pipe, end = (Connection(descriptor) for descriptor in descriptors)
        with pipe, end:
            processes[number] = _start(link, pipe, end)
    elif kind == _KILL:
        if process := processes[number]:
            process.kill()
    else:
        link.sendall(_EXIT_CODE.pack(_join(processes.pop(number))))
    return True


def _join(process: BaseProcess | None) -> int:
    """Wait for the end of a process; return its exit code."""
    if process is None:
        return os.EX_OSERR
    process.join()
    return process.exitcode or 0


def _start(link: socket.socket, pipe: Connection, end: Connection) -> BaseProcess | None:
    """Fork a process; if this server has threads that would not survive a fork, start a new Python process instead.

    Return None if the system allows no more processes.
    """
    can_fork = _thread_names() <= _FORKABLE_THREADS
    context = multiprocessing.get_context("fork") if can_fork else multiprocessing.get_context("spawn")
    process: BaseProcess = context.Process(target=_run, args=(link, pipe, end))
    try:
        process.start()
    except OSError:
        return None
    return process


def _run(link: socket.socket, pipe: Connection, _: Connection) -> None:
    """Do a process's work; the third argument is the end of the sentinel, which closes with the process."""
    link.close()
    prepare_child("hpdash-child")
    environment, path, folder, work, arguments = pipe.recv()
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:] = path
    if folder is not None:
        with suppress(OSError):  # it may be gone
            os.chdir(folder)
    importlib.invalidate_caches()
    gc.enable()
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()  # otherwise all processes would draw the same numbers
    work(pipe, *arguments)


def _working_folder() -> Path | None:
    """Return the working folder, None if it has been deleted."""
    try:
        return Path.cwd()
    except OSError:
        return None


def _thread_names() -> set[str]:
    """Return the names of this process's threads other than the main one, those of native code included."""
    names = set()
    for task in Path("/proc/self/task").iterdir():
        if task.name != str(os.getpid()):
            with suppress(OSError):  # the thread has just ended
                names.add((task / "comm").read_text().strip())
    return names
