"""A small network and its data, for tests of the engine."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from hpdash.engine.feed import EngineData, Subset, tensor

LAYERS = keras.layers


ZERO, ONE = np.zeros((), np.float32), np.ones((), np.float32)


def make_data(examples: int = 330, held_out: int = 50, divisor: float = 16.0) -> EngineData:
    """Return seeded 8 x 8 uint8 images of 5 classes; the last ones are held out."""
    random = np.random.default_rng(7)
    x = random.integers(0, 17, (examples + held_out, 8, 8), dtype=np.uint8)
    y = (x.reshape(len(x), -1)[:, :5].argmax(1)).astype(np.int32)
    tensors = tensor(x), tensor(y)
    parts = Subset(*tensors, 0, examples), Subset(*tensors, examples, examples + held_out)
    return EngineData(*parts, ZERO, np.asarray(divisor, np.float32))


def make_model(seed: int = 0, optimizer: Any = None, norm: bool = False, l2: float = 0.0, dropout: float = 0.0) -> Any:
    """Return a small compiled MLP whose initial weights depend on the seed."""
    keras.utils.set_random_seed(seed)
    model = keras.Sequential([keras.Input((8, 8)), LAYERS.Flatten()])
    for number in (1, 2):
        penalty = keras.regularizers.L2(l2) if l2 else None
        model.add(LAYERS.Dense(16, kernel_regularizer=penalty, name=f"hidden_{number}"))
        if norm:
            model.add(LAYERS.BatchNormalization(name=f"batchnorm_{number}"))
        model.add(LAYERS.Activation("relu"))
        if dropout:
            model.add(LAYERS.Dropout(dropout))
    model.add(LAYERS.Dense(5, activation="softmax", name="output"))
    model.compile(optimizer or keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model
