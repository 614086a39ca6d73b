"""Tests of the class Histogram."""

from __future__ import annotations

import math
import pickle
import sys
import tracemalloc
from collections.abc import Callable

import ml_dtypes
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from hpdash.histograms.histogram import NEAR_ZERO, Histogram, band, mixture, shared_edges, union


@given(
    hnp.arrays(st.sampled_from([np.float16, np.float32, np.float64]), hnp.array_shapes(min_dims=0, min_side=0)),
    st.integers(1, 70),
)
def test_counts_every_finite_value_once(values: NDArray[np.floating], buckets: int) -> None:
    """Every finite value is in a bucket between the minimum and the maximum; the number of other values is reported."""
    histogram = Histogram.of(values, buckets)
    finite = values[np.isfinite(values)].astype(float)
    assert histogram.counts.sum() == finite.size
    assert histogram.nonfinite == values.size - finite.size
    if finite.size:
        assert histogram.edges[0] <= finite.min() <= finite.max() <= histogram.edges[-1]


@pytest.mark.parametrize("shape", [(500, 401), (3, 2817), (2816, 3)])
@pytest.mark.parametrize("buckets", [64, 200])
def test_equals_the_plain_formula(shape: tuple[int, ...], buckets: int) -> None:
    """Counts are those of floor((x - min) / width), with the last bucket closed.

    This holds whether the values are counted over blocks, in pairs or one by one.
    """
    values = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    low, high = float(values.min()), float(values.max())
    scale = buckets / (high - low)
    index = np.minimum(np.floor((values.ravel().astype(float) - low) * scale), buckets - 1).astype(int)
    histogram = Histogram.of(values, buckets)
    assert histogram.counts.tolist() == np.bincount(index, minlength=buckets).tolist()
    assert histogram.edges.tolist() == np.linspace(low, high, buckets + 1).tolist()


@pytest.mark.parametrize(
    ("values", "edges", "counts"),
    [
        pytest.param(np.zeros((3, 4)), [-5e-7, 5e-7], [12], id="zeros"),
        pytest.param(np.full(5, 2.0, np.float32), [2 - 1e-6, 2 + 1e-6], [5], id="all-equal"),
        pytest.param(np.empty((0, 4)), [-5e-7, 5e-7], [0], id="empty"),
        pytest.param(np.array([np.nan, np.inf]), [-5e-7, 5e-7], [0], id="nothing-finite"),
        pytest.param(np.array([0.0, 5e-324]), [-5e-7, 5e-7], [2], id="subnormal-range"),
        pytest.param(np.array([-1.7e308, 1.7e308]), [-1.7e308, 1.7e308], [2], id="overflowing-range"),
        pytest.param(np.array([0, 1.79e308]), [0, 1.79e308], [2], id="nearly-overflowing-range"),
        pytest.param(np.array([1.7976931e308] * 2), [1.7976931e308] * 2, [2], id="greatest"),
        pytest.param(np.array([np.nan, 0, 1, 4, -np.inf]), [0, 2, 4], [2, 1], id="among-non-finite"),
        pytest.param(np.array([0, 1, 4], ml_dtypes.bfloat16), [0, 2, 4], [2, 1], id="bfloat16"),
        pytest.param(np.array([-128, 127], np.int8), [-128, -0.5, 127], [1, 1], id="integers"),
        pytest.param(np.array([[0, 9, 1], [9, 4, 9]]).T[::2, ::-1], [0, 4.5, 9], [2, 2], id="strided"),
    ],
)
def test_edge_cases(values: NDArray[np.generic], edges: list[float], counts: list[int]) -> None:
    """Values without a range get one bucket, and values of any real type and memory order are counted."""
    histogram = Histogram.of(values, buckets=2)
    assert (histogram.edges.tolist(), histogram.counts.tolist()) == (edges, counts)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, ml_dtypes.bfloat16])
def test_memory_does_not_grow_with_the_values(dtype: type) -> None:
    """No temporary array is as large as the values, even if they are transposed or of a half-width type."""
    values: NDArray[np.generic] = np.ones((2048, 2048), dtype).T
    values[0, 0] = np.nan
    values[1, 1] = 0
    tracemalloc.start()
    Histogram.of(values)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000 < values.nbytes


@pytest.mark.parametrize(
    ("edges", "counts", "nonfinite"),
    [
        pytest.param([0, 1], [], 0, id="no-buckets"),
        pytest.param([0, 1], [1, 2], 0, id="lengths"),
        pytest.param([[0, 1]], [[1]], 0, id="dimensions"),
        pytest.param([0, np.nan], [1], 0, id="nan-edge"),
        pytest.param([0, np.inf], [1], 0, id="infinite-edge"),
        pytest.param([1, 0], [1], 0, id="decreasing"),
        pytest.param([0, 1], [-1], 0, id="negative-count"),
        pytest.param([0, 1], [np.nan], 0, id="nan-count"),
        pytest.param([0, 1, 2], [np.inf, 1], 0, id="infinite-count"),
        pytest.param([0, 1, 2], [1e308, 1e308], 0, id="infinite-total"),
        pytest.param([0, 1], [1], -1, id="negative-nonfinite"),
    ],
)
def test_refuses_what_is_no_histogram(edges: list[float], counts: list[float], nonfinite: int) -> None:
    """Invalid edges and counts are refused, so that every histogram is valid."""
    with pytest.raises(ValueError, match="expected"):
        Histogram(np.array(edges), np.array(counts), nonfinite)


def test_cannot_be_changed() -> None:
    """A histogram shares no memory with the arrays that it was built from, and refuses writes."""
    counts = np.array([1.0])
    histogram = Histogram(np.array([0.0, 1.0]), counts)
    counts[0] = 7
    assert histogram.counts[0] == 1
    with pytest.raises(ValueError, match="read-only"):
        histogram.counts[0] = 7


def block(*edges: float, counts: list[float] | None = None) -> Histogram:
    """Make a histogram from its edges, by default with 1 in each bucket."""
    return Histogram(np.array(edges), np.array(counts if counts is not None else [1.0] * (len(edges) - 1)))


MOST = sys.float_info.max
NUMBERS = st.floats(-1e3, 1e3, allow_subnormal=False).map(lambda number: round(number, 3))


@st.composite
def histograms(draw: st.DrawFn) -> Histogram:
    """Draw a histogram that is not empty, but may have empty buckets and point masses."""
    edges = sorted(draw(st.lists(NUMBERS, min_size=2, max_size=9)))
    counts = draw(st.lists(st.integers(0, 10**6), min_size=len(edges) - 1, max_size=len(edges) - 1))
    return Histogram(np.array(edges), np.array(counts) + (not any(counts)))


def grids(least: int = 2) -> st.SearchStrategy[list[float]]:
    """Draw edges that do not decrease."""
    return st.lists(NUMBERS, min_size=least, max_size=9).map(sorted)


@given(histograms(), grids())
def test_rebinning_keeps_every_value(histogram: Histogram, edges: list[float]) -> None:
    """Rebinning to any edges loses no count and makes none negative."""
    rebinned = histogram.rebin(edges)
    assert rebinned.total == pytest.approx(histogram.total, rel=1e-12)
    assert rebinned.edges.tolist() == edges


@given(histograms())
def test_rebinning_to_its_own_edges_changes_nothing(histogram: Histogram) -> None:
    """Rebinning to the same edges gives the same counts, including those of point masses."""
    assume((histogram.edges[2:] > histogram.edges[:-2]).all())  # two point masses at the same position are merged
    close = pytest.approx(histogram.counts, rel=1e-12, abs=1e-12 * histogram.total)
    assert histogram.rebin(histogram.edges).counts == close


@given(histograms(), grids(4))
def test_rebinning_twice_is_rebinning_once(histogram: Histogram, edges: list[float]) -> None:
    """Rebinning to finer edges first gives the same coarse counts."""
    fine = np.unique(edges)
    coarse = fine[:: 2 if len(fine) % 2 else len(fine) - 1] if len(fine) > 2 else fine
    if len(coarse) > 1:
        twice = histogram.rebin(fine).rebin(coarse)
        assert twice.counts == pytest.approx(histogram.rebin(coarse).counts, rel=1e-9, abs=1e-9 * histogram.total)


@pytest.mark.parametrize(
    ("histogram", "edges", "counts"),
    [
        pytest.param(block(0, 1, 2, counts=[4, 2]), [0, 0.5, 1.5, 2], [2, 3, 1], id="split-by-length"),
        pytest.param(block(0, 2, counts=[4]), [-4, -2, 0, 2, 4], [0, 0, 4, 0], id="wider"),
        pytest.param(block(0, 4, counts=[4]), [1, 2, 3], [2, 2], id="outside-at-the-ends"),
        pytest.param(block(0, 1, counts=[4]), [5, 6, 7], [4, 0], id="all-outside"),
        pytest.param(block(1, 1, counts=[4]), [0, 1, 2], [0, 4], id="point-on-an-edge-goes-right"),
        pytest.param(block(2, 2, counts=[4]), [0, 1, 2], [0, 4], id="point-on-the-last-edge"),
        pytest.param(block(1, 1, counts=[4]), [0, 1, 1, 2], [0, 4, 0], id="point-into-its-own-bin"),
        pytest.param(block(0, 2, counts=[4]), [0, 1, 1, 2], [2, 0, 2], id="a-density-has-no-points"),
        pytest.param(block(0, 5e-324, counts=[4]), [0, 1, 2], [4, 0], id="subnormal"),
        pytest.param(block(-1.7e308, 1.7e308, counts=[4]), [-1.7e308, 0, 1.7e308], [2, 2], id="widest"),
        pytest.param(block(0, 1, counts=[1e12]), [0, 0.25, 1], [2.5e11, 7.5e11], id="many"),
        pytest.param(block(0, 1, counts=[0]), [0, 0.5, 1], [0, 0], id="empty"),
    ],
)
def test_rebinned_counts(histogram: Histogram, edges: list[float], counts: list[float]) -> None:
    """A bucket is split by length, a point mass goes to the bin on its right, and values outside go to the end bins."""
    assert histogram.rebin(edges).counts.tolist() == counts


@pytest.mark.parametrize(
    ("histogram", "mean", "std", "least", "greatest", "median"),
    [
        pytest.param(block(0, 6), 3, math.sqrt(3), 0, 6, 3, id="uniform"),
        pytest.param(block(2, 2), 2, 0, 2, 2, 2, id="point"),
        pytest.param(block(-1, -1, 1, 1, counts=[1, 0, 1]), 0, 1, -1, 1, -1, id="two-points"),
        pytest.param(block(0, 1, 2, 3, 4, counts=[0, 1, 1, 0]), 2, math.sqrt(1 / 3), 1, 3, 2, id="empty-ends"),
        pytest.param(
            block(0, 1, 9, 10, counts=[1, 0, 3]), 7.25, math.sqrt(15.1875 + 1 / 12), 0, 10, 9 + 1 / 3, id="gap"
        ),
        pytest.param(block(-5e-7, 5e-7, counts=[1e12]), 0, 1e-6 / math.sqrt(12), -5e-7, 5e-7, 0, id="narrow-and-many"),
        pytest.param(block(0, 5e-324), 0, 0, 0, 5e-324, 0, id="subnormal"),
        pytest.param(block(-1.7e308, 1.7e308), 0, 1.7e308 / math.sqrt(3), -1.7e308, 1.7e308, 0, id="widest"),
    ],
)
def test_moments(histogram: Histogram, mean: float, std: float, least: float, greatest: float, median: float) -> None:
    """Moments and quantiles are those of a density that is uniform inside each bucket."""
    assert [histogram.mean, histogram.std] == pytest.approx([mean, std], rel=1e-12, abs=1e-300)
    assert [histogram.min, histogram.max] == [least, greatest]
    assert histogram.quantile(0.5) == pytest.approx(median, rel=1e-12)
    assert histogram.quantiles([0, 1]).tolist() == [least, greatest]


def test_an_empty_histogram_has_no_moments() -> None:
    """If there are no values, the statistics of the values are NaN and the density is 0."""
    empty = block(0, 1, counts=[0])
    described = [empty.mean, empty.std, empty.min, empty.max, empty.quantile(0.5), empty.share(0, 1)]
    assert np.isnan(described).all()
    assert empty.density([0, 0.5, 1]).tolist() == [0, 0]


@given(hnp.arrays(np.float64, st.integers(1, 200), elements=NUMBERS))
def test_moments_agree_with_the_values(values: NDArray[np.float64]) -> None:
    """The mean, standard deviation and quantiles of 64 buckets are within a bucket's width of NumPy's."""
    histogram = Histogram.of(values)
    width = float(np.diff(histogram.edges).max()) + 1e-9
    assert abs(histogram.mean - values.mean()) <= width
    assert abs(histogram.std - values.std()) <= width
    levels = np.linspace(0, 1, 11)
    exact = np.quantile(values, levels, method="inverted_cdf")
    assert (np.abs(histogram.quantiles(levels) - exact) <= width).all()


@given(histograms(), st.lists(st.floats(0, 1), min_size=1))
def test_quantiles_increase_and_invert_the_distribution(histogram: Histogram, levels: list[float]) -> None:
    """Quantiles never decrease and stay between the minimum and the maximum.

    At least the requested share of the values does not exceed a quantile.
    """
    levels = sorted(levels)
    found = histogram.quantiles(levels)
    assert (np.diff(found) >= 0).all()
    assert histogram.min <= found[0] <= found[-1] <= histogram.max
    for level, place in zip(levels, found, strict=True):
        assert histogram.share(-1e9, float(place)) >= level - 1e-9


@pytest.mark.parametrize(
    ("histogram", "width", "share"),
    [
        pytest.param(block(-1, 1), 0.25, 0.25, id="inside-a-bucket"),
        pytest.param(block(-1, 0, 0, 1, counts=[1, 2, 1]), 0, 0.5, id="exact-zeros"),
        pytest.param(block(-1, -1, 0, 1, 1), 1, 1, id="both-ends-count"),
        pytest.param(block(1, 2), 0.5, 0, id="none"),
        pytest.param(Histogram.of(np.zeros(9)), NEAR_ZERO, 1, id="zeros"),
    ],
)
def test_share_near_zero(histogram: Histogram, width: float, share: float) -> None:
    """Values at most a width away from 0 are near 0, including those at exactly that width."""
    assert histogram.share_near_zero(width) == pytest.approx(share)
    assert histogram.share_near_zero() == histogram.share(-0.001, 0.001)


@pytest.mark.parametrize(
    ("ask", "expected"),
    [
        pytest.param(lambda h: h.quantile(1.01), "levels from 0 to 1", id="level-above-1"),
        pytest.param(lambda h: h.quantiles([0.5, math.nan]), "levels from 0 to 1", id="level-nan"),
        pytest.param(lambda h: h.share(1, 0), "low <= high", id="share"),
        pytest.param(lambda h: h.share_near_zero(-1), "low <= high", id="negative-width"),
        pytest.param(lambda h: h.rebin([1, 0]), "do not decrease", id="rebin-decreasing"),
        pytest.param(lambda h: h.rebin([0]), "edges", id="rebin-one-edge"),
        pytest.param(lambda h: h.rebin([0, math.nan, 1]), "finite edges", id="rebin-nan"),
        pytest.param(lambda h: h.density([0, 1, 1]), "edges that increase", id="density-repeated"),
        pytest.param(lambda h: shared_edges([h], 0), "at least 1 bin", id="no-bins"),
        pytest.param(lambda h: shared_edges([h], clip=0), "clip <= 1", id="clip-0"),
        pytest.param(lambda h: shared_edges([h], clip=99.9), "clip <= 1", id="clip-in-percent"),
        pytest.param(lambda h: mixture([]), "at least one histogram", id="mixture-of-none"),
    ],
)
def test_a_bad_question_is_refused(ask: Callable[[Histogram], object], expected: str) -> None:
    """An invalid argument is refused with an error that says what was expected."""
    with pytest.raises(ValueError, match=expected):
        ask(block(0, 1))


@given(histograms(), grids(3))
def test_a_density_is_the_share_inside(histogram: Histogram, edges: list[float]) -> None:
    """Density times width adds up to the share of the values between the edges, including both edges."""
    bins = np.unique(edges)
    if bins.size > 1:
        inside = float(histogram.density(bins) @ np.diff(bins))
        assert inside == pytest.approx(histogram.share(float(bins[0]), float(bins[-1])), abs=1e-9)


@given(st.lists(histograms(), min_size=1, max_size=5), st.sampled_from([0.5, 0.9, 0.999, 1.0]), st.integers(1, 70))
def test_shared_edges_hold_what_they_promise(members: list[Histogram], clip: float, bins: int) -> None:
    """The axis has the requested number of bins of positive, equal width, and holds at least the requested share."""
    edges = shared_edges(members, bins, clip)
    widths = np.diff(edges)
    assert edges.size == bins + 1
    assert (widths > 0).all()
    assert widths == pytest.approx(widths.mean(), rel=1e-3)
    slack = 1e-12 * float(np.abs(edges).max())
    inside = [member.share(float(edges[0]) - slack, float(edges[-1]) + slack) for member in members]
    assert np.mean(inside) >= clip - 1e-9


@pytest.mark.parametrize(
    ("members", "clip", "ends"),
    [
        pytest.param([block(0, 1, 99, 100, counts=[9998, 0, 2])], 0.999, (0, 1), id="outlier-cut"),
        pytest.param([block(0, 1, 99, 100, counts=[9998, 0, 2])], 1.0, (0, 100), id="all-kept"),
        pytest.param([block(0, 1), block(-3, -2)], 0.9, (-3, 1), id="several"),
        pytest.param([block(0, 1), block(7, 8, counts=[0])], 1.0, (0, 1), id="empty-left-out"),
        pytest.param([block(2, 2)], 0.999, (2 - 1e-6, 2 + 1e-6), id="point"),
        pytest.param([block(1, 1 + 2e-16)], 0.999, (1 - 5e-7, 1 + 5e-7), id="below-float64"),
        pytest.param([block(0, 5e-324)], 0.999, (-5e-7, 5e-7), id="subnormal"),
        pytest.param([block(0, 1e-9)], 1.0, (0, 1e-9), id="small-but-told-apart"),
        pytest.param([block(-1.7e308, 1.7e308)], 1.0, (-1.7e308, 1.7e308), id="widest"),
        pytest.param([block(-MOST, MOST)], 1.0, (-MOST, MOST), id="most"),
        pytest.param([block(MOST, MOST)], 1.0, (MOST - MOST / 2e6, MOST), id="greatest"),
        pytest.param([], 0.999, (-5e-7, 5e-7), id="none"),
    ],
)
def test_the_ends_of_shared_edges(members: list[Histogram], clip: float, ends: tuple[float, float]) -> None:
    """An outlier does not stretch the axis unless all values are requested, and there is an axis for any values."""
    edges = shared_edges(members, 60, clip)
    assert (edges[0], edges[-1]) == pytest.approx(ends, rel=1e-12)
    assert (np.diff(edges) > 0).all()


def test_the_mean_of_a_group_weighs_its_members_the_same() -> None:
    """A mixture has the mean shares and the mean total of the members that have values."""
    group = [block(0, 1, counts=[30]), block(1, 2, counts=[10]), block(5, 6, counts=[0])]
    mean = mixture(group)
    assert (mean.total, mean.mean) == (20, 1)
    assert mean.share(0, 1) == 0.5
    assert mixture(group, [0, 4]).counts.tolist() == [20]
    assert mixture(group[2:]).total == 0


@given(st.lists(histograms(), min_size=1, max_size=5))
def test_a_mixture_is_exact(members: list[Histogram]) -> None:
    """On the members' own edges, a mixture has the mean of their shares everywhere, including at point masses."""
    mean = mixture(members)
    for place in union(members):
        expected = np.mean([member.share(-1e9, float(place)) for member in members])
        assert mean.share(-1e9, float(place)) == pytest.approx(expected, abs=1e-9)


def test_the_band_of_a_group() -> None:
    """A group's band is the mean, the minimum and the maximum density of the members that have values."""
    group = [block(0, 1), block(0, 2), block(0, 9, counts=[0])]
    assert band(group, [0, 1, 2]).tolist() == [[0.75, 0.25], [0.5, 0], [1, 0.5]]
    assert band(group[2:], [0, 1, 2]).tolist() == [[0, 0]] * 3


def test_survives_a_trip_to_another_process() -> None:
    """A histogram that is pickled and unpickled is unchanged."""
    again = pickle.loads(pickle.dumps(block(0, 1, 3, counts=[1, 2])))
    assert (again.edges.tolist(), again.counts.tolist(), again.total) == ([0, 1, 3], [1, 2], 3)
