"""Convolutional nets for the sweeps of this folder: a builder gets the settings that it names and returns the model."""

from __future__ import annotations

import keras
from keras import layers


def cnn(
    input_shape: tuple[int, ...],
    classes: int,
    filters: int = 32,
    kernel_size: int = 3,
    blocks: int = 2,
    batchnorm: bool = True,
    dropout: float = 0.25,
    units: int = 128,
) -> keras.Model:
    """Blocks of two convolutions and a pooling, each with twice the filters of the one before; then a dense layer."""
    inputs = keras.Input(input_shape)
    x = inputs if len(input_shape) == 3 else layers.Reshape((*input_shape, 1))(inputs)  # grey pictures have no channel
    for block in range(1, blocks + 1):
        for place in "ab":
            name = f"{block}{place}"
            x = layers.Conv2D(filters * 2 ** (block - 1), kernel_size, padding="same", name=f"conv_{name}")(x)
            x = _activated(x, batchnorm, name)
        x = layers.MaxPooling2D(name=f"pool_{block}")(x)
        x = layers.Dropout(dropout, name=f"dropout_{block}")(x)
    x = layers.Flatten(name="flatten")(x)
    x = _activated(layers.Dense(units, name="dense")(x), batchnorm, "dense")
    x = layers.Dropout(dropout, name="dropout_dense")(x)
    return keras.Model(inputs, layers.Dense(classes, activation="softmax", name="output")(x))


def small_cnn(
    input_shape: tuple[int, ...],
    classes: int,
    filters: int = 16,
    kernel_size: int = 3,
    batchnorm: bool = False,
    dropout: float = 0.0,
    units: int = 64,
) -> keras.Model:
    """Two convolutions, each followed by a pooling; then a dense layer."""
    inputs = keras.Input(input_shape)
    x = inputs if len(input_shape) == 3 else layers.Reshape((*input_shape, 1))(inputs)  # grey pictures have no channel
    for number in (1, 2):
        x = layers.Conv2D(filters * number, kernel_size, padding="same", name=f"conv_{number}")(x)
        x = _activated(layers.MaxPooling2D(name=f"pool_{number}")(x), batchnorm, str(number))
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(units, activation="relu", name="dense")(x)
    x = layers.Dropout(dropout, name="dropout")(x)
    return keras.Model(inputs, layers.Dense(classes, activation="softmax", name="output")(x))


def _activated(x: keras.KerasTensor, batchnorm: bool, name: str) -> keras.KerasTensor:
    if batchnorm:
        x = layers.BatchNormalization(name=f"batchnorm_{name}")(x)
    return layers.Activation("relu", name=f"relu_{name}")(x)
