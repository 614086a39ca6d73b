"""Tests of the time estimate of a dry run."""

from __future__ import annotations

from pathlib import Path

import pytest

from hpdash.backends import estimate
from hpdash.backends.estimate import COMPILE_SECONDS, EFFICIENCY, START_SECONDS, STEP_SECONDS, Size, mlp_work
from hpdash.search import trials
from hpdash.spec import parse_sweep

SIZE = Size(train=1000, validation=100, values=20, outputs=10)
RATE = 1e9


@pytest.fixture(autouse=True)
def known_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every machine multiply matrices at the same fixed rate."""
    monkeypatch.setattr(estimate, "matrix_rate", lambda: RATE)


def seconds(workers: int = 1, size: Size = SIZE, seeds: int = 1, **train: object) -> float:
    """Estimate the time of a sweep over two activations of a 20-30-10 network."""
    settings = {"epochs": 5, "batch_size": 32, **train}
    content = {
        "sweep": {"repeats": seeds}, "data": {"name": "digits"}, "model": {"hidden": [30]}, "train": settings,
        "hparams": {"activation": ["relu", "tanh"]},
    }  # fmt: skip
    specs = trials(parse_sweep(content, name="guess", folder=Path()))
    works = [mlp_work(spec, size) for spec in specs]
    return estimate.seconds(specs, [size] * len(specs), works, workers)


def test_the_estimate_is_the_sum_of_its_parts() -> None:
    """The estimate adds up startup, one compilation per graph, and the arithmetic and the steps of all epochs.

    The backward pass costs twice the forward pass.
    """
    forward = 2 * (20 * 30 + 30 * 10)
    epoch = forward * (3 * 1000 + 100) / (RATE * EFFICIENCY) + 32 * STEP_SECONDS
    assert seconds() == pytest.approx(START_SECONDS + 2 * COMPILE_SECONDS + 2 * 5 * epoch)


@pytest.mark.parametrize(
    ("less", "more"),
    [
        pytest.param({"epochs": 5}, {"epochs": 50}, id="epochs"),
        pytest.param({"batch_size": 256}, {"batch_size": 8}, id="smaller-batches"),
        pytest.param({}, {"seeds": 3}, id="repeats"),
        pytest.param({}, {"size": Size(100_000, 100, 20, 10)}, id="examples"),
        pytest.param({"workers": 2}, {"workers": 1}, id="fewer-workers"),
    ],
)
def test_more_work_takes_longer(less: dict[str, object], more: dict[str, object]) -> None:
    """Every kind of additional work increases the estimate."""
    assert seconds(**less) < seconds(**more)  # type: ignore[arg-type]


def test_seeds_share_a_compilation() -> None:
    """Trials that differ only in their seed are compiled once."""
    assert seconds(seeds=2) - seconds() < COMPILE_SECONDS


def test_the_rate_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """The measured rate of the machine is a positive number of operations per second."""
    monkeypatch.undo()
    assert estimate.matrix_rate() > 1e6
