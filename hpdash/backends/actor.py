"""The worker's side of the Ray backend: an actor with a mailbox, and a thread that trains the tasks in it."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import data
from ..data import Dataset
from ..errors import BackendError
from ..system import lazy_imports
from ..system.scratch import Scratch
from ..system.versions import versions
from .cluster import Cluster
from .remote import Mailbox, Order
from .worker import WorkerSetup, serve

MESSAGE_SECONDS = 1.0  # a request for messages waits at most this long for the first message


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """What an actor answers once its process has started: its Ray node and host, and the package versions there."""

    node: str
    host: str
    versions: Mapping[str, str | None]


class Actor:
    """A worker of the Ray backend: the driver calls its methods through Ray while a thread trains.

    `is_code_copied` says that Ray has copied the folder of the user's code to this machine, as the working directory.
    """

    def __init__(self, setup: WorkerSetup, is_code_copied: bool) -> None:
        folder = Path.cwd() if is_code_copied else setup.folder
        self._scratch = Scratch()
        self._mailbox = Mailbox(self._scratch.folder)
        self._data: dict[tuple[Any, ...], Any] = {}
        threading.Thread(target=self._train, args=(setup, folder), daemon=True).start()

    def _train(self, setup: WorkerSetup, folder: Path) -> None:
        try:
            lazy_imports.install()
            serve(self._mailbox, setup.trainer(folder, self._load))
        except BaseException as error:
            self._mailbox.send(BackendError(f"{type(error).__name__}: {error}"))  # the driver then ends this actor
            raise

    def _load(self, settings: Mapping[str, Any]) -> Dataset:
        import ray  # noqa: PLC0415

        dataset: Dataset = ray.get(self._data[data.content(settings)])  # its arrays are mapped, not copied
        return dataset

    def arrived(self) -> WorkerInfo:
        """Return the machine of this actor, and the package versions there; Ray answers once the actor has started."""
        import ray  # noqa: PLC0415

        return WorkerInfo(ray.get_runtime_context().get_node_id(), os.uname().nodename, dict(versions()))

    def order(self, number: int, order: Order, datasets: Mapping[tuple[Any, ...], Any]) -> None:
        """Put an order (`Order`), numbered from 1, into the mailbox; `datasets` are references to its data sets."""
        self._data |= datasets
        self._mailbox.order(number, order)

    def messages(self, seen: int) -> tuple[int, list[Any]]:
        """Return the number of the next batch and its messages; `seen` is the number of the last batch received."""
        return self._mailbox.messages(seen, MESSAGE_SECONDS)

    def delete_folder(self) -> None:
        """Delete this actor's temporary folder on its machine."""
        self._scratch.close()


def actor_class(ray: Any, cluster: Cluster, setup: WorkerSetup) -> Any:
    """Return the class of Ray actors for workers, with the CPUs and GPUs that each reserves; `ray` is the module."""
    for method in ("order", "arrived", "delete_folder", "messages"):
        group = "messages" if method == "messages" else "orders"
        ray.method(concurrency_group=group)(getattr(Actor, method))
    return ray.remote(
        num_cpus=cluster.cpus, num_gpus=cluster.gpus, scheduling_strategy="SPREAD",
        max_restarts=0, max_task_retries=-1, concurrency_groups={"orders": 1, "messages": 1},
        runtime_env={"env_vars": setup.environment},
    )(Actor)  # fmt: skip
