"""Pass data and weights between NumPy and TensorFlow without a copy, and order the examples of an epoch."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from .layers import on_gpu


@dataclass(frozen=True, slots=True)
class Subset:
    """The examples from `start` to `stop` (excluded) of two tensors: x [n, ...] in its stored type, y [n]."""

    x: tf.Tensor
    y: tf.Tensor
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True, slots=True)
class EngineData:
    """The data on which an engine trains and validates; the graph scales x to (x - offset) / divisor."""

    train: Subset
    validation: Subset
    offset: np.ndarray[Any, np.dtype[np.float32]]
    divisor: np.ndarray[Any, np.dtype[np.float32]]

    def scaled(self, part: Subset, index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the batch (x float32 [b, ...], y [b]) at the given indices [b], x scaled."""
        return self.to_inputs(self.take_rows(part, index)), tf.gather(part.y, index)

    def take_rows(self, part: Subset, index: tf.Tensor) -> tf.Tensor:
        """Return the examples at the given indices [b] in their stored type, each flattened into a row: x [b, n]."""
        return tf.gather(tf.reshape(part.x, (len(part.x), -1)), index)

    def to_inputs(self, rows: tf.Tensor) -> tf.Tensor:
        """Return stored examples [b, n] as scaled inputs of the model: x float32 [b, ...]."""
        x = tf.reshape(tf.cast(rows, tf.float32), (-1, *self.train.x.shape[1:]))
        if np.any(self.offset):
            x -= self.offset
        if np.any(self.divisor != 1):
            x /= self.divisor
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
