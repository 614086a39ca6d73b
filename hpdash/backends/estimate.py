"""Estimate how long a sweep takes on this machine, from its models' arithmetic and a timed matrix product."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from operator import mul

import numpy as np

from ..records import TrialSpec

START_SECONDS = 5.0  # time in which a worker imports TensorFlow and loads the data
COMPILE_SECONDS = 2.0  # time to compile a graph's two loops, training and validation
STEP_SECONDS = 1e-4  # overhead of a step
NORM_SECONDS = 1e-5  # additional time of a step for each layer of batch normalisation
CORE_RATE = 5e10  # operations a second of a modest core, used if only the ratios between trials matter
EFFICIENCY = 0.9  # ratio of a whole step's rate to that of the matrix product, measured in the shipped sweeps
PLAIN_EFFICIENCY = 0.75  # the same for steps without XLA, which are mostly convolutions
VALUE_SECONDS = 2e-9  # time without XLA for each value of the forward pass: .9e-9 to 5.2e-9 in 11 nets, median 2e-9
TIMED_PRODUCTS = 50
TRAINING = 3  # ratio of a training step to its forward pass: the backward pass takes twice as long


@dataclass(frozen=True, slots=True)
class Size:
    """How much data there is: the training and validation examples, the values of one example, the model's outputs."""

    train: int
    validation: int
    values: int
    outputs: int


@dataclass(frozen=True, slots=True)
class Work:
    """The work of one example's forward pass: its floating-point operations, and the values that its graph computes.

    `values` is 0 if XLA compiles the model. `step` is the overhead of one training step, in seconds.
    """

    operations: float
    values: float = 0.0
    step: float = STEP_SECONDS


def seconds(
    specs: Sequence[TrialSpec], sizes: Sequence[Size], works: Sequence[Work], workers: int, times: float = 1.0
) -> float:
    """Estimate the seconds that trials take on `workers` workers of one thread each.

    If the given trials are a sample, `times` is the number of trials of the sweep that each of them represents.
    """
    rate = matrix_rate() / workers
    graphs = min(len({spec.graph_key for spec in specs}), max(1.0, len(specs) * times))
    trials = zip(specs, sizes, works, strict=True)
    total = sum(trial_seconds(spec, size, work, rate) for spec, size, work in trials)
    return START_SECONDS + (total * times + graphs * COMPILE_SECONDS) / workers


def trial_seconds(spec: TrialSpec, size: Size, work: Work, rate: float = CORE_RATE) -> float:
    """Estimate a trial's training time in seconds; `rate` is that of a matrix product, in operations a second."""
    train = spec.settings["train"]
    steps = -(-size.train // train["batch_size"])
    passes = TRAINING * size.train + size.validation
    efficiency = PLAIN_EFFICIENCY if work.values else EFFICIENCY
    example = work.operations / (rate * efficiency) + work.values * VALUE_SECONDS / TRAINING
    return float(train["epochs"] * (passes * example + steps * work.step))


def mlp_work(spec: TrialSpec, size: Size) -> Work:
    """Return the work of the built-in MLP.

    A user's model counts as an MLP without hidden layers. That is enough to know that more epochs take longer.
    """
    model = spec.settings["model"]
    hidden = model["hidden"] if model["builder"] == "mlp" else []
    widths = [size.values, *hidden, size.outputs]
    norms = len(hidden) * (model.get("batchnorm", "none") != "none")
    return Work(2 * sum(map(mul, widths, widths[1:])), step=STEP_SECONDS + norms * NORM_SECONDS)


def matrix_rate() -> float:
    """Time the float32 matrix product of a typical layer on all cores; return the best operations a second."""
    a, b = np.ones((64, 1024), np.float32), np.ones((1024, 1024), np.float32)
    best = float("inf")
    for _ in range(TIMED_PRODUCTS):
        begin = time.perf_counter()
        a @ b
        best = min(best, time.perf_counter() - begin)
    return 2 * 64 * 1024 * 1024 / best
