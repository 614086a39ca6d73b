"""Values into counts: an array's extent, and how many values lie in each of equal buckets, without copying it."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

_BLOCK = 32_768  # values binned at once: 256 KiB of float64 stay in a core's cache


def extent(flat: NDArray[Any]) -> tuple[float, float, int]:
    """Return the least and the greatest finite value, 0 where there is none, and how many are finite."""
    if flat.size:
        low, high = float(flat.min()), float(flat.max())
        if math.isfinite(low) and math.isfinite(high):  # a NaN would be both
            return low, high, flat.size
    extents = [(float(block.min()), float(block.max()), block.size) for block in _blocks(flat) if block.size]
    lows, highs, sizes = zip(*extents, strict=True) if extents else ((0.0,), (0.0,), (0,))
    return min(lows), max(highs), sum(sizes)


def count(flat: NDArray[Any], low: float, high: float, buckets: int, *, all_finite: bool) -> NDArray[np.float64]:
    """Count the finite values of an array [n] in equal buckets from low to high, between which all of them lie.

    In a large block two at a time, by the pair of their bucket numbers: each count waits for the one before it, so
    that half as many take half the time.
    """
    bins = buckets + 1  # the last one is the greatest value's
    scale = buckets / (high - low)
    counts = np.zeros(bins)
    pairs = np.zeros((bins, bins) if 2 * bins**2 <= _BLOCK else 0, np.intp)
    for block in _slices(flat) if all_finite else _blocks(flat):
        here, there = _scratch.place[: block.size], _scratch.index[: block.size]
        np.copyto(here, block, casting="unsafe")
        here -= low
        here *= scale
        np.copyto(there, here, casting="unsafe")  # cut to a whole bucket number
        half = block.size // 2
        if 0 < pairs.size <= half:
            first, second, there = there[:half], there[half : 2 * half], there[2 * half :]
            first *= bins
            first += second
            pairs += np.bincount(first, minlength=pairs.size).reshape(pairs.shape)
        if there.size:
            counts += np.bincount(there, minlength=bins)
    if pairs.size:
        counts += pairs.sum(axis=0) + pairs.sum(axis=1)
    counts[-2] += counts[-1]
    return counts[:-1]


class _Scratch(threading.local):
    """A thread's memory for a block: as values of any type, as places among the buckets, as bucket numbers.

    It is kept, as the system takes longer to hand it out than a block takes to be counted.
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
    """Yield the values block by block, each copied into the same memory, which stays in a core's cache."""
    near = _scratch.near[: _BLOCK * flat.itemsize].view(flat.dtype)
    for start in range(0, flat.size, _BLOCK):
        block = near[: flat.size - start]
        np.copyto(block, flat[start : start + _BLOCK])
        yield block
