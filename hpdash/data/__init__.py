"""Load training and test arrays by the name of a data set; `SOURCES` has the named data sets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ..errors import DataError
from . import digits, synthetic
from .archives import ARCHIVES, Archive, data_folder, load_archive
from .dataset import Dataset, Split, data_error, split
from .folds import on_fold
from .function import load_from_function, temporary_folder
from .mapped import MappedDataset, to_files
from .npz import load_npz
from .pipelines import Tell
from .remarks import remarks
from .scaling import Scaling, scaling

__all__ = [
    "SOURCES",
    "DataSource",
    "Dataset",
    "MappedDataset",
    "Scaling",
    "Split",
    "Status",
    "content",
    "data_folder",
    "is_here",
    "load",
    "needs_fetch",
    "prepare",
    "remarks",
    "scaling",
    "split",
    "status",
    "temporary_folder",
    "to_files",
]


@dataclass(frozen=True, slots=True)
class DataSource:
    """A named data set.

    `train` and `test` are numbers of examples, `shape` is the shape of one example. `load` takes a [data] table.
    """

    description: str
    licence: str
    train: int
    test: int
    shape: tuple[int, ...]
    load: Callable[[Mapping[str, Any]], Dataset]


@dataclass(frozen=True, slots=True)
class Status:
    """What `hpdash data` shows of a data set: its name, the fields of its `DataSource` except `load`, and where it is.

    `where` is the path of its file, None if it needs none. `here` says that it needs no download.
    """

    name: str
    description: str
    licence: str
    train: int
    test: int
    shape: tuple[int, ...]
    where: Path | None
    here: bool


def _from_archive(archive: Archive) -> DataSource:
    def load(settings: Mapping[str, Any]) -> Dataset:
        return load_archive(archive.name)

    return DataSource(archive.description, archive.licence, archive.train, archive.test, archive.shape, load)


SOURCES = {
    **{name: _from_archive(archive) for name, archive in ARCHIVES.items()},
    "digits": DataSource(
        "handwritten digits, in scikit-learn",
        "UCI Machine Learning Repository, CC BY 4.0",
        digits.TRAIN,
        digits.TEST,
        digits.SHAPE,
        lambda settings: digits.load_digits(),
    ),
    "synthetic": DataSource(
        "made-up Gaussian blobs; a sweep can set the sizes",
        "made by hpdash",
        synthetic.EXAMPLES - synthetic.EXAMPLES // 5,
        synthetic.EXAMPLES // 5,
        (synthetic.FEATURES,),
        synthetic.load_synthetic,
    ),
}


def load(settings: Mapping[str, Any], folder: Path, spool: Path | None = None, tell: Tell = lambda _: None) -> Dataset:
    """Load the data set that a [data] table names, without downloading anything.

    Args:
        settings: the [data] table with a value for every key, defaults included.
        folder: the folder of the sweep file, in which the user's `.npz` files and modules are searched for.
        spool: a folder for the arrays of pipelines; see `load_from_function`.
        tell: is called with messages for the user; see `load_from_function`.

    Raises DataError if the data are missing, damaged or of the wrong shape, SpecError if a user's function cannot be
    found.
    """
    name = settings["name"]
    if name in SOURCES:
        return SOURCES[name].load(settings)
    if name.endswith(".npz"):
        return load_npz(name, folder)
    if ":" in name:
        return load_from_function(name, folder, spool, tell)
    raise _unknown(name, 'one of {}, a ".npz" file or "package.module:function"')


def prepare(dataset: Dataset, settings: Mapping[str, Any]) -> tuple[Dataset, Split, Scaling]:
    """Return a loaded data set, its split into parts, and its scaling, as the [data] table `settings` asks for.

    If the table has a fold, the returned data set has that fold as its validation set. No array is scaled here: the
    scaling has only the numbers to do it with. Raises DataError if the table does not fit the data.
    """
    dataset = on_fold(dataset, settings)
    parts = split(dataset, settings)
    return dataset, parts, scaling(dataset, parts, settings)


def content(settings: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return the values in a [data] table that decide what is loaded: tables with equal values load the same data."""
    return tuple(settings.get(key) for key in ("name", *synthetic.SIZE_KEYS))


def status(name: str) -> Status:
    """Return the status of a named data set; raise DataError if there is no data set of that name."""
    if name not in SOURCES:
        raise _unknown(name, "one of {}")
    source = SOURCES[name]
    where = ARCHIVES[name].path(data_folder()) if name in ARCHIVES else None
    about = (source.description, source.licence, source.train, source.test, source.shape)
    return Status(name, *about, where, is_here(name))


def is_here(name: str) -> bool:
    """Return whether a data set needs no fetching: it has no archive, or its archive is in the data folder."""
    return name not in ARCHIVES or ARCHIVES[name].path(data_folder()).exists()


def needs_fetch(settings: Mapping[str, Any]) -> bool:
    """Return whether the data set that a [data] table names has to be fetched first."""
    return not is_here(settings["name"])


def _unknown(name: str, expected: str) -> DataError:
    near = get_close_matches(name, SOURCES, n=1)
    hint = f"Did you mean {near[0]}?" if near else ""
    return data_error("data.name", expected.format(", ".join(SOURCES)), repr(name), hint)
