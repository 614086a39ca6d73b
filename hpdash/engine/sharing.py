"""Whether a model may train with the graph that was compiled for another model of the same builder.

`Engine.load_values` replaces the values of variables. Everything else in the graph has to be the same: the constants of
the loss, those of the optimiser, and the model's own training step.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import keras
import numpy as np
import tensorflow as tf

_RATE = "learning_rate"
_KNOWN = ("keras", "hpdash")  # packages whose optimisers and schedules write all that they depend on


def same_step(model: keras.Model, other: keras.Model) -> bool:
    """Return whether two models take the same step with their gradients, apart from the learning rate.

    Also return False if this is unknown, because a class or a function of the user's may read anything: a `train_step`,
    an optimiser or a schedule that is not Keras'.
    """
    try:
        return (
            has_keras_step(model) and has_keras_step(other) and _settings(model.optimizer) == _settings(other.optimizer)
        )
    except Exception:  # what Keras cannot write as a configuration raises various errors
        return False


def has_keras_step(model: keras.Model) -> bool:
    """Return whether the optimiser's configuration has all that the model's step with its gradients depends on."""
    optimizer = model.optimizer
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    rate = inner._learning_rate
    parts = [optimizer, inner, *([] if isinstance(rate, keras.Variable) else [rate])]
    are_known = all(type(part).__module__.partition(".")[0] in _KNOWN for part in parts)
    return are_known and type(model).train_step is keras.Model.train_step


def _settings(optimizer: Any) -> str:
    """Return an optimiser's settings as text, without a learning rate that is a number: that is in a variable."""
    return repr(_without_rate({"class": type(optimizer), **optimizer.get_config()}))


def _without_rate(settings: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in settings.items() if name != _RATE or not isinstance(value, int | float)}
    # an optimiser that scales the loss has the settings of the one inside it; a schedule keeps its own
    inner = kept.get("inner_optimizer")
    return {**kept, "inner_optimizer": _inner(inner)} if isinstance(inner, Mapping) else kept


def _inner(inner: Mapping[str, Any]) -> dict[str, Any]:
    config = inner.get("config")
    return {**inner, "config": _without_rate(config)} if isinstance(config, Mapping) else dict(inner)


def graph_constants(model: keras.Model, x: Any, y: Any, weight: Any, seed: int) -> list[bytes]:
    """Return the constants in the graph of a model's loss, and the seeds of its random operations, sorted.

    If the lists of two models from one builder differ, the models cannot share a compiled graph: a random number, or a
    value that the builder was given, became a constant of the graph instead of a variable. `seed` seeds the global
    generators of NumPy and Python during the trace, because a layer may draw from them; their state is restored
    afterwards.
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
