"""The key `class_weight`: a sample weight for each training example, by its class, as Keras' `fit` computes them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..nested import is_nested
from .dataset import Array, Dataset, Split, data_error

BALANCED, NO_WEIGHTS = "balanced", "none"


def class_weights(dataset: Dataset, split: Split, value: str | Mapping[str, float] | None) -> Array | None:
    """Return the weights of all examples of the training set, float32 [n], or None without class weights.

    "balanced" gives each class the same total weight: n / (classes * n_class), counted in the training part, as
    scikit-learn's `compute_class_weight` does. A table has weights by label, or by name if the labels are texts; a
    class that it does not name has the weight 1. Raises DataError if the data have several outputs, no classes or
    sample weights of their own, or if the table names an unknown class.
    """
    if value is None or value == NO_WEIGHTS:
        return None
    where = f"{dataset.name}: train.class_weight"
    if is_nested(dataset.y_train) or dataset.classes is None:
        found = "several outputs" if is_nested(dataset.y_train) else "a regression"
        raise data_error(
            where, "data with one output, whose targets are classes", found, "Give sample weights instead."
        )
    if dataset.weight_train is not None:
        hint = "Multiply the sample weights by those of the classes instead."
        raise data_error(where, "data without sample weights, as in Keras", "data with sample weights", hint)
    y = dataset.y_train.argmax(1) if dataset.one_hot else dataset.y_train
    if isinstance(value, Mapping):
        by_class = _by_class(where, dataset, value)
    else:
        counts = np.bincount(split.train_of(y), minlength=dataset.classes)
        by_class = counts.sum() / (np.count_nonzero(counts) * np.maximum(counts, 1))
    weights: Array = np.asarray(by_class, np.float32)[y]
    return weights


def _by_class(where: str, dataset: Dataset, table: Mapping[str, float]) -> Array:
    names = list(dataset.labels.get("", map(str, range(dataset.classes))))
    weights = np.ones(dataset.classes)
    for name, weight in table.items():
        if name not in names:
            raise data_error(where, f"classes of the data: {', '.join(names[:20])}", repr(name))
        weights[names.index(name)] = weight
    return weights
