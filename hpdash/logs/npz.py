"""Named arrays in one .npz file. Nothing in it is pickled, and reading checks every byte."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

# What NumPy and zipfile raise for a missing or damaged file, and what decoding its content raises (checkpoint.py)
DAMAGE = (
    OSError, EOFError, ValueError, LookupError, TypeError, AttributeError, RuntimeError, MemoryError,
    zipfile.BadZipFile, zlib.error,
)  # fmt: skip

Array = np.ndarray[Any, np.dtype[Any]]
_RESERVED = ("file", "allow_pickle")  # parameters of numpy.savez, so no names for arrays


def write(path: Path, arrays: Mapping[str, Array], sync: bool = True) -> None:
    """Write arrays to a file; with `sync`, wait until they are on the disk.

    Raises ValueError if an array has Python objects, or one of the names "file" and "allow_pickle". If the disk
    refuses, remove the file and raise OSError.
    """
    for name, array in arrays.items():
        if name in _RESERVED:
            raise ValueError(f"expected another name than {name!r} for an array, because numpy.savez uses it itself")
        if np.asarray(array).dtype.hasobject:
            raise ValueError(f"{name!r}: expected an array of numbers or texts, found Python objects")
    try:
        with path.open("wb") as file:  # savez writes into the file directly; a copy in memory could be too large
            np.savez(file, **arrays)  # type: ignore[arg-type]  # no name is a parameter of savez
            file.flush()
            if sync:
                os.fsync(file.fileno())
    except OSError:
        path.unlink(missing_ok=True)  # if the disk is full, this makes room for the journal
        raise


def read(path: Path) -> dict[str, Array]:
    """Read all arrays, in the order in which they were written.

    Raises one of `DAMAGE` if the file is missing, cut off or damaged.
    """
    if not zipfile.is_zipfile(path):  # also false if the file is missing
        path.stat()  # raises FileNotFoundError if it is
        raise ValueError("the file is incomplete or not in npz format")  # NumPy's message would be about pickles
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}
