"""Turn an error that ends a trial into the trial's state and a message for the user, with the likely cause.

This module does not import TensorFlow, which a user's own training loop may not need.
"""

from __future__ import annotations

import re
from typing import Any

from ..data import Dataset
from ..nested import is_nested
from ..records import TrialState

# What is printed if memory runs out, by Python, C++, CUDA and XLA, PyTorch and TensorFlow
MEMORY_SIGNS = ("MemoryError", "bad_alloc", "ut of memory", "OutOfMemory", "can't allocate memory", "OOM when")
OUT_OF_MEMORY = "out of memory; fewer --workers or a smaller batch_size need less"

_FROM_SHAPES = re.compile(
    r"shape|rank|incompatible|broadcast|label value|logits|dimension|out of range|outside the valid range|segment_ids",
    re.IGNORECASE,
)


def state_and_reason(error: Exception) -> tuple[TrialState, str]:
    """Return the state of a trial that raised an error, and the reason in words.

    If memory ran out, the state is KILLED, as if the kernel had killed the worker, so that the trial is tried again.
    """
    reason = "\n".join([*getattr(error, "__notes__", ()), f"{type(error).__name__}: {_essence(str(error))}"])
    if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":
        return TrialState.KILLED, f"{OUT_OF_MEMORY} ({reason})"
    return TrialState.FAILED, reason


def _essence(message: str) -> str:
    """Return an error's message, for a graph execution error of TensorFlow without the stack trace of the graph."""
    if not message.startswith("Graph execution error"):
        return message
    _, _, after = message.rpartition("\n  File ")
    lines = [line for line in after.splitlines()[1:] if line.strip() and not line.startswith(("\t", "Stack trace"))]
    return "\n".join(lines) or message


def add_likely_cause(error: Exception, model: Any, dataset: Dataset) -> None:
    """Add the likely cause, as a note, to an error that a model's training has raised."""
    if cause := likely_cause(error, model, dataset):
        error.add_note(f"likely cause: {cause}")


def likely_cause(error: Exception, model: Any, dataset: Dataset) -> str:
    """Return in one line which shapes do not fit; empty if the error is not about shapes, or if all seem to fit."""
    if not _FROM_SHAPES.search(str(error)):
        return ""
    output, loss = _output(model), loss_name(model)
    if output is None or is_nested(dataset.y_train):
        return ""
    classes, targets = dataset.classes, dataset.y_train.shape[1:]
    units = output[-1] if output else 1
    if classes is None:
        if tuple(output) != targets and (output[:-1] or targets) != ():
            return f"the model's output has the shape {_shape(output)}, but the targets have {_shape(targets)}"
        return _metric(output, targets)
    if dataset.one_hot:
        if "sparse" in loss:
            return f'the labels are one-hot, for which the loss is "categorical_crossentropy", not "{loss}"'
        return _metric(output, targets)
    if "sparse" in loss and isinstance(units, int) and units < classes:
        return (
            f"the data have {classes} classes, but the model's output has {units} unit{'s' * (units > 1)};"
            f" it needs {classes}"
        )
    if len(output) > 1:
        return f"an example's output has the shape {_shape(output)}; classes need one axis of {classes} units"
    if "categorical" in loss and "sparse" not in loss:
        return f'the labels are whole numbers, for which the loss is "sparse_categorical_crossentropy", not "{loss}"'
    if loss and "sparse" not in loss and units > 1:
        return f'the labels are whole numbers, which do not fit the loss "{loss}" of {units} units'
    return _metric(output, targets)


def _metric(output: tuple[Any, ...], targets: tuple[int, ...]) -> str:
    given = f"labels of the shape {_shape(targets)}" if targets else "one label"
    return f"a metric does not fit an output of the shape {_shape(output)} and {given} for each example"


def _output(model: Any) -> tuple[Any, ...] | None:
    try:
        shape = model.output_shape
    except (AttributeError, ValueError):  # a subclassed model
        return None
    single = isinstance(shape, tuple) and all(size is None or isinstance(size, int) for size in shape)
    return tuple(shape[1:]) if single else None


def loss_name(model: Any) -> str:
    """Return the name of the loss that a model was compiled with; empty if it has none or several."""
    loss = model.loss
    return loss if isinstance(loss, str) else str(getattr(loss, "name", getattr(loss, "__name__", "")))


def _shape(shape: tuple[Any, ...]) -> str:
    return " x ".join("?" if size is None else str(size) for size in shape) or "()"
