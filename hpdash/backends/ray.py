"""Trials in warm actors of a Ray cluster, which nothing else in the house knows of.

The driver asks each busy actor for its news and waits for whoever answers first. Nothing is shared but the data sets,
in Ray's object store: what a trial writes travels with its news.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from .. import data
from ..data import Dataset
from ..errors import BackendError, LogdirError
from ..train import OUT_OF_MEMORY
from ..trial import Ended, Event, Notice, Started, TrialResult, TrialState
from ..versions import versions
from .actor import Actor, Arrived
from .base import Queue, Task
from .cluster import Cluster, connect
from .remote import Order, Parcel, deliver, pack
from .supervised import DEATHS_AT_START, LONGEST_TICK, OUTGROWN, Supervised
from .worker import Report, Setup

POLL_SECONDS = 0.2
LOOK_SECONDS = 5.0  # between two looks at how large the cluster is
PATIENCE_SECONDS = 15.0  # without any worker, after which the user is told what is waited for
LEAVE_SECONDS = 2.0  # for workers to tidy up before they are ended
Load = Callable[[Mapping[str, Any]], Dataset]


def _cause_of_death(error: BaseException) -> str:
    """Say in words why a worker died: what Ray's long account says in the end."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if any("OOM" in line for line in lines):
        return OUT_OF_MEMORY
    told = [line for line in lines if ":" in line]
    return (told or lines or ["nobody knows why"])[-1].rstrip(".")


class RayBackend:
    """Run trials in actors, at most `workers` of them, by default as many as the cluster has room for as it changes.

    `setup` is what workers are told, `load` loads a data set here, once. An attempt that takes more than `timeout`
    seconds is ended. Raises BackendError where there is no such cluster, or no room in it for a worker.
    """

    def __init__(
        self,
        setup: Setup,
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
        self._scratch = f"hpdash-{secrets.token_hex(8)}"
        self._datasets: dict[tuple[Any, ...], Any] = {}
        self._workers: dict[int, _Worker] = {}
        self._begun = self._deaths = 0
        self._looked = -LOOK_SECONDS
        self._alone = time.monotonic()  # since when there has been no worker that is ready; infinity once told
        self._stopping = self._closed = False
        self.room = self._room()
        if not self.room:
            self.close()
            hint = "Ask for less with --cpus or --gpus; where a cluster grows when asked, say how far with --workers."
            raise BackendError(f"expected room for a worker in the cluster, found none of {cluster.needs}. {hint}")
        self._actor = self._actor_class()

    def _actor_class(self) -> Any:
        for method, group in {"order": "orders", "arrived": "orders", "leave": "orders", "news": "news"}.items():
            self._ray.method(concurrency_group=group)(getattr(Actor, method))
        return self._ray.remote(
            num_cpus=self._cluster.cpus, num_gpus=self._cluster.gpus, scheduling_strategy="SPREAD",
            max_restarts=0, max_task_retries=-1, concurrency_groups={"orders": 1, "news": 1},
            runtime_env={"env_vars": self._setup.environment},
        )(Actor)  # fmt: skip

    def _room(self) -> int:
        """Return how many workers there may be: those asked for, else as many as fit, others' work apart."""
        if self._most is not None:
            return self._most
        if time.monotonic() - self._looked < LOOK_SECONDS:
            return self.room
        self._looked = time.monotonic()
        needs = {kind: amount for kind, amount in (("CPU", self._cluster.cpus), ("GPU", self._cluster.gpus)) if amount}
        nodes = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        return sum(min(int(node.get(kind, 0) / amount) for kind, amount in needs.items()) for node in nodes)

    def run(self, queue: Queue) -> Iterator[Event | None]:
        """Run the queue's tasks until none is left, yielding what happens, and None when nothing did for a while."""
        now = time.monotonic()
        while True:
            self._begin_workers(queue)
            yield from self._hand_out(queue)
            busy = [worker for worker in self._workers.values() if worker.task is not None]
            if not busy and (self._stopping or not queue.has_next()):
                return
            awaited = {worker.awaited: worker for worker in self._workers.values() if worker.awaited is not None}
            ready = self._first(list(awaited))
            if not ready:
                yield None
                yield from self._impatience()
            before, now = now, time.monotonic()
            for reference in ready:
                yield from self._listen(awaited[reference])
            for worker in busy:
                if worker.task is not None and worker.overdue(min(now - before, LONGEST_TICK), self._timeout):
                    yield self._end(worker, TrialState.TIMED_OUT, worker.lateness(self._timeout))

    def _first(self, references: list[Any]) -> list[Any]:
        """Wait a while for the first answer, and return all that are there by then."""
        if not references:
            time.sleep(POLL_SECONDS)
            return []
        self._ray.wait(references, timeout=POLL_SECONDS)
        ready: list[Any] = self._ray.wait(references, num_returns=len(references), timeout=0)[0]
        return ready

    def _impatience(self) -> Iterator[Notice]:
        """Say what is waited for where no worker comes."""
        if any(worker.node for worker in self._workers.values()):
            self._alone = time.monotonic()
        elif time.monotonic() - self._alone > PATIENCE_SECONDS:
            self._alone = float("inf")
            free = self._ray.available_resources()
            found = f"{free.get('CPU', 0):g} CPUs and {free.get('GPU', 0):g} GPUs"
            yield Notice(f"waiting for the cluster: a worker takes {self._cluster.needs}; {found} are free")

    def _begin_workers(self, queue: Queue) -> None:
        """Begin as many workers as there is room and work for; of a search that proposes one by one, ever more."""
        self.room = self._room()
        busy = sum(worker.task is not None for worker in self._workers.values())
        if self._stopping or len(self._workers) >= self.room or not queue.has_next():
            return
        for _ in range(min(self.room, 2 * busy + len(queue)) - len(self._workers)):
            number, self._begun = self._begun, self._begun + 1
            actor = self._actor.remote(self._setup, self._connection.is_sent, self._scratch, number)
            self._workers[number] = _Worker(number, actor)

    def _hand_out(self, queue: Queue) -> Iterator[Event]:
        for worker in [worker for worker in self._workers.values() if worker.is_idle]:
            if self._stopping or not queue.has_next():
                return
            if worker.outgrown:
                self._drop(worker)
                yield Notice(f"worker {worker.number} replaced: {OUTGROWN}")
                continue
            task = queue.take(worker.compiled)
            if task is not None:
                yield Started(task.spec, task.attempt, worker.number, task.epoch)  # recorded before anything happens
                worker.begin(task)
                yield from self._send(worker, task)

    def _send(self, worker: _Worker, task: Task) -> Iterator[Ended]:
        try:
            worker.order(pack(task), self._dataset(task.spec.settings["data"]))
        except LogdirError as error:
            yield self._end(worker, TrialState.INTERRUPTED, str(error))
        else:
            worker.ask()

    def _dataset(self, settings: Mapping[str, Any]) -> dict[tuple[Any, ...], Any]:
        """Return a reference to a data set in the object store, where the first to ask puts it."""
        key = data.content(settings)
        if key not in self._datasets:
            self._datasets[key] = self._ray.put(self._load(settings))
        return {key: self._datasets[key]}

    def _listen(self, worker: _Worker) -> Iterator[Event]:
        """Yield what a worker has sent, or its death."""
        if worker.number not in self._workers:
            return
        try:
            answer = self._ray.get(worker.awaited)
        except self._ray.exceptions.RayError as error:
            yield from self._bury(worker, error)
            return
        if isinstance(answer, Arrived):
            yield from self._welcome(worker, answer)
            return
        worker.seen, messages = answer
        for message in messages:
            if isinstance(message, BaseException):
                yield from self._bury(worker, message)
                return
            if isinstance(message, Parcel):
                assert worker.task is not None
                try:
                    deliver(worker.task.run, message)
                except LogdirError as error:  # the disk is full: its driver stops
                    yield self._end(worker, TrialState.INTERRUPTED, str(error))
                    return
            elif isinstance(message, Report):
                yield self._finished(worker, message)
            else:
                worker.heard(message)
                yield message
        worker.ask()

    def _welcome(self, worker: _Worker, arrived: Arrived) -> Iterator[Notice]:
        worker.node, worker.host, worker.awaited = arrived.node, arrived.host, None
        ours = versions()
        apart = [
            f"{name} {there} instead of {ours[name]}" for name, there in arrived.versions.items() if there != ours[name]
        ]
        if apart:
            yield Notice(f"{worker} has {', '.join(apart)}: its bits may be others")

    def _finished(self, worker: _Worker, report: Report) -> Ended:
        task = worker.task
        assert task is not None
        self._deaths = 0
        worker.finish(report)
        if report.result.state is TrialState.KILLED:
            self._drop(worker)  # its memory ran out
        return Ended(task.spec, task.attempt, report.result)

    def _bury(self, worker: _Worker, error: BaseException) -> Iterator[Event]:
        """End the attempt of a worker that has died, if it made one; BackendError where workers die before they can."""
        alive = {node["NodeID"] for node in self._ray.nodes() if node["Alive"]}
        lost = bool(worker.node) and worker.node not in alive
        reason = f"{worker} died: {'its machine has left the cluster' if lost else _cause_of_death(error)}"
        self._deaths = 0 if worker.spoke or lost else self._deaths + 1
        if self._deaths >= DEATHS_AT_START:
            raise BackendError(f"workers die before they can train: {reason}")
        self._looked = -LOOK_SECONDS  # there may be less room now
        if worker.task is not None:
            yield self._end(worker, TrialState.KILLED, reason, lost)
        else:
            self._drop(worker)

    def _end(self, worker: _Worker, state: TrialState, reason: str, lost_machine: bool = False) -> Ended:
        """End a worker's attempt for it, and the worker."""
        task = worker.task
        assert task is not None
        self._drop(worker)
        return Ended(task.spec, task.attempt, TrialResult(state=state, error=reason), lost_machine)

    def _drop(self, worker: _Worker) -> None:
        self._ray.kill(worker.actor)
        worker.task = None
        del self._workers[worker.number]

    def answer(self, number: int, goes_on: bool) -> None:
        """Tell a running trial that has Reached a rung whether it goes on."""
        for worker in self._workers.values():
            if worker.task is not None and worker.task.spec.number == number:
                worker.order(goes_on)

    def interrupt(self) -> None:
        """Start nothing more; running trials that keep a checkpoint end their epoch, others stop at their next tick."""
        self._stopping = True
        for worker in self._workers.values():
            if worker.task is not None:
                worker.order(None)

    def close(self) -> None:
        """End every worker now, and our own cluster."""
        if self._closed:
            return
        self._closed = True
        leaving = [worker.actor.leave.remote() for worker in self._workers.values() if worker.node]
        if leaving:
            self._ray.wait(leaving, num_returns=len(leaving), timeout=LEAVE_SECONDS)
        for worker in list(self._workers.values()):
            self._drop(worker)
        if self._connection.ours:
            self._ray.shutdown()


class _Worker(Supervised):
    """An actor; `awaited` is what it has been asked for, `node` empty until it is ready."""

    def __init__(self, number: int, actor: Any) -> None:
        super().__init__(number)
        self.actor = actor
        self.node = self.host = ""
        self.seen = self._orders = 0
        self.awaited: Any = actor.arrived.remote()

    def __str__(self) -> str:
        return f"worker {self.number} on {self.host}" if self.host else f"worker {self.number}"

    @property
    def is_idle(self) -> bool:
        return bool(self.node) and self.task is None

    def order(self, order: Order, datasets: Mapping[tuple[Any, ...], Any] | None = None) -> None:
        self._orders += 1
        self.actor.order.remote(self._orders, order, datasets or {})

    def ask(self) -> None:
        self.awaited = self.actor.news.remote(self.seen) if self.task is not None else None
