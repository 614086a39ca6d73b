"""What a sweep's folder knows of its trials beside their event files: `sweep.json`, the journal, the lock."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .. import logdir
from ..errors import LogdirError
from ..goal import Goal
from ..journal import Record, read_journal
from ..kept import SCHEMA
from ..looks import Look
from ..runs import Objective
from ..trial import TrialState


@dataclass(frozen=True, slots=True)
class Settings:
    """What all trials of a sweep share; their numbers are setting * repeats + repeat, their seeds seed + repeat."""

    repeats: int
    seed: int
    swept: tuple[str, ...]
    objective: Objective
    schema: int = SCHEMA
    accepted: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sweep:
    """A sweep's folder under the name it has in this logdir.

    `latest` has the last record of each trial that the journal knows, `started` when its last attempt began.
    """

    folder: Path
    name: str
    settings: Settings | None = None
    latest: Mapping[int, Record] = field(default_factory=dict)
    started: Mapping[int, float] = field(default_factory=dict)
    is_live: bool = False
    warnings: tuple[str, ...] = ()
    looks: tuple[Look, ...] = ()

    def knows(self, folder: str) -> bool:
        """Say whether a folder's name is that of a trial which the journal knows."""
        parsed = logdir.parse_run_name(folder)
        return parsed is not None and parsed[0] in self.latest

    def facts(self, number: int) -> dict[str, Any]:
        """Return what is known of a trial, as fields of a Run."""
        facts: dict[str, Any] = {"sweep": self.name, "number": number, "looks": self.looks}
        if self.settings:
            setting, repeat = divmod(number, self.settings.repeats)
            group, seed = logdir.session_group(self.name, setting), self.settings.seed + repeat
            facts |= {"group": group, "seed": seed, "swept": self.settings.swept, "objective": self.settings.objective}
            facts["accepted"] = self.settings.accepted
        if record := self.latest.get(number):
            is_orphan = record.state is TrialState.RUNNING and not self.is_live
            facts["status"] = TrialState.INTERRUPTED if is_orphan else record.state
            facts |= {"attempt": record.attempt, "result": record.result}
            if number in self.started:
                facts["started"] = self.started[number]
        return facts


MARKS = (logdir.SWEEP_JSON, logdir.JOURNAL)


def read_sweep(folder: Path, name: str) -> Sweep:
    """Read what a sweep's folder says of itself; what is damaged becomes a warning."""
    warnings = []
    settings, latest, started, looks = None, {}, {}, tuple[Look, ...]()
    try:
        settings = read_settings(folder / logdir.SWEEP_JSON)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        found = "none" if isinstance(error, FileNotFoundError) else f"damage ({type(error).__name__}: {error})"
        left_out = "Seeds, groups and the objective of its runs are left out."
        warnings.append(f"{folder / logdir.SWEEP_JSON}: expected a sweep's record, found {found}. {left_out}")
    if settings and settings.schema > SCHEMA:
        newer = f"expected schema {SCHEMA}, found {settings.schema}, of a newer hpdash"
        warnings.append(f"{folder / logdir.SWEEP_JSON}: {newer}. What is shown may not be all: update hpdash.")
    try:
        journal = read_journal(folder / logdir.JOURNAL)
        latest, looks = journal.latest, tuple(each.look for each in journal.looks)
        started = {record.trial: record.time for record in journal.records if record.state is TrialState.RUNNING}
        warnings += [f"{folder}: {warning}" for warning in journal.warnings]
    except LogdirError as error:
        warnings.append(str(error))
    runs_on = any(record.state is TrialState.RUNNING for record in latest.values())
    is_live = runs_on and is_held(folder / logdir.LOCK)
    return Sweep(folder, name, settings, latest, started, is_live, tuple(warnings), looks)


def read_settings(path: Path) -> Settings:
    """Read what all trials of a sweep share; whatever is wrong with the file is an error of reading or of its kind."""
    known = json.loads(path.read_bytes())
    given, name = known["settings"], str(known["settings"]["objective"])
    metric = name.removeprefix(f"{logdir.VALIDATION}/")
    tag = name.removesuffix(metric) + logdir.epoch_tag(metric)
    swept = tuple(str(column["name"]) for column in known["columns"] if column["swept"])
    objective = Objective(name, tag, Goal(given["goal"]))
    accepted = {str(file): int(count) for file, count in dict(known.get("accepted", {})).items()}
    schema = int(known.get("schema", SCHEMA))
    return Settings(max(1, given["repeats"]), int(given["seed"]), swept, objective, schema, accepted)


def is_held(lock: Path) -> bool:
    """Say whether a driver holds a sweep's lock, asking for a moment's shared one; where one cannot ask, it does."""
    try:
        import fcntl  # noqa: PLC0415 - Windows has none

        file = os.open(lock, os.O_RDONLY | os.O_NONBLOCK)  # of a pipe, no waiting for who writes it
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
