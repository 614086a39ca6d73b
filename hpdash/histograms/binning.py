"""Count an array's values in equal buckets, and find its extent, without copying the whole array."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

_BLOCK = 32_768  # values binned at a time: 256 KiB of float64 stay in a core's cache


def extent(flat: NDArray[Any]) -> tuple[float, float, int]:
    """Return the least and the greatest finite value, and how many values are finite; (0, 0, 0) if none is."""
    if flat.size:
        low, high = float(flat.min()), float(flat.max())
        if math.isfinite(low) and math.isfinite(high):  # with a NaN, both would be NaN
            return low, high, flat.size
    extents = [(float(block.min()), float(block.max()), block.size) for block in _blocks(flat) if block.size]
    lows, highs, sizes = zip(*extents, strict=True) if extents else ((0.0,), (0.0,), (0,))
    return min(lows), max(highs), sum(sizes)


def count(flat: NDArray[Any], low: float, high: float, buckets: int, *, all_finite: bool) -> NDArray[np.float64]:
    """Count the finite values of an array [n] in equal buckets from `low` to `high`; return float64 [buckets].

    All finite values must lie from `low` to `high`. `all_finite` says whether all values are finite.

    In a large block, two values are counted at a time, by the pair of their bucket numbers. Each count waits for the
    one before it, so half as many counts take half the time.
    """
    bins = buckets + 1  # the last one is for the value `high` itself
    scale = buckets / (high - low)
    counts = np.zeros(bins)
    pairs = np.zeros((bins, bins) if 2 * bins**2 <= _BLOCK else 0, np.intp)
    for block in _slices(flat) if all_finite else _blocks(flat):
        position, number = _scratch.place[: block.size], _scratch.index[: block.size]
        np.copyto(position, block, casting="unsafe")
        position -= low
        position *= scale
        np.copyto(number, position, casting="unsafe")  # truncated to the bucket number
        half = block.size // 2
        if 0 < pairs.size <= half:
            first, second, number = number[:half], number[half : 2 * half], number[2 * half :]
            first *= bins
            first += second
            pairs += np.bincount(first, minlength=pairs.size).reshape(pairs.shape)
        if number.size:
            counts += np.bincount(number, minlength=bins)
    if pairs.size:
        counts += pairs.sum(axis=0) + pairs.sum(axis=1)
    counts[-2] += counts[-1]
    return counts[:-1]


class _Scratch(threading.local):
    """A thread's buffers for a block of values.

    `near` is for the values, `place` for their positions in units of buckets, `index` for their bucket numbers. The
    buffers are kept, because allocating them takes longer than counting a block.
    """

    def __init__(self) -> None:
        self.near = np.empty(_BLOCK * np.dtype(np.longdouble).itemsize, np.uint8)
        self.place, self.index = np.empty(_BLOCK), np.empty(_BLOCK, np.int32)


_scratch = _Scratch()


def _blocks(flat: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Yield the finite values block by block."""
    for block in _slices(flat):
        finite = np.isfinite(block)
        yield block if finite.all() else block[finite]


def _slices(flat: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Yield the values block by block, each copied into the same buffer, which stays in a core's cache."""
    near = _scratch.near[: _BLOCK * flat.itemsize].view(flat.dtype)
    for start in range(0, flat.size, _BLOCK):
        block = near[: flat.size - start]
        np.copyto(block, flat[start : start + _BLOCK])
        yield block
