"""Cross-validation: a data set with one of its folds as the validation set."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ..nested import Nested, is_nested, map_leaves
from .dataset import Array, Dataset, data_error
from .zipped import aligned


def on_fold(dataset: Dataset, settings: Mapping[str, Any]) -> Dataset:
    """Return a data set whose validation set is the fold of a resolved [data] table; without folds, as it is.

    The folds are those of scikit-learn, in the order of the data: `StratifiedKFold` for classes, else `KFold`. The
    arrays are copied. Raises DataError if the data set has a validation set, or too few examples of a class.
    """
    folds = settings.get("folds")
    if folds is None:
        return dataset
    if dataset.validation is not None:
        expected, hint = "either a validation set or data.folds", "Leave out x_val and y_val, or data.folds."
        raise data_error(f"{dataset.name}: x_val", expected, "both", hint)
    train, held_out = _indices(dataset, folds)[settings["fold"]]

    def rows(value: Nested, index: Array) -> Nested:
        return None if value is None else map_leaves(lambda array: aligned(array[index]), value)

    return replace(
        dataset,
        x_train=rows(dataset.x_train, train),
        y_train=rows(dataset.y_train, train),
        weight_train=rows(dataset.weight_train, train),
        x_val=rows(dataset.x_train, held_out),
        y_val=rows(dataset.y_train, held_out),
        weight_val=rows(dataset.weight_train, held_out),
        is_checked=True,
    )


def _indices(dataset: Dataset, folds: int) -> list[tuple[Array, Array]]:
    from sklearn.model_selection import KFold, StratifiedKFold  # noqa: PLC0415  takes a second to import

    rows = np.zeros(len(dataset.train))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # for a class with fewer examples than folds
            if dataset.classes is None or is_nested(dataset.y_train):
                return list(KFold(folds).split(rows))
            labels = dataset.y_train.argmax(axis=1) if dataset.one_hot else dataset.y_train
            return list(StratifiedKFold(folds).split(rows, labels))
    except (ValueError, UserWarning) as error:
        expected = f"data that can be cut into {folds} folds"
        raise data_error(f"{dataset.name}: data.folds", expected, str(error), "Use fewer folds.") from None
