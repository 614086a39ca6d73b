"""The published data sets that are stored as `<data folder>/<name>.npz`: their shapes, digests and licences."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError
from .arrays import MAXIMUM, NAMES
from .dataset import Dataset, data_error
from .zipped import read_npz

CLASSES = 10


@dataclass(frozen=True, slots=True)
class Archive:
    """A published data set of uint8 images in ten classes.

    `train` and `test` are numbers of examples, `shape` is the shape of one image. `download` is the number of bytes
    that keras.datasets fetches. `sha256` is the digest of the bytes of x_train, y_train, x_test and y_test, one after
    the other.
    """

    name: str
    description: str
    licence: str
    train: int
    test: int
    shape: tuple[int, ...]
    download: int
    sha256: str

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each of the four arrays."""
        lengths = (self.train, self.test)
        return dict(zip(NAMES, [shape for n in lengths for shape in ((n, *self.shape), (n,))], strict=True))

    def path(self, folder: Path) -> Path:
        """Return the path of the archive in a data folder."""
        return folder / f"{self.name}.npz"


ARCHIVES = {
    archive.name: archive
    for archive in (
        Archive(
            "mnist",
            "handwritten digits",
            "LeCun and Cortes, CC BY-SA 3.0",
            60_000,
            10_000,
            (28, 28),
            11_490_434,
            "06b0d1f124c4e5fa796686ade41a9b778edacc8622f2195a352ef479ad44fc16",
        ),
        Archive(
            "fashion_mnist",
            "pieces of clothing",
            "Zalando SE, MIT",
            60_000,
            10_000,
            (28, 28),
            30_878_645,
            "ca3ab2a37f845e1b8ae23cab1b51749a3011ba3bf1d9016176d75cbaabac376f",
        ),
        Archive(
            "cifar10",
            "small colour photographs",
            "Krizhevsky 2009, no licence stated",
            50_000,
            10_000,
            (32, 32, 3),
            170_498_071,
            "80387ddb9a0edf3fc4a964ee3770296169bb26a651050df20035579673099660",
        ),
    )
}


def data_folder() -> Path:
    """Return the folder that archives are stored in: $HPDASH_DATA, or `~/.cache/hpdash/data`."""
    return Path(os.environ.get("HPDASH_DATA") or "~/.cache/hpdash/data").expanduser()


def load_archive(name: str) -> Dataset:
    """Load a published data set from the data folder; raise DataError if it is missing or damaged."""
    archive, folder = ARCHIVES[name], data_folder()
    if not archive.path(folder).exists():
        raise DataError(f"{name} is not on this machine. {how_to_get(archive, folder)}")
    return read_archive(archive, archive.path(folder))


def read_archive(archive: Archive, path: Path) -> Dataset:
    """Read an archive, and check that its arrays have the published names, shapes and types.

    Labels of shape (n, 1) are accepted too. The digest is not checked. Raises DataError if the archive cannot be used;
    the message names the file and says what to do.
    """

    def accept(name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        expected = archive.shapes[name]
        if dtype != np.uint8 or shape not in (expected, (*expected, 1) if name.startswith("y") else expected):
            raise data_error(name, f"uint8 of shape {expected}", f"{dtype} of shape {shape}")

    try:
        arrays = read_npz(path, NAMES, accept)
        missing = [name for name in NAMES if name not in arrays]
        if missing:
            raise data_error(str(path), f"arrays {', '.join(NAMES)}", f"no {', '.join(missing)}")
        x_train, y_train, x_test, y_test = (arrays[name] for name in NAMES)
        labels, test_labels = (y.reshape(-1).astype(np.int32) for y in (y_train, y_test))
        return Dataset(archive.name, x_train, labels, x_test, test_labels, MAXIMUM, CLASSES)
    except DataError as error:
        advice = f"Remove it, then: hpdash data get {archive.name}. {by_hand(archive, path.parent)}"
        raise DataError(f"{path} cannot be used: {error}\n{advice}") from error


def how_to_get(archive: Archive, folder: Path) -> str:
    """Return advice on a missing archive: where it was looked for, how to get it, and which sweep runs without it."""
    variable = "$HPDASH_DATA" if os.environ.get("HPDASH_DATA") else "$HPDASH_DATA is not set"
    return (
        f"Looked for {archive.path(folder)} ({variable}).\n"
        f"With a network: hpdash data get {archive.name}. {by_hand(archive, folder)}\n"
        "A sweep that needs no download: hpdash sweep sweeps/quickstart.toml"
    )


def by_hand(archive: Archive, folder: Path) -> str:
    """Return instructions for making an archive from arrays that the user already has, without fetching."""
    arrays = ", ".join(f"{name}={name}" for name in NAMES)
    shapes = ", ".join(" x ".join(map(str, shape)) for shape in archive.shapes.values())
    line = f'np.savez("{archive.path(folder)}", {arrays})'
    return f"By hand, from uint8 arrays of {shapes}:\n    {line}"
