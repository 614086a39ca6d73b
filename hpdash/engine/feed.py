"""Pass data and weights between NumPy and TensorFlow without a copy, and order the examples of an epoch."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from .layers import on_gpu

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class Subset:
    """The examples from `start` to `stop` (excluded) of tensors: x [n, ...] in its stored type, y [n], weights [n].

    Each may be a tuple, a list or a dict of tensors. `weight` is None without sample weights.
    """

    x: Any
    y: Any
    start: int
    stop: int
    weight: Any = None

    def __len__(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True, slots=True)
class EngineData:
    """The data on which an engine trains and validates; the graph scales x to (x - offset) / divisor."""

    train: Subset
    validation: Subset
    offset: Any
    divisor: Any

    def batch(self, part: Subset, index: tf.Tensor) -> tuple[Any, Any, Any]:
        """Return the batch (x float32 [b, ...] and scaled, y [b], weights [b] or None) at the given indices [b]."""
        return self.to_inputs(self.take_rows(part, index)), *self.targets(part, index)

    def take_rows(self, part: Subset, index: tf.Tensor) -> Any:
        """Return the examples at the given indices [b] in their stored type, each flattened into a row: x [b, n]."""
        return tf.nest.map_structure(lambda x: tf.gather(tf.reshape(x, (len(x), -1)), index), part.x)

    def to_inputs(self, rows: Any) -> Any:
        """Return stored examples [b, n] as scaled inputs of the model: x float32 [b, ...]."""
        return tf.nest.map_structure(_scaled, rows, self.train.x, self.offset, self.divisor)

    def targets(self, part: Subset, index: tf.Tensor) -> tuple[Any, Any]:
        """Return the targets and the sample weights (None if there are none) at the given indices [b]."""
        y = tf.nest.map_structure(lambda y: tf.gather(y, index), part.y)
        if part.weight is None:
            return y, None
        return y, tf.nest.map_structure(lambda weight: tf.gather(weight, index), part.weight)


def _scaled(rows: tf.Tensor, stored: tf.Tensor, offset: Array, divisor: Array) -> tf.Tensor:
    x = tf.reshape(tf.cast(rows, tf.float32), (-1, *stored.shape[1:]))
    if np.any(offset):
        x -= offset
    if np.any(divisor != 1):
        x /= divisor
    return x


def epoch_order(part: Subset, seed: int, epoch: int) -> np.ndarray[Any, np.dtype[np.int32]]:
    """Return the indices of a part, int32 [n], in a random order that depends only on (seed, epoch)."""
    order = np.random.default_rng((seed, epoch)).permutation(len(part)).astype(np.int32)
    order += np.int32(part.start)
    return order


def tensor(array: np.ndarray[Any, Any]) -> tf.Tensor:
    """Return an array as a tensor, without a copy if the device is the CPU and the memory is aligned to 64 bytes.

    The array must be contiguous for that, too. Its memory may be read-only (a mapped file), because no operation writes
    to a tensor.
    """
    if on_gpu() or array.ctypes.data % 64 or not array.flags.c_contiguous:
        return tf.constant(array)
    writable = array if array.flags.writeable else np.asarray(_Unlocked(array))  # DLPack exports only writable arrays
    return tf.experimental.dlpack.from_dlpack(writable.__dlpack__())


class _Unlocked:
    """A read-only array that presents itself as writable; it keeps a reference to the array."""

    def __init__(self, array: np.ndarray[Any, Any]) -> None:
        self.array = array
        self.__array_interface__ = {**array.__array_interface__, "data": (array.ctypes.data, False)}


def view(variable: tf.Variable) -> np.ndarray[Any, Any]:
    """Return a variable's values, without a copy if they are float32 or float64.

    A copy of a large layer would take memory.
    """
    value = variable.read_value()
    return np.asarray(memoryview(value)) if value.dtype in (tf.float32, tf.float64) else value.numpy()


def fill(variables: Sequence[tf.Variable], values: Collection[np.ndarray[Any, Any]]) -> bool:
    """Assign values to variables; return False and change nothing if their number, shapes or item sizes differ."""
    types = [(tuple(v.shape), v.dtype.as_numpy_dtype) for v in variables]
    fits = [value.shape == shape and value.itemsize == np.dtype(kind).itemsize
            for value, (shape, kind) in zip(values, types, strict=False)]  # fmt: skip
    if len(values) != len(variables) or not all(fits):
        return False
    for variable, value, (_, kind) in zip(variables, values, types, strict=True):
        variable.assign(value.view(kind))  # a file holds bfloat16 as raw bytes
    return True
