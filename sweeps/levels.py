"""One net at several levels of abstraction, to copy from: builders of Keras models, and training loops of one's own.

The net: hidden layers of relu units and linear outputs, or a softmax over them; kernels by variance scaling of 2.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import hpdash

STEPS = 50  # batches a compiled call: progress and Ctrl-C wait for one


def model(level: str, hidden: Sequence[int], input_shape: Sequence[int], classes: int) -> keras.Model:
    """Build the net as Keras' Sequential, functional or subclassed model, for hpdash's own engine."""
    build = {"sequential": sequential, "functional": functional, "subclassed": subclassed}[level]
    return build(hidden, input_shape, classes)


def sequential(hidden: Sequence[int], input_shape: Sequence[int], classes: int) -> keras.Model:
    """List the layers."""
    layers = [dense(f"hidden_{number}", units, "relu") for number, units in enumerate(hidden, 1)]
    layers.append(dense("output", classes, "softmax"))
    return keras.Sequential([keras.Input(input_shape), keras.layers.Flatten(), *layers])


def functional(hidden: Sequence[int], input_shape: Sequence[int], classes: int) -> keras.Model:
    """Call one layer on the other's output."""
    inputs = keras.Input(input_shape)
    x = keras.layers.Flatten()(inputs)
    for number, units in enumerate(hidden, 1):
        x = dense(f"hidden_{number}", units, "relu")(x)
    return keras.Model(inputs, dense("output", classes, "softmax")(x))


class Net(keras.Model):  # type: ignore[misc]  # Keras ships no types
    """Say in `call` what becomes of the inputs."""

    def __init__(self, hidden: Sequence[int], classes: int, activation: str | None) -> None:
        super().__init__(name="net")
        self.flatten = keras.layers.Flatten()
        self.hidden = [dense(f"hidden_{number}", units, "relu") for number, units in enumerate(hidden, 1)]
        self.outputs_of = dense("output", classes, activation)

    def call(self, inputs: Any) -> Any:
        """Return the outputs, [batch, classes]."""
        x = self.flatten(inputs)
        for layer in self.hidden:
            x = layer(x)
        return self.outputs_of(x)


def subclassed(
    hidden: Sequence[int], input_shape: Sequence[int], classes: int, activation: str | None = "softmax"
) -> keras.Model:
    """Make a Net whose weights are there."""
    net = Net(hidden, classes, activation)
    net(np.zeros((1, *input_shape), np.float32))
    return net


def dense(name: str, units: int, activation: str | None) -> keras.layers.Layer:
    """Return a layer under the name that its weights have in every trial's tags: `hidden_1/kernel`."""
    scaled = keras.initializers.VarianceScaling(2.0)
    return keras.layers.Dense(units, activation, kernel_initializer=scaled, name=name)


def tape(trial: hpdash.Trial) -> None:
    """Train the subclassed model by a GradientTape and a Keras optimiser."""
    net = subclassed(trial.settings["model"]["hidden"], trial.data.x_train[0].ravel().shape, trial.classes, None)
    optimizer = keras.optimizers.SGD(trial.settings["train"]["learning_rate"])
    optimizer.build(net.trainable_variables)
    if not trial.epoch:
        trial.describe(net)

    def update(gradients: Sequence[tf.Tensor]) -> None:
        optimizer.apply(gradients, net.trainable_variables)

    weights = {variable.path.removeprefix("net/"): variable for variable in net.weights}
    state = weights | {variable.path: variable for variable in optimizer.variables}
    train(trial, lambda columns: net(tf.transpose(columns)), weights, state, update)


def raw(trial: hpdash.Trial) -> None:
    """Train with TensorFlow alone: matrices without biases, and gradient descent by hand."""
    sizes = [trial.data.x_train[0].size, *trial.settings["model"]["hidden"], trial.classes]
    names = [*(f"hidden_{number}/kernel" for number in range(1, len(sizes) - 1)), "output/kernel"]
    kernels = [tf.Variable(variance_scaling(shape, (trial.seed, place))) for place, shape in enumerate(pairwise(sizes))]
    rate = trial.settings["train"]["learning_rate"]

    def net(columns: tf.Tensor) -> tf.Tensor:
        x = tf.matmul(columns, kernels[0], transpose_a=True)
        for kernel in kernels[1:]:
            x = tf.nn.relu(x) @ kernel
        return x

    def update(gradients: Sequence[tf.Tensor]) -> None:
        for kernel, gradient in zip(kernels, gradients, strict=True):
            kernel.assign_sub(rate * gradient)

    weights = dict(zip(names, kernels, strict=True))
    train(trial, net, weights, weights, update)


def variance_scaling(shape: Sequence[int], seed: tuple[int, int]) -> tf.Tensor:
    """Draw a kernel [inputs, units] from a normal distribution cut at two deviations, its variance 2 / inputs."""
    deviation = np.sqrt(2 / shape[0]) / 0.87962566  # what the cut leaves of 1
    return tf.random.stateless_truncated_normal(shape, seed, stddev=deviation)


def train(
    trial: hpdash.Trial,
    net: Callable[[tf.Tensor], tf.Tensor],
    weights: Mapping[str, Any],
    state: Mapping[str, Any],
    update: Callable[[Sequence[tf.Tensor]], None],
) -> None:
    """Train a net, columns [features, batch] to logits [batch, classes], that `update` steps down its gradients.

    Many steps are one compiled call, in which TensorFlow has no overhead. `weights` are logged by their names, `state`
    is all that training changes. An example is a column because that way the first product is twice as fast.
    """
    variables = [variable for variable in weights.values() if variable.trainable]

    def judge(x: tf.Tensor, y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        logits = net(x)
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits))
        return loss, tf.reduce_mean(tf.cast(tf.argmax(logits, 1, tf.int32) == y, tf.float32))

    @tf.function(jit_compile=True)
    def descend(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:  # [steps, features, batch], [steps, batch]
        total = tf.zeros(2)
        for step in tf.range(len(x)):
            with tf.GradientTape() as tape:
                loss, accuracy = judge(x[step], y[step])
            update(tape.gradient(loss, variables))
            total += (loss, accuracy)
        return total

    def log(step: int) -> None:
        for name, variable in weights.items():
            trial.histogram(name, variable.numpy(), step)

    kept = trial.checkpoint(lambda: {name: variable.numpy() for name, variable in state.items()})
    if kept is None:
        log(0)
    for name, variable in state.items() if kept else ():
        variable.assign(kept[name])
    trial.keep_weights(lambda: ((name, variable.numpy()) for name, variable in weights.items()))

    data, measure = trial.data, tf.function(judge, jit_compile=True)
    held_out = columns(data.x_validation[None])[0], data.y_validation
    for epoch in range(trial.epoch + 1, trial.epochs + 1):
        batches = shuffled(len(data.x_train), trial.settings["train"]["batch_size"], (trial.seed, epoch))
        total = np.zeros(2)
        for first in range(0, len(batches), STEPS):
            rows = batches[first : first + STEPS]
            total += descend(columns(data.x_train[rows]), data.y_train[rows])
            trial.tick((first + len(rows)) / len(batches))
        loss, accuracy = total / len(batches)
        validation_loss, validation_accuracy = measure(*held_out)
        log(epoch)
        trial.report(
            epoch,
            loss=loss,
            accuracy=accuracy,
            validation_loss=validation_loss,
            validation_accuracy=validation_accuracy,
        )


def shuffled(count: int, size: int, seed: tuple[int, int]) -> np.ndarray[Any, Any]:
    """Return an epoch's batches as rows of indices, all of one size: others are left out in the next epoch."""
    order = np.random.default_rng(seed).permutation(count)
    return order[: count // size * size].reshape(-1, min(size, count))


def columns(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Turn batches [steps, batch, ...] to [steps, features, batch]."""
    return np.ascontiguousarray(x.reshape(*x.shape[:2], -1).swapaxes(1, 2))
