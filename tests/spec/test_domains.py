"""Tests of domains: the values that a hyperparameter may take."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpdash.spec.domains import Choice, FloatRange, IntRange, from_json

BAD = {
    "empty list": (lambda: Choice(()), "at least one value"),
    "same value twice": (lambda: Choice(("relu", "relu")), "differ"),
    "1 and 1.0": (lambda: Choice((1, 1.0)), "differ"),
    "same table twice": (lambda: Choice(({"a": 1, "b": 2}, {"b": 2, "a": 1})), "differ"),
    "min above max": (lambda: FloatRange(1.0, 0.1), "min below max"),
    "min equal to max": (lambda: IntRange(2, 2), "min below max"),
    "log from 0": (lambda: FloatRange(0.0, 1.0, "log"), "min above 0"),
    "log below 0": (lambda: IntRange(-1, 1, "log"), "min above 0"),
    "log with a step": (lambda: FloatRange(0.1, 1.0, "log", 0.1), "no step"),
    "unknown scale": (lambda: FloatRange(0.1, 1.0, "cubic"), "scale"),
    "step 0": (lambda: IntRange(0, 4, step=0), "step above 0"),
    "step longer than the range": (lambda: FloatRange(0.0, 1.0, step=2.0), "no longer"),
    "infinite": (lambda: FloatRange(0.0, math.inf), "finite"),
    "nan": (lambda: FloatRange(math.nan, 1.0), "finite"),
}


@pytest.mark.parametrize(("build", "message"), BAD.values(), ids=BAD.keys())
def test_a_bad_domain_says_what_was_expected(build, message):
    """An invalid domain raises ValueError with a message that says what was expected."""
    with pytest.raises(ValueError, match=message):
        build()


def test_true_and_1_differ():
    """A boolean differs from the number that Python treats as equal to it."""
    assert Choice((True, 1)).size == 2


SIZES = {
    "list": (Choice(("a", "b")), ["a", "b"]),
    "integers": (IntRange(2, 5), [2, 3, 4, 5]),
    "integers by 2": (IntRange(2, 5, step=2), [2, 4]),
    "decimals": (FloatRange(0.0, 0.3, step=0.1), [0.0, 0.1, 0.2, 0.3]),
    "decimals beside the end": (FloatRange(0.1, 0.35, step=0.1), [0.1, 0.2, 0.3]),
}


@pytest.mark.parametrize(("domain", "values"), SIZES.values(), ids=SIZES.keys())
def test_values_by_index(domain, values):
    """A finite domain has exactly the values that its decimal bounds and step describe, in order."""
    assert [domain.value(index) for index in range(domain.size)] == values


def test_infinite_domains_have_no_size():
    """A continuous range and a range on a log scale have no size, because they have no evenly spaced grid of values."""
    for domain in (FloatRange(0.0, 1.0), FloatRange(0.1, 1.0, "log"), IntRange(1, 9, "log")):
        assert domain.size is None
        if not isinstance(domain, FloatRange) or domain.scale == "log":
            with pytest.raises(ValueError, match="range"):
                domain.value(0)


finite = st.floats(-1e308, 1e308)


@given(st.tuples(finite, finite).filter(lambda pair: pair[0] < pair[1]), st.integers())
def test_floats_are_drawn_within_bounds(pair, seed):
    """A draw never leaves the range, even if the range is very wide."""
    assert pair[0] <= FloatRange(*pair).sample(random.Random(seed)) <= pair[1]


@given(st.integers(1, 2**62), st.integers(1, 2**62), st.integers())
def test_log_integers_are_drawn_within_bounds(low, width, seed):
    """A draw on a log scale is an integer within the range, even if the range is very large."""
    drawn = IntRange(low, low + width, "log").sample(random.Random(seed))
    assert isinstance(drawn, int)
    assert low <= drawn <= low + width


def test_a_log_scale_draws_orders_of_magnitude_alike():
    """On a log scale from 1e-4 to 1, each of the four decades gets about a quarter of the draws."""
    rng = random.Random(0)
    draws = [math.floor(math.log10(FloatRange(1e-4, 1.0, "log").sample(rng))) for _ in range(4000)]
    assert all(900 < draws.count(decade) < 1100 for decade in (-4, -3, -2, -1))


@pytest.mark.parametrize(
    "domain",
    [Choice((1, "a", [2])), FloatRange(0.1, 1.0, "log"), FloatRange(0.0, 1.0, step=0.5), IntRange(1, 9, step=2)],
    ids=str,
)
def test_json_round_trip(domain):
    """A domain's JSON form reads back as the same domain."""
    assert from_json(domain.to_json()) == domain
