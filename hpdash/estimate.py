"""How long a sweep of MLPs may take on this machine, from its arithmetic and a matrix product timed just now."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from .trial import TrialSpec

START_SECONDS = 5.0  # a worker imports TensorFlow and reads the data
COMPILE_SECONDS = 2.0  # a graph's two passes
STEP_SECONDS = 1e-4  # a step's cost beside arithmetic
NORM_SECONDS = 1e-5  # what batch normalisation of a layer adds to a step
CORE_RATE = 5e10  # a modest core's, where only the comparison of trials counts
EFFICIENCY = 0.9  # of that product's rate over a whole step, as the shipped sweeps ran
TIMED_PRODUCTS = 50


@dataclass(frozen=True, slots=True)
class Size:
    """How much data there is: training and validation examples, values an example, outputs."""

    train: int
    validation: int
    values: int
    outputs: int


def seconds(specs: Sequence[TrialSpec], sizes: Sequence[Size], workers: int, times: float = 1.0) -> float:
    """Estimate the seconds that trials of the built-in MLP take on so many one-thread workers.

    `times` is how many trials there are for each of these, where they stand for others.
    """
    rate = matrix_rate() * EFFICIENCY
    graphs = min(len({spec.graph_key for spec in specs}), max(1.0, len(specs) * times))
    work = sum(trial_seconds(spec, size, rate / workers) for spec, size in zip(specs, sizes, strict=True))
    return START_SECONDS + (work * times + graphs * COMPILE_SECONDS) / workers


def trial_seconds(spec: TrialSpec, size: Size, rate: float = CORE_RATE) -> float:
    """Estimate a trial's training time at a rate of so many operations a second.

    A model of one's own counts as one without hidden layers: enough to see that more epochs take longer.
    """
    train, model = spec.settings["train"], spec.settings["model"]
    hidden = model["hidden"] if model["builder"] == "mlp" else []
    widths = [size.values, *hidden, size.outputs]
    forward = 2 * sum(inputs * units for inputs, units in pairwise(widths))
    steps = -(-size.train // train["batch_size"])
    overhead = steps * (STEP_SECONDS + len(hidden) * NORM_SECONDS * (model.get("batchnorm", "none") != "none"))
    return float(train["epochs"] * (forward * (3 * size.train + size.validation) / rate + overhead))


def matrix_rate() -> float:
    """Time a float32 matrix product of a typical layer on all cores; return operations a second, at its best."""
    a, b = np.ones((64, 1024), np.float32), np.ones((1024, 1024), np.float32)
    best = float("inf")
    for _ in range(TIMED_PRODUCTS):
        begin = time.perf_counter()
        a @ b
        best = min(best, time.perf_counter() - begin)
    return 2 * 64 * 1024 * 1024 / best
