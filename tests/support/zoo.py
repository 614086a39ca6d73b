"""User-defined models; sweeps in the tests refer to them as "zoo:…"."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

LAYERS = keras.layers


def convolutional(input_shape: tuple[int, ...], classes: int, filters: int = 4) -> keras.Model:
    """A small convolutional net, uncompiled."""
    return keras.Sequential(
        [
            keras.Input(input_shape),
            LAYERS.Reshape((*input_shape, 1)),
            LAYERS.Conv2D(filters, 3, activation="relu"),
            LAYERS.MaxPooling2D(),
            LAYERS.Flatten(),
            LAYERS.Dense(classes, activation="softmax"),
        ]
    )


class Branching(keras.Model):  # type: ignore[misc]
    """A subclassed model that uses Python loops and conditions."""

    def __init__(self, classes: int, depth: int) -> None:
        super().__init__()
        self.flatten = LAYERS.Flatten()
        self.blocks = [LAYERS.Dense(16) for _ in range(depth)]
        self.out = LAYERS.Dense(classes, activation="softmax")

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Apply the blocks; during training, also multiply by 1, so that the two modes differ in their operations."""
        x = self.flatten(inputs)
        for number, block in enumerate(self.blocks):
            x = keras.ops.relu(block(x)) if number % 2 == 0 else keras.ops.tanh(block(x))
        if training:
            x = x * 1.0
        return self.out(x)


def subclassed(classes: int, depth: int = 3) -> keras.Model:
    """Return the branching model, before it is built."""
    return Branching(classes, depth)


class Stringly(LAYERS.Layer):  # type: ignore[misc]
    """A layer with an operation that XLA does not support."""

    def call(self, inputs: Any) -> Any:
        """Return the inputs plus a zero that is parsed from text."""
        return inputs + 0.0 * tf.reshape(tf.strings.to_number(tf.strings.as_string(0.0 * inputs)), tf.shape(inputs))


def refused(input_shape: tuple[int, ...], classes: int) -> keras.Model:
    """A model that XLA cannot compile."""
    return keras.Sequential(
        [keras.Input(input_shape), LAYERS.Flatten(), Stringly(), LAYERS.Dense(classes, activation="softmax")]
    )


def mixed(input_shape: tuple[int, ...], classes: int) -> keras.Model:
    """A model in mixed precision, with loss scaling."""
    policy = keras.DTypePolicy("mixed_float16")
    model = keras.Sequential(
        [
            keras.Input(input_shape),
            LAYERS.Flatten(),
            LAYERS.Dense(16, activation="relu", dtype=policy),
            LAYERS.Dense(classes, activation="softmax", dtype="float32"),
        ]
    )
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(0.01), initial_scale=1024.0)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def compiled(input_shape: tuple[int, ...], classes: int) -> keras.Model:
    """A compiled model with its own learning rate, loss and metrics."""
    model = convolutional(input_shape, classes)
    loss = keras.losses.SparseCategoricalCrossentropy()
    model.compile(
        keras.optimizers.Adam(0.02),
        loss,
        metrics=["accuracy", keras.metrics.SparseTopKCategoricalAccuracy(2, name="top_2")],
    )
    return model


def scaled_by(input_shape: tuple[int, ...], classes: int, factor: float) -> keras.Model:
    """A model with a constant in a Lambda, which does not appear in the model's configuration."""
    return keras.Sequential(
        [
            keras.Input(input_shape),
            LAYERS.Flatten(),
            LAYERS.Lambda(lambda x: x * factor),
            LAYERS.Dense(classes, activation="softmax"),
        ]
    )


def broken(input_shape: tuple[int, ...], width: int = 1) -> keras.Model:
    """Raise ValueError if the width is 13."""
    if width == 13:
        raise ValueError("13 brings bad luck")
    return convolutional(input_shape, 10)


def not_a_model() -> str:
    """Return a string instead of a model."""
    return "a model"


class Stray(LAYERS.Layer):  # type: ignore[misc]
    """A layer that counts its training steps in a variable hidden from Keras; its output depends on the count."""

    def __init__(self) -> None:
        super().__init__()
        count = tf.Variable(1.0)
        self.kept_from_keras = lambda: count

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Scale the inputs by a factor that grows with the number of training steps."""
        count = self.kept_from_keras()
        if training:
            count.assign_add(0.01)
        return inputs * count


def stray(input_shape: tuple[int, ...], classes: int) -> keras.Model:
    """A model whose graph holds state that is not part of the model."""
    return keras.Sequential(
        [keras.Input(input_shape), LAYERS.Flatten(), Stray(), LAYERS.Dense(classes, activation="softmax")]
    )


class Drawing(LAYERS.Layer):  # type: ignore[misc]
    """A layer that, on every call, draws random numbers and counts the call, like a variational autoencoder."""

    def __init__(self) -> None:
        super().__init__()
        self.seeds = keras.random.SeedGenerator(1)
        self.calls = self.add_weight((), trainable=False, name="calls")

    def call(self, inputs: Any) -> Any:
        """Add noise, in inference mode too."""
        self.calls.assign_add(1.0)
        return inputs + 0.1 * keras.random.normal(keras.ops.shape(inputs), seed=self.seeds)


def drawing(input_shape: tuple[int, ...], classes: int) -> keras.Model:
    """A model whose random state changes on every call."""
    return keras.Sequential(
        [keras.Input(input_shape), LAYERS.Flatten(), Drawing(), LAYERS.Dense(classes, activation="softmax")]
    )


class Enclosed(keras.Model):  # type: ignore[misc]
    """A subclassed model that calls its layer inside a separate graph."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.flatten = LAYERS.Flatten()
        self.out = LAYERS.Dense(classes, activation="softmax")
        self.inside = tf.function(self.out)

    def call(self, inputs: Any) -> Any:
        """Call the layer inside that graph."""
        return self.inside(self.flatten(inputs))


def enclosed(classes: int) -> keras.Model:
    """Return the model that hides its layer's output."""
    return Enclosed(classes)


def shared(input_shape: tuple[int, ...], classes: int) -> keras.Model:
    """A functional model with a shared layer, a nested model, a branch, and activations specified in every way."""
    inputs = keras.Input(input_shape)
    once = LAYERS.Dense(8, activation="tanh", name="twice")
    x = LAYERS.Reshape((64,))(inputs)
    x = once(LAYERS.Dense(64, name="wide")(x)) + once(x)
    core, leaky = LAYERS.Dense(8, name="core"), LAYERS.LeakyReLU(name="leaky")
    inner = keras.Sequential([keras.Input((8,)), core, leaky], name="in")
    x = LAYERS.Dense(8, name="fork")(inner(x))
    left, right = LAYERS.ReLU(name="left")(x), LAYERS.Activation("sigmoid", name="right")(x)
    both = LAYERS.Activation("elu", name="both")(LAYERS.Add()([left, right]))
    twin = LAYERS.Dense(8, activation=LAYERS.ReLU(), name="nested")(both)
    after = LAYERS.Activation("relu6", name="after")(twin)
    return keras.Model(inputs, LAYERS.Dense(classes, activation="softmax", name="last")(after))


def linear(input_shape: tuple[int, ...], classes: int) -> keras.Model:
    """A model whose layers have no activation."""
    inputs = keras.Input(input_shape)
    outputs = keras.ops.softmax(LAYERS.Dense(classes)(LAYERS.Flatten()(inputs)))
    return keras.Model(inputs, outputs)


class OwnLoss(keras.Sequential):  # type: ignore[misc]
    """A model that computes its loss in the training step only, so that other code cannot compute it."""

    def compute_loss(self, *_: Any, **__: Any) -> Any:
        """Raise NotImplementedError."""
        raise NotImplementedError("the loss is made in train_step")


def own_loss(input_shape: tuple[int, ...], classes: int) -> keras.Model:
    """A model whose loss other code cannot compute."""
    return OwnLoss([keras.Input(input_shape), LAYERS.Flatten(), LAYERS.Dense(classes, activation="softmax")])


def frozen(input_shape: tuple[int, ...], classes: int, units: int = 16) -> keras.Model:
    """A model with a random projection that is a constant in its graph."""
    projection = np.random.normal(size=(input_shape[0] * input_shape[1], units)).astype("float32")
    inputs = keras.Input(input_shape)
    projected = LAYERS.Lambda(lambda x: keras.ops.cos(x @ projection))(LAYERS.Flatten()(inputs))
    return keras.Model(inputs, LAYERS.Dense(classes, activation="softmax")(projected))


def jittered(input_shape: tuple[int, ...], classes: int, units: int = 16) -> keras.Model:
    """A model with a layer that draws a random constant when it is traced."""
    return keras.Sequential(
        [
            keras.Input(input_shape),
            LAYERS.Flatten(),
            LAYERS.Dense(units, activation="relu"),
            LAYERS.Lambda(lambda x: x * np.random.normal(1.0, 0.1)),
            LAYERS.Dense(classes, activation="softmax"),
        ]
    )


class PerClass(keras.metrics.Metric):  # type: ignore[misc]
    """A vector-valued metric: the share of each class among the predictions."""

    def __init__(self, classes: int) -> None:
        super().__init__(name="predicted")
        self.counts = self.add_weight(shape=(classes,), initializer="zeros", name="counts")

    def update_state(self, y: Any, outputs: Any, sample_weight: Any = None) -> None:
        """Count the predictions."""
        chosen = keras.ops.one_hot(keras.ops.argmax(outputs, -1), self.counts.shape[0])
        self.counts.assign_add(keras.ops.sum(chosen, axis=0))

    def result(self) -> Any:
        """Return the shares."""
        return self.counts / keras.ops.maximum(keras.ops.sum(self.counts), 1.0)


def measured(input_shape: tuple[int, ...], classes: int, units: int = 16) -> keras.Model:
    """A compiled model with a vector-valued metric."""
    model = convolutional(input_shape, classes)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy", PerClass(classes)])
    return model


def shaped(
    input_shape: tuple[int, ...],
    units: int,
    activation: str = "softmax",
    flat: bool = True,
    compiled: str = "",
    measure: str = "",
) -> keras.Model:
    """A model whose output, loss or metric may not fit the labels."""
    first = [LAYERS.Flatten()] if flat else []
    model = keras.Sequential([keras.Input(input_shape), *first, LAYERS.Dense(units, activation=activation)])
    if compiled:
        model.compile("adam", loss=compiled, metrics=[measure] if measure else [])
    return model
