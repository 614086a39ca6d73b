"""The weights of a Keras model, each with its layer and its name.

hpdash stores some kernels transposed; here, all have the shapes that Keras' own layers have.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np

from ..logs import kept_weights
from .feed import fill, view
from .layers import toggle_transposed
from .probe import place

Array = np.ndarray[Any, np.dtype[Any]]


def weights_of(model: keras.Model, trainable: bool = False) -> Iterator[tuple[str, str, Array]]:
    """Yield (layer path, variable name, values) of all weights, moving statistics included.

    With `trainable`, yield only the trainable weights. The values may share memory with the weight: read or copy them
    before training continues.
    """
    for variable in model.trainable_variables if trainable else model.weights:
        yield *place(model, variable), toggle_transposed(variable, view(variable.value))


def load_weights(model: keras.Model, kept: Mapping[str, Array]) -> bool:
    """Set a model's weights to kept weights; return False and change nothing if names, shapes or sizes differ."""
    names = [name for name, _ in kept_weights.named(weights_of(model))]
    held = model.weights
    return names == list(kept) and fill([v.value for v in held], list(map(toggle_transposed, held, kept.values())))
