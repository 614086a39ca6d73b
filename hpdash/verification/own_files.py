"""What a sweep says of itself: `sweep.json`, which it goes by, and `sweep.toml`, the file as given."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

from .. import logdir
from ..errors import LogdirError
from ..kept import SCHEMA
from ..provenance import Provenance, changed_files
from ..reader.sweeps import read_settings
from .findings import Finding, Make, Severity

_FAULTS = (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError)


def read_bytes(path: Path) -> bytes:
    """Read a file whole; OSError where it cannot be, or where it is no plain one: a pipe would be waited for."""
    if path.exists() and not path.is_file():
        raise OSError(0, "not a plain file")
    return path.read_bytes()


def said(error: Exception) -> str:
    """Say what an error says, in a line."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return f"{type(error).__name__}: {error}"[:200]


def look_at_record(path: Path, make: Make) -> tuple[int | None, list[Finding]]:
    """Return how many trials a sweep has, None where nobody knows, and what is wrong with its record."""
    try:
        data = json.loads(read_bytes(path))
        if data["schema"] > SCHEMA:
            what = f"schema {data['schema']}, of a newer hpdash than this one, which knows {SCHEMA}"
            affected, advice = "nothing: it is read as far as it is known", "Update hpdash to go on with the sweep."
            return None, [make(path, what, affected, advice, severity=Severity.NOTE)]
        read_settings(path)
        return int(data["trials"]), []
    except _FAULTS as error:
        affected = "the sweep cannot go on; its runs are read, without their groups, seeds and objective"
        advice = (
            "Put back a copy. Without one, start `hpdash sweep FILE` with another --logdir, stop it when the first"
            f" trial has begun, and copy its {path.name} here: of the same file it says the same."
        )
        return None, [make(path, f"not a sweep's record ({said(error)})", affected, advice)]


def look_at_origins(path: Path, make: Make) -> list[Finding]:
    """Return which of the user's modules and data files have changed since a sweep was trained with them."""
    try:
        data = json.loads(read_bytes(path))
        before, folder = Provenance.from_json(data["provenance"]), Path(str(data["folder"]))
        changed = changed_files(before, folder)
    except (*_FAULTS, LogdirError):  # of a version that did not record them, or damaged, which is told elsewhere
        return []
    advice = "Put back what it was, or go on with --accept-changes."
    affected = "nothing that is here; the sweep does not go on by itself"
    return [
        make(folder / name, f"{how} since the sweep was trained with it", affected, advice, severity=Severity.NOTE)
        for name, how in changed.items()
    ]


def look_at_source(path: Path, make: Make) -> list[Finding]:
    """Return what is wrong with a sweep's file as given."""
    try:
        tomllib.loads(read_bytes(path).decode())
    except _FAULTS as error:
        affected = f"what `hpdash show` and `hpdash report` print of it; the sweep goes by its {logdir.SWEEP_JSON}"
        return [make(path, f"not the sweep's file ({said(error)})", affected, "Copy the sweep's file here.")]
    return []
