"""Warnings about a user's arrays that are valid but often not what was meant, such as sorted labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ..nested import is_nested
from .dataset import Array, Dataset, Split

_FEW = 20  # up to this many distinct whole numbers are probably classes, not targets
_ENOUGH = 10  # validation examples a class; with this many, no class is missing by chance
_LISTED = 5  # classes named in one sentence


def remarks(dataset: Dataset, split: Split) -> Iterator[str]:
    """Yield warnings, in sentences, about the labels of a user's data and how they are split."""
    if is_nested(dataset.y_train):
        return
    for names in dataset.labels.values():
        yield f"{dataset.name}: the labels are texts: {len(names)} classes in sorted order ({_shortened(names)})"
    if dataset.one_hot:
        yield f"{dataset.name}: the labels are one-hot: {dataset.classes} classes"
    train = split.train_of(dataset.y_train)
    validation = split.held_out(dataset).y[split.validation.start : split.validation.stop]
    if dataset.one_hot:
        train, validation = train.argmax(axis=1), validation.argmax(axis=1)
    if dataset.classes is None:
        if _are_labels(train):
            yield (
                f"{dataset.name}: y_train has only a few distinct whole numbers, stored as {train.dtype}, so it is"
                " treated as a regression. If they are classes, save them as integers."
            )
        return
    known = np.unique(train)
    unknown = np.setdiff1d(np.arange(dataset.classes), known)
    there = np.unique(validation)
    lost = np.setdiff1d(there, known)
    if lost.size:
        yield (
            f"{dataset.name}: the training part has no example of {_classes(lost)}, but the validation part has:"
            f" {_advice(dataset)}"
        )
    elif len(there) < len(known) and len(validation) >= _ENOUGH * len(known):
        yield (
            f"{dataset.name}: the validation part has only {_classes(there)} of {len(known)}; are the labels sorted?"
            f" Then {_advice(dataset)}"
        )
    elif unknown.size:
        yield (
            f"{dataset.name}: no training example has {_classes(unknown)}, but labels count from 0,"
            f" so there are {dataset.classes} classes"
        )


def _advice(dataset: Dataset) -> str:
    return "shuffle the data" if dataset.validation else "shuffle the data, or take another part with validation_from"


def _shortened(names: Sequence[str]) -> str:
    listed = ", ".join(names[:_LISTED])
    return f"{listed}, …" if len(names) > _LISTED else listed


def _are_labels(y: Array) -> bool:
    flat = y.reshape(-1)
    if y.size != len(y) or not np.array_equal(flat, np.round(flat)) or flat.min() < 0:
        return False
    return len(flat) > _FEW and len(np.unique(flat)) <= _FEW


def _classes(labels: Array) -> str:
    listed = ", ".join(map(str, labels[:_LISTED].tolist()))
    more = f" and {labels.size - _LISTED} more" if labels.size > _LISTED else ""
    return f"class{'es' if labels.size > 1 else ''} {listed}{more}"
