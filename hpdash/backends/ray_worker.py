"""The driver's handle of an actor, and why an actor died."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..system.versions import versions
from ..training.diagnosis import OUT_OF_MEMORY
from .remote import Order
from .supervised import Supervised


class RayWorker(Supervised):
    """The driver's handle of an actor: `node` is empty until the actor has started.

    `awaited` is Ray's reference to the answer that the driver waits for, None if it waits for none.
    """

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
        """Whether the actor is ready and has no task."""
        return bool(self.node) and self.task is None

    def order(self, order: Order, datasets: Mapping[tuple[Any, ...], Any] | None = None) -> None:
        """Send the actor an order, with references to the data sets that it needs."""
        self._orders += 1
        self.actor.order.remote(self._orders, order, datasets or {})

    def ask(self) -> None:
        """Request the actor's next messages, if it has a task."""
        self.awaited = self.actor.messages.remote(self.seen) if self.task is not None else None


def cause_of_death(error: BaseException) -> str:
    """Return in a few words why a worker died, from the long message of Ray's error."""
    text = str(error)
    if type(error).__name__ == "OutOfMemoryError" or "running low on memory" in text:
        return OUT_OF_MEMORY
    if "connection error" in text:
        return "its process was killed or has crashed, perhaps out of memory"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return ([line for line in lines if ":" in line] or lines or ["Ray gives no reason"])[-1].rstrip(".")


def different_versions(theirs: Mapping[str, str | None]) -> list[str]:
    """Return which packages of a worker have another version than the driver's, as text."""
    ours = versions()
    return [f"{name} {there} instead of {ours.get(name)}" for name, there in theirs.items() if there != ours.get(name)]
