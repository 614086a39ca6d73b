"""Truths of the Histogram value."""

from __future__ import annotations

import tracemalloc

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from hpdash.histogram import Histogram


@given(
    hnp.arrays(st.sampled_from([np.float16, np.float32, np.float64]), hnp.array_shapes(min_dims=0, min_side=0)),
    st.integers(1, 70),
)
def test_counts_every_finite_value_once(values: NDArray[np.floating], buckets: int) -> None:
    """Whatever the values, every finite one is in a bucket between the least and the greatest, the others are told."""
    histogram = Histogram.of(values, buckets)
    finite = values[np.isfinite(values)].astype(float)
    assert histogram.counts.sum() == finite.size
    assert histogram.nonfinite == values.size - finite.size
    if finite.size:
        assert histogram.edges[0] <= finite.min() <= finite.max() <= histogram.edges[-1]


def test_equals_the_plain_formula() -> None:
    """Counts are those of floor((x - min) / width), the last bucket closed, over several blocks."""
    values = np.random.default_rng(0).normal(size=(500, 401)).astype(np.float32)
    low, high = float(values.min()), float(values.max())
    index = np.minimum(np.floor((values.ravel().astype(float) - low) * (64 / (high - low))), 63).astype(int)
    histogram = Histogram.of(values)
    assert histogram.counts.tolist() == np.bincount(index, minlength=64).tolist()
    assert histogram.edges.tolist() == np.linspace(low, high, 65).tolist()


@pytest.mark.parametrize(
    ("values", "edges", "counts"),
    [
        pytest.param(np.zeros((3, 4)), [-5e-7, 5e-7], [12], id="zeros"),
        pytest.param(np.full(5, 2.0, np.float32), [2 - 1e-6, 2 + 1e-6], [5], id="all-equal"),
        pytest.param(np.empty((0, 4)), [-5e-7, 5e-7], [0], id="empty"),
        pytest.param(np.array([np.nan, np.inf]), [-5e-7, 5e-7], [0], id="nothing-finite"),
        pytest.param(np.array([0.0, 5e-324]), [-5e-7, 5e-7], [2], id="subnormal-range"),
        pytest.param(np.array([-1.7e308, 1.7e308]), [-1.7e308, 1.7e308], [2], id="overflowing-range"),
        pytest.param(np.array([np.nan, 0, 1, 4, -np.inf]), [0, 2, 4], [2, 1], id="among-non-finite"),
        pytest.param(np.array([0, 1, 4], ml_dtypes.bfloat16), [0, 2, 4], [2, 1], id="bfloat16"),
        pytest.param(np.array([-128, 127], np.int8), [-128, -0.5, 127], [1, 1], id="integers"),
        pytest.param(np.array([[0, 9, 1], [9, 4, 9]]).T[::2, ::-1], [0, 4.5, 9], [2, 2], id="strided"),
    ],
)
def test_edge_cases(values: NDArray[np.generic], edges: list[float], counts: list[int]) -> None:
    """Values with no range get one bucket, and any real type and memory order is counted."""
    histogram = Histogram.of(values, buckets=2)
    assert (histogram.edges.tolist(), histogram.counts.tolist()) == (edges, counts)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, ml_dtypes.bfloat16])
def test_memory_does_not_grow_with_the_values(dtype: type) -> None:
    """No temporary is as large as the array, transposed or of a half-width type."""
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
        pytest.param([0, 1], [1], -1, id="negative-nonfinite"),
    ],
)
def test_refuses_what_is_no_histogram(edges: list[float], counts: list[float], nonfinite: int) -> None:
    """A histogram that exists is valid."""
    with pytest.raises(ValueError, match="expected"):
        Histogram(np.array(edges), np.array(counts), nonfinite)


def test_cannot_be_changed() -> None:
    """A histogram shares no memory with what it was built from and refuses writes."""
    counts = np.array([1.0])
    histogram = Histogram(np.array([0.0, 1.0]), counts)
    counts[0] = 7
    assert histogram.counts[0] == 1
    with pytest.raises(ValueError, match="read-only"):
        histogram.counts[0] = 7
