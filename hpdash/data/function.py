"""Load a data set by calling a user's function."""

from __future__ import annotations

import importlib
import random
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError, HpdashError
from ..system.function_source import uses_tensorflow
from ..system.scratch import Scratch
from ..system.user_functions import load_function
from .archives import data_folder
from .arrays import NAMES, from_arrays
from .dataset import Dataset, data_error
from .pipelines import ORDER, Tell, is_pipeline, read_pipelines


def load_from_function(reference: str, folder: Path, spool: Path | None = None, tell: Tell = lambda _: None) -> Dataset:
    """Call "package.module:function" and return its result as a data set.

    The function returns a Dataset, a dict of the arrays that `from_arrays` takes, or ((x_train, y_train), (x_test,
    y_test)) as in keras.datasets; each pair may have sample weights as a third array. Or it returns a pipeline, or a
    tuple of up to three (see `read_pipelines`); they are read into the folder `spool`, or into a temporary one. Before
    the call, the random generators of Python, NumPy and, if the function uses it, TensorFlow are seeded with 0.

    Args:
        reference: the function.
        folder: where its module is looked for, before sys.path.
        spool: a folder for files with the arrays of pipelines.
        tell: is called with messages for the user while a pipeline is read.

    Raises SpecError if there is no such function, DataError if it fails or returns something else.
    """
    _seed_generators()  # a module may draw random numbers when it is imported
    function = load_function(reference, folder)
    _seed_generators(uses_tensorflow(function))
    with errors_of_data(reference):
        return as_dataset(reference, function(), spool, tell)


@contextmanager
def errors_of_data(reference: str) -> Iterator[None]:
    """Raise DataError, with the name of the data, for any error of a user's function or pipeline in a `with` block."""
    try:
        yield
    except HpdashError:
        raise
    except Exception as error:
        raise DataError(f"{reference}: failed with {type(error).__name__}: {error}") from error


def _seed_generators(with_tensorflow: bool = False) -> None:
    random.seed(0)
    np.random.seed(0)
    if with_tensorflow or "tensorflow" in sys.modules:
        importlib.import_module("tensorflow").random.set_seed(0)


def temporary_folder() -> Scratch:
    """Return a temporary folder for arrays, in the data folder if one can be made there."""
    try:
        data_folder().mkdir(parents=True, exist_ok=True)
        return Scratch(data_folder())
    except OSError:
        return Scratch()


def _from_pipelines(reference: str, value: Any, spool: Path | None, tell: Tell) -> Dataset:
    if spool is not None:
        return from_arrays(reference, read_pipelines(reference, value, spool, tell))
    scratch = temporary_folder()
    try:
        return from_arrays(reference, read_pipelines(reference, value, scratch.folder, tell))
    finally:
        scratch.close()  # the arrays stay mapped until they are no longer used


def as_dataset(reference: str, value: Any, spool: Path | None, tell: Tell) -> Dataset:
    """Return as a data set what a data function may return; `load_from_function` describes the arguments."""
    if is_pipeline(value) or (isinstance(value, tuple) and 1 <= len(value) <= len(ORDER) and is_pipeline(value[0])):
        return _from_pipelines(reference, value, spool, tell)
    match value:
        case Dataset():
            return value
        case Mapping():
            return from_arrays(reference, value)
        case ((x_train, y_train, *weight), (x_test, y_test, *weight_test)) if len(weight) < 2 and len(weight_test) < 2:
            arrays = dict(zip(NAMES, (x_train, y_train, x_test, y_test), strict=True))
            given = zip(("sample_weight", "sample_weight_test"), (weight, weight_test), strict=True)
            return from_arrays(reference, arrays | {name: each[0] for name, each in given if each})
    expected = (
        "a dict of arrays (at least x and y), ((x_train, y_train), (x_test, y_test)), a Dataset, or a tf.data.Dataset"
        " or PyDataset (training, or a tuple of training, validation, test)"
    )
    hint = 'Return {"x": x, "y": y}.' if isinstance(value, tuple) and len(value) == 2 else ""
    raise data_error(reference, expected, type(value).__name__, hint)
