"""What event files held when they were last read, kept outside the logdir; whatever is wrong with it, it is a miss.

One file a logdir: the CRC-32C of the rest, and the rest in JSON, arrays in base64. An entry holds as long as its event
file has the same size, times of change and inode.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from ..runs import Damage, Series
from ..trial import TrialState
from .events import Contents
from .folders import EventFile
from .sessions import Session

_VERSION = 1
_MOST = 50  # logdirs
_FAULTS = (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError, RuntimeError)


def load(root: Path, files: Iterable[EventFile]) -> dict[str, Contents]:
    """Return what is known of the files as they are now, by their paths."""
    try:
        stored = _read(_place(root))
        numbers = b64decode(stored["numbers"])
        whole, real = np.frombuffer(numbers, np.int64), np.frombuffer(numbers, np.float64)
        entries = stored["files"]
        return {
            file.path: _contents(file.path, entry, whole, real)
            for file in files
            if (entry := entries.get(file.path)) and entry["key"] == list(file.key)
        }
    except _FAULTS:
        return {}


def save(root: Path, files: Iterable[EventFile], held: Mapping[str, Contents]) -> None:
    """Keep this instead of what was kept of the logdir before; where that cannot be, nothing."""
    with suppress(*_FAULTS):
        place, numbers = _place(root), bytearray()
        entries = {file.path: _entry(file, held[file.path], numbers) for file in files}
        stored = {"version": _VERSION, "files": entries, "numbers": b64encode(numbers).decode()}
        text = json.dumps(stored, separators=(",", ":")).encode()
        place.parent.mkdir(parents=True, exist_ok=True)
        _replace(place, b"%08x" % google_crc32c.value(text) + text)
        kept = sorted(place.parent.glob("*.json"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
        for old in kept[_MOST:]:
            old.unlink(missing_ok=True)


def _place(root: Path) -> Path:
    own, shared = os.environ.get("HPDASH_CACHE"), os.environ.get("XDG_CACHE_HOME")
    folder = Path(own) if own else (Path(shared) if shared else Path.home() / ".cache") / "hpdash"
    return folder / "reads" / f"{hashlib.sha256(os.fsencode(root.absolute())).hexdigest()[:32]}.json"


def _read(place: Path) -> dict[str, Any]:
    data = place.read_bytes()
    if google_crc32c.value(data[8:]) != int(data[:8], 16):
        raise ValueError("its checksum does not fit")
    stored: dict[str, Any] = json.loads(data[8:])
    if stored["version"] != _VERSION:
        raise ValueError("of another version")
    return stored


def _replace(place: Path, data: bytes) -> None:
    """Write a file whole or not at all; what a power cut leaves of it fails its checksum."""
    file, part = tempfile.mkstemp(dir=place.parent)
    try:
        with os.fdopen(file, "wb") as opened:
            opened.write(data)
        Path(part).replace(place)
    except OSError:
        Path(part).unlink(missing_ok=True)
        raise


def _entry(file: EventFile, contents: Contents, numbers: bytearray) -> dict[str, Any]:
    """Return what describes the contents of a file, and add its arrays to the numbers."""
    start, session = len(numbers) // 8, contents.session
    for series in contents.scalars.values():
        numbers += series.steps.tobytes() + series.values.tobytes() + series.times.tobytes()
    for steps in contents.histograms.values():
        numbers += steps.tobytes()
    return {
        "key": file.key,
        "start": start,
        "scalars": {tag: len(series.steps) for tag, series in contents.scalars.items()},
        "histograms": {tag: len(steps) for tag, steps in contents.histograms.items()},
        "session": [session.hparams, session.group, session.started, session.status, session.has_experiment],
        "began": contents.began,
        "damage": [[damage.offset, damage.reason] for damage in contents.damage],
    }


def _contents(path: str, entry: Mapping[str, Any], whole: NDArray[np.int64], real: NDArray[np.float64]) -> Contents:
    """Make a file's contents of what describes them and of the numbers, as integers and as floats."""
    at, scalars, histograms = entry["start"], {}, {}
    for tag, count in entry["scalars"].items():
        middle, last, end = at + count, at + 2 * count, at + 3 * count
        scalars[tag] = Series(whole[at:middle], real[middle:last], real[last:end])
        at = end
    for tag, count in entry["histograms"].items():
        histograms[tag] = whole[at : at + count]
        at += count
    hparams, group, started, status, has_experiment = entry["session"]
    session = Session(hparams, group, started, TrialState(status) if status else None, has_experiment)
    damage = tuple(Damage(Path(path), offset, reason) for offset, reason in entry["damage"])
    return Contents(scalars, histograms, session, entry["began"], damage)
