"""A user's own `.npz` file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError
from ..known import Inputs
from .arrays import MAXIMUM, NAMES, from_arrays
from .dataset import Dataset, fault, inputs_of
from .zipped import headers, names_in, read_npz


def load_npz(name: str, folder: Path) -> Dataset:
    """Load a `.npz` file, looked for from the sweep file's folder, with the arrays that `from_arrays` takes."""
    path = folder / Path(name).expanduser()
    if not path.is_file():
        raise fault("data.name", f"a file at {path}", "none", "A path counts from the sweep file's folder.")
    known = (*NAMES, "x", "y")
    if unused := [array for array in names_in(path) if array not in known]:
        hint = "Remove it from the file: hpdash would not use it."
        raise fault(f"{name}: {unused[0]}", f"no other arrays than {', '.join(known)}", unused[0], hint)
    return from_arrays(name, read_npz(path, known, _numbers_only))


def kinds(name: str, folder: Path) -> tuple[bool, Inputs] | None:
    """Return whether a `.npz` file's labels are classes, and what its inputs are, by the arrays' headers alone.

    None if the file is not there, or if it is not one that `load_npz` takes.
    """
    try:
        found = headers(folder / Path(name).expanduser(), (*NAMES, "x", "y"))
        (shape, dtype), (_, labels) = found.get("x_train") or found["x"], found.get("y_train") or found["y"]
    except (DataError, KeyError):
        return None
    return labels.kind in "biu", inputs_of(shape[1:], MAXIMUM if dtype == np.uint8 else None)


def _numbers_only(name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    if dtype.kind not in "biuf" or not shape:
        raise fault(name, "an array of numbers", f"{dtype} of shape {shape}")
