"""Decode the value of a summary, written by hpdash or another program, as a number or a histogram."""

from __future__ import annotations

import math
import struct
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..histograms.histogram import Histogram

HPARAMS, _SCALARS, _HISTOGRAMS = "hparams", "scalars", "histograms"  # names of TensorBoard's plugins
_FLOAT, _DOUBLE = 1, 2  # tensorflow.DataType
_PLAIN = {_FLOAT: "<f4", _DOUBLE: "<f8"}
_LARGEST = 100_000  # most buckets that a histogram may have
_pack = struct.Struct("<f").pack


class MalformedError(ValueError):
    """A value is malformed; the message says what was expected."""


def decode(value: Any, plugin: str | None) -> float | Histogram | None:
    """Return the number or the histogram that a Summary.Value holds, None if it is neither.

    `plugin` is the plugin of the value's tag. Raises MalformedError if the value is malformed.
    """
    kind = value.WhichOneof("value")
    if kind == "simple_value":
        return float(value.simple_value)
    if kind == "histo":
        return _histogram(_table_of_histo(value.histo))
    if kind == "tensor" and plugin == _SCALARS:
        return _number(value.tensor)
    if kind == "tensor" and plugin == _HISTOGRAMS:
        return _histogram(_table(value.tensor))
    return None


def encoded_bytes(value: Any) -> bytes:
    """Return the bytes that hold a number as float32 or a histogram as float64; empty if they have another type."""
    if value.WhichOneof("value") == "simple_value":
        return _pack(value.simple_value)
    if value.tensor.dtype == _FLOAT and value.tensor.tensor_shape.dim == []:
        return bytes(value.tensor.tensor_content) or _pack(*value.tensor.float_val)
    return bytes(value.tensor.tensor_content) if value.tensor.dtype == _DOUBLE else b""


def with_nonfinite(histogram: Histogram, share: float) -> Histogram:
    """Return a histogram with the number of non-finite values, from their `share` (0 to 1) of all values."""
    finite = 1 - share
    # If all values are non-finite, their number is unknown: 1 stands for it
    return replace(histogram, nonfinite=round(share / finite * histogram.total) if finite > 0 else 1)


def _number(tensor: Any) -> float:
    array = _array(tensor, 1)
    if array.size != 1 or array.dtype.kind not in "biuf":
        raise MalformedError(f"expected one number, found {array.dtype} of shape {list(array.shape)}")
    return float(array.item())


def _table(tensor: Any) -> NDArray[Any]:
    array = _array(tensor, 3 * _LARGEST)
    if array.ndim != 2 or array.shape[1] != 3 or array.dtype.kind not in "iuf":
        found = f"{array.dtype} of shape {list(array.shape)}"
        raise MalformedError(f"expected an array of shape [buckets, 3] with left, right and count, found {found}")
    return array


def _table_of_histo(histo: Any) -> NDArray[Any]:
    """Return the table of an older HistogramProto, as PyTorch and tensorboardX write it.

    Its outermost limits may be the greatest float. So empty outer buckets are dropped, and the outer edges are the
    least and the greatest value instead (TensorBoard, `data_compat._migrate_histogram_value`).
    """
    limits, counts = np.array(histo.bucket_limit, np.float64), np.array(histo.bucket, np.float64)
    if limits.shape != counts.shape:
        raise MalformedError(f"expected as many bucket limits as buckets, found {limits.size} and {counts.size}")
    (filled,) = np.nonzero(counts)
    if not filled.size:
        return np.empty((0, 3))
    first, last = filled[0], filled[-1]
    inner = limits[first:last]
    edges = [min(histo.min, *inner[:1]), *inner, max(histo.max, *inner[-1:])] if inner.size else [histo.min, histo.max]
    return np.column_stack((edges[:-1], edges[1:], counts[first : last + 1]))


def _histogram(table: NDArray[Any]) -> Histogram:
    if not len(table):
        return Histogram(np.zeros(2), np.zeros(1))
    left, right, counts = table.T
    if (left[1:] != right[:-1]).any():
        raise MalformedError("histogram buckets must be adjacent, found gaps, overlaps or NaN between them")
    try:
        return Histogram(np.append(left, right[-1]), counts)
    except ValueError as error:
        raise MalformedError(str(error)) from None


def _array(tensor: Any, most: int) -> NDArray[Any]:
    """Return a tensor's array. Raises MalformedError if it is invalid or has more than `most` elements.

    The number is checked before memory is allocated, because the shape that a file gives may be wrong.
    """
    shape = [dim.size for dim in tensor.tensor_shape.dim]
    if min(shape, default=1) < 0 or math.prod(shape) > most:
        raise MalformedError(f"expected at most {most} elements, found a tensor of shape {shape}")
    try:
        if tensor.dtype in _PLAIN and tensor.tensor_content:
            return np.frombuffer(tensor.tensor_content, _PLAIN[tensor.dtype]).reshape(shape)
        from tensorboard.util import tensor_util  # noqa: PLC0415  slow to import, and few values need it

        array: NDArray[Any] = tensor_util.make_ndarray(tensor)
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise MalformedError(f"the tensor cannot be decoded ({error})") from error
    return array
