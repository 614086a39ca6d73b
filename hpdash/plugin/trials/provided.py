"""The runs of TensorBoard's data provider, for a TensorBoard that was not started with one folder on this machine.

A data provider has the curves and HParams sessions of runs. It has no journals. So errors, attempts, rungs and a
sweep's objective are unknown, and the only states are finished and failed.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import Any

from ...logs import layout
from ...reader import runs_of_contents
from ...reader.events import Contents
from ...reader.sessions import HParamsSession
from ...runs import Logdir, Run, Series
from ..sessions import read_records
from ..source import Source
from ..sweeps import sweep_of
from .logdir import Snapshot

MISSING = (
    "TensorBoard was not started with one folder on this machine, so this page only has what TensorBoard has read:"
    " curves and HParams sessions. It lacks running, pruned and interrupted states, errors, attempts, rungs and"
    " weights. Start TensorBoard with --logdir FOLDER, or use hpdash board FOLDER, to see them."
)
PLACE = "TensorBoard's data"
_FRESH = 2.0  # seconds for which a snapshot is reused, by any number of open pages


@dataclass(slots=True)
class _Known:
    """What was read of an experiment: the contents of each run with a stamp that changes when the run does."""

    contents: dict[str, tuple[object, Contents]] = field(default_factory=dict)
    snapshot: Snapshot | None = None
    digest: str = ""
    checked_at: float = -_FRESH


class ProvidedRuns:
    """The runs of a data provider, read again when they change. Threads may share one instance."""

    def __init__(self) -> None:
        self._lock, self._start = Lock(), secrets.token_hex(4)
        self._experiments: dict[str, _Known] = {}

    def current(self, source: Source) -> Snapshot:
        """Return the runs as they are now, or as they were a short time ago."""
        with self._lock:
            known = self._experiments.setdefault(source.experiment, _Known())
            if known.snapshot is None or time.monotonic() - known.checked_at >= _FRESH:
                known.snapshot = self._updated(source, known)
                known.checked_at = time.monotonic()
            return known.snapshot

    def _updated(self, source: Source, known: _Known) -> Snapshot:
        listing, records = source.scalar_listing(), read_records(source)
        sessions = records.sessions.by_run
        stamps = {run: (_ends(listing.get(run, {})), sessions.get(run)) for run in {*listing, *sessions}}
        digest = hashlib.sha256(repr(sorted(stamps.items())).encode("utf-8", "backslashreplace")).hexdigest()[:16]
        if known.snapshot is not None and digest == known.digest:
            return known.snapshot
        changed = [run for run in stamps if known.contents.get(run, ("",))[0] != stamps[run]]
        series = dict(source.series([run for run in changed if run in listing]))
        fresh = {run: (stamps[run], _contents(series.get(run, {}), sessions.get(run))) for run in changed}
        known.contents = {run: fresh.get(run) or known.contents[run] for run in stamps}
        known.digest = digest  # only now: if reading fails, the next request tries again
        described = tuple(_described(run, records.swept) for run in _runs(known.contents))
        return Snapshot(Logdir(Path(), described, (MISSING,)), f"{self._start}-{digest}", {}, PLACE)


def _ends(tags: Mapping[str, Any]) -> tuple[tuple[str, int, float], ...]:
    """Return a value that changes when one of a run's scalars has more points."""
    return tuple(sorted((tag, series.max_step, series.max_wall_time) for tag, series in tags.items()))


def _contents(scalars: dict[str, Series], session: HParamsSession | None) -> Contents:
    begins = [float(series.times[0]) for series in scalars.values() if len(series.times)]
    return Contents(scalars, session=session or HParamsSession(), first_time=min(begins, default=None))


def _runs(contents: Mapping[str, tuple[object, Contents]]) -> list[Run]:
    """Return the runs, sorted by name; those of each sweep are made separately, as the reader does it."""
    by_sweep: dict[str, dict[str, Contents]] = {}
    for name, (_, own) in contents.items():
        by_sweep.setdefault(sweep_of(name), {})[name] = own
    runs = [run for own in by_sweep.values() for run in runs_of_contents(own)]
    return sorted(runs, key=lambda run: run.name)


def _described(run: Run, swept: tuple[str, ...]) -> Run:
    """Return a run with its sweep and its number, if its name is one that hpdash gives; `swept` are the swept names."""
    sweep, parsed = sweep_of(run.name), layout.parse_run_name(run.name.rpartition("/")[2])
    own = tuple(name for name in swept if name in run.hparams)
    return replace(run, sweep=sweep or None, number=parsed[0] if sweep and parsed else None, swept=own)
