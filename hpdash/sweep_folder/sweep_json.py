"""The record of a sweep in its folder, for code that only reads: damage gives None, never an error."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..facts import FROM_OLD_VERSION, SweepFacts
from ..logs import layout
from ..runs import Run
from .provenance import Provenance

SCHEMA = 2  # of `sweep.json` and the journal


@dataclass(frozen=True, slots=True)
class SweepRecord:
    """A sweep's normalised file, its maximum number of trials, the versions it ran with, and its file as given.

    `settings` is the normalised file. It has the name in use: `quickstart-2` if the name in the file was taken.
    `folder` is where the modules and files named in the file were, None if that was not recorded. `known` has the facts
    about its data and builders. `provenance` has the digests of the user's code and data, None if an older version did
    not record them. `file_name` is the name in the file.
    """

    settings: Mapping[str, Any]
    trials: int
    versions: Mapping[str, str | None]
    source: str
    folder: str | None = None
    known: SweepFacts = FROM_OLD_VERSION
    provenance: Provenance | None = None
    file_name: str = ""


def record_of(run: Run) -> SweepRecord | None:
    """Return the record of a run's sweep, None if the run has no sweep or if the record is damaged."""
    if run.sweep is None:
        return None
    try:
        data = json.loads((run.sweep_folder / layout.SWEEP_JSON).read_bytes())
        source = (run.sweep_folder / layout.SWEEP_TOML).read_text(errors="replace")
        known = SweepFacts.from_json(data.get("known"))
        settings = _checked({**data["settings"], "name": str(data["name"])})
        versions = {str(name): found and str(found) for name, found in data["versions"].items()}
        there, origin = data.get("folder"), data.get("provenance")
        provenance = Provenance.from_json(origin) if origin else None
        file_name, folder = str(data["settings"]["name"]), there and str(there)
        return SweepRecord(settings, int(data["trials"]), versions, source, folder, known, provenance, file_name)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError):
        return None


def _checked(settings: dict[str, Any]) -> dict[str, Any]:
    """Return a normalised file unchanged; raises TypeError if a table, a list or `repeats` is not of its type."""
    kinds = {"data": dict, "model": dict, "train": dict, "log": dict, "hparams": list, "trial": list, "repeats": int}
    for name, kind in kinds.items():
        if not isinstance(settings.get(name, kind()), kind):
            raise TypeError(f"{name} is not of the type {kind.__name__}")
    return settings


def planned(runs: Iterable[Run]) -> dict[str, int]:
    """Return how many trials each sweep of these runs has, started or not.

    For a sweep that prunes this is the least number, because it may leave out replicates. Damaged sweeps are left out,
    and the sweep of a run whose folder was read alone.
    """
    one_each = {run.sweep: run for run in runs if run.sweep is not None and run.name != "."}
    return {sweep: _at_least(about) for sweep, run in one_each.items() if (about := record_of(run))}


def _at_least(about: SweepRecord) -> int:
    return about.trials // max(1, int(about.settings.get("repeats", 1))) if "prune" in about.settings else about.trials
