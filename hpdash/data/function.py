"""A user's own function that returns a data set."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import DataError
from ..functions import load_function
from .arrays import NAMES, from_arrays
from .dataset import Dataset, fault


def load_from_function(reference: str, folder: Path) -> Dataset:
    """Call "package.module:function" and take what it returns for a data set.

    That is a Dataset, a dict of the arrays that `from_arrays` takes, or ((x, y), (x, y)) as keras.datasets has it.
    Raise SpecError where there is no such function, DataError where it fails or returns something else.
    """
    function = load_function(reference, folder)
    try:
        return _as_dataset(reference, function())
    except DataError:
        raise
    except Exception as error:
        raise fault(reference, "a data set", f"{type(error).__name__}: {error}") from error


def _as_dataset(reference: str, value: Any) -> Dataset:
    match value:
        case Dataset():
            return value
        case Mapping():
            return from_arrays(reference, value)
        case ((x_train, y_train), (x_test, y_test)):
            return from_arrays(reference, dict(zip(NAMES, (x_train, y_train, x_test, y_test), strict=True)))
    expected = "a Dataset, a dict with x_train, y_train, x_test, y_test, or ((x, y), (x, y))"
    raise fault(reference, expected, type(value).__name__)
