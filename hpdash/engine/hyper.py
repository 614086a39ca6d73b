"""Hyperparameters that a compiled graph reads from variables, so that trials with different values share the graph.

Keras 3 stores a dropout rate, a penalty or a momentum as a Python number, which becomes a constant of the graph. Only
the learning rate is in a variable. Keras 2 stored all hyperparameters of its optimisers in variables
(`OptimizerV2._set_hyper`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Self

import keras
import tensorflow as tf


class Hyper(float):
    """A float whose value a TensorFlow graph reads from a variable.

    Python code, such as Keras' checks and comparisons, sees the value with which the float was made. Arithmetic with
    plain numbers, such as 1 - momentum, gives a Hyper of the same variable. The graph computes the result in double
    precision and rounds it at the end, as Python does with a constant.
    """

    dtype = float  # Keras derives the type of a result from this, else from the class of the number
    variable: tf.Variable
    _read: Callable[[], tf.Tensor]

    @classmethod
    def of(cls, value: float) -> Self:
        """Return a number with a new variable that holds it."""
        variable = tf.Variable(value, dtype=tf.float64, trainable=False)
        return cls._reading(value, variable, variable.read_value)

    @classmethod
    def _reading(cls, value: float, variable: tf.Variable, read: Callable[[], tf.Tensor]) -> Self:
        number = cls(value)
        number.variable, number._read = variable, read
        return number

    def __tf_tensor__(self, dtype: tf.DType | None = None, name: str | None = None) -> tf.Tensor:
        """Return the variable's value as a scalar of a floating type, by default Keras' `floatx`."""
        return tf.cast(self._read(), dtype or keras.config.floatx(), name)


def _arithmetic(method: str) -> Callable[[Hyper, Any], Any]:
    def computed(self: Hyper, other: Any) -> Any:
        if type(other) not in (int, float):
            return NotImplemented  # a tensor implements the operation itself
        value = getattr(float, method)(self, float(other))
        return self._reading(value, self.variable, lambda: getattr(self._read(), method)(float(other)))

    return computed


for _method in ("add", "radd", "sub", "rsub", "mul", "rmul", "truediv", "rtruediv", "pow", "rpow"):
    setattr(Hyper, f"__{_method}__", _arithmetic(f"__{_method}__"))


def make_hypers(owner: object, names: Iterable[str]) -> None:
    """Replace the named attributes of an object by Hypers, if they are numbers other than 0.

    A 0 is not replaced, because Keras builds a different graph for it. Nor is an attribute that is missing or None.
    """
    for name in names:
        if value := getattr(owner, name, None):
            setattr(owner, name, Hyper.of(value))


def hypers(model: keras.Model) -> list[Hyper]:
    """Return every Hyper of a compiled model: those of its optimiser, of its layers and of their kernel regularizers.

    An optimiser that scales the loss is unwrapped first.
    """
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    penalties = [getattr(layer, "kernel_regularizer", None) for layer in model.layers]
    owners = (optimizer, *model.layers, *filter(None, penalties))
    return [value for owner in owners for value in vars(owner).values() if isinstance(value, Hyper)]
