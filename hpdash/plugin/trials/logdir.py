"""The logdir of TensorBoard, read by hpdash's own reader: journals know more than TensorBoard's data provider does."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from ...analysis.rows import by_sweep
from ...errors import HpdashError
from ...reader import LogdirReader
from ...runs import Logdir, Run
from ...sweep_folder import sweep_json
from ..arguments import RefusedError, shorten
from ..sweeps import ALL_SWEEPS

_FRESH = 1.0  # seconds for which what was read is used again, by any number of open pages
_REST = 10  # the files of runs are checked again after this many times the time that the last check took


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """A logdir at one time; `version` changes whenever a run or a sweep does.

    `planned` maps a sweep to its number of trials. `place` is the name of the logdir in messages.
    """

    logdir: Logdir
    version: str
    planned: Mapping[str, int]
    place: str

    @property
    def sweeps(self) -> dict[str | None, list[Run]]:
        """The runs of each sweep; those of no sweep are under None."""
        return by_sweep(self.logdir.runs)

    def runs_of(self, sweep: str) -> Sequence[Run]:
        """Return the runs of a sweep, for "" those that belong to none, for `ALL_SWEEPS` all of them.

        All runs together only have the hyperparameters that all sweeps share, and their sweep as another one. Raises
        RefusedError if there are no such runs.
        """
        sweeps = self.sweeps
        found = _joined(list(sweeps.values())) if sweep == ALL_SWEEPS else sweeps.get(sweep or None)
        if not found:
            what = f"a sweep {shorten(sweep)}" if sweep else "a run without a sweep"
            raise RefusedError(f"There is no longer {what} in {self.place}.", 404)
        return found

    def run(self, name: str) -> Run:
        """Return the run with an id; raises RefusedError if there is none."""
        found = next((run for run in self.logdir.runs if run.id == name), None)
        if found is None:
            raise RefusedError(f"There is no longer a trial {shorten(name)} in {self.place}.", 404)
        return found


def _joined(sweeps: Sequence[Sequence[Run]]) -> list[Run]:
    names = [set().union(*(run.hparams for run in runs)) for runs in sweeps]
    shared = set.intersection(*names) if names else set()
    return [
        replace(
            run,
            hparams={**{name: run.hparams[name] for name in run.hparams if name in shared}, "sweep": run.sweep or ""},
            swept=("sweep", *(name for name in run.swept if name in shared and name != "sweep")),
        )
        for runs in sweeps
        for run in runs
    ]


class WatchedLogdir:
    """A logdir that is read again when its files change. Threads may share one instance."""

    def __init__(self, path: str) -> None:
        self._path, self._lock = Path(path), threading.Lock()
        self._reader = LogdirReader(path)
        self._checked_at, self._next_full_check = -_FRESH, 0.0
        self._count, self._start = 0, secrets.token_hex(4)  # another TensorBoard process has other versions
        self._snapshot: Snapshot | None = None
        self._is_prepared = False

    def prepare(self) -> None:
        """Start to read the logdir in the background, once, so that the first request has to wait less."""
        if not self._is_prepared:
            self._is_prepared = True
            threading.Thread(target=self._try_current, daemon=True).start()

    def _try_current(self) -> None:
        with suppress(RefusedError):  # a request reports it
            self.current()

    def current(self) -> Snapshot:
        """Return the logdir as it is now, or as it was a short time ago; raises RefusedError if it cannot be read."""
        with self._lock:
            now = time.monotonic()
            if self._snapshot is None or now - self._checked_at >= _FRESH:
                self._snapshot = self._check(self._snapshot, now)
                self._checked_at = time.monotonic()
            return self._snapshot

    def _check(self, before: Snapshot | None, now: float) -> Snapshot:
        """Check all files for changes, or only the journals of known sweeps if all were checked a short time ago."""
        if before is not None and now < self._next_full_check and not self._reader.sweeps_changed():
            return before
        found = self._updated()
        after = time.monotonic()
        self._next_full_check = after + _REST * (after - now)
        return found

    def _updated(self) -> Snapshot:
        try:
            found = self._reader.read()
        except HpdashError as error:
            if self._path.is_dir():
                raise RefusedError(f"{error}", 503) from error
            found = Logdir(self._path, (), (f"{self._path}: there is no such folder yet",))
        if self._snapshot is not None and found is self._snapshot.logdir:
            return self._snapshot
        self._count += 1
        return Snapshot(found, f"{self._start}-{self._count}", sweep_json.planned(found.runs), str(self._path))
