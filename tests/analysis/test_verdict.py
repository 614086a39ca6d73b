"""Tests of the sentence that says whether runs are more alike and change less."""

from __future__ import annotations

import numpy as np
import pytest

from hpdash.analysis.spread import Spread, measure
from hpdash.analysis.verdict import verdicts
from hpdash.histograms.histogram import Histogram
from hpdash.records import Scalar
from hpdash.runs import HistogramSeries


def series(*starts: float, width: float = 1.0, first: int = 1) -> HistogramSeries:
    """Make a run of blocks of one width, with one start for each step from `first` on."""
    blocks = (Histogram(np.array([start, start + width]), np.array([1.0])) for start in starts)
    return HistogramSeries(np.arange(first, first + len(starts)), tuple(blocks))


def group(apart: float, move: float, width: float = 1.0) -> list[HistogramSeries]:
    """Make two runs at distance `apart`, each of which moves by `move` at each of two steps."""
    return [series(*(start + move * step for step in range(3)), width=width) for start in (0, apart)]


def says(other: list[HistogramSeries], value: Scalar | None = "before") -> str:
    """Return the verdict on a group against a reference group whose spread, change and block width are 1."""
    (sentence,) = verdicts(measure({"none": group(1, 1), value: other}), "hidden_2/kernel", "batchnorm")
    return sentence


def test_a_verdict_gives_all_that_it_rests_on() -> None:
    """The sentence names the tag and the groups, and gives both distances in both units.

    It also gives the numbers of runs and of steps.
    """
    assert says(group(0.5, 0.25)) == (
        "hidden_2/kernel, batchnorm=before against none: the runs are more alike (spread 0.5 against 1 = 0.50x; "
        "divided by std 1.73 against 3.46 = 0.50x) and change less (per step 0.25 against 1 = 0.25x; divided by std "
        "0.866 against 3.46 = 0.25x); 2 and 2 runs, 3 of 3 steps in common"
    )


@pytest.mark.parametrize(
    ("other", "alike", "moves"),
    [
        pytest.param(group(0.5, 2), "are more alike (", "change more (", id="apart"),
        pytest.param(group(2, 0.5), "are less alike (", "change less (", id="the-other-way"),
        pytest.param(group(1.04, 0.97), "are about as alike (", "change about as much (", id="ties"),
        pytest.param(
            group(0.8, 0.8, 0.5), ") but less alike divided by std (5.54", ") but more divided by std (", id="flips"
        ),
        pytest.param(
            group(1, 2, 2),
            "are about as alike (spread 1 against 1 = 1.00x) but more",
            "but about as much",
            id="ties-flip",
        ),
        pytest.param(group(1e-5, 1e5), "= 1.0e-05x", "= 1.0e+05x", id="far"),
        pytest.param(group(0.5, 0.5, 0), "alike (spread 0.5 against 1 = 0.50x) and", "= 0.50x); 2", id="no-std"),
    ],
)
def test_words_follow_the_ratios(other: list[HistogramSeries], alike: str, moves: str) -> None:
    """The sentence says more or less from 5 % on; if the two units disagree, it says both."""
    sentence = says(other)
    assert alike in sentence
    assert moves in sentence


def test_where_nothing_moves_no_ratio_is_made_up() -> None:
    """If the weights of the reference do not change, the sentence gives two numbers and no ratio."""
    spread = measure({"none": group(1, 0), "before": group(1, 1)})
    assert "change more (per step 1 against 0; divided by std 3.46 against 0);" in verdicts(spread, "k", "by")[0]


def test_one_run_a_group_can_only_change() -> None:
    """If a group has one run, the sentence says nothing about spread."""
    sentence = says([series(0, 2, 4)])
    assert "the runs change more (per step 2 against 1 = 2.00x" in sentence
    assert "alike" not in sentence
    assert "; 1 and 2 runs" in sentence


def test_each_group_is_compared_with_the_reference() -> None:
    """Three groups give two sentences, against the baseline or against the requested group."""
    spread = measure({0.1: group(1, 1), 0.0: group(1, 1), None: group(2, 2)})
    assert [text.split(":")[0] for text in verdicts(spread, "k", "dropout")] == [
        "k, dropout=0.1 against 0",
        "k, dropout=unset against 0",
    ]
    last = spread.groups[-1]
    assert all("against unset:" in text for text in verdicts(spread, "k", "dropout", last))


def test_fewer_common_steps_are_told() -> None:
    """The sentence gives the number of common steps and of all training steps; neither includes step 0."""
    spread = measure({"a": [series(0, 1, 2, 3, first=0)], "b": [series(0, 1, first=1)]})
    assert verdicts(spread, "k", "by")[0].endswith("1 and 1 runs, 2 of 3 steps in common")


@pytest.mark.parametrize(
    ("spread", "reason"),
    [
        pytest.param(measure({}), "there are no runs", id="none"),
        pytest.param(measure({"a": group(1, 1)}), "batchnorm has only one value", id="one-group"),
        pytest.param(
            measure({"a": [series(1)], "b": [series(1, first=2)]}),
            "no step after 0 is common to all 2 runs",
            id="steps",
        ),
        pytest.param(
            measure({"a": [series(1, first=0)], "b": [series(1, first=0)]}),
            "no step after 0 is common",
            id="step-0-alone",
        ),
        pytest.param(measure({"a": [series(1)], "b": [series(1)]}), "two runs in each group", id="one-each"),
    ],
)
def test_where_nothing_can_be_compared_it_says_why(spread: Spread, reason: str) -> None:
    """If nothing can be compared, there is one sentence with the reason."""
    (sentence,) = verdicts(spread, "k", "batchnorm")
    assert sentence.startswith("k")
    assert reason in sentence
