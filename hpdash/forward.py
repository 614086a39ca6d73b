"""The forward pass of a model, traced for one example: what is known of a graph before anything trains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from .xla import FREE, operations_of, size


def trace(model: keras.Model, shape: Sequence[int]) -> Any:
    """Return the concrete function of inference on one example, float32 [1, *shape]."""
    forward = tf.function(lambda batch: model(batch, training=False), autograph=False)
    return forward.get_concrete_function(tf.TensorSpec((1, *shape), tf.float32))


def floating_operations(graph: Any) -> float:
    """Count a graph's floating point operations, as TensorFlow's profiler registers them.

    A loop's body counts as nothing, and so do operations without a registered count.
    """
    profiler = tf.compat.v1.profiler
    options = profiler.ProfileOptionBuilder(profiler.ProfileOptionBuilder.float_operation()).with_empty_output().build()
    return float(profiler.profile(graph, options=options).total_float_ops)


def values(graph: Any) -> float:
    """Count the values that the operations of a graph compute."""
    computing = (each for each in operations_of(graph) if each.type not in {*FREE, "ReadVariableOp"})
    return sum(size(output) for each in computing for output in each.outputs)


def has_loop(graph: Any) -> bool:
    """Return whether a graph repeats a part of it, as recurrent layers do."""
    return any(each.type in ("While", "StatelessWhile") for each in operations_of(graph))
