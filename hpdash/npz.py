"""Named arrays in one file that NumPy reads everywhere; nothing in it is pickled, every byte of it is checked."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

DAMAGE = (  # what NumPy, zip files and JSON raise on bytes that are not theirs
    OSError, EOFError, ValueError, LookupError, TypeError, AttributeError, RuntimeError, MemoryError,
    zipfile.BadZipFile, zlib.error,
)  # fmt: skip

Array = np.ndarray[Any, np.dtype[Any]]


def write(path: Path, arrays: Mapping[str, Array], sync: bool = True) -> None:
    """Write arrays as they are, with `sync` onto the disk; OSError, and no file, where it refuses them."""
    try:
        with path.open("wb") as file:  # as it is written: a copy in memory could be too much
            np.savez(file, **arrays)  # type: ignore[arg-type]  # a name is no option of savez
            file.flush()
            if sync:
                os.fsync(file.fileno())
    except OSError:
        path.unlink(missing_ok=True)  # the journal needs the room that is left
        raise


def read(path: Path) -> dict[str, Array]:
    """Read all arrays, in the order in which they were written; one of `DAMAGE` where it is cut off or no such file."""
    if not zipfile.is_zipfile(path):  # NumPy would speak of pickles
        path.stat()
        raise ValueError("it is cut off or holds no arrays")
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}
