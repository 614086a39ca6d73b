"""A user's own `.npz` file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from .arrays import NAMES, from_arrays
from .dataset import Dataset, fault
from .zipped import read_npz


def load_npz(name: str, folder: Path) -> Dataset:
    """Load a `.npz` file, looked for from the sweep file's folder, with the arrays that `from_arrays` takes."""
    path = folder / Path(name).expanduser()
    if not path.is_file():
        raise fault("data.name", f"a file at {path}", "none", "A path counts from the sweep file's folder.")
    return from_arrays(name, read_npz(path, (*NAMES, "x", "y"), _numbers_only))


def _numbers_only(name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    if dtype.kind not in "biuf" or not shape:
        raise fault(name, "an array of numbers", f"{dtype} of shape {shape}")
