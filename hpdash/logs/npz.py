"""Named arrays in one .npz file. Nothing in it is pickled, and reading checks every byte."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

DAMAGE = (  # what NumPy, zipfile and JSON raise for invalid bytes
    OSError, EOFError, ValueError, LookupError, TypeError, AttributeError, RuntimeError, MemoryError,
    zipfile.BadZipFile, zlib.error,
)  # fmt: skip

Array = np.ndarray[Any, np.dtype[Any]]


def write(path: Path, arrays: Mapping[str, Array], sync: bool = True) -> None:
    """Write arrays to a file; with `sync`, wait until they are on the disk.

    If the disk refuses, remove the file and raise OSError.
    """
    try:
        with path.open("wb") as file:  # savez writes into the file directly; a copy in memory could be too large
            np.savez(file, **arrays)  # type: ignore[arg-type]  # the names are not options of savez
            file.flush()
            if sync:
                os.fsync(file.fileno())
    except OSError:
        path.unlink(missing_ok=True)  # the journal needs the space that is left
        raise


def read(path: Path) -> dict[str, Array]:
    """Read all arrays, in the order in which they were written.

    Raises one of `DAMAGE` if the file is missing, cut off or damaged.
    """
    if not zipfile.is_zipfile(path):  # NumPy's error would be about pickles
        path.stat()
        raise ValueError("the file is incomplete or not in npz format")
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}
