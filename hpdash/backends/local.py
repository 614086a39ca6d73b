"""The local backend: it runs trials in long-lived worker processes on this machine.

It starts the workers, ends an attempt that takes too long, and finds out why a worker has died. Each worker has a fixed
number of threads (`--threads`, by default 1), and one GPU if there are GPUs.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path

from ..errors import BackendError
from ..records import Ended, Event, Notice, Progress, Reached, Started, TrialResult, TrialState
from ..system.scratch import Scratch
from ..training.diagnosis import MEMORY_SIGNS, OUT_OF_MEMORY
from . import children
from .base import Queue, Task
from .children import Child
from .supervised import DEATHS_AT_START, LONGEST_TICK, OUTGROWN, Supervised
from .worker import AttemptReport, WorkerSetup, main

POLL_SECONDS = 0.2
OUTPUT_TAIL_BYTES = 2000  # bytes from the end of a dead worker's output that are reported


class LocalBackend:
    """Run trials in `workers` processes; with GPUs, worker i gets GPU i modulo `gpus`.

    An attempt that takes more than `timeout` seconds is ended. Time during which the machine sleeps does not count.
    """

    def __init__(self, setup: WorkerSetup, workers: int, gpus: int = 0, timeout: float | None = None) -> None:
        self._stopping = False
        self._setup, self._gpus = setup, gpus
        forks = setup.keras and setup.threads == 1 and not gpus and children.can_fork()
        self._start_child = children.fork if forks else children.spawn
        self._timeout = float("inf") if timeout is None else timeout
        self._scratch = Scratch()
        self._deaths = 0
        self._workers: list[_Worker] = []
        self._workers = [self._start(number) for number in range(workers)]

    def _start(self, number: int) -> _Worker:
        gpu = _visible_gpu(number % self._gpus) if self._gpus else None
        output = self._scratch.folder / f"worker-{number}.txt"
        environment = self._setup.environment | ({} if gpu is None else {"CUDA_VISIBLE_DEVICES": gpu})
        ours, process = self._start_child(environment, main, self._setup, output)
        return _Worker(number, process, ours, output)

    def run(self, queue: Queue) -> Iterator[Event | None]:
        """Run the queue's tasks until none is left; yield each event, and None if nothing has happened for a while."""
        now = time.monotonic()
        while True:
            yield from self._hand_out(queue)
            busy = [worker for worker in self._workers if worker.task is not None]
            if not busy:
                return
            ready = wait([handle for worker in busy for handle in worker.handles], POLL_SECONDS)
            if not ready:
                yield None
            before, now = now, time.monotonic()
            for worker in busy:
                if any(handle in ready for handle in worker.handles):
                    yield from self._listen(worker)
                worker.advance(min(now - before, LONGEST_TICK))
                if worker.task is not None and worker.is_overdue(self._timeout):
                    yield self._end(worker, TrialState.TIMED_OUT, worker.lateness(self._timeout))

    def _hand_out(self, queue: Queue) -> Iterator[Event]:
        if self._stopping:
            return
        for number in [number for number, worker in enumerate(self._workers) if worker.task is None]:
            queue.fill()
            if not queue:
                return
            if not self._workers[number].process.is_alive():
                self._replace(self._workers[number])
            if self._workers[number].outgrown:
                self._replace(self._workers[number])
                yield Notice(f"worker {number} replaced: {OUTGROWN}")
            worker = self._workers[number]
            task = queue.take(worker.compiled)
            if task is not None:
                yield Started(task.spec, task.attempt, number, task.epoch)  # recorded before the worker starts
                worker.send(task)
            if self._stopping:  # the driver was asked to stop while it recorded the start
                worker.stop()
                return

    def _replace(self, worker: _Worker) -> None:
        worker.close()
        self._workers[worker.number] = self._start(worker.number)

    def _listen(self, worker: _Worker) -> Iterator[Event]:
        """Yield all messages that a worker has sent, then the end of its attempt if it has died."""
        task = worker.task
        assert task is not None
        was_alive = worker.process.is_alive()  # before `poll`: no message of a dead worker is lost
        try:
            while worker.pipe.poll():
                message: Progress | Reached | Notice | AttemptReport = worker.pipe.recv()
                if isinstance(message, AttemptReport):
                    self._deaths = 0
                    worker.finish(message)
                    if message.result.state is TrialState.KILLED:
                        self._replace(worker)  # it ran out of memory
                    yield Ended(task.spec, task.attempt, message.result)
                    return
                worker.receive(message)
                yield message
        except (EOFError, OSError):
            pass
        if not was_alive:
            yield self._report_death(worker)

    def _report_death(self, worker: _Worker) -> Ended:
        worker.process.join()
        reason = worker.cause_of_death()
        self._deaths = 0 if worker.has_sent else self._deaths + 1
        if self._deaths >= DEATHS_AT_START:
            what = f"{DEATHS_AT_START} workers in a row died before they could train"
            raise BackendError(f"{what}: {reason}\n{worker.output_tail()}")
        return self._end(worker, TrialState.KILLED, reason)

    def _end(self, worker: _Worker, state: TrialState, reason: str) -> Ended:
        """Replace the worker, and return the end of its attempt."""
        task, output = worker.task, worker.output_tail()
        assert task is not None
        worker.task = None  # so that `run`, which still has this worker, does not end its attempt again
        self._replace(worker)
        return Ended(task.spec, task.attempt, TrialResult(state=state, error=reason, traceback=output or None))

    def answer(self, number: int, goes_on: bool) -> None:
        """Tell the running trial `number`, which waits at a rung (`Reached`), whether it goes on."""
        for worker in self._workers:
            if worker.task is not None and worker.task.spec.number == number:
                worker.answer(goes_on)

    def interrupt(self) -> None:
        """Start no more trials; trials that can write a checkpoint finish their epoch, others end soon."""
        self._stopping = True
        for worker in self._workers:
            if worker.task is not None:
                worker.stop()

    def close(self) -> None:
        """End every worker now."""
        for worker in self._workers:
            worker.process.kill()  # kill all before waiting for any: freeing a worker's memory takes a while
        for worker in self._workers:
            worker.close()
        self._scratch.close()


class _Worker(Supervised):
    """The driver's handle of a worker process."""

    def __init__(self, number: int, process: Child, pipe: Connection, output: Path) -> None:
        super().__init__(number)
        self.process, self.pipe, self.output = process, pipe, output
        self._kills = 0

    @property
    def handles(self) -> tuple[Connection, Connection | int]:
        return self.pipe, self.process.sentinel

    def send(self, task: Task) -> None:
        self.begin(task)
        self._kills = out_of_memory_kills()
        self._send_message(task)

    def stop(self) -> None:
        """Ask the worker to stop its trial and to end."""
        self._send_message(None)

    def answer(self, goes_on: bool) -> None:
        """Tell the worker whether its trial goes on."""
        self._send_message(goes_on)

    def _send_message(self, message: Task | bool | None) -> None:
        with suppress(OSError):  # the worker has died, which its sentinel reports
            self.pipe.send(message)

    def cause_of_death(self) -> str:
        """Return in words why the worker died."""
        code = self.process.exitcode or 0
        killed = code == -signal.SIGKILL
        sure = any(sign in self.output_tail() for sign in MEMORY_SIGNS) or (
            killed and out_of_memory_kills() > self._kills
        )
        memory = OUT_OF_MEMORY if sure else "perhaps out of memory" if killed else ""
        if code >= 0:
            return f"the worker ended with exit code {code}{f' ({memory})' if memory else ''}"
        name = signal.Signals(-code).name
        return f"the worker was killed by signal {-code} ({', '.join(filter(None, [name, memory]))})"

    def output_tail(self) -> str:
        """Return the end of the worker's output."""
        if not self.output.exists():
            return ""
        return self.output.read_bytes()[-OUTPUT_TAIL_BYTES:].decode(errors="replace").strip()

    def close(self) -> None:
        self.process.kill()
        self.process.join()
        self.pipe.close()
        self.output.unlink(missing_ok=True)


def out_of_memory_kills() -> int:
    """Return how many processes Linux has killed since boot because memory ran out; 0 if the system does not say."""
    try:
        counts = dict(line.split() for line in Path("/proc/vmstat").read_text().splitlines())
    except OSError:
        return 0
    return int(counts.get("oom_kill", 0))


def _visible_gpu(index: int) -> str:
    """Return a GPU's identifier for CUDA_VISIBLE_DEVICES, from the user's own selection if there is one."""
    chosen = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    return chosen[index] if index < len(chosen) else str(index)
