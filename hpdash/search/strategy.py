"""The protocol of search strategies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from .evidence import Evidence


class Strategy(Protocol):
    """The settings to try; each follows from the sweep, its index and the evidence on the settings before it."""

    @property
    def count(self) -> int:
        """How many settings there are."""

    def point(self, index: int, known: Sequence[Evidence] = ()) -> dict[str, Any]:
        """Return the setting at an index from 0 to count - 1; hyperparameters that do not apply are absent.

        `known` is the evidence on the settings from 0 to index - 1; strategies that do not learn ignore it.
        """
