"""Trials in warm worker processes of this machine, each supervised by its own handle.

What it knows: how to start a worker so that it uses one core (or one GPU), and how to tell why one died.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path

from ..errors import BackendError
from ..signals import held_back
from ..trial import Ended, Event, Notice, Progress, Started, TrialResult, TrialState
from .base import Queue, Task
from .worker import Report, Setup, main

GROWTH = 3 * 2**30  # bytes a worker's memory may grow after its first trial before it is replaced
POLL_SECONDS = 0.2
DEATHS_AT_START = 3  # workers that may die in a row before they are ready to train
LAST_WORDS = 2000  # characters of a dead worker's output that are kept


def cores() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class LocalBackend:
    """Run trials in `workers` processes of `threads` threads each; with GPUs, worker i gets GPU i modulo `gpus`.

    `keras` says whether trials need TensorFlow, `own_code` whether functions of a user's own will be called.
    """

    def __init__(
        self, folder: Path, workers: int, threads: int = 1, gpus: int = 0, keras: bool = True, own_code: bool = True
    ) -> None:
        self._context = multiprocessing.get_context("spawn")
        self._stop = self._context.Event()
        self._folder, self._threads, self._gpus = folder.resolve(), threads, gpus
        self._keras, self._own_code = keras, own_code
        self._outputs = Path(tempfile.mkdtemp(prefix="hpdash-"))
        self._deaths = 0
        self._workers: list[_Worker] = []
        self._workers = [self._start(number) for number in range(workers)]

    def _start(self, number: int) -> _Worker:
        threads = str(self._threads)
        environment = {
            "KERAS_BACKEND": "tensorflow",  # a user's shell may say otherwise
            "TF_CPP_MIN_LOG_LEVEL": os.environ.get("TF_CPP_MIN_LOG_LEVEL", "2"),
            "TF_FORCE_GPU_ALLOW_GROWTH": "true",
            **dict.fromkeys(("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), threads),
            "TF_NUM_INTEROP_THREADS": "1",
        }
        if self._gpus:
            environment["CUDA_VISIBLE_DEVICES"] = _visible_gpu(number % self._gpus)
        output = self._outputs / f"worker-{number}.txt"
        ours, theirs = self._context.Pipe()
        setup = Setup(environment, self._folder, self._keras, self._own_code, output)
        process = self._context.Process(target=main, args=(theirs, self._stop, setup), daemon=True)
        with held_back():
            process.start()
        theirs.close()
        return _Worker(number, process, ours, output)

    def run(self, queue: Queue) -> Iterator[Event | None]:
        """Run the queue's tasks until none is left, yielding what happens, and None when nothing did for a while."""
        while True:
            yield from self._hand_out(queue)
            busy = [worker for worker in self._workers if worker.task is not None]
            if not busy:
                return
            ready = wait([handle for worker in busy for handle in worker.handles], POLL_SECONDS)
            if not ready:
                yield None
            for worker in busy:
                if any(handle in ready for handle in worker.handles):
                    yield from self._listen(worker)

    def _hand_out(self, queue: Queue) -> Iterator[Event]:
        if self._stop.is_set():
            return
        idle = [number for number, worker in enumerate(self._workers) if worker.task is None]
        for number in idle[: len(queue)]:
            if self._workers[number].outgrown:
                self._workers[number].close()
                self._workers[number] = self._start(number)
                yield Notice(f"worker {number} replaced: its memory had grown by more than {GROWTH / 2**30:.0f} GiB")
            worker = self._workers[number]
            task = queue.take(worker.compiled)
            if task is not None:
                worker.send(task)
                yield Started(task.spec, task.attempt, number)

    def _listen(self, worker: _Worker) -> Iterator[Event]:
        """Yield what a worker has sent; its death, once it has nothing more to say."""
        task = worker.task
        assert task is not None
        try:
            while worker.pipe.poll():
                message: Progress | Notice | Report = worker.pipe.recv()
                if isinstance(message, Report):
                    self._deaths = 0
                    worker.finish(message)
                    yield Ended(task.spec, task.attempt, message.result)
                    return
                worker.spoke = True
                yield message
        except (EOFError, OSError):
            pass
        if not worker.process.is_alive():
            yield self._bury(worker, task)

    def _bury(self, worker: _Worker, task: Task) -> Ended:
        worker.process.join()
        reason, words = worker.cause_of_death()
        self._deaths = 0 if worker.spoke else self._deaths + 1
        if self._deaths >= DEATHS_AT_START:
            raise BackendError(f"workers die before they can train: {reason}\n{words}")
        worker.close()
        self._workers[worker.number] = self._start(worker.number)
        result = TrialResult(state=TrialState.KILLED, error=reason, traceback=words or None)
        return Ended(task.spec, task.attempt, result, worker_died=True)

    def interrupt(self) -> None:
        """Start nothing more; running trials stop at their next compiled call and end as interrupted."""
        self._stop.set()

    def close(self) -> None:
        """End every worker now."""
        for worker in self._workers:
            worker.close()
        shutil.rmtree(self._outputs, ignore_errors=True)


class _Worker:
    """One worker as its driver sees it."""

    def __init__(
        self, number: int, process: multiprocessing.process.BaseProcess, pipe: Connection, output: Path
    ) -> None:
        self.number, self.process, self.pipe, self.output = number, process, pipe, output
        self.task: Task | None = None
        self.compiled: set[str] = set()
        self.spoke = False
        self._first_peak: int | None = None
        self._peak = 0

    @property
    def handles(self) -> tuple[Connection, int]:
        return self.pipe, self.process.sentinel

    @property
    def outgrown(self) -> bool:
        return self._first_peak is not None and self._peak - self._first_peak > GROWTH

    def send(self, task: Task) -> None:
        self.task = task
        self.compiled.add(task.spec.graph_key)
        with suppress(OSError):  # it has died: its sentinel says so
            self.pipe.send(task)

    def finish(self, report: Report) -> None:
        self.task, self._peak = None, report.peak_memory
        self._first_peak = self._first_peak or report.peak_memory

    def cause_of_death(self) -> tuple[str, str]:
        """Return why it died, in words, and the end of what it printed."""
        code = self.process.exitcode or 0
        words = self.output.read_bytes()[-LAST_WORDS:].decode(errors="replace").strip() if self.output.exists() else ""
        if code >= 0:
            return f"the worker ended with exit code {code}", words
        name = signal.Signals(-code).name
        memory = ", perhaps out of memory" if -code == signal.SIGKILL else ""
        return f"the worker was killed by signal {-code} ({name}{memory})", words

    def close(self) -> None:
        self.process.kill()
        self.process.join()
        self.pipe.close()
        self.output.unlink(missing_ok=True)


def _visible_gpu(index: int) -> str:
    """Return the GPU's name for CUDA, respecting a selection the user has made."""
    chosen = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    return chosen[index] if index < len(chosen) else str(index)
