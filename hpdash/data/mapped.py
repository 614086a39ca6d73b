"""Data sets whose arrays are in files: processes map the files into memory, so all of them share one copy."""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from ..nested import map_leaves
from .dataset import Array, Dataset, blocks, data_error


@dataclass(frozen=True, slots=True)
class MappedArray:
    """An array of a shape and a type (`"<f4"`), in C order, that starts at the byte `offset` of a file."""

    file: Path
    offset: int
    dtype: str
    shape: tuple[int, ...]

    def open(self) -> Array:
        """Map the array, read-only: only the pages that are read take memory, and the system can drop them again."""
        return np.asarray(np.memmap(self.file, np.dtype(self.dtype), "r", self.offset, self.shape))


@dataclass(frozen=True, slots=True)
class MappedDataset:
    """The fields of a `Dataset`, with a `MappedArray` instead of each array; it can be sent to another process."""

    fields: Mapping[str, Any]

    def open(self) -> Dataset:
        """Return the data set, with its arrays mapped; they are not checked again."""
        opened = {
            name: map_leaves(lambda each: each.open() if isinstance(each, MappedArray) else each, value)
            for name, value in self.fields.items()
        }
        return Dataset(**{**opened, "is_checked": True})


def to_files(dataset: Dataset, folder: Path) -> MappedDataset:
    """Write the arrays of a data set into a folder, which is created. Arrays that are mapped already are not copied.

    Raises DataError if the disk refuses.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    paths = (folder / f"array-{number}" for number in count())

    def stored(value: Any) -> Any:
        return (mapped(value) or _write(value, paths)) if isinstance(value, np.ndarray) else value

    return MappedDataset({each.name: map_leaves(stored, getattr(dataset, each.name)) for each in fields(dataset)})


def mapped(array: Array) -> MappedArray | None:
    """Return where in a file a mapped array is; None if it is not mapped, or not in C order.

    An array that is mapped copy-on-write may differ from its file, so it does not count as mapped.
    """
    root: Any = array
    while isinstance(root, np.ndarray) and not isinstance(root.base, mmap.mmap):
        root = root.base
    if not isinstance(root, np.memmap) or root.filename is None or root.mode == "c" or not array.flags.c_contiguous:
        return None
    offset = root.offset + array.ctypes.data - root.ctypes.data
    return MappedArray(Path(root.filename).absolute(), offset, array.dtype.str, array.shape)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Convert an OSError while arrays are written into a DataError with the path, the cause and the remedy."""
    try:
        yield
    except OSError as error:
        hint = "Make room there, or set $HPDASH_DATA to another folder."
        raise data_error(
            str(path), "a place for the arrays of a data set", error.strerror or str(error), hint
        ) from error


def _write(array: Array, paths: Iterator[Path]) -> MappedArray:
    path = next(paths)
    with writing(path), path.open("wb") as file:
        for block in blocks(array):
            file.write(np.ascontiguousarray(block).data)
    return MappedArray(path, 0, array.dtype.str, array.shape)
