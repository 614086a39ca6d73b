"""What a trial needs from the process that it runs in, and the exceptions that end a trial without being errors."""

from __future__ import annotations

from typing import Protocol

from ..records import Progress, Reached


class Interrupted(Exception):
    """End a trial because the sweep stops; not an error."""


class Pruned(Exception):
    """End a trial early because others do better; not an error. It may go on later from its checkpoint."""


class Diverged(Exception):
    """End a trial because its loss is no longer finite; not an error."""


class Host(Protocol):
    """What a trial needs from the process it runs in."""

    @property
    def stopping(self) -> bool:
        """Whether the trial has to stop as soon as it can."""

    def progress(self, progress: Progress) -> None:
        """Pass on the trial's progress."""

    def notice(self, text: str) -> None:
        """Pass on a message for the user."""

    def ask_to_go_on(self, reached: Reached) -> bool:
        """Return whether a trial goes on after a rung; waits for the driver's answer.

        If the sweep stops meanwhile, return True: the trial is not pruned, and `stopping` ends it.
        """
