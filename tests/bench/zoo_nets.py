"""The nets that `zoo.py` measures and `test_zoo_nets.py` checks, with their data, layers and losses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from zoo_data import CATEGORIES, SHAPES, WORDS, Examples

from hpdash.engine.feed import EngineData, Subset, tensor
from hpdash.nested import map_leaves

LAYERS = keras.layers


@dataclass(frozen=True, slots=True)
class Net:
    """A net of the zoo.

    `build(shape, dropout)` returns the uncompiled model; a `dropout` of 0 also leaves out augmentation, so that no
    random numbers are drawn in training. `examples` is the size of an epoch in the benchmark. `target` is what the net
    learns: the "class", the "picture" itself in [0, 1], or the "mask" of its bright pixels.
    """

    data: str
    examples: int
    build: Callable[[Any, float], keras.Model]
    convolutions: bool = False
    target: str = "class"


def compiled(net: Net, optimizer: Any = "adam", dropout: float = 0.25, seed: int = 0) -> keras.Model:
    """Build and compile the net; its weights and layer names depend only on the seed."""
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    model = net.build(SHAPES[net.data], dropout)
    if net.target == "picture":
        model.compile(optimizer, "mean_squared_error")
    else:
        model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def engine_data(examples: Examples, train: int) -> EngineData:
    """Return examples as an engine takes them: the first `train` to train, the others to validate."""
    x, y = map_leaves(tensor, examples.x), tensor(examples.y)
    weight = None if examples.weight is None else tensor(examples.weight)
    parts = Subset(x, y, 0, train, weight), Subset(x, y, train, len(y), weight)
    scaling = (map_leaves(lambda _, value=value: np.float32(value), examples.x) for value in (0, examples.divisor))
    return EngineData(*parts, *scaling)


def _classifier(inputs: Any, x: Any) -> keras.Model:
    return keras.Model(inputs, LAYERS.Dense(10, activation="softmax", dtype="float32")(x))


def _dense(widths: tuple[int, ...]) -> Callable[[tuple[int, ...], float], keras.Model]:
    def build(shape: tuple[int, ...], _: float) -> keras.Model:
        inputs = keras.Input(shape)
        x = LAYERS.Flatten()(inputs)
        for units in widths:
            x = LAYERS.Dense(units, activation="relu")(x)
        return _classifier(inputs, x)

    return build


def lenet(shape: tuple[int, ...], _: float) -> keras.Model:
    """LeNet-5 with ReLU and max pooling."""
    inputs = keras.Input(shape)
    x = LAYERS.Conv2D(6, 5, activation="relu", padding="same")(inputs)
    x = LAYERS.Conv2D(16, 5, activation="relu")(LAYERS.MaxPooling2D()(x))
    x = LAYERS.Flatten()(LAYERS.MaxPooling2D()(x))
    x = LAYERS.Dense(84, activation="relu")(LAYERS.Dense(120, activation="relu")(x))
    return _classifier(inputs, x)


def _normalised(x: Any, filters: int, size: int = 3, strides: int = 1) -> Any:
    x = LAYERS.Conv2D(filters, size, strides, padding="same", use_bias=False)(x)
    return LAYERS.Activation("relu")(LAYERS.BatchNormalization()(x))


def vgg(shape: tuple[int, ...], dropout: float) -> keras.Model:
    """Pairs of 3x3 convolutions with batch normalisation, then pooling and dropout."""
    x = inputs = keras.Input(shape)
    for filters in (32, 64):
        x = _normalised(_normalised(x, filters), filters)
        x = LAYERS.Dropout(dropout)(LAYERS.MaxPooling2D()(x))
    return _classifier(inputs, LAYERS.Dense(128, activation="relu")(LAYERS.Flatten()(x)))


def residual(shape: tuple[int, ...], _: float) -> keras.Model:
    """Three residual blocks; the second and the third halve the resolution."""
    inputs = keras.Input(shape)
    x = _normalised(inputs, 16)
    for filters, strides in ((16, 1), (32, 2), (64, 2)):
        branch = _normalised(x, filters, strides=strides)
        branch = LAYERS.BatchNormalization()(LAYERS.Conv2D(filters, 3, padding="same", use_bias=False)(branch))
        shortcut = x if strides == 1 else LAYERS.Conv2D(filters, 1, strides)(x)
        x = LAYERS.Activation("relu")(LAYERS.Add()([branch, shortcut]))
    return _classifier(inputs, LAYERS.GlobalAveragePooling2D()(x))


def separable(shape: tuple[int, ...], _: float) -> keras.Model:
    """Depthwise convolutions, each followed by a pointwise one, and a separable convolution."""
    inputs = keras.Input(shape)
    x = _normalised(inputs, 16, strides=2)
    for filters in (32, 64):
        x = LAYERS.Activation("relu")(LAYERS.BatchNormalization()(LAYERS.DepthwiseConv2D(3, padding="same")(x)))
        x = _normalised(x, filters, 1)
    x = LAYERS.SeparableConv2D(64, 3, strides=1, padding="same", activation="relu")(LAYERS.MaxPooling2D()(x))
    return _classifier(inputs, LAYERS.GlobalAveragePooling2D()(x))


def conv1d(shape: tuple[int, ...], _: float) -> keras.Model:
    """Convolutions along the time axis."""
    inputs = keras.Input(shape)
    x = LAYERS.MaxPooling1D()(LAYERS.Conv1D(32, 5, activation="relu")(inputs))
    x = LAYERS.Conv1D(64, 5, activation="relu")(x)
    return _classifier(inputs, LAYERS.GlobalMaxPooling1D()(x))


def dilated(shape: tuple[int, ...], _: float) -> keras.Model:
    """Convolutions with strides and with dilation."""
    inputs = keras.Input(shape)
    x = LAYERS.Conv2D(24, 3, strides=2, activation="relu", padding="same")(inputs)
    for rate in (2, 4):
        x = LAYERS.Conv2D(24, 3, dilation_rate=rate, activation="relu", padding="same")(x)
    x = LAYERS.Conv2D(32, 3, strides=2, activation="relu")(x)
    return _classifier(inputs, LAYERS.Flatten()(x))


def autoencoder(shape: tuple[int, ...], _: float) -> keras.Model:
    """Strided convolutions down, then transposed convolutions up; the target is the picture itself."""
    inputs = keras.Input(shape)
    x = LAYERS.Conv2D(16, 3, strides=2, activation="relu", padding="same")(inputs)
    x = LAYERS.Conv2D(32, 3, strides=2, activation="relu", padding="same")(x)
    x = LAYERS.Conv2DTranspose(16, 3, strides=2, activation="relu", padding="same")(x)
    x = LAYERS.Conv2DTranspose(shape[-1], 3, strides=2, activation="sigmoid", padding="same")(x)
    return keras.Model(inputs, x)


def unet(shape: tuple[int, ...], _: float) -> keras.Model:
    """A U-Net of two levels that predicts for each pixel whether it is bright."""
    inputs = keras.Input(shape)
    high = LAYERS.Conv2D(8, 3, activation="relu", padding="same")(inputs)
    middle = LAYERS.Conv2D(16, 3, activation="relu", padding="same")(LAYERS.MaxPooling2D()(high))
    low = LAYERS.Conv2D(32, 3, activation="relu", padding="same")(LAYERS.MaxPooling2D()(middle))
    x = LAYERS.Concatenate()([middle, LAYERS.UpSampling2D()(low)])
    x = LAYERS.Conv2D(16, 3, activation="relu", padding="same")(x)
    x = LAYERS.Concatenate()([high, LAYERS.UpSampling2D(interpolation="bilinear")(x)])
    x = LAYERS.Conv2D(8, 3, activation="relu", padding="same")(x)
    return keras.Model(inputs, LAYERS.Conv2D(2, 1, activation="softmax")(x))


def pooling(shape: tuple[int, ...], _: float) -> keras.Model:
    """Max, average and both kinds of global pooling."""
    inputs = keras.Input(shape)
    x = LAYERS.MaxPooling2D()(LAYERS.Conv2D(16, 3, activation="relu")(inputs))
    x = LAYERS.AveragePooling2D(2)(LAYERS.Conv2D(32, 3, activation="relu")(x))
    x = LAYERS.Concatenate()([LAYERS.GlobalMaxPooling2D()(x), LAYERS.GlobalAveragePooling2D()(x)])
    return _classifier(inputs, x)


def lstm(shape: tuple[int, ...], _: float) -> keras.Model:
    """One LSTM."""
    inputs = keras.Input(shape)
    return _classifier(inputs, LAYERS.LSTM(64)(inputs))


def gru(shape: tuple[int, ...], _: float) -> keras.Model:
    """A bidirectional GRU."""
    inputs = keras.Input(shape)
    return _classifier(inputs, LAYERS.Bidirectional(LAYERS.GRU(32))(inputs))


def masked(shape: tuple[int, ...], _: float) -> keras.Model:
    """A word embedding, then an LSTM that skips the zeros after a sentence."""
    inputs = keras.Input(shape)
    return _classifier(inputs, LAYERS.LSTM(64)(LAYERS.Embedding(WORDS, 32, mask_zero=True)(inputs)))


def attention(shape: tuple[int, ...], dropout: float) -> keras.Model:
    """A word embedding, then one transformer block."""
    inputs = keras.Input(shape)
    x = LAYERS.Embedding(WORDS, 32)(inputs)
    attended = LAYERS.MultiHeadAttention(4, 8, dropout=dropout)(x, x)
    x = LAYERS.LayerNormalization()(LAYERS.Add()([x, attended]))
    x = LAYERS.LayerNormalization()(LAYERS.Add()([x, LAYERS.Dense(32)(LAYERS.Dense(64, activation="relu")(x))]))
    return _classifier(inputs, LAYERS.GlobalAveragePooling1D()(x))


def tabular(shape: tuple[int, ...], _: float) -> keras.Model:
    """A table of categories, with an embedding for each column."""
    inputs = keras.Input(shape)
    columns = [LAYERS.Embedding(CATEGORIES, 8)(inputs[:, column]) for column in range(shape[0])]
    x = LAYERS.Dense(64, activation="relu")(LAYERS.Dense(128, activation="relu")(LAYERS.Concatenate()(columns)))
    return _classifier(inputs, x)


def augmented(shape: tuple[int, ...], dropout: float) -> keras.Model:
    """Random flips, rotations and zooms before a small convolutional net; XLA cannot compile them."""
    x = inputs = keras.Input(shape)
    if dropout:
        for layer in (LAYERS.RandomFlip("horizontal"), LAYERS.RandomRotation(0.1), LAYERS.RandomZoom(0.1)):
            x = layer(x)
    for filters in (16, 32):
        x = LAYERS.MaxPooling2D()(LAYERS.Conv2D(filters, 3, activation="relu")(x))
    return _classifier(inputs, LAYERS.Flatten()(x))


def bfloat16(shape: tuple[int, ...], dropout: float) -> keras.Model:
    """A dense net that computes in bfloat16 and keeps its weights in float32."""
    usual = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        return _dense((256, 128))(shape, dropout)
    finally:
        keras.config.set_dtype_policy(usual)


def normalised(shape: tuple[int, ...], _: float) -> keras.Model:
    """Group normalisation after a convolution, layer normalisation after a dense layer."""
    inputs = keras.Input(shape)
    x = LAYERS.Activation("relu")(LAYERS.GroupNormalization(4)(LAYERS.Conv2D(16, 3, strides=2)(inputs)))
    x = LAYERS.LayerNormalization()(LAYERS.Dense(64)(LAYERS.Flatten()(x)))
    return _classifier(inputs, LAYERS.Activation("relu")(x))


def two_inputs(shape: dict[str, tuple[int, ...]], _: float) -> keras.Model:
    """A dense net on each half of a picture, joined."""
    inputs = {name: keras.Input(each, name=name) for name, each in shape.items()}
    halves = [LAYERS.Dense(64, activation="relu")(LAYERS.Flatten()(each)) for each in inputs.values()]
    return _classifier(inputs, LAYERS.Dense(64, activation="relu")(LAYERS.Concatenate()(halves)))


class OwnStep(keras.Model):  # type: ignore[misc]
    """A subclassed model whose own `train_step` clips the gradients' norm."""

    def __init__(self) -> None:
        super().__init__()
        self.flatten, self.hidden = LAYERS.Flatten(), LAYERS.Dense(64, activation="relu")
        self.head = LAYERS.Dense(10, activation="softmax")

    def call(self, inputs: Any) -> Any:
        """Return the class probabilities."""
        return self.head(self.hidden(self.flatten(inputs)))

    def train_step(self, data: Any) -> Any:
        """Apply one step with clipped gradients and return the metrics."""
        x, y, _ = keras.utils.unpack_x_y_sample_weight(data)
        with tf.GradientTape() as tape:
            predicted = self(x, training=True)
            loss = self.compute_loss(x, y, predicted)
        gradients = tape.gradient(loss, self.trainable_variables)
        gradients, _ = tf.clip_by_global_norm(gradients, 1.0)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        for metric in self.metrics:
            metric.update_state(loss) if metric.name == "loss" else metric.update_state(y, predicted)
        return self.get_metrics_result()


def own_step(shape: tuple[int, ...], _: float) -> keras.Model:
    """A subclassed model with its own training step."""
    model = OwnStep()
    model(np.zeros((1, *shape), np.float32))
    return model


NETS = {
    "mlp small": Net("mnist", 20_480, _dense((50, 50, 50))),
    "mlp large": Net("cifar10", 6_400, _dense((1000, 500))),
    "lenet": Net("mnist", 5_120, lenet, True),
    "vgg": Net("cifar10", 640, vgg, True),
    "residual": Net("cifar10", 1_280, residual, True),
    "separable": Net("cifar10", 2_560, separable, True),
    "conv1d": Net("sequences", 10_240, conv1d, True),
    "dilated": Net("cifar10", 2_560, dilated, True),
    "autoencoder": Net("mnist", 5_120, autoencoder, True, "picture"),
    "unet": Net("mnist", 1_920, unet, True, "mask"),
    "pooling": Net("cifar10", 2_560, pooling, True),
    "lstm": Net("sequences", 5_120, lstm),
    "gru": Net("sequences", 5_120, gru),
    "masked lstm": Net("tokens", 5_120, masked),
    "attention": Net("tokens", 5_120, attention),
    "tabular": Net("table", 20_480, tabular),
    "augmented": Net("cifar10", 1_920, augmented, True),
    "bfloat16": Net("mnist", 10_240, bfloat16),
    "normalised": Net("mnist", 5_120, normalised, True),
    "digits": Net("digits", 20_480, _dense((64, 64))),
    "own train_step": Net("mnist", 20_480, own_step),
    "two inputs": Net("halves", 20_480, two_inputs),
    "sample weights": Net("weighted", 20_480, _dense((64, 64))),
}
