"""Make what a sweep was given in Python ready for other processes: functions by cloudpickle, arrays in files."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial

from ..spec.inline import Inline
from .function import as_dataset, errors_of_data, temporary_folder
from .mapped import MappedDataset, to_files
from .pipelines import Tell


@dataclass(frozen=True, slots=True)
class Sendable:
    """The functions, pickled, and the SHA-256 of the data sets, each by the reference that stands for it."""

    functions: Mapping[str, bytes]
    arrays: Mapping[str, str]


@contextmanager
def sendable(inline: Inline, tell: Tell = lambda _: None) -> Iterator[Sendable]:
    """Write the arrays into files that are deleted at the end of the context; `tell` gets messages for the user.

    A data set becomes a function that maps these files. Raises DataError if the data cannot be used.
    """
    functions = {reference: each.pickled for reference, each in inline.functions.items()}
    if not inline.data:
        yield Sendable(functions, {})
        return
    arrays = {}
    with closing(temporary_folder()) as scratch:
        for reference, value in inline.data.items():
            with errors_of_data(reference):
                mapped = to_files(as_dataset(reference, value, scratch.folder, tell), scratch.folder / "arrays")
            functions[reference] = pickle.dumps(partial(MappedDataset.open, mapped))
            arrays[reference] = mapped.open().sha256
        yield Sendable(functions, arrays)
