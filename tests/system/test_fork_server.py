"""Tests of the process from which others are forked: what those are given, how they end, what happens if it dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import pytest

from hpdash.system import fork_server as module
from hpdash.system.fork_server import ForkedProcess, ForkServer, fork_server

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked only on Linux")
PATIENCE = 60.0


# The second fork of this process fails, as it does where the system allows no more processes.
FEW_PROCESSES = """
import itertools, os
fork, forks = os.fork, itertools.count(1)

def fork_or_fail():
    if next(forks) == 2:
        raise BlockingIOError(11, "Resource temporarily unavailable")
    return fork()

os.fork = fork_or_fail
"""


@pytest.fixture
def server() -> Iterator[ForkServer]:
    """Return a server that has imported `json`."""
    made = ForkServer(os.environ, ["json"])
    yield made
    made.kill()


@contextmanager
def imported(folder: Path, source: str) -> Iterator[ForkServer]:
    """Make a server that imports a module with this source."""
    (folder / "imported_here.py").write_text(source)
    sys.path.insert(0, str(folder))
    made = ForkServer(os.environ, ["imported_here"])
    sys.path.remove(str(folder))
    yield made
    made.kill()


def run(server: ForkServer, work: Callable[..., None], *arguments: Any) -> Any:
    """Return what a forked process sends."""
    pipe, process = server.start(work, *arguments)
    assert pipe.poll(PATIENCE)
    value = pipe.recv()
    process.join()
    assert process.exitcode == 0
    return value


def ended(process: ForkedProcess) -> bool:
    """Wait for the end of a process; return whether it came."""
    return bool(wait([process.sentinel], PATIENCE))


def echo(pipe: Connection, value: Any) -> None:
    """Send the value back."""
    pipe.send(value)


def surroundings(pipe: Connection) -> None:
    """Send the process's environment variable, working folder and the end of its path."""
    pipe.send((os.environ.get("SURROUNDINGS"), Path.cwd(), sys.path[-1], "json" in sys.modules))


def own_pids(pipe: Connection) -> None:
    """Send the ids of this process and of the server, then wait for ever."""
    pipe.send((os.getpid(), os.getppid()))
    time.sleep(3600)


def leave(_: Connection, code: int) -> None:
    """Exit with a code, or end by a signal if the code is negative."""
    if code < 0:
        os.kill(os.getpid(), -code)
    sys.exit(code)


def draw(pipe: Connection) -> None:
    """Send numbers drawn by Python and by NumPy."""
    import random

    import numpy as np

    pipe.send((random.random(), np.random.rand()))


def start_methods(pipe: Connection) -> None:
    """Send whether this process has the server's modules without having imported them itself."""
    pipe.send("imported_here" in sys.modules)


def test_a_process_gets_the_surroundings_of_the_moment(
    server: ForkServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Environment, folder and path are those of the caller when it starts the process, not those of the server."""
    run(server, echo, 0)
    monkeypatch.setenv("SURROUNDINGS", "new")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path, "/added"])
    assert run(server, surroundings) == ("new", tmp_path, "/added", True)
    monkeypatch.delenv("SURROUNDINGS")
    assert run(server, surroundings)[0] is None


def test_a_working_folder_that_is_gone(server: ForkServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process also starts if the caller's working folder has been deleted."""
    monkeypatch.chdir(tmp_path)
    tmp_path.rmdir()
    assert run(server, echo, 1) == 1


def test_arguments_of_any_size(server: ForkServer) -> None:
    """Arguments larger than what a pipe holds arrive."""
    value = os.urandom(10_000_000)
    assert run(server, echo, value) == value


@pytest.mark.parametrize("code", [0, 3, -signal.SIGSEGV, -signal.SIGKILL])
def test_exit_codes(server: ForkServer, code: int) -> None:
    """The exit code is the process's own, negative for a signal."""
    pipe, process = server.start(leave, code)
    assert ended(process)
    assert not process.is_alive()
    process.join()
    assert process.exitcode == code
    with pytest.raises(EOFError):
        pipe.recv()


def test_a_fork_that_fails_ends_no_other_process(tmp_path: Path) -> None:
    """Where the system allows no more processes, the process that could not be forked has ended with an error."""
    with imported(tmp_path, FEW_PROCESSES) as server:
        pipe, first = server.start(echo, 1)
        assert pipe.recv() == 1
        _, failed = server.start(echo, 2)
        assert ended(failed)
        failed.kill()
        failed.join()
        assert failed.exitcode == os.EX_OSERR
        first.join()
        assert first.exitcode == 0
        assert run(server, echo, 3) == 3


def test_kill(server: ForkServer) -> None:
    """A killed process has ended, and the others go on."""
    (_, first), (pipe, second) = server.start(own_pids), server.start(own_pids)
    pipe.recv()
    assert first.is_alive()
    first.kill()
    first.join()
    assert (first.exitcode, first.is_alive(), second.is_alive()) == (-signal.SIGKILL, False, True)


def test_processes_draw_different_random_numbers(tmp_path: Path) -> None:
    """Processes do not share the state of random number generators that the server has."""
    with imported(tmp_path, "import random, numpy\nrandom.seed(1), numpy.random.seed(1)") as server:
        first, second = run(server, draw), run(server, draw)
        assert first[0] != second[0]
        assert first[1] != second[1]


def test_a_server_that_dies_takes_its_processes_along(server: ForkServer) -> None:
    """After `kill -9` of the server no process stays, the driver learns of it, and the exit code is the server's."""
    pipe, process = server.start(own_pids)
    _, pid = pipe.recv()
    os.kill(pid, signal.SIGKILL)
    assert ended(process)
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert not server.is_alive()
    later, unborn = server.start(own_pids)
    assert ended(unborn)
    unborn.kill()
    unborn.join()
    assert (unborn.exitcode, later.poll()) == (-signal.SIGKILL, True)


DRIVER = """
import os, sys, time
sys.path[:] = {path!r}
from test_fork_server import own_pids
from hpdash.system.fork_server import ForkServer
pipe, process = ForkServer(os.environ, []).start(own_pids)
print(*pipe.recv(), flush=True)
time.sleep({seconds})
"""


@pytest.mark.parametrize("kill", [True, False])
def test_nothing_stays_when_the_driver_ends(kill: bool) -> None:
    """Whether the driver is killed or ends by itself, the server and its processes end."""
    program = DRIVER.format(path=[str(Path(__file__).parent), *sys.path], seconds=3600 if kill else 0)
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as driver:
        assert driver.stdout is not None
        pids = [int(pid) for pid in driver.stdout.readline().split()]
        if kill:
            driver.kill()
        assert driver.wait(PATIENCE) == (-signal.SIGKILL if kill else 0)
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and any(alive(pid) for pid in pids):
        time.sleep(0.05)
    assert len(pids) == 2
    assert not any(alive(pid) for pid in pids)


def alive(pid: int) -> bool:
    """Return whether a process runs; one that only waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_a_kill_before_the_imports_are_done_does_not_wait_for_them(tmp_path: Path) -> None:
    """While the server still imports, a kill takes effect at once."""
    with imported(tmp_path, "import time; time.sleep(3600)") as server:
        (_, first), (_, second) = server.start(echo, 1), server.start(echo, 2)
        assert first.is_alive()
        for process in (first, second, first):
            process.kill()
        for process in (first, second):
            assert ended(process)
            process.join()
            assert process.exitcode == -signal.SIGKILL
        assert not server.is_alive()


def test_a_module_that_cannot_be_imported(tmp_path: Path) -> None:
    """The error of an import is left to the processes that need the module."""
    with imported(tmp_path, "raise RuntimeError") as server:
        assert run(server, echo, 1) == 1


@pytest.mark.parametrize("threads", [True, False])
def test_a_server_with_threads_forks_nothing(threads: bool, tmp_path: Path) -> None:
    """If an import starts a thread, processes are spawned, because a fork would stop that thread."""
    source = "import threading, time\nthreading.Thread(target=time.sleep, args=(3600,), daemon=True).start()"
    with imported(tmp_path, source if threads else "") as server:
        assert run(server, start_methods) is not threads


def test_the_last_server_is_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is a new server only after a change of a variable that imports read, or after the server's death."""
    monkeypatch.setattr(module, "_server", None)
    monkeypatch.setenv("TF_NUM", "1")
    first = fork_server(["json"])
    monkeypatch.setenv("SURROUNDINGS", "new")
    assert fork_server(["json"]) is first
    monkeypatch.setenv("TF_NUM", "2")
    last = fork_server(["json"])
    assert last is not first
    last.kill()
    assert fork_server(["json"]) is not last


def test_an_idle_server_ends(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A server without processes ends after a while; with one it stays."""
    with imported(tmp_path, "from hpdash.system import fork_server; fork_server.IDLE_SECONDS = 0.2") as server:
        pipe, process = server.start(own_pids)
        pipe.recv()
        time.sleep(1)
        assert server.is_alive()
        process.kill()
        process.join()
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and server.is_alive():
            time.sleep(0.05)
        assert not server.is_alive()
