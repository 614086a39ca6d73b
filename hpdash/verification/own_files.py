"""Verify `sweep.json` (from which a sweep continues), `sweep.toml` (the file as given), and the user's files."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

from ..errors import LogdirError
from ..logs import layout
from ..reader.sweeps import read_settings
from ..sweep_folder.provenance import Provenance, changed_files
from ..sweep_folder.sweep_json import SCHEMA
from .findings import Finding, FindingFactory, Severity

_FAULTS = (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError)


def read_bytes(path: Path) -> bytes:
    """Return the contents of a file.

    Raises OSError if it cannot be read, or if it is not a plain file: reading a pipe would block.
    """
    if path.exists() and not path.is_file():
        raise OSError(0, "not a plain file")
    return path.read_bytes()


def error_text(error: Exception) -> str:
    """Return an error as text for a finding."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return f"{type(error).__name__}: {error}"[:200]


def verify_sweep_json(path: Path, make: FindingFactory) -> tuple[int | None, list[Finding]]:
    """Return the number of trials of a sweep, None if it is unknown, and what is wrong with its `sweep.json`."""
    try:
        data = json.loads(read_bytes(path))
        if data["schema"] > SCHEMA:
            what = f"written by a newer hpdash (schema {data['schema']}, this version reads up to {SCHEMA})"
            affected, advice = "nothing: this version reads what it knows of it", "Update hpdash to continue the sweep."
            return None, [make(path, what, affected, advice, severity=Severity.NOTE)]
        read_settings(path)
        return int(data["trials"]), []
    except _FAULTS as error:
        affected = "the sweep cannot continue; its runs are read without their groups, seeds and objective"
        advice = (
            "Restore a backup. Without one, run `hpdash sweep FILE` with another --logdir, stop it when the first trial"
            f" has started, and copy its {path.name} here: the same sweep file gives the same {path.name}."
        )
        return None, [make(path, f"not a valid {path.name} ({error_text(error)})", affected, advice)]


def runs_programs(path: Path) -> bool:
    """Return whether the trials of the sweep with this `sweep.json` are programs; False if it cannot be read."""
    try:
        return read_settings(path).is_program
    except _FAULTS:
        return False


def verify_provenance(path: Path, make: FindingFactory) -> list[Finding]:
    """Return a note for each of the user's modules and data files that has changed since the sweep used it."""
    try:
        data = json.loads(read_bytes(path))
        before, folder = Provenance.from_json(data["provenance"]), Path(str(data["folder"]))
        changed = changed_files(before, folder)
    except (*_FAULTS, LogdirError):  # an older version recorded none; damage is reported elsewhere
        return []
    advice = "Restore the old version, or continue with --accept-changes."
    affected = "none of the results here; the sweep continues only with --accept-changes"
    return [
        make(folder / name, f"{how} since the sweep was trained with it", affected, advice, severity=Severity.NOTE)
        for name, how in changed.items()
    ]


def verify_sweep_toml(path: Path, make: FindingFactory) -> list[Finding]:
    """Return what is wrong with the copy of the sweep file in a sweep's folder."""
    try:
        tomllib.loads(read_bytes(path).decode())
    except _FAULTS as error:
        affected = f"the file as `hpdash show` and `hpdash report` print it; the sweep itself uses {layout.SWEEP_JSON}"
        advice = f"Copy the sweep file here, as {path.name}."
        return [make(path, f"not a valid sweep file ({error_text(error)})", affected, advice)]
    return []
