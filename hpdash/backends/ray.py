"""The Ray backend: it runs trials in long-lived actors of a Ray cluster.

The driver requests the next messages of each busy actor and waits for the first answer. Ray's object store holds only
the data sets. What a trial writes is sent with its messages.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from .. import data
from ..data import Dataset
from ..errors import BackendError, HpdashError, LogdirError
from ..records import Ended, Event, Notice, Started, TrialResult, TrialState
from .actor import WorkerInfo, actor_class
from .base import Queue, Task
from .cluster import Cluster, connect
from .ray_worker import RayWorker, cause_of_death, different_versions
from .remote import FileChanges, pack, write_changes
from .supervised import DEATHS_AT_START, LONGEST_TICK, OUTGROWN
from .worker import AttemptReport, WorkerSetup

POLL_SECONDS = 0.2
CHECK_SECONDS = 5.0  # between two checks of the cluster
MOST_UNANSWERED = 3  # after so many checks in a row without an answer of the head, the sweep ends
NOTIFY_SECONDS = 15.0  # after so many seconds without a ready worker, a notice says what the sweep waits for
PAUSE_SECONDS = 60.0  # seconds without new workers after several have died while starting, if others work
LEAVE_SECONDS = 2.0  # time for workers to clean up before they are killed
Load = Callable[[Mapping[str, Any]], Dataset]


class RayBackend:
    """Run trials in at most `workers` actors, by default in as many as the cluster has room for at the time.

    `setup` says how workers start. `load` loads a data set in the driver; it is called once per data set. An attempt
    that takes more than `timeout` seconds is ended. Raises BackendError if the cluster cannot be reached, or has no
    room for a worker.
    """

    def __init__(
        self,
        setup: WorkerSetup,
        cluster: Cluster,
        workers: int | None,
        load: Load,
        logs: Path,
        timeout: float | None = None,
    ) -> None:
        self._connection = connect(cluster, workers, setup, logs)
        self._ray = self._connection.ray
        self._setup, self._cluster, self._most, self._load = setup, cluster, workers, load
        self._timeout = float("inf") if timeout is None else timeout
        self._datasets: dict[tuple[Any, ...], Any] = {}
        self._workers: dict[int, RayWorker] = {}
        self._started_count = self._deaths = 0
        self._pause = 0.0  # no worker is started before this time
        self._checked_at = -CHECK_SECONDS
        self._unanswered = 0  # checks in a row without an answer
        self._alone = time.monotonic()  # the time since which no worker is ready; infinity once the user is notified
        self._stopping = self._closed = False
        self.room = workers or 0
        self._check_cluster()
        if not self.room:
            self.close()
            hint = "Use lower --cpus or --gpus. If the cluster scales up on demand, give a number of --workers."
            raise BackendError(f"the cluster has no room for a worker, which needs {cluster.needs}. {hint}")
        self._actor = actor_class(self._ray, cluster, setup)

    def _check_cluster(self) -> None:
        """Check every `CHECK_SECONDS` whether the cluster answers, and update how many workers it has room for.

        If no number of workers was given, `room` is how many would fit if nothing else ran on the cluster. Raises
        BackendError after `MOST_UNANSWERED` checks without an answer.
        """
        if time.monotonic() - self._checked_at < CHECK_SECONDS:
            return
        self._checked_at = time.monotonic()
        self._unanswered = 0 if self._connection.answers() else self._unanswered + 1
        if self._unanswered >= MOST_UNANSWERED:
            self._closed = True  # `close` could not reach the cluster
            hint = "Run the same command again when it is back: finished trials are kept."
            raise BackendError(f"the head of the Ray cluster no longer answers. {hint}")
        if self._most is None and not self._unanswered:
            wanted = (("CPU", self._cluster.cpus), ("GPU", self._cluster.gpus))
            needs = {kind: amount for kind, amount in wanted if amount}
            nodes = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
            self.room = sum(min(int(node.get(kind, 0) / amount) for kind, amount in needs.items()) for node in nodes)

    def run(self, queue: Queue) -> Iterator[Event | None]:
        """Run the queue's tasks until none is left; yield each event, and None after each wait for answers."""
        try:
            yield from self._run(queue)
        except self._ray.exceptions.RayError as error:
            raise BackendError(f"the Ray cluster failed: {error}") from None

    def _run(self, queue: Queue) -> Iterator[Event | None]:
        now = time.monotonic()
        while True:
            self._begin_workers(queue)
            yield from self._hand_out(queue)
            busy = [worker for worker in self._workers.values() if worker.task is not None]
            if not busy and not self._fill(queue):
                return
            awaited = {worker.awaited: worker for worker in self._workers.values() if worker.awaited is not None}
            ready = self._first(list(awaited))
            yield None  # lets the driver check for signals, also while no worker reports
            yield from self._notify_if_waiting()
            before, now = now, time.monotonic()
            for reference in ready:
                yield from self._listen(awaited[reference])
            for worker in busy:
                worker.advance(min(now - before, LONGEST_TICK))
                if worker.task is not None and worker.is_overdue(self._timeout):
                    yield self._end(worker, TrialState.TIMED_OUT, worker.lateness(self._timeout))

    def _fill(self, queue: Queue) -> bool:
        """Fill the queue unless the sweep stops, and return whether there is a task to start."""
        if self._stopping:
            return False
        queue.fill()
        return bool(queue)

    def _first(self, references: list[Any]) -> list[Any]:
        """Wait up to `POLL_SECONDS` for the first answer, and return all references that are ready by then."""
        if not references:
            time.sleep(POLL_SECONDS)
            return []
        self._ray.wait(references, timeout=POLL_SECONDS)
        ready: list[Any] = self._ray.wait(references, num_returns=len(references), timeout=0)[0]
        return ready

    def _notify_if_waiting(self) -> Iterator[Notice]:
        """Yield one notice that says what the sweep waits for, if no worker has been ready for `NOTIFY_SECONDS`."""
        if any(worker.node for worker in self._workers.values()):
            self._alone = time.monotonic()
        elif time.monotonic() - self._alone > NOTIFY_SECONDS:
            self._alone = float("inf")
            free = self._ray.available_resources()
            found = f"{free.get('CPU', 0):g} CPUs and {free.get('GPU', 0):g} GPUs"
            yield Notice(f"waiting for the cluster: a worker needs {self._cluster.needs}; {found} are free")

    def _begin_workers(self, queue: Queue) -> None:
        """Start as many workers as there is room and work for.

        There are at most as many workers as waiting tasks plus twice the busy workers. The busy workers count twice,
        because a search that proposes settings one by one never has many tasks waiting.
        """
        self._check_cluster()
        busy = sum(worker.task is not None for worker in self._workers.values())
        if len(self._workers) >= self.room or time.monotonic() < self._pause or not self._fill(queue):
            return
        for _ in range(min(self.room, 2 * busy + len(queue)) - len(self._workers)):
            number, self._started_count = self._started_count, self._started_count + 1
            actor = self._actor.remote(self._setup, self._connection.is_code_copied)
            self._workers[number] = RayWorker(number, actor)

    def _hand_out(self, queue: Queue) -> Iterator[Event]:
        for worker in [worker for worker in self._workers.values() if worker.is_idle]:
            if not self._fill(queue):
                return
            if worker.outgrown:
                self._drop(worker)
                yield Notice(f"worker {worker.number} replaced: {OUTGROWN}")
                continue
            task = queue.take(worker.compiled)
            if task is not None:
                yield Started(task.spec, task.attempt, worker.number, task.epoch)  # recorded before the worker starts
                worker.begin(task)
                yield from self._send(worker, task)

    def _send(self, worker: RayWorker, task: Task) -> Iterator[Ended]:
        try:
            worker.order(pack(task), self._dataset(task))
        except HpdashError as error:
            state = TrialState.INTERRUPTED if isinstance(error, LogdirError) else TrialState.FAILED
            yield self._end(worker, state, str(error))
        else:
            if self._stopping:
                worker.order(None)
            worker.ask()

    def _dataset(self, task: Task) -> dict[tuple[Any, ...], Any]:
        """Return a reference to a task's data set, by its key; the first call stores it. A program has no data set."""
        if task.spec.is_program:
            return {}
        settings = task.spec.settings["data"]
        key = data.content(settings)
        if key not in self._datasets:
            self._datasets[key] = self._ray.put(task.mapped.open() if task.mapped else self._load(settings))
        return {key: self._datasets[key]}

    def _listen(self, worker: RayWorker) -> Iterator[Event]:
        """Yield what a worker has sent, or the end of its attempt if it has died."""
        if worker.number not in self._workers:
            return
        try:
            answer = self._ray.get(worker.awaited)
        except self._ray.exceptions.RayError as error:
            yield from self._report_death(worker, error)
            return
        if isinstance(answer, WorkerInfo):
            yield from self._note_arrival(worker, answer)
            return
        worker.seen, messages = answer
        for message in messages:
            if isinstance(message, BaseException):
                yield from self._report_death(worker, message)
                return
            if isinstance(message, FileChanges):
                assert worker.task is not None
                try:
                    write_changes(worker.task.run, message)
                except LogdirError as error:  # the driver's disk is full: the sweep stops
                    yield self._end(worker, TrialState.INTERRUPTED, str(error))
                    return
            elif isinstance(message, AttemptReport):
                yield self._finished(worker, message)
            else:
                worker.receive(message)
                yield message
        worker.ask()

    def _note_arrival(self, worker: RayWorker, arrived: WorkerInfo) -> Iterator[Notice]:
        worker.node, worker.host, worker.awaited = arrived.node, arrived.host, None
        if different := different_versions(arrived.versions):
            yield Notice(f"{worker} has {', '.join(different)}: its results may differ in the last bits")

    def _finished(self, worker: RayWorker, report: AttemptReport) -> Ended:
        task, result = worker.task, report.result
        assert task is not None
        self._deaths = 0
        disk_is_full = result.state is TrialState.INTERRUPTED and result.error and not result.stops_sweep
        if disk_is_full and not self._stopping:
            return self._end(worker, TrialState.KILLED, f"{worker}: {result.error}")
        worker.finish(report)
        if result.state is TrialState.KILLED:
            self._drop(worker)  # it ran out of memory
        return Ended(task.spec, task.attempt, result)

    def _report_death(self, worker: RayWorker, error: BaseException) -> Iterator[Event]:
        """End the attempt of a worker that has died, if it had one.

        If several workers in a row die before they are ready, no more are started for a while. Raises BackendError if
        none of the others has become ready either.
        """
        alive = {node["NodeID"] for node in self._ray.nodes() if node["Alive"]}
        lost = worker.node not in alive if worker.node else "node has died" in str(error)
        reason = f"{worker} died: {'its machine has left the cluster' if lost else cause_of_death(error)}"
        self._deaths = 0 if worker.has_sent or lost else self._deaths + 1
        self._checked_at = -CHECK_SECONDS  # there may be less room now
        if worker.task is not None:
            yield self._end(worker, TrialState.KILLED, reason, lost)
        else:
            self._drop(worker)
        if self._deaths >= DEATHS_AT_START:
            if not any(each.has_sent for each in self._workers.values()):
                raise BackendError(f"{DEATHS_AT_START} workers in a row died before they could train: {reason}")
            self._deaths, self._pause = 0, time.monotonic() + PAUSE_SECONDS  # perhaps only one machine is unfit
            yield Notice(f"{reason}; no other worker is started for {PAUSE_SECONDS:.0f} s")

    def _end(self, worker: RayWorker, state: TrialState, reason: str, lost_machine: bool = False) -> Ended:
        """End the worker, and return the end of its attempt."""
        task = worker.task
        assert task is not None
        self._drop(worker)
        return Ended(task.spec, task.attempt, TrialResult(state=state, error=reason), lost_machine)

    def _drop(self, worker: RayWorker) -> None:
        self._ray.kill(worker.actor)
        worker.task = None
        del self._workers[worker.number]

    def answer(self, number: int, goes_on: bool) -> None:
        """Tell the running trial `number`, which waits at a rung (`Reached`), whether it goes on."""
        for worker in self._workers.values():
            if worker.task is not None and worker.task.spec.number == number:
                worker.order(goes_on)

    def interrupt(self) -> None:
        """Start no more trials; running ones with a checkpoint finish their epoch, others stop at their next tick."""
        self._stopping = True
        for worker in self._workers.values():
            if worker.task is not None:
                worker.order(None)

    def close(self) -> None:
        """End every worker now, then the connection, and the cluster if hpdash started it."""
        if self._closed:
            return
        self._closed = True
        deleting = [worker.actor.delete_folder.remote() for worker in self._workers.values() if worker.node]
        if deleting:
            self._ray.wait(deleting, num_returns=len(deleting), timeout=LEAVE_SECONDS)
        for worker in list(self._workers.values()):
            self._drop(worker)
        if self._connection.ours:
            self._ray.shutdown()
