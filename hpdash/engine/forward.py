"""Trace the forward pass of a model, and read from its graph the floating-point operations, constants and loops."""

from __future__ import annotations

import random
from contextlib import suppress
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ..nested import is_nested
from .feed import EngineData
from .xla import FREE, operations_of, size


def trace(model: keras.Model, example: Any) -> Any:
    """Return the concrete function of inference on one example, float32 [1, ...], or several inputs."""
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


def graph_constants(model: keras.Model, x: Any, y: Any, weight: Any, seed: int) -> list[bytes]:
    """Return the constants in the graph of a model's loss, and the seeds of its random operations, sorted.

    If the lists of two models from one builder differ, the models cannot share a compiled graph: a random number became
    a constant of the graph instead of a variable. `seed` seeds the global generators of NumPy and Python during the
    trace, because a layer may draw from them; their state is restored afterwards.
    """

    def loss(x: Any, y: Any, weight: Any) -> Any:
        outputs = model(x, training=True)
        with suppress(Exception):  # a model with a custom `train_step` may have no loss
            return outputs, model.compute_loss(x, y, outputs, weight, training=True)
        return outputs

    kept, drawn = np.random.get_state(), random.getstate()  # users' code may draw from the global generators
    np.random.seed(seed)
    random.seed(seed)
    try:
        graph = tf.function(loss, autograph=False).get_concrete_function(x, y, weight).graph
    finally:
        np.random.set_state(kept)
        random.setstate(drawn)
    definition = graph.as_graph_def()
    nodes = [*definition.node, *(node for function in definition.library.function for node in function.node_def)]
    values = [node.attr["value"].SerializeToString() for node in nodes if node.op == "Const"]
    seeds = [b"seed %d %d" % (node.attr["seed"].i, node.attr["seed2"].i) for node in nodes if "seed2" in node.attr]
    return sorted(values + seeds)


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
