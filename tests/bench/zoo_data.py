"""The data for the nets of `zoo_nets.py`: real pictures, and seeded random sequences, sentences and tables."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

SHAPES: dict[str, Any] = {  # of one stored example
    "mnist": (28, 28, 1),
    "cifar10": (32, 32, 3),
    "digits": (8, 8, 1),
    "sequences": (50, 8),
    "tokens": (40,),
    "table": (16,),
    "halves": {"left": (28, 14, 1), "right": (28, 14, 1)},  # of the pictures of MNIST
    "weighted": (28, 28, 1),  # MNIST with sample weights
}
WORDS, CATEGORIES = 2000, 50
PICTURES = ("mnist", "cifar10", "digits")
Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class Examples:
    """Examples x [n, ...] as a data set stores them, the divisor that scales them, and their targets y [n, ...].

    x may be a dict of arrays. `weight` are sample weights [n], None if there are none.
    """

    x: Any
    y: Array
    divisor: float
    weight: Array | None = None


def load(name: str, target: str, count: int, real: bool = True) -> Examples:
    """Return `count` examples of a data set, real or random with the same shapes and types.

    `target` is what a net learns: the "class", the "picture" itself in [0, 1], or the "mask" of its bright pixels.
    """
    source = "mnist" if name in ("halves", "weighted") else name
    x, y = _pictures(source, count) if real and source in PICTURES else _made_up(source, count)
    divisor = 255.0 if x.dtype == np.uint8 else 1.0
    if name == "digits":
        divisor = 16.0
    if target == "picture":
        y = x.astype(np.float32) / np.float32(divisor)
    if target == "mask":
        y = (x[..., 0] > 127).astype(np.int32)
    if name == "halves":
        halves = np.split(x, 2, axis=2)
        return Examples({"left": halves[0].copy(), "right": halves[1].copy()}, y, divisor)
    weight = np.where(y % 2, 2, 0.5).astype(np.float32) if name == "weighted" else None
    return Examples(x, y, divisor, weight)


def _pictures(name: str, count: int) -> tuple[Array, Array]:
    from hpdash import data

    dataset = data.load({"name": name}, Path())
    repeats = -(-count // len(dataset.x_train))  # scikit-learn has fewer digits than an epoch needs
    x, y = (np.concatenate([each] * repeats)[:count] for each in (dataset.x_train, dataset.y_train))
    return x.reshape(count, *SHAPES[name]), y.astype(np.int32)


def _made_up(name: str, count: int) -> tuple[Array, Array]:
    """Draw random examples whose class follows from the sum of some of their values."""
    random = np.random.default_rng(7)
    highest = {"tokens": WORDS, "table": CATEGORIES, "digits": 17}.get(name, 256)
    kind = np.int32 if name in ("tokens", "table") else np.uint8
    x = random.integers(0, highest, (count, *SHAPES[name]), kind)
    if name == "tokens":  # sentences of 10 to 40 words, then zeros
        x = np.maximum(x, 1) * (np.arange(x.shape[1]) < random.integers(10, 41, (count, 1)))
    total = x.reshape(count, -1)[:, :5].sum(1, dtype=np.int64)
    return np.ascontiguousarray(x, kind), (total * 10 // (5 * highest)).astype(np.int32)
