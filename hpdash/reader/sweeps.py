"""Read what a sweep's folder records about its trials besides event files: `sweep.json`, the journal and the lock."""

from __future__ import annotations

import json
import os
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import LogdirError
from ..goal import Goal
from ..journal.journal import Transition
from ..journal.of_runs import current_journal
from ..logs import layout
from ..records import TrialState, program_of
from ..runs import Objective
from ..sweep_folder.sweep_json import SCHEMA
from ..testset import Evaluation


@dataclass(frozen=True, slots=True)
class SharedSettings:
    """What all trials of a sweep share.

    A trial's number is setting * repeats + replicate, its seed is seed + replicate. `accepted` has the code and data
    files whose changes were accepted while the sweep ran, and how often. `is_program` says that trials are programs.
    """

    repeats: int
    seed: int
    swept: tuple[str, ...]
    objective: Objective
    schema: int = SCHEMA
    accepted: Mapping[str, int] = field(default_factory=dict)
    is_program: bool = False


@dataclass(frozen=True, slots=True)
class SweepState:
    """What a sweep's folder records; `name` is the folder's name in this logdir.

    `latest` has the last transition of each trial in the journal, `started` the time at which its last attempt started,
    in unix seconds. `is_live` says that a trial is running and a driver holds the lock. `evaluations` are those on the
    test set.
    """

    folder: Path
    name: str
    settings: SharedSettings | None = None
    latest: Mapping[int, Transition] = field(default_factory=dict)
    started: Mapping[int, float] = field(default_factory=dict)
    is_live: bool = False
    warnings: tuple[str, ...] = ()
    evaluations: tuple[Evaluation, ...] = ()

    def knows(self, folder: str) -> bool:
        """Return whether a folder's name is that of a trial in the journal."""
        parsed = layout.parse_run_name(folder)
        return parsed is not None and parsed[0] in self.latest

    def facts(self, number: int) -> dict[str, Any]:
        """Return what is known about a trial, as fields of a Run.

        A trial whose last state in the journal is running counts as interrupted if no driver is running the sweep.
        """
        facts: dict[str, Any] = {"sweep": self.name, "number": number, "evaluations": self.evaluations}
        if self.settings:
            setting, repeat = divmod(number, self.settings.repeats)
            group, seed = layout.session_group(self.name, setting), self.settings.seed + repeat
            facts |= {"group": group, "seed": seed, "swept": self.settings.swept, "objective": self.settings.objective}
            facts |= {"accepted": self.settings.accepted, "is_program": self.settings.is_program}
        if record := self.latest.get(number):
            is_orphan = record.state is TrialState.RUNNING and not self.is_live
            facts["status"] = TrialState.INTERRUPTED if is_orphan else record.state
            facts |= {"attempt": record.attempt, "result": record.result}
            if number in self.started:
                facts["started"] = self.started[number]
        return facts


MARKS = (layout.SWEEP_JSON, layout.JOURNAL)


def read_sweep(folder: Path, name: str) -> SweepState:
    """Read a sweep's folder; what is missing or damaged is left out and named in the warnings."""
    warnings = []
    settings, latest, started, evaluations = None, {}, {}, tuple[Evaluation, ...]()
    try:
        settings = read_settings(folder / layout.SWEEP_JSON)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        reason = f"cannot be read ({type(error).__name__}: {error})"
        found = "missing" if isinstance(error, FileNotFoundError) else reason
        unknown = "Seeds, groups and the objective of the sweep's runs are therefore unknown."
        warnings.append(f"{folder / layout.SWEEP_JSON}: {found}. {unknown}")
    if settings and settings.schema > SCHEMA:
        newer = f"written by a newer hpdash (schema {settings.schema}, this version reads up to {SCHEMA})"
        warnings.append(f"{folder / layout.SWEEP_JSON}: {newer}. Some information may be missing: update hpdash.")
    try:
        journal = current_journal(folder / layout.JOURNAL)
        latest, evaluations = journal.latest, tuple(each.evaluation for each in journal.evaluations)
        started = {record.trial: record.time for record in journal.transitions if record.state is TrialState.RUNNING}
        warnings += [f"{folder}: {warning}" for warning in journal.warnings]
    except LogdirError as error:
        warnings.append(str(error))
    runs_on = any(record.state is TrialState.RUNNING for record in latest.values())
    is_live = runs_on and is_held(folder / layout.LOCK)
    return SweepState(folder, name, settings, latest, started, is_live, tuple(warnings), evaluations)


def stamp(folder: Path) -> Hashable:
    """Return a value that changes when `read_sweep` would return something else for a folder."""
    keys: list[Hashable] = []
    for name in MARKS:
        try:
            status = (folder / name).stat()
        except OSError as error:
            keys.append(error.errno)
        else:
            keys.append((status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino))
    return (*keys, is_held(folder / layout.LOCK))


def read_settings(path: Path) -> SharedSettings:
    """Read what all trials of a sweep share from its `sweep.json`.

    Raises OSError if the file cannot be read, and ValueError, LookupError, TypeError, AttributeError or RecursionError
    if it is damaged.
    """
    known = json.loads(path.read_bytes())
    given, name = known["settings"], str(known["settings"]["objective"])
    is_program = program_of(given["train"]) is not None
    metric = name.removeprefix(layout.VALIDATION_PREFIX)
    tag = name if is_program else name.removesuffix(metric) + layout.epoch_tag(metric)
    swept = tuple(str(column["name"]) for column in known["columns"] if column["swept"])
    objective = Objective(name, tag, Goal(given["goal"]))
    accepted = {str(file): int(count) for file, count in dict(known.get("accepted", {})).items()}
    schema = int(known.get("schema", SCHEMA))
    return SharedSettings(max(1, given["repeats"]), int(given["seed"]), swept, objective, schema, accepted, is_program)


def is_held(lock: Path) -> bool:
    """Return whether a driver holds a sweep's lock, by taking a shared one for a moment; True if that is impossible."""
    try:
        import fcntl  # noqa: PLC0415 - Windows has none

        file = os.open(lock, os.O_RDONLY | os.O_NONBLOCK)  # do not wait for a writer if it is a pipe
    except FileNotFoundError:
        return False
    except (ImportError, OSError):
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(file)
    return False
