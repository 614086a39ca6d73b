"""Truths of spread and change: numbers one gets by hand from shifted blocks."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict

import numpy as np
import pytest

from hpdash.analysis.spread import Group, Pair, Spread, Trace, baseline, contrast, measure
from hpdash.histograms.histogram import Histogram
from hpdash.runs import HistogramSeries

STD = 1 / math.sqrt(12)  # of a block of width 1
EMPTY = Histogram(np.array([0.0, 1.0]), np.array([0.0]), nonfinite=4)


def block(start: float, width: float = 1.0) -> Histogram:
    """Make a uniform block, as far from another of its width as their starts are apart."""
    return Histogram(np.array([start, start + width]), np.array([4.0]))


def run(starts: Mapping[int, float], width: float = 1.0) -> HistogramSeries:
    """Make a run whose block starts at a place at each step."""
    return HistogramSeries(np.array(list(starts), np.int64), tuple(block(start, width) for start in starts.values()))


def group(*series: HistogramSeries) -> Group:
    """Measure one group on its own."""
    return measure({"a": series}).groups[0]


def pair(raw: float) -> Pair:
    """Expect a distance between blocks of width 1 in both units."""
    return Pair(pytest.approx(raw), pytest.approx(raw / STD))


def test_spread_is_the_mean_distance_of_all_pairs() -> None:
    """Three runs 1, 2 and 3 apart have a spread of 2; scaled, it is in their pooled standard deviations."""
    spread = group(run({0: 5, 1: 0, 2: 0}), run({0: 5, 1: 1, 2: 2}), run({0: 8, 1: 3, 2: 6})).spread
    assert spread.steps == (0, 1, 2)
    assert spread.raw == pytest.approx([2, 2, 4])
    assert spread.scaled == pytest.approx([2 / STD, 2 / STD, 4 / STD])


def test_change_is_divided_by_the_gap() -> None:
    """Between steps 1, 2 and 12 two runs that move 1 and 3, then 10 and 30, change by 2 a step."""
    change = group(run({1: 0, 2: 1, 12: 11}), run({1: 0, 2: -3, 12: 27})).change
    assert change == Trace((2, 12), pytest.approx([2, 2]), pytest.approx([2 / STD, 2 / STD]), None, pair(2))


def test_step_0_is_told_apart() -> None:
    """What initial weights say, and the change from them, is in no mean."""
    found = group(run({0: 0, 2: 10, 3: 11}), run({0: 7, 2: 12, 3: 13}))
    assert (found.spread.initial, found.spread.mean) == (pair(7), pair(2))
    assert (found.change.initial, found.change.mean) == (pair((10 + 5) / 2 / 2), pair(1))


def test_drift_counts_from_the_first_common_step() -> None:
    """Far from the start means from the first step that all runs have, which the result names."""
    spread = measure({"a": [run({0: 9, 1: 0, 5: 3}), run({1: 1, 5: 6})]})
    assert (spread.start, spread.steps, spread.logged) == (1, (1, 5), 2)
    assert spread.groups[0].drift.raw == pytest.approx([0, 4])


def test_pooled_means_the_root_of_the_mean_variance() -> None:
    """Blocks of width 1 and 7 have a pooled variance of 25 / 12, and centres on one place a distance of 1.5."""
    found = group(run({1: 0, 2: 0}), run({1: -3, 2: -3}, 7))
    assert found.spread.mean == Pair(pytest.approx(1.5), pytest.approx(1.5 / math.sqrt(25 / 12)))
    wider = HistogramSeries(np.array([1, 2]), (block(0), block(-3, 7)))
    assert group(wider).change.mean == Pair(pytest.approx(1.5), pytest.approx(1.5 / math.sqrt(25 / 12)))


def test_all_groups_are_compared_at_the_same_steps() -> None:
    """A step that one run of one group lacks counts in no group."""
    spread = measure({"a": [run({0: 0, 1: 0, 2: 0, 4: 0})], "b": [run({1: 0, 3: 0, 4: 9}), run({1: 2, 4: 9})]})
    assert (spread.steps, spread.logged) == ((1, 4), 4)
    assert [found.change.steps for found in spread.groups] == [(4,), (4,)]


def test_one_run_has_no_spread() -> None:
    """It takes two runs to be apart; one still changes."""
    found = group(run({1: 0, 2: 3}))
    assert (found.runs, found.spread.mean, found.change.mean) == (1, None, pair(3))


@pytest.mark.parametrize(
    ("groups", "steps", "runs"),
    [
        pytest.param({}, (), [], id="no-groups"),
        pytest.param({"a": []}, (), [0], id="no-runs"),
        pytest.param({"a": [run({})], "b": [run({1: 0})]}, (), [1, 1], id="no-steps"),
        pytest.param({"a": [run({1: 0})] * 2, "b": [run({2: 0})] * 2}, (), [2, 2], id="none-in-common"),
        pytest.param({"a": [run({0: 0})] * 2, "b": [run({0: 0})] * 2}, (0,), [2, 2], id="step-0-alone"),
    ],
)
def test_without_common_steps_there_are_no_means(
    groups: dict[str, list[HistogramSeries]], steps: tuple[int, ...], runs: list[int]
) -> None:
    """Where nothing can be compared the result says so with its steps, and there is no mean."""
    spread = measure(groups)
    assert (spread.steps, [found.runs for found in spread.groups]) == (steps, runs)
    assert all(found.spread.mean is found.change.mean is None for found in spread.groups)


def test_a_run_without_finite_weights_is_left_out_of_its_step() -> None:
    """Where one run has no value the others' distance counts, and a step nobody has a value at counts nowhere."""
    steps = np.array([1, 2, 3])
    dead = HistogramSeries(steps, (block(4), EMPTY, EMPTY))
    found = group(dead, run({1: 0, 2: 0, 3: 0}), run({1: 2, 2: 2, 3: 2}))
    assert found.spread.raw == pytest.approx([8 / 3, 2, 2])
    assert found.change.raw == pytest.approx([0, 0])
    alone = group(dead, run({1: 0, 2: 0, 3: 0}))
    assert alone.spread.mean == pair(4)
    assert np.isnan(alone.spread.raw[1:]).all()


def test_weights_that_are_all_alike_have_no_scaled_distance() -> None:
    """Without a standard deviation there is nothing to divide by: NaN, in no mean."""
    found = group(run({1: 0, 2: 0}, 0), run({1: 3, 2: 3}, 0))
    assert found.spread.mean is not None
    assert found.spread.mean.raw == 3
    assert math.isnan(found.spread.mean.scaled)


def test_scaling_all_weights_changes_no_scaled_distance() -> None:
    """Ten times the weights are ten times as far apart in weight units, and as far in standard deviations."""
    small = group(run({1: 0, 2: 1}), run({1: 2, 2: 4}))
    large = group(run({1: 0, 2: 10}, 10), run({1: 20, 2: 40}, 10))
    for one, other in ((small.spread, large.spread), (small.change, large.change), (small.drift, large.drift)):
        assert np.multiply(one.raw, 10) == pytest.approx(other.raw)
        assert one.scaled == pytest.approx(other.scaled)


def test_contrast_is_a_ratio_in_both_units() -> None:
    """Half as far apart and three times as fast reads 0.5 and 3; scaled by twice the width, a half of that."""
    slow, fast = [run({1: 0, 2: 1}), run({1: 4, 2: 5})], [run({1: 0, 2: 3}, 2), run({1: 2, 2: 5}, 2)]
    spread = measure({"fast": fast, "slow": slow})
    found = contrast(*spread.groups)
    assert found.spread is not None
    assert found.change is not None
    assert (found.value, found.reference) == ("fast", "slow")
    assert (found.spread.own.raw, found.spread.reference.raw) == (pytest.approx(2), pytest.approx(4))
    assert found.spread.ratio == Pair(pytest.approx(0.5), pytest.approx(0.25))
    assert found.change.ratio == Pair(pytest.approx(3), pytest.approx(1.5))


def test_contrast_with_what_does_not_move() -> None:
    """Two groups that stand still are equal, one that moves is infinitely faster than one that does not."""
    spread = measure({"still": [run({1: 0, 2: 0})], "too": [run({1: 5, 2: 5})], "moves": [run({1: 0, 2: 1})]})
    still, too, moves = spread.groups
    for one, ratio in ((too, 1.0), (moves, math.inf)):
        change = contrast(one, still).change
        assert change is not None
        assert change.ratio == Pair(ratio, ratio)
    assert contrast(moves, still).spread is None


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param(["before", "none"], "none", id="none"),
        pytest.param([True, False], False, id="false"),
        pytest.param([0.0, 0.2], 0.0, id="zero"),
        pytest.param(["adam", None], None, id="absent"),
        pytest.param(["relu", "elu"], "relu", id="the-first"),
    ],
)
def test_the_baseline_is_where_a_thing_is_off(values: list[object], expected: object) -> None:
    """Groups are read against the one where the hyperparameter is off or unset, else against the first."""
    spread = measure({value: [run({1: 0})] for value in values})  # type: ignore[misc]
    assert baseline(spread.groups).value == expected


def test_a_spread_is_json() -> None:
    """The whole result is made of plain values."""
    spread = measure({"a": [run({0: 0, 1: 1}), run({0: 0, 1: 2})], None: [run({0: 0, 1: 1})]})
    assert isinstance(spread, Spread)
    assert json.loads(json.dumps(asdict(spread)))["groups"][0]["spread"]["mean"]["raw"] == pytest.approx(1)
