"""Tests of whether two settings differ by more than their seeds do."""

from __future__ import annotations

import math

import pytest

from hpdash.analysis.significance import ALIKE, welch

CASES = {
    "apart": ([0.90, 0.91, 0.92], [0.50, 0.52, 0.51], True),
    "within their spread": ([0.90, 0.95, 0.85], [0.89, 0.94, 0.86], False),
    "the same without spread": ([0.5, 0.5], [0.5, 0.5], False),
    "another without spread": ([0.5, 0.5], [0.6, 0.6], True),
}


@pytest.mark.parametrize(("first", "second", "apart"), CASES.values(), ids=CASES.keys())
def test_who_is_told_apart(first: list[float], second: list[float], apart: bool) -> None:
    """Two settings are significantly different if their means differ by more than the spread of their seeds."""
    p = welch(first, second)
    assert p is not None
    assert (p < ALIKE) is apart
    assert welch(second, first) == pytest.approx(p)


def test_a_case_that_is_known_by_hand() -> None:
    """With one degree of freedom Student's t is the Cauchy distribution: t = -3 gives p = 1 - 2/pi atan 3."""
    assert welch([0.0, 2.0], [4.0, 4.0]) == pytest.approx(1 - 2 / math.pi * math.atan(3))


def test_one_seed_tells_nothing() -> None:
    """Settings with a single seed cannot be compared, because a single value has no spread."""
    assert welch([0.9], [0.1, 0.2]) is None
