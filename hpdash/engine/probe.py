"""Gradients of a model's loss, and outputs of its layers with an activation, for a fixed probe batch.

The batch is the same every time and in every trial on the same data, so that differences come from the model.
Probing changes nothing: weights, statistics, metrics and random states are the same afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from .layers import Maxout, toggle_transposed

EXAMPLES = 256  # in a probe batch: gradients of a single training batch are noisy, and more examples add little
_LAYERS = keras.layers
# Layers whose nonlinear function is named by their class, not by an `activation` attribute
_WITHOUT_NAME = (_LAYERS.LeakyReLU, _LAYERS.PReLU, _LAYERS.ELU, _LAYERS.Softmax, Maxout, _LAYERS.RNN)

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class Activation:
    """The outputs of a layer, and the name of its activation function.

    `outputs` is float32 [n, units], with one row per example (and position, for outputs that have positions).
    """

    layer: str
    function: str
    outputs: Array


class Probe:
    """Compute the gradients and the activations of a compiled model for the batch x [b, ...], y [b], weights [b].

    Each of the two is traced once, without XLA: with XLA it would run no faster, and compiling would take seconds
    (measured for nets from 784-50-50-50-10 to 3072-2000-4000-10). `notice` is called once for each thing that cannot be
    computed for this model.
    """

    def __init__(self, model: keras.Model, x: Any, y: Any, weight: Any, notice: Callable[[str], None]) -> None:
        self._model, self._batch, self._notice = model, (x, y, weight), notice
        self._layers = named_activations(model)
        self._traced: dict[str, Any] = {}

    def gradients(self) -> Iterator[tuple[str, str, Array]]:
        """Yield (layer, variable, dL/dw) for every trainable variable w, float32 of its shape; 0 if L does not use w.

        L is the loss that the model was compiled with, including penalties, of the whole batch in inference mode:
        without dropout, and with the moving statistics of batch normalisation. Yields nothing if the gradients cannot
        be computed.
        """
        found = self._compute("gradients", self._backward)
        for variable, value in zip(self._model.trainable_variables, found or (), strict=False):
            yield *place(self._model, variable), toggle_transposed(variable, value.numpy())

    def activations(self) -> Iterator[Activation]:
        """Yield the outputs of each layer with an activation, in inference mode, over all calls of the layer."""
        for name, value in (self._compute("activations", self._forward) or {}).items():
            yield Activation(name, *self._layers[name][1:], value.numpy())

    def _compute(self, what: str, function: Callable[[Any, Any, Any], Any]) -> Any:
        if what not in self._traced:
            self._traced[what] = self._trace(what, function)
        traced = self._traced[what]
        if traced is None:
            return None
        trained = {id(variable.value.handle) for variable in self._model.trainable_variables}
        others = [variable for variable in traced.graph.variables if id(variable.handle) not in trained]
        kept = [variable.numpy() for variable in others]  # copies: even in inference mode a layer may change its state
        try:
            return traced(*self._batch)
        finally:
            for variable, value in zip(others, kept, strict=True):
                variable.assign(value)

    def _trace(self, what: str, function: Callable[[Any, Any, Any], Any]) -> Any:
        """Return a function as a graph; None if tracing raises, because a user's model may do anything."""
        try:
            return tf.function(function, autograph=False).get_concrete_function(*self._batch)
        except Exception as error:
            reason = (str(error).strip().splitlines() or [""])[0][:200]
            self._notice(f"the {what} of this model cannot be logged: {type(error).__name__}: {reason}")
            return None

    def _backward(self, x: Any, y: Any, weight: Any) -> list[tf.Tensor]:
        model, scaled = self._model, self._model.optimizer.scale_loss
        values = [variable.value for variable in model.trainable_variables]
        with tf.GradientTape() as tape:
            loss = scaled(model.compute_loss(x, y, model(x, training=False), weight, training=False))
        found = tape.gradient(loss, values, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        scale = tf.cast(scaled(tf.ones(())), tf.float32)  # mixed precision: unscaled, small gradients would be 0
        return [tf.cast(tf.convert_to_tensor(value), tf.float32) / scale for value in found]

    def _forward(self, x: Any, y: Any, weight: Any) -> dict[str, tf.Tensor]:
        with _recorded({name: layer for name, (layer, _) in self._layers.items()}) as returned:
            self._model(x, training=False)
        here = tf.compat.v1.get_default_graph()
        rows = {name: [_rows(each) for each in found if each.graph is here] for name, found in returned.items()}
        if lost := [name for name in self._layers if not rows.get(name)]:
            why = "the model calls the layer only inside a nested graph, or never"
            self._notice(f"the activations of {', '.join(lost)} cannot be logged: {why}")
        if not self._layers:
            self._notice("no activations can be logged: no layer of this model has a nonlinear activation function")
        return {name: tf.concat(found, 0) for name, found in rows.items() if found}


def place(model: keras.Model, variable: keras.Variable) -> tuple[str, str]:
    """Return a variable's layer and its name in that layer, without the model's own name: ("hidden_1", "kernel").

    If the variable belongs to no layer, the model's name is returned as the layer.
    """
    layer, _, name = variable.path.removeprefix(f"{model.name}/").rpartition("/")
    return layer or model.name, name


def named_activations(model: keras.Model) -> dict[str, tuple[keras.layers.Layer, str]]:
    """Return {name: (layer, activation)} of the layers whose activation is not linear, including nested models.

    A separate activation layer gets the name of the layer with a kernel that it follows: the output of `activation_1`
    is listed as `hidden_1`. So its tags match those of the layer's weights and gradients. It keeps its own name if it
    does not follow exactly one such layer, or if that layer has an activation of its own.
    """
    found: dict[str, tuple[keras.layers.Layer, str]] = {}
    for layer in _leaves(model):
        if function := _function(layer):
            own = (layer.path or layer.name).removeprefix(f"{model.name}/")
            owner = _owner(layer)
            name = own if owner is None else place(model, owner.kernel)[0]
            found[own if name in found else name] = layer, function
    return found


def _leaves(model: keras.Model) -> Iterator[keras.layers.Layer]:
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _leaves(layer)
        else:
            yield layer


def _function(layer: keras.layers.Layer) -> str:
    """Return Keras' name of a layer's activation, or the class if it has no other name; empty if it is linear."""
    if isinstance(layer, _LAYERS.ReLU):
        return "leaky_relu" if layer.negative_slope or layer.threshold else "relu"
    if isinstance(layer, _WITHOUT_NAME):
        return type(layer).__name__
    activation = getattr(layer, "activation", None)
    if isinstance(activation, _LAYERS.Layer):
        return _function(activation)
    name = getattr(activation, "__name__", type(activation).__name__)
    return "" if activation is None or name == "linear" else str(name)


def _owner(layer: keras.layers.Layer) -> keras.layers.Layer | None:
    """Return a layer itself if it has a kernel, else the layer with a kernel that feeds it; None if there is none.

    Layers without an activation may come between the two.
    """
    if hasattr(layer, "kernel"):
        return layer
    try:
        before = layer.input._keras_history.operation
    except (AttributeError, ValueError):  # several inputs, several uses, or not part of a graph
        return None
    if _function(before) or before is layer:
        return None
    return _owner(before)


@contextmanager
def _recorded(layers: Mapping[str, keras.layers.Layer]) -> Iterator[dict[str, list[tf.Tensor]]]:
    """Collect the outputs of layers, by name, while the model is called; it may call them in any way."""
    found: dict[str, list[tf.Tensor]] = {name: [] for name in layers}

    def recording(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def recorded(*args: Any, **kwargs: Any) -> Any:
            returned = call(*args, **kwargs)
            found[name] += [each for each in tf.nest.flatten(returned) if isinstance(each, tf.Tensor)]
            return returned

        return recorded

    for name, layer in layers.items():
        vars(layer)["call"] = recording(name, layer.call)  # bypasses Keras, which would track the function
    try:
        yield found
    finally:
        for layer in layers.values():
            del vars(layer)["call"]


def _rows(values: tf.Tensor) -> tf.Tensor:
    """Return outputs [b, ..., units] as float32 [n, units]."""
    units = values.shape[-1] if values.shape.rank > 1 else 1
    return tf.cast(tf.reshape(values, (-1, units)), tf.float32)
