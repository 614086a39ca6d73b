"""Read `.npz` files: each array directly into aligned memory, after its header has been checked."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from ..errors import DataError
from .dataset import Array, data_error

ALIGNMENT = 64  # bytes; TensorFlow uses aligned memory without a copy, by DLPack
_BLOCK = 1 << 20
_BEST_DEFLATE = 1032  # no entry inflates by more than this factor, so a header that claims more is false

Accept = Callable[[str, tuple[int, ...], np.dtype[Any]], None]


def empty(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Return an uninitialised C-ordered array that starts at a multiple of 64 bytes."""
    size = math.prod(shape) * dtype.itemsize
    room = np.empty(size + ALIGNMENT, np.uint8)
    start = -room.ctypes.data % ALIGNMENT
    return room[start : start + size].view(dtype).reshape(shape)


def aligned(array: Array) -> Array:
    """Return the array itself if it is C-ordered and aligned, else a copy that is."""
    if array.flags.c_contiguous and array.ctypes.data % ALIGNMENT == 0:
        return array
    copy = empty(array.shape, array.dtype)
    copy[...] = array
    return copy


def names_in(path: Path) -> list[str]:
    """Return the names of the arrays in a `.npz` file; raise DataError if it is not one."""
    try:
        with zipfile.ZipFile(path) as bundle:
            return [name.removesuffix(".npy") for name in bundle.namelist() if name.endswith(".npy")]
    except Exception as error:
        raise _damaged(path, error) from error


def headers(path: Path, names: Iterable[str]) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
    """Return (shape, dtype) of each named array that a `.npz` file has; raise DataError if it is not such a file."""
    try:
        with zipfile.ZipFile(path) as bundle:
            found = {}
            for name in names:
                if f"{name}.npy" in bundle.namelist():
                    with bundle.open(f"{name}.npy") as member:
                        shape, _, dtype = _header(member)
                        found[name] = shape, dtype
            return found
    except Exception as error:
        raise _damaged(path, error) from error


def read_npz(path: Path, names: Iterable[str], accept: Accept) -> dict[str, Array]:
    """Read those of the named arrays that a `.npz` file has, without a second copy of a C-ordered array.

    `accept(name, shape, dtype)` is called before memory is allocated for an array, and raises if it is not wanted.
    Raises DataError, which names the file, if the file is invalid. Nothing is ever unpickled.
    """
    try:
        with zipfile.ZipFile(path) as bundle:
            entries = {info.filename: info for info in bundle.infolist()}
            found = [name for name in names if f"{name}.npy" in entries]
            return {name: _read(bundle, entries[f"{name}.npy"], name, accept, path.stat().st_size) for name in found}
    except DataError:
        raise
    except Exception as error:  # zipfile, zlib and NumPy raise a dozen kinds for damaged bytes
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> DataError:
    return data_error(str(path), "a valid .npz file", f"{type(error).__name__}: {error}")


def _read(bundle: zipfile.ZipFile, info: zipfile.ZipInfo, name: str, accept: Accept, on_disk: int) -> Array:
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{name} is compressed in a way that numpy does not write")
    with bundle.open(info) as member:
        shape, fortran, dtype = _header(member)
        if dtype.hasobject:
            raise ValueError(f"{name} holds pickled Python objects, which are never loaded")
        accept(name, shape, dtype)
        size, held = math.prod(shape) * dtype.itemsize, info.file_size - member.tell()
        if size != held or held > _BEST_DEFLATE * on_disk:
            raise ValueError(f"{name} declares {size:,} bytes, but its entry has {held:,}, and the file {on_disk:,}")
        array = empty(shape[::-1] if fortran else shape, dtype)
        _fill(array.reshape(-1).view(np.uint8), member, name)
    return aligned(array.T) if fortran else array


def _header(member: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = npy.read_magic(member)
    if version == (1, 0):
        return npy.read_array_header_1_0(member)
    if version == (2, 0):
        return npy.read_array_header_2_0(member)
    raise ValueError(f"version {version} of the .npy format is not supported")


def _fill(room: Array, member: IO[bytes], name: str) -> None:
    done = 0
    while done < len(room):
        block = member.read(min(_BLOCK, len(room) - done))
        if not block:
            raise EOFError(f"{name} ends after {done:,} of {len(room):,} bytes")
        room[done : done + len(block)] = np.frombuffer(block, np.uint8)
        done += len(block)
    member.read(1)  # zipfile checks the checksum only when it reads past the end
