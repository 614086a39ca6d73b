"""Decide from which session or name a run gets its hyperparameters, for the commands and for the Weights tab.

Runs are identified by their names in the logdir, with slashes; "." is the logdir itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from ..records import Scalar
from . import names
from .sessions import HParamsSession

ROOT = "."


def parent_of(run: str) -> str:
    """Return the name of the folder that a run is in."""
    return run.rpartition("/")[0] or ROOT


@dataclass(frozen=True, slots=True)
class Sessions:
    """The HParams sessions with hyperparameters, by the run that logged them."""

    by_run: Mapping[str, HParamsSession]
    _below: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, sessions: Mapping[str, HParamsSession]) -> Self:
        """Keep only the sessions that have hyperparameters."""
        known = {run: session for run, session in sessions.items() if session.hparams is not None}
        below: dict[str, list[str]] = {}
        for run in known:
            if run != ROOT:
                below.setdefault(parent_of(run), []).append(run)
        return cls(known, below)

    def whose(self, run: str) -> str | None:
        """Return the run whose session applies to a run, None if there is none.

        It is the run itself, else the nearest run above it, else the only run directly below it that has a session, as
        PyTorch's `add_hparams` writes it.
        """
        above = next((name for name in _upwards(run) if name in self.by_run), None)
        below = self._below.get(run, ())
        return above if above is not None else below[0] if len(below) == 1 else None

    def find(self, run: str) -> HParamsSession | None:
        """Return the session that applies to a run, None if there is none."""
        owner = self.whose(run)
        return None if owner is None else self.by_run[owner]


def _upwards(run: str) -> Iterator[str]:
    while run and run != ROOT:
        yield run
        run = run.rpartition("/")[0]
    yield ROOT


def hparams_of(runs: Sequence[str], sessions: Sessions) -> tuple[list[dict[str, Scalar]], str]:
    """Return the hyperparameters of each run, and their origin: "sessions", "names", or "none" if there are none.

    The names of the runs are used only if none of the runs has a session that applies to it.
    """
    found = [sessions.find(run) for run in runs]
    named = names.hyperparameters(runs) if runs and not any(found) else None
    hparams = named or [dict((session and session.hparams) or {}) for session in found]
    return hparams, "names" if named else "sessions" if any(found) else "none"
