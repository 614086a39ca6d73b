"""The likely cause of an error that comes from TensorFlow: what of model, loss and labels does not fit."""

from __future__ import annotations

import re
from typing import Any

import keras

from .data import Dataset

_FROM_SHAPES = re.compile(
    r"shape|rank|incompatible|broadcast|label value|logits|dimension|out of range|outside the valid range|segment_ids",
    re.IGNORECASE,
)


def likely_cause(error: Exception, model: keras.Model, dataset: Dataset) -> str:
    """Say in a line what does not fit; empty if the error is of another kind or everything seems to fit."""
    if not _FROM_SHAPES.search(str(error)):
        return ""
    output, loss = _output(model), _loss(model)
    if output is None:
        return ""
    classes, targets = dataset.classes, dataset.y_train.shape[1:]
    units = output[-1] if output else 1
    if classes is None:
        if tuple(output) != targets and (output[:-1] or targets) != ():
            return f"the model's output has the shape {_shape(output)}, the targets have {_shape(targets)}"
        return _metric(output, targets)
    if "sparse" in loss and isinstance(units, int) and units < classes:
        return (
            f"the data have {classes} classes, the model's output {units} unit{'s' * (units > 1)}: it needs {classes}"
        )
    if len(output) > 1:
        return f"the model's output has the shape {_shape(output)} an example; classes need one axis of {classes} units"
    if "categorical" in loss and "sparse" not in loss:
        return f'the labels are whole numbers, for which the loss is "sparse_categorical_crossentropy", not "{loss}"'
    if loss and "sparse" not in loss and units > 1:
        return f'the labels are whole numbers, which do not fit the loss "{loss}" of {units} units'
    return _metric(output, targets)


def _metric(output: tuple[Any, ...], targets: tuple[int, ...]) -> str:
    given = f"labels of the shape {_shape(targets)}" if targets else "one label"
    return f"a metric does not fit an output of the shape {_shape(output)} and {given} an example"


def _output(model: keras.Model) -> tuple[Any, ...] | None:
    try:
        shape = model.output_shape
    except (AttributeError, ValueError):  # a subclassed model
        return None
    single = isinstance(shape, tuple) and all(size is None or isinstance(size, int) for size in shape)
    return tuple(shape[1:]) if single else None


def _loss(model: keras.Model) -> str:
    loss = model.loss
    return loss if isinstance(loss, str) else str(getattr(loss, "name", getattr(loss, "__name__", "")))


def _shape(shape: tuple[Any, ...]) -> str:
    return " x ".join("?" if size is None else str(size) for size in shape) or "()"
