"""The interface of the process that a trial runs in, and the exceptions that end a trial without an error."""

from __future__ import annotations

from typing import Protocol

from ..records import Progress, Reached


class Interrupted(Exception):
    """End a trial because the sweep stops; not an error."""


class Pruned(Exception):
    """End a trial early because others do better; not an error. The trial may resume later from its checkpoint."""


class Diverged(Exception):
    """End a trial because its loss is no longer finite; not an error."""


class Host(Protocol):
    """The process that a trial runs in, as the trial sees it."""

    @property
    def stopping(self) -> bool:
        """Whether the sweep stops, so that the trial has to stop as soon as it can."""

    def progress(self, progress: Progress) -> None:
        """Send the trial's progress to the driver."""

    def notice(self, text: str) -> None:
        """Send a message for the user to the driver."""

    def ask_to_go_on(self, reached: Reached) -> bool:
        """Ask the driver whether a trial goes on after a rung, wait for the answer, and return it.

        If the sweep stops meanwhile, return True: the trial is not pruned, and `stopping` ends it.
        """
