"""Tests of spread and change: shifted uniform blocks, whose distances can be computed by hand."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict

import numpy as np
import pytest

from hpdash.analysis.spread import Pair, Spread, SpreadGroup, Trace, baseline, contrast, measure
from hpdash.histograms.histogram import Histogram
from hpdash.runs import HistogramSeries

STD = 1 / math.sqrt(12)  # standard deviation of a block of width 1
EMPTY = Histogram(np.array([0.0, 1.0]), np.array([0.0]), nonfinite=4)


def block(start: float, width: float = 1.0) -> Histogram:
    """Make a uniform block; the distance of two blocks of the same width is the difference of their starts."""
    return Histogram(np.array([start, start + width]), np.array([4.0]))


def run(starts: Mapping[int, float], width: float = 1.0) -> HistogramSeries:
    """Make a run from a map of each step to the start of its block."""
    return HistogramSeries(np.array(list(starts), np.int64), tuple(block(start, width) for start in starts.values()))


def group(*series: HistogramSeries) -> SpreadGroup:
    """Measure a single group."""
    return measure({"a": series}).groups[0]


def pair(raw: float) -> Pair:
    """Return the expected distance between blocks of width 1, in both units."""
    return Pair(pytest.approx(raw), pytest.approx(raw / STD))


def test_spread_is_the_mean_distance_of_all_pairs() -> None:
    """Three runs at distances 1, 2 and 3 have a spread of 2.

    The scaled spread is in units of their pooled standard deviation.
    """
    spread = group(run({0: 5, 1: 0, 2: 0}), run({0: 5, 1: 1, 2: 2}), run({0: 8, 1: 3, 2: 6})).spread
    assert spread.steps == (0, 1, 2)
    assert spread.raw == pytest.approx([2, 2, 4])
    assert spread.scaled == pytest.approx([2 / STD, 2 / STD, 4 / STD])


def test_change_is_divided_by_the_gap() -> None:
    """Two runs that move by 1 and 3 in one step, then by 10 and 30 in ten steps, change by 2 per step."""
    change = group(run({1: 0, 2: 1, 12: 11}), run({1: 0, 2: -3, 12: 27})).change
    assert change == Trace((2, 12), pytest.approx([2, 2]), pytest.approx([2 / STD, 2 / STD]), None, pair(2))


def test_step_0_is_told_apart() -> None:
    """The distance of the initial weights and the change from them are reported separately, and are in no mean."""
    found = group(run({0: 0, 2: 10, 3: 11}), run({0: 7, 2: 12, 3: 13}))
    assert (found.spread.initial, found.spread.mean) == (pair(7), pair(2))
    assert (found.change.initial, found.change.mean) == (pair((10 + 5) / 2 / 2), pair(1))


def test_drift_counts_from_the_first_common_step() -> None:
    """Drift is the distance from the first step that all runs have, and the result names that step."""
    spread = measure({"a": [run({0: 9, 1: 0, 5: 3}), run({1: 1, 5: 6})]})
    assert (spread.start, spread.steps, spread.logged) == (1, (1, 5), 2)
    assert spread.groups[0].drift.raw == pytest.approx([0, 4])


def test_pooled_means_the_root_of_the_mean_variance() -> None:
    """Concentric blocks of width 1 and 7 have a pooled variance of 25 / 12 and a distance of 1.5."""
    found = group(run({1: 0, 2: 0}), run({1: -3, 2: -3}, 7))
    assert found.spread.mean == Pair(pytest.approx(1.5), pytest.approx(1.5 / math.sqrt(25 / 12)))
    wider = HistogramSeries(np.array([1, 2]), (block(0), block(-3, 7)))
    assert group(wider).change.mean == Pair(pytest.approx(1.5), pytest.approx(1.5 / math.sqrt(25 / 12)))


def test_all_groups_are_compared_at_the_same_steps() -> None:
    """A step that is missing in one run of one group counts in no group."""
    spread = measure({"a": [run({0: 0, 1: 0, 2: 0, 4: 0})], "b": [run({1: 0, 3: 0, 4: 9}), run({1: 2, 4: 9})]})
    assert (spread.steps, spread.logged) == ((1, 4), 4)
    assert [found.change.steps for found in spread.groups] == [(4,), (4,)]


def test_one_run_has_no_spread() -> None:
    """A group of one run has a change, but no spread."""
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
    """If nothing can be compared, there are no means, and the result lists the common steps."""
    spread = measure(groups)
    assert (spread.steps, [found.runs for found in spread.groups]) == (steps, runs)
    assert all(found.spread.mean is found.change.mean is None for found in spread.groups)


def test_a_run_without_finite_weights_is_left_out_of_its_step() -> None:
    """If a run has no finite value at a step, the distances of the other runs count.

    A step with fewer than two finite runs has no spread, and is in no mean.
    """
    steps = np.array([1, 2, 3])
    dead = HistogramSeries(steps, (block(4), EMPTY, EMPTY))
    found = group(dead, run({1: 0, 2: 0, 3: 0}), run({1: 2, 2: 2, 3: 2}))
    assert found.spread.raw == pytest.approx([8 / 3, 2, 2])
    assert found.change.raw == pytest.approx([0, 0])
    alone = group(dead, run({1: 0, 2: 0, 3: 0}))
    assert alone.spread.mean == pair(4)
    assert np.isnan(alone.spread.raw[1:]).all()


def test_weights_that_are_all_alike_have_no_scaled_distance() -> None:
    """If the standard deviation is zero, the scaled distance is NaN."""
    found = group(run({1: 0, 2: 0}, 0), run({1: 3, 2: 3}, 0))
    assert found.spread.mean is not None
    assert found.spread.mean.raw == 3
    assert math.isnan(found.spread.mean.scaled)


def test_scaling_all_weights_changes_no_scaled_distance() -> None:
    """Weights ten times as large have ten times the raw distance and the same scaled distance."""
    small = group(run({1: 0, 2: 1}), run({1: 2, 2: 4}))
    large = group(run({1: 0, 2: 10}, 10), run({1: 20, 2: 40}, 10))
    for one, other in ((small.spread, large.spread), (small.change, large.change), (small.drift, large.drift)):
        assert np.multiply(one.raw, 10) == pytest.approx(other.raw)
        assert one.scaled == pytest.approx(other.scaled)


def test_contrast_is_a_ratio_in_both_units() -> None:
    """Half the spread and three times the change give the raw ratios 0.5 and 3.

    With blocks twice as wide as the reference's, the scaled ratios are half of that.
    """
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
    """The ratio of two changes of zero is 1, and that of a nonzero change to a change of zero is infinite."""
    spread = measure({"still": [run({1: 0, 2: 0})], "too": [run({1: 5, 2: 5})], "moves": [run({1: 0, 2: 1})]})
    still, too, moves = spread.groups
    for one, ratio in ((too, 1.0), (moves, math.inf)):
        change = contrast(one, still).change
        assert change is not None
        assert change.ratio == Pair(ratio, ratio)
    assert contrast(moves, still).spread is None


def test_contrast_of_what_cannot_be_scaled() -> None:
    """If all weights of a group are equal, its scaled ratio is unknown, also to a group without a distance."""
    points = [HistogramSeries(np.array([1]), (Histogram(np.array([x, x]), np.array([4.0])),)) for x in (0.0, 1.0)]
    own, reference = measure({"points": points, "alike": [run({1: 0}), run({1: 0})]}).groups
    ratio = contrast(own, reference).spread
    assert ratio is not None
    assert math.isnan(ratio.ratio.scaled)


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
    """The baseline is the group in which the hyperparameter is off or unset, otherwise the first group."""
    spread = measure({value: [run({1: 0})] for value in values})  # type: ignore[misc]
    assert baseline(spread.groups).value == expected


def test_a_spread_is_json() -> None:
    """The whole result consists of plain values that JSON can represent."""
    spread = measure({"a": [run({0: 0, 1: 1}), run({0: 0, 1: 2})], None: [run({0: 0, 1: 1})]})
    assert isinstance(spread, Spread)
    assert json.loads(json.dumps(asdict(spread)))["groups"][0]["spread"]["mean"]["raw"] == pytest.approx(1)
