"""Read event files on several processors at once; helper processes are started only if that saves time."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path

from ..system.limits import cores
from .events import Contents, read_file
from .folders import EventFileInfo
from .layouts import Layouts

# For each of these amounts, a helper is started: several times what a process reads while a helper starts
_PAYS = 64 << 20  # bytes
_MANY = 2500  # files, however small
_BATCH = 2 << 20  # bytes of event files in a batch
_AHEAD = 2  # batches that a helper has at a time, so that it never waits for the next
_PROGRAM = "import sys; sys.path[:] = {path!r}; from hpdash.reader.processes import serve; serve({pipe})"

Batch = list[str]


def read_files(files: Sequence[EventFileInfo]) -> dict[str, Contents]:
    """Read event files on up to all processors that this process may use; return the contents of each by its path."""
    held: dict[str, Contents] = {}
    waiting, layouts, helpers = deque(_batches(files)), Layouts(), list[_Helper]()
    with ExitStack() as stack:
        with suppress(OSError):  # the system may have no room for another process
            for _ in range(min(_worthwhile(files), len(waiting) - 1)):
                helpers.append(stack.enter_context(_Helper()))
        while waiting or any(helper.given for helper in helpers):
            for helper in helpers:
                helper.feed(waiting)
            for path in waiting.popleft() if waiting else ():
                held[path] = read_file(Path(path), layouts)
            busy = [helper.pipe for helper in helpers if helper.given]
            ready = wait(busy, 0 if waiting else None) if busy else ()
            for helper in helpers:
                if helper.pipe in ready:
                    held |= helper.answer(waiting)
    return held


def _worthwhile(files: Sequence[EventFileInfo]) -> int:
    """Return how many helper processes are worth starting."""
    size = sum(file.key[0] for file in files if file.key)
    pays = max(size // _PAYS, len(files) // _MANY)
    return min(cores() - 1, pays) if os.name == "posix" and sys.executable else 0


def _batches(files: Sequence[EventFileInfo]) -> Iterator[Batch]:
    batch, size = Batch(), 0
    for file in files:
        batch.append(file.path)
        size += file.key[0] if file.key else 0
        if size >= _BATCH:
            yield batch
            batch, size = Batch(), 0
    if batch:
        yield batch


class _Helper:
    """A process that reads batches of files. If it dies, its batches are returned to the waiting ones."""

    def __init__(self) -> None:
        self.given: deque[Batch] = deque()
        self.pipe, theirs = Pipe()
        program = _PROGRAM.format(path=sys.path, pipe=theirs.fileno())
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-c", program],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
        )
        theirs.close()
        self._is_lost = False

    def __enter__(self) -> _Helper:
        return self

    def __exit__(self, *_: object) -> None:
        self.pipe.close()
        self._process.kill()
        self._process.wait()

    def feed(self, waiting: deque[Batch]) -> None:
        """Give the helper waiting batches until it has enough."""
        while waiting and not self._is_lost and len(self.given) < _AHEAD:
            self.given.append(waiting.popleft())
            try:
                self.pipe.send(self.given[-1])
            except OSError:
                self._lose(waiting)

    def answer(self, waiting: deque[Batch]) -> dict[str, Contents]:
        """Receive the contents of the files in the helper's first batch, by path; empty if the helper has died."""
        try:
            held: list[Contents] = self.pipe.recv()
        except (EOFError, OSError):
            self._lose(waiting)
            return {}
        return dict(zip(self.given.popleft(), held, strict=True))

    def _lose(self, waiting: deque[Batch]) -> None:
        waiting += self.given
        self.given.clear()
        self._is_lost = True


def serve(descriptor: int) -> None:
    """Run a helper process: read the batches that arrive over a pipe until the pipe closes."""
    gc.disable()  # all that is read is kept, so there is no garbage
    layouts = Layouts()
    with suppress(EOFError, OSError), Connection(descriptor) as pipe:
        while True:
            batch: Batch = pipe.recv()
            pipe.send([read_file(Path(path), layouts) for path in batch])
