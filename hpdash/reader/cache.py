"""A cache of the contents of event files, kept outside the logdir. A cache file that cannot be read is ignored.

There is one cache file per logdir: the CRC-32C of all that follows (u32), the size of the JSON (u64), the JSON, and the
numbers that the JSON refers to, 8 bytes each. An entry is valid as long as its event file has the same size, times of
change and inode. The tags, the numbers of values and the names of hyperparameters of a file are its shape. Most files
have the same shape, so each shape is stored once.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from ..records import TrialState
from ..runs import Damage, Series
from .events import Contents
from .folders import EventFileInfo
from .sessions import HParamsSession

_VERSION = 2
_MOST = 50  # cache files, one per logdir
_sum, _size = struct.Struct("<I"), struct.Struct("<Q")
_Counts = tuple[tuple[str, int], ...]
_Shape = tuple[_Counts, _Counts, tuple[str, ...]]  # scalars, histograms, hyperparameters
_FAULTS = (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError, RuntimeError, struct.error)


def load(root: Path, files: Iterable[EventFileInfo]) -> dict[str, Contents]:
    """Return the cached contents of the files that have not changed, by path; empty if the cache cannot be read."""
    try:
        stored, numbers = _read(_place(root))
        whole, real = np.frombuffer(numbers, np.int64), np.frombuffer(numbers, np.float64)
        entries, shapes = stored["files"], stored["shapes"]
        return {
            file.path: _contents(file.path, entry, shapes[entry["shape"]], whole, real)
            for file in files
            if (entry := entries.get(file.path)) and entry["key"] == list(file.key)
        }
    except _FAULTS:
        return {}


def save(root: Path, files: Iterable[EventFileInfo], contents: Mapping[str, Contents]) -> None:
    """Replace the cache file of a logdir, and remove the oldest cache files if there are too many.

    `contents` has the contents of each file, by path. Errors are ignored, because the event files can be read again.
    """
    with suppress(*_FAULTS):
        place, numbers, shapes = _place(root), bytearray(), dict[_Shape, int]()
        entries = {file.path: _entry(file, contents[file.path], numbers, shapes) for file in files}
        stored = {"version": _VERSION, "shapes": [*shapes], "files": entries}
        text = json.dumps(stored, separators=(",", ":")).encode()
        rest = b"".join((_size.pack(len(text)), text, numbers))
        place.parent.mkdir(parents=True, exist_ok=True)
        _replace(place, _sum.pack(google_crc32c.value(rest)) + rest)
        kept = sorted(place.parent.iterdir(), key=lambda path: path.stat().st_mtime_ns, reverse=True)
        for old in kept[_MOST:]:
            old.unlink(missing_ok=True)


def _place(root: Path) -> Path:
    own, shared = os.environ.get("HPDASH_CACHE"), os.environ.get("XDG_CACHE_HOME")
    folder = Path(own) if own else (Path(shared) if shared else Path.home() / ".cache") / "hpdash"
    return folder / "reads" / f"{hashlib.sha256(os.fsencode(root.absolute())).hexdigest()[:32]}.read"


def _read(place: Path) -> tuple[dict[str, Any], bytes]:
    data = place.read_bytes()
    rest = data[_sum.size :]
    if google_crc32c.value(rest) != _sum.unpack_from(data)[0]:
        raise ValueError("its checksum does not fit")
    end = _size.size + _size.unpack_from(rest)[0]
    stored: dict[str, Any] = json.loads(rest[_size.size : end])
    if stored["version"] != _VERSION:
        raise ValueError("of another version")
    return stored, rest[end:]


def _replace(place: Path, data: bytes) -> None:
    """Write a file completely or not at all.

    There is no fsync: a file that a power cut left incomplete fails its checksum.
    """
    file, part = tempfile.mkstemp(dir=place.parent)
    try:
        with os.fdopen(file, "wb") as opened:
            opened.write(data)
        Path(part).replace(place)
    except OSError:
        Path(part).unlink(missing_ok=True)
        raise


def _entry(file: EventFileInfo, contents: Contents, numbers: bytearray, shapes: dict[_Shape, int]) -> dict[str, Any]:
    """Return the JSON entry of a file; add its arrays to `numbers` and its shape to `shapes`."""
    start, session = len(numbers) // 8, contents.session
    for series in contents.scalars.values():
        numbers += series.steps.tobytes() + series.values.tobytes() + series.times.tobytes()
    for steps in contents.histograms.values():
        numbers += steps.tobytes()
    scalars = tuple((tag, len(series.steps)) for tag, series in contents.scalars.items())
    histograms = tuple((tag, len(steps)) for tag, steps in contents.histograms.items())
    hparams = session.hparams
    return {
        "key": file.key,
        "start": start,
        "shape": shapes.setdefault((scalars, histograms, tuple(hparams or ())), len(shapes)),
        "hparams": None if hparams is None else [*hparams.values()],
        "session": [session.group, session.started, session.status, session.has_experiment],
        "began": contents.first_time,
        "damage": [[damage.offset, damage.reason] for damage in contents.damage],
    }


def _contents(
    path: str, entry: Mapping[str, Any], shape: _Shape, whole: NDArray[np.int64], real: NDArray[np.float64]
) -> Contents:
    """Return a file's contents from its JSON entry, its shape and the numbers of the cache file.

    `whole` and `real` are these numbers as int64 and as float64.
    """
    at, scalars, histograms = entry["start"], {}, {}
    for tag, count in shape[0]:
        middle, last, end = at + count, at + 2 * count, at + 3 * count
        scalars[tag] = Series(whole[at:middle], real[middle:last], real[last:end])
        at = end
    for tag, count in shape[1]:
        histograms[tag] = whole[at : at + count]
        at += count
    hparams = None if entry["hparams"] is None else dict(zip(shape[2], entry["hparams"], strict=True))
    group, started, status, has_experiment = entry["session"]
    session = HParamsSession(hparams, group, started, TrialState(status) if status else None, has_experiment)
    damage = tuple(Damage(Path(path), offset, reason) for offset, reason in entry["damage"])
    return Contents(scalars, histograms, session, entry["began"], damage)
