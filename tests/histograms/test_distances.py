"""Tests of the distances between histograms."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from scipy.stats import wasserstein_distance

from hpdash.histograms.distances import jensen_shannon, mean_wasserstein, wasserstein
from hpdash.histograms.histogram import Histogram

NUMBERS = st.floats(-1e3, 1e3, allow_subnormal=False).map(lambda number: round(number, 3))


def block(*edges: float, counts: list[float] | None = None) -> Histogram:
    """Make a histogram from its edges, by default with 1 in each bucket."""
    return Histogram(np.array(edges), np.array(counts if counts is not None else [1.0] * (len(edges) - 1)))


@st.composite
def histograms(draw: st.DrawFn) -> Histogram:
    """Draw a histogram that is not empty, but may have empty buckets and point masses."""
    edges = sorted(draw(st.lists(NUMBERS, min_size=2, max_size=9)))
    counts = draw(st.lists(st.integers(0, 10**6), min_size=len(edges) - 1, max_size=len(edges) - 1))
    return Histogram(np.array(edges), np.array(counts) + (not any(counts)))


@given(histograms(), st.floats(0.001, 1000))
def test_the_distance_to_itself_is_zero(histogram: Histogram, more: float) -> None:
    """The distance of a distribution to itself is zero, however many values it represents."""
    again = Histogram(histogram.edges, histogram.counts * more)
    assert wasserstein(histogram, histogram) == jensen_shannon(histogram, histogram) == 0
    assert wasserstein(histogram, again) == pytest.approx(0, abs=1e-9)
    assert jensen_shannon(histogram, again) == pytest.approx(0, abs=1e-6)


@given(histograms(), histograms())
def test_distances_are_symmetric(a: Histogram, b: Histogram) -> None:
    """The distance from one histogram to another is the same in both directions."""
    assert wasserstein(a, b) == pytest.approx(wasserstein(b, a), rel=1e-12)
    assert jensen_shannon(a, b) == pytest.approx(jensen_shannon(b, a), rel=1e-9, abs=1e-7)


@given(histograms(), histograms(), histograms())
def test_no_way_round_is_shorter(a: Histogram, b: Histogram, c: Histogram) -> None:
    """Both distances obey the triangle inequality."""
    assert wasserstein(a, c) <= wasserstein(a, b) + wasserstein(b, c) + 1e-9
    assert jensen_shannon(a, c) <= jensen_shannon(a, b) + jensen_shannon(b, c) + 1e-7


@given(histograms(), st.floats(-100, 100))
def test_a_shift_is_its_own_distance(histogram: Histogram, shift: float) -> None:
    """A distribution that is shifted by d is at a distance of |d|, in the unit of its values."""
    shifted = Histogram(histogram.edges + shift, histogram.counts)
    assert wasserstein(histogram, shifted) == pytest.approx(abs(shift), rel=1e-9, abs=1e-9)


@given(histograms(), histograms(), st.floats(-100, 100))
def test_scaling_scales_the_distance(a: Histogram, b: Histogram, factor: float) -> None:
    """If all values are multiplied by c, the distance is |c| times as large."""
    order = -1 if factor < 0 else 1
    scaled = [Histogram((h.edges * factor)[::order], h.counts[::order]) for h in (a, b)]
    assert wasserstein(*scaled) == pytest.approx(abs(factor) * wasserstein(a, b), rel=1e-9, abs=1e-9)


@given(*[hnp.arrays(np.float64, st.integers(1, 100), elements=NUMBERS)] * 2)
def test_agrees_with_scipy_on_the_values(a: NDArray[np.float64], b: NDArray[np.float64]) -> None:
    """With 64 buckets, the distance differs from scipy's exact one by at most half a bucket of each histogram."""
    own = [Histogram.of(values) for values in (a, b)]
    slack = sum(float(np.diff(histogram.edges).max()) for histogram in own) + 1e-9
    assert abs(wasserstein(*own) - wasserstein_distance(a, b)) <= slack


def test_real_layers_agree_with_scipy() -> None:
    """For two layers of 2,500 normal weights the distance is within 3 % of the exact one."""
    random = np.random.default_rng(1)
    a, b = random.normal(0, 0.05, 2500), random.normal(0.01, 0.2, 2500)
    assert wasserstein(Histogram.of(a), Histogram.of(b)) == pytest.approx(wasserstein_distance(a, b), rel=0.03)


@given(st.lists(NUMBERS, min_size=1, max_size=9), st.lists(NUMBERS, min_size=1, max_size=9))
def test_point_masses_are_exact(a: list[float], b: list[float]) -> None:
    """The distance between values kept as point masses equals scipy's."""
    own = [block(*np.repeat(sorted(v), 2), counts=[1, *[0, 1] * (len(v) - 1)]) for v in (a, b)]
    assert wasserstein(*own) == pytest.approx(wasserstein_distance(a, b), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(
    ("a", "b", "earth", "information"),
    [
        pytest.param(block(0, 1), block(3, 4), 3, 1, id="disjoint"),
        pytest.param(block(0, 1), block(0, 1, 2), 0.5, math.sqrt(1 - 0.75 * math.log2(3) + 0.5), id="half-shared"),
        pytest.param(block(-1, 1), block(-2, 2), 0.5, math.sqrt(1.5 - 0.75 * math.log2(3)), id="crossing-in-a-bucket"),
        pytest.param(block(0, 0), block(-1, 1), 0.5, 1, id="point-in-a-density"),
        pytest.param(block(0, 0), block(2, 2), 2, 1, id="two-points"),
        pytest.param(block(0, 0), block(0, 0, 0, counts=[2, 3]), 0, 0, id="one-place"),
        pytest.param(block(0, 1, counts=[1e12]), block(1, 2, counts=[1]), 1, 1, id="totals-do-not-count"),
        pytest.param(block(-1.7e308, 0), block(0, 1.7e308), 1.7e308, 1, id="widest"),
        pytest.param(block(0, 5e-324), block(0, 0), 0, 1, id="subnormal"),
        pytest.param(block(0, 1), block(0, 1, counts=[0]), math.nan, math.nan, id="empty"),
    ],
)
def test_known_distances(a: Histogram, b: Histogram, earth: float, information: float) -> None:
    """Distances between blocks and points equal those calculated by hand."""
    assert wasserstein(a, b) == pytest.approx(earth, rel=1e-12, abs=1e-300, nan_ok=True)
    assert jensen_shannon(a, b) == pytest.approx(information, rel=1e-12, nan_ok=True)


@given(histograms(), histograms())
def test_the_jensen_shannon_distance_is_bounded(a: Histogram, b: Histogram) -> None:
    """The Jensen-Shannon distance is from 0 to 1, and 1 for histograms that do not overlap."""
    assert 0 <= jensen_shannon(a, b) <= 1
    away = Histogram(b.edges + (a.max - b.min + 1), b.counts)
    assert jensen_shannon(a, away) == pytest.approx(1)


@given(st.lists(histograms(), min_size=2, max_size=6))
def test_the_mean_distance_is_that_of_all_pairs(members: list[Histogram]) -> None:
    """A group's mean distance is the mean over its pairs; members without values are left out."""
    expected = np.mean([wasserstein(a, b) for a, b in combinations(members, 2)])
    assert mean_wasserstein([*members, block(0, 1, counts=[0])]) == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_a_large_group_is_measured_at_quantiles() -> None:
    """With more than 16 members, the mean distance is within a thousandth of the mean over all pairs."""
    random = np.random.default_rng(2)
    members = [Histogram.of(random.normal(0, scale, 2500)) for scale in np.linspace(0.05, 0.3, 17)]
    expected = np.mean([wasserstein(a, b) for a, b in combinations(members, 2)])
    assert mean_wasserstein(members) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("members", [[], [block(0, 1)], [block(0, 1), block(0, 1, counts=[0])]])
def test_less_than_two_have_no_mean_distance(members: list[Histogram]) -> None:
    """Fewer than two histograms with values have no mean distance: it is NaN."""
    assert math.isnan(mean_wasserstein(members))
