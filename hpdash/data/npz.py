"""Load a data set from a user's `.npz` file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError
from ..facts import Inputs
from ..nested import from_paths
from .arrays import KNOWN, MAXIMUM, NAMES, SHORT, check_numbers, from_arrays
from .dataset import Dataset, data_error, inputs_of
from .zipped import headers, names_in, read_npz


def load_npz(name: str, folder: Path) -> Dataset:
    """Load a `.npz` file that has the arrays that `from_arrays` takes, and no others.

    The arrays of several inputs or outputs have names with their paths: "x_train/left", or "x_train/0" for a tuple. A
    relative path is relative to `folder`, that of the sweep file. Raises DataError if the file is missing or invalid.
    """
    path = folder / Path(name).expanduser()
    if not path.is_file():
        raise data_error(
            "data.name", f"a file at {path}", "none", "Paths are relative to the folder of the sweep file."
        )
    known = (*KNOWN, *SHORT)
    names = names_in(path)
    if unused := [array for array in names if array.partition("/")[0] not in known]:
        hint = "Remove it from the file: hpdash would not use it."
        raise data_error(f"{name}: {unused[0]}", f"only the arrays {', '.join(known)}", unused[0], hint)
    if both := [array for array in names if any(other.startswith(f"{array}/") for other in names)]:
        found = f"one, and arrays below it such as {next(each for each in names if each.startswith(f'{both[0]}/'))}"
        raise data_error(f"{name}: {both[0]}", "either one array or arrays below it", found)
    arrays = read_npz(path, names, lambda array, *form: _accept(f"{name}: {array}", array, *form))
    return from_arrays(name, from_paths(arrays))


def _accept(where: str, array: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    if not (array.startswith("y") and dtype.kind in "US"):  # labels may be texts
        check_numbers(where, shape, dtype)


def kinds(name: str, folder: Path) -> tuple[bool, Inputs] | None:
    """Return whether the labels of a `.npz` file are classes, and a description of its inputs.

    Only the headers of the arrays are read. None if the file is missing or damaged, lacks x or y, has an x without
    features, or has labels with more than one column, which may be one-hot.
    """
    try:
        found = headers(folder / Path(name).expanduser(), (*NAMES, *SHORT, "x_val"))
        (shape, dtype), (rows, labels) = found.get("x_train") or found["x"], found.get("y_train") or found["y"]
    except (DataError, KeyError):
        return None
    if len(shape) < 2 or labels.kind not in "biufUS" or (len(rows) > 1 and rows[1] > 1):
        return None
    return labels.kind in "biuUS", inputs_of(shape[1:], MAXIMUM if dtype == np.uint8 else None, "x_val" in found)
