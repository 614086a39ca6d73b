"""Make a Keras model that loads without hpdash: with the kept weights of a trial, and with layers that scale inputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from ..nested import Nested, leaves, map_leaves
from .weights import load_weights

Array = np.ndarray[Any, np.dtype[Any]]


def set_weights(model: keras.Model, kept: Mapping[str, Array]) -> bool:
    """Set the weights of a model to kept weights; return False and change nothing if names, shapes or sizes differ.

    The optimizer is built too: Keras cannot load the file of a compiled model whose optimizer was not.
    """
    model.optimizer.build(model.trainable_variables)
    return load_weights(model, kept)


def with_scaling(model: keras.Model, example: Nested, offset: Nested, divisor: Nested) -> keras.Model:
    """Return a model that scales its inputs to (x - offset) / divisor first; the same model if that changes nothing.

    `example` is one example of each input, [1, ...]. The new model is compiled as the old one.
    """
    pairs = zip(leaves(offset), leaves(divisor), strict=True)
    if not any(np.any(low) or np.any(size != 1) for (_, low), (_, size) in pairs):
        return model
    inputs = map_leaves(lambda x: keras.Input(x.shape[1:]), example)
    scaled = map_leaves(_scaling, inputs, offset, divisor)
    whole = keras.Model(inputs, model(scaled), name=f"scaled_{model.name}")
    if config := model.get_compile_config():
        whole.compile_from_config(config)
    return whole


def _scaling(x: Any, offset: Array, divisor: Array) -> Any:
    if not np.any(offset) and not divisor.ndim:
        return keras.layers.Rescaling(1 / float(divisor))(x)
    axis = -1 if offset.ndim else None
    return keras.layers.Normalization(axis=axis, mean=offset, variance=np.square(divisor, dtype=np.float64))(x)
