"""Load a data set by calling a user's function."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import DataError
from ..system.user_functions import load_function
from .arrays import NAMES, from_arrays
from .dataset import Dataset, data_error


def load_from_function(reference: str, folder: Path) -> Dataset:
    """Call "package.module:function" and return its result as a data set.

    The function returns a Dataset, a dict of the arrays that `from_arrays` takes, or ((x_train, y_train), (x_test,
    y_test)) as in keras.datasets; each pair may have sample weights as a third array. `folder` is searched for its
    module. Raises SpecError if there is no such function, DataError if it fails or returns something else.
    """
    function = load_function(reference, folder)
    try:
        return _as_dataset(reference, function())
    except DataError:
        raise
    except Exception as error:
        raise DataError(f"{reference}: failed with {type(error).__name__}: {error}") from error


def _as_dataset(reference: str, value: Any) -> Dataset:
    match value:
        case Dataset():
            return value
        case Mapping():
            return from_arrays(reference, value)
        case ((x_train, y_train, *weight), (x_test, y_test, *weight_test)) if len(weight) < 2 and len(weight_test) < 2:
            arrays = dict(zip(NAMES, (x_train, y_train, x_test, y_test), strict=True))
            given = zip(("sample_weight", "sample_weight_test"), (weight, weight_test), strict=True)
            return from_arrays(reference, arrays | {name: each[0] for name, each in given if each})
    expected = "a Dataset, a dict with x_train, y_train, x_test, y_test, or ((x_train, y_train), (x_test, y_test))"
    raise data_error(reference, expected, type(value).__name__)
