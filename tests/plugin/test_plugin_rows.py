"""Tests of computing many histograms at once: each row gives the numbers of histogram.py and distances.py."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from hpdash.histograms import histogram
from hpdash.histograms.distances import wasserstein
from hpdash.histograms.histogram import Histogram
from hpdash.plugin.rows import Rows, shared_edges

LEVELS = [0.0, 0.01, 0.25, 0.5, 0.75, 0.99, 1.0]
EDGES = np.linspace(-2, 2, 17)

numbers = st.one_of(st.integers(-3, 3).map(float), st.floats(-3, 3, width=32))


@st.composite
def tables(draw: st.DrawFn) -> Rows:
    """Return a few histograms of equal length: repeated edges, empty buckets, point masses, rows without values."""
    n, k = draw(st.integers(1, 4)), draw(st.integers(1, 5))
    edges = draw(st.lists(st.lists(numbers, min_size=k + 1, max_size=k + 1).map(sorted), min_size=n, max_size=n))
    counts = draw(st.lists(st.lists(st.integers(0, 3), min_size=k, max_size=k), min_size=n, max_size=n))
    return Rows(np.array(edges), np.array(counts, float))


def each(rows: Rows) -> list[Histogram]:
    """Return the rows as single histograms."""
    return list(map(Histogram, rows.edges, rows.counts))


@given(tables())
def test_moments_and_quantiles(rows: Rows) -> None:
    """Mean, deviation, minimum, maximum, quantiles and share near 0 are the same, with NaN where there is no value."""
    with np.errstate(all="raise", under="ignore"):
        found = [rows.mean(), rows.std(), rows.min(), rows.max(), rows.near_zero(), *rows.quantiles(LEVELS).T]
    alone = [[h.mean, h.std, h.min, h.max, h.share_near_zero(), *h.quantiles(LEVELS)] for h in each(rows)]
    assert_allclose(np.array(found).T, alone, rtol=1e-9, atol=1e-9)


@given(tables(), st.sampled_from([EDGES, np.array([0.0, 1.0]), np.array([-3.0, 0.0, 3.0])]))
def test_densities(rows: Rows, edges: np.ndarray) -> None:
    """Densities are the same, also with point masses on an edge."""
    assert_allclose(rows.densities(edges), [h.density(edges) for h in each(rows)], rtol=1e-9, atol=1e-9)


@given(tables(), st.data())
def test_distances(rows: Rows, data: st.DataObject) -> None:
    """Distances are the same, also between histograms with different numbers of buckets."""
    others = data.draw(tables())
    others = others.take(np.arange(len(rows)) % len(others))
    expected = [wasserstein(a, b) for a, b in zip(each(rows), each(others), strict=True)]
    assert_allclose(rows.distances(others), expected, rtol=1e-9, atol=1e-9)


@given(st.lists(tables(), max_size=3), st.sampled_from([0.5, 0.9, 0.999, 1.0]))
def test_shared_edges(batches: list[Rows], clip: float) -> None:
    """The axis is the same up to rounding of shares, if its bins are wide enough for float32."""
    together = [h for rows in batches for h in each(rows)]
    expected, found = histogram.shared_edges(together, 16, clip), shared_edges(batches, 16, clip)
    assert (np.diff(found.astype(np.float32)) > 0).all()
    shares = [h.share(found[0], found[-1]) for h in together if h.total]
    assert not shares or np.mean(shares) >= clip - 1e-9
    if expected[-1] - expected[0] > 1e-4 and clip == 1:
        assert_allclose(found, expected, atol=1e-9)


@pytest.mark.parametrize(
    ("edges", "counts"),
    [
        pytest.param([1.0, 1.0], [5.0], id="a-point-far-from-0"),
        pytest.param([0.0, 0.0], [5.0], id="a-point-at-0"),
        pytest.param([-1e308, 1e308], [5.0], id="beyond-float32"),
        pytest.param([1e308, 1e308], [5.0], id="a-point-beyond-float32"),
        pytest.param([0.0, 5e-324], [5.0], id="the-least-width"),
        pytest.param([0.0, 0.0], [0.0], id="no-value"),
    ],
)
def test_an_axis_always_has_edges_that_increase_as_float32(edges: list[float], counts: list[float]) -> None:
    """For any histograms, the edges of the axis are finite and increase as float32, and the density is finite."""
    rows = Rows(np.array([edges]), np.array([counts]))
    axis = shared_edges([rows], 60, 0.999)
    assert np.isfinite(axis.astype(np.float32)).all()
    assert (np.diff(axis.astype(np.float32)) > 0).all()
    assert np.isfinite(rows.densities(axis)).all()
    assert np.isfinite(rows.distances(rows)).all() == bool(counts[0])
