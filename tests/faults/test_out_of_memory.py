"""Tests of row 15 in README.md: a trial that runs out of memory gets the state `killed`, and its worker is replaced.

The trial's error gives the reason. Over fifty trials, the driver's memory stays flat, and there are never more workers
than requested.
"""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from driven import children, driving, own, run, session_ends, states, trial_folder, worker_pids
from tensorboard.plugins.hparams import api_pb2

from hpdash.driver.plan import Outcome
from hpdash.journal.journal import read_journal
from hpdash.logs import layout
from hpdash.records import TrialState

LOOPS = """
import os, resource, signal, time
from pathlib import Path
import numpy as np

HERE = Path(__file__).parent

def bound(more):
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + more, used + more))

def behave(trial):
    (HERE / "pids" / str(os.getpid())).touch()
    does, kept = trial.hparams["does"], None
    if does == "one_array":
        bound(2**27)
        kept = np.ones(2**28)
    if does == "to_the_last_byte":
        bound(2**25)
        while True:
            kept = (kept,)
    if does == "abort":
        os.write(2, b"terminate called after throwing an instance of 'std::bad_alloc'")
        os.abort()
    if does == "kernel":
        os.kill(os.getpid(), signal.SIGKILL)
    for epoch in range(1, trial.epochs + 1):
        trial.report(epoch, loss=1.0, validation_accuracy=1.0)
"""
OUT_OF_MEMORY = {
    "one_array": "out of memory; fewer --workers or a smaller batch_size need less (MemoryError: Unable to allocate",
    "to_the_last_byte": "out of memory; fewer --workers",
    "abort": "the worker was killed by signal 6 (SIGABRT, out of memory; fewer --workers",
    "kernel": "the worker was killed by signal 9 (SIGKILL, perhaps out of memory)",
}


@pytest.fixture(scope="module")
def greedy(tmp_path_factory: pytest.TempPathFactory) -> tuple[Outcome, list[int]]:
    """Run trials that need too much memory on one worker with one retry; return the outcome and all workers."""
    if sys.platform != "linux":
        pytest.skip("only Linux bounds the memory of a process")
    folder = tmp_path_factory.mktemp("greedy")
    outcome, _ = run(own(folder, *OUT_OF_MEMORY, "learn", loops=LOOPS, max_retries=1), workers=1)
    return outcome, worker_pids(folder)


@pytest.mark.parametrize(("number", "words"), list(enumerate(OUT_OF_MEMORY.values())), ids=OUT_OF_MEMORY)
def test_it_is_killed(greedy: tuple[Outcome, list[int]], number: int, words: str) -> None:
    """A trial that runs out of memory in any way is `killed`, not `failed`, and its error says why.

    It is tried again, and its session has failed.
    """
    outcome, _ = greedy
    result = outcome.results[number]
    assert result.state is TrialState.KILLED
    assert words in (result.error or "")
    assert read_journal(outcome.folder / layout.JOURNAL).latest[number].attempt == 2
    assert session_ends(trial_folder(outcome.folder, number)) == [api_pb2.STATUS_FAILURE]


def test_the_others_go_on_in_new_workers(greedy: tuple[Outcome, list[int]]) -> None:
    """An attempt that runs out of memory ends its worker, so that no later attempt runs in what it left behind."""
    outcome, workers = greedy
    assert outcome.results[len(OUT_OF_MEMORY)].state is TrialState.FINISHED
    assert outcome.exit_code == 1
    assert len(workers) == 2 * len(OUT_OF_MEMORY)


WORKERS = 2
TINY = LOOPS.replace('if does == "kernel":', "time.sleep(0.03)\n    if trial.number % 10 == 5:")


@dataclass(frozen=True)
class Look:
    """The state of a running driver: the trials done, its memory in KiB, and its number of workers."""

    done: int
    memory: int
    workers: int


def inspect(pid: int, folder: Path) -> Look:
    """Return the state of a running driver."""
    memory = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=True).stdout
    done = sum(state is not TrialState.RUNNING for state in states(folder).values())
    return Look(done, int(memory), len(children(pid)))


def test_fifty_trials_cost_no_more_than_ten(tmp_path: Path) -> None:
    """From the tenth to the last trial the driver grows by less than 2 MiB; a new worker only replaces a dead one."""
    path = own(tmp_path, *(f"t{number}" for number in range(50)), loops=TINY, max_retries=0)
    inspections = []
    with driving(path, "--workers", str(WORKERS)) as driver:
        while driver.poll() is None:
            inspections.append(inspect(driver.pid, tmp_path / "logs" / "own"))
            time.sleep(0.05)
    running = [each for each in inspections if 10 <= each.done < 50]
    assert running[0].done < 25
    assert running[-1].done > 40
    assert running[-1].memory - running[0].memory < 2048
    assert max(each.workers for each in inspections) <= WORKERS + 1
    assert max(each.workers for each in running) == WORKERS
    assert list(states(tmp_path / "logs" / "own").values()).count(TrialState.KILLED) == 5
