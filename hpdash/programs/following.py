"""Follow the event files that a program writes below its run folder, while they grow."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from ..reader.events import Contents
from ..reader.folders import EventFileInfo
from ..reader.program_runs import scalars_below
from ..runs import Series

SECONDS = 0.25  # minimum time between two checks of the files and of the driver's messages
_SHARE = 10  # a pause is at least this many times as long as the last reading took


class Follower:
    """The scalars that a program has logged so far, in any of the layouts that the reader knows."""

    def __init__(self, run: Path) -> None:
        self._run = run
        self._contents: dict[EventFileInfo, Contents] = {}
        self._next = 0.0

    @property
    def is_due(self) -> bool:
        """Whether it is time to read again."""
        return time.monotonic() >= self._next

    def scalars(self) -> Mapping[str, Series]:
        """Return all scalars by tag; only files that have changed are read."""
        begin = time.monotonic()
        found, self._contents = scalars_below(self._run, self._contents)
        end = time.monotonic()
        self._next = end + _SHARE * (end - begin)
        return found
