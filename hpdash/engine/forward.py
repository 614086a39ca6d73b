"""Trace the forward pass of a model, and read from its graph the floating-point operations, values and loops."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import keras
import tensorflow as tf

from ..nested import is_nested
from .feed import EngineData
from .xla import FREE, operations_of, size


def trace(model: keras.Model, example: Any) -> Any:
    """Return the concrete function of inference on one example.

    `example` is an array [1, ...], or several nested ones for a model with several inputs; each is traced as float32.
    """
    forward = tf.function(lambda batch: model(batch, training=False), autograph=False)
    return forward.get_concrete_function(tf.nest.map_structure(lambda x: tf.TensorSpec(x.shape, tf.float32), example))


def forward_pass(model: keras.Model, data: EngineData) -> Any:
    """Return the graph of one example's forward pass.

    This also creates the variables of the metrics and, with several outputs, those of the means of their losses.
    Otherwise the training loop would have to be traced twice.
    """
    x, y, weight = data.batch(data.train, tf.constant([data.train.start]))
    concrete = trace(model, x)
    outputs = tf.nest.map_structure(lambda spec: tf.zeros(spec.shape, spec.dtype), concrete.structured_outputs)
    if is_nested(y):
        with suppress(Exception):  # a model with a custom `train_step` may have no loss
            model.compute_loss(x, y, outputs, weight)
    model.compute_metrics(x, y, outputs, weight)
    return concrete.graph


def floating_operations(graph: Any) -> float:
    """Count a graph's floating point operations, as TensorFlow's profiler registers them.

    The body of a loop is not counted, nor are operations without a registered count.
    """
    profiler = tf.compat.v1.profiler
    options = profiler.ProfileOptionBuilder(profiler.ProfileOptionBuilder.float_operation()).with_empty_output().build()
    return float(profiler.profile(graph, options=options).total_float_ops)


def values(graph: Any) -> float:
    """Count the values that the operations of a graph compute."""
    computing = (each for each in operations_of(graph) if each.type not in {*FREE, "ReadVariableOp"})
    return sum(size(output) for each in computing for output in each.outputs)


def has_loop(graph: Any) -> bool:
    """Return whether a graph contains a loop, as recurrent layers do."""
    return any(each.type in ("While", "StatelessWhile") for each in operations_of(graph))
