"""Tests of what a name means for a run, by what runs are ranked, and how replicates are grouped."""

from __future__ import annotations

import math
import statistics
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made import ACCURACY, foreign, series, trial

from hpdash.analysis.objective import best, goal_of, last, objective_of, seconds, trained
from hpdash.analysis.rows import Stat, caveats, differing, field_of, grouped, rank, sort_key, value_of
from hpdash.goal import Goal
from hpdash.records import TrialResult, TrialState
from hpdash.runs import Objective, Run


@given(st.lists(st.floats(-1e6, 1e6), min_size=2))
def test_replicates_fold_to_mean_and_sample_deviation(values: list[float]) -> None:
    """A group of replicates has the mean and the standard deviation with n - 1 in the denominator."""
    found = Stat.of(values)
    assert found is not None
    assert found.n == len(values)
    assert found.mean == pytest.approx(statistics.fmean(values), abs=1e-6)
    assert found.std == pytest.approx(statistics.stdev(values), abs=1e-4)


def test_one_number_has_no_deviation_and_none_no_mean() -> None:
    """A single number has no standard deviation; without a finite number there is no result."""
    assert Stat.of([3.0, math.nan]) == Stat(3.0, None, 1)
    assert Stat.of([math.inf, math.nan]) is None
    assert Stat.of([1e308, 1.0]) == Stat(5e307, math.inf, 2)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("x", 3, id="hyperparameter"),
        pytest.param("lr", 0.1, id="nickname"),
        pytest.param("validation/epoch_accuracy", 0.7, id="tag"),
        pytest.param("validation/accuracy", 0.7, id="metric"),
        pytest.param("best", 0.9, id="best"),
        pytest.param("epoch", 2, id="epoch-of-best"),
        pytest.param("last", 0.7, id="last"),
        pytest.param("trained", 3, id="trained"),
        pytest.param("time", 5.0, id="time"),
        pytest.param("status", "finished", id="status"),
        pytest.param("trial", 3, id="number"),
        pytest.param("id", "s/0003", id="id"),
        pytest.param("error", None, id="no-error"),
        pytest.param("nothing", None, id="unknown"),
    ],
)
def test_a_name_is_a_hyperparameter_a_field_or_a_metric(name: str, expected: Any) -> None:
    """A name means a hyperparameter first, then a field of every run, then the last value of a metric."""
    found = value_of(trial(3, 0.5, 0.9, 0.7, hparams={"learning_rate": 0.1}), name)
    assert found == expected


def test_a_hyperparameter_hides_a_field_of_its_name() -> None:
    """A hyperparameter called `time` takes precedence over the field `time`, which `field_of` still returns."""
    run = trial(0, 0.5, hparams={"time": "long"})
    assert value_of(run, "time") == "long"
    assert field_of(run, "time") == 2.0


@pytest.mark.parametrize(
    ("tag", "goal"),
    [
        ("validation/epoch_loss", "min"), ("epoch_mean_absolute_error", "min"), ("Loss/train", "min"),
        ("valLoss", "min"), ("val_MAE", "min"), ("perplexity", "min"),
        ("epoch_accuracy", "max"), ("Accuracy/test", "max"), ("top_k_categorical_accuracy", "max"), ("AUC", "max"),
        ("epoch_learning_rate", None), ("time/epoch", None), ("glossary", None),
    ],
)  # fmt: skip
def test_a_metric_says_in_words_what_is_better(tag: str, goal: str | None) -> None:
    """Whether less or more is better follows from whole words of the tag; without such words it is unknown."""
    assert goal_of(tag) == goal


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        pytest.param(
            ["epoch_loss", "epoch_accuracy", "validation/epoch_loss", "validation/epoch_accuracy"],
            ("validation/accuracy", "validation/epoch_accuracy", "max"),
            id="keras",
        ),
        pytest.param(["epoch_loss", "epoch_accuracy"], ("accuracy", "epoch_accuracy", "max"), id="no-validation"),
        pytest.param(
            ["validation/epoch_accuracy", "validation/evaluation_accuracy_vs_iterations"],
            ("validation/accuracy", "validation/epoch_accuracy", "max"),
            id="batches-beside-epochs",
        ),
        pytest.param(["Loss/train", "Loss/test", "lr"], ("Loss/test", "Loss/test", "min"), id="pytorch"),
        pytest.param(["reward", "steps"], ("reward", "reward", "max"), id="other"),
        pytest.param(["best/accuracy", "epoch_loss"], ("loss", "epoch_loss", "min"), id="not-a-best"),
        pytest.param(["steps"], None, id="no-goal"),
        pytest.param([], None, id="no-scalar"),
    ],
)
def test_a_foreign_log_is_ranked_by_the_usual_metric(tags: list[str], expected: tuple[str, str, str] | None) -> None:
    """Without a sweep's objective, accuracy comes before loss before other metrics, and validation before training."""
    run = replace(foreign(), scalars={tag: series(1.0) for tag in tags})
    assert objective_of([run]) == (Objective(*expected[:2], Goal(expected[2])) if expected else None)


def test_a_sweeps_objective_holds_where_sweeps_agree() -> None:
    """If all sweeps have the same objective, it ranks the runs, with or without foreign runs among them.

    If sweeps have different objectives, the usual metric ranks the runs.
    """
    loss = Objective("validation/loss", "validation/epoch_loss", Goal.MIN)
    runs = [trial(0, 0.5, objective=loss), foreign(epoch_accuracy=[1.0])]
    assert objective_of(runs) == loss
    assert objective_of([*runs, trial(1, 0.5)]) != loss


def test_best_and_last_come_from_the_journal_else_from_the_series() -> None:
    """Values of hpdash's own runs come from the journal; values of a run without a journal come from its series."""
    told = trial(0, 0.5, 0.9, 0.7)
    assert (best(told, ACCURACY), last(told, ACCURACY), trained(told, ACCURACY)) == ((0.9, 2), 0.7, 3)
    lost = replace(told, scalars={})
    assert (best(lost, ACCURACY), last(lost, ACCURACY)) == ((0.9, 2), 0.7)
    running = replace(told, result=None)
    assert (best(running, ACCURACY), last(running, ACCURACY), trained(running, ACCURACY)) == ((0.9, 2), 0.7, 3)
    assert seconds(running) == 2.0
    assert best(told, None) is last(told, None) is None


def test_best_is_finite_and_last_is_what_it_was() -> None:
    """A NaN is never the best value, but it is shown if it is the last value."""
    run = foreign(epoch_loss=[2.0, 1.0, math.nan])
    objective = objective_of([run])
    assert best(run, objective) == (1.0, 2)
    assert math.isnan(last(run, objective) or 0.0)
    assert best(foreign(epoch_loss=[math.nan]), objective) is None


def test_what_differs_is_swept_first_and_counts_absence() -> None:
    """Hyperparameters that differ, or that some runs lack, come in the sweep's order, then by name.

    True and 1 count as different values.
    """
    runs = [
        trial(0, swept=("y", "x"), hparams={"b": 1, "a": 1, "y": "p"}),
        trial(1, swept=("y", "x"), hparams={"b": True, "y": "q"}),
    ]
    assert differing(runs) == ["y", "x", "a", "b"]
    assert differing(runs[:1]) == []


def test_nan_does_not_differ_from_nan() -> None:
    """A hyperparameter that is NaN in all runs does not differ."""
    runs = [trial(number, hparams={"a": float("nan"), "b": float("nan") if number else 1.0}) for number in range(2)]
    assert "a" not in differing(runs)
    assert "b" in differing(runs)


def test_groups_come_in_a_stable_order() -> None:
    """Groups are in natural order: numbers by size, words by the size of the numbers in them, absent values last."""
    values: list[Any] = ["w10", None, 10, math.nan, "w9", 2.5, True, math.nan]
    runs = [foreign(str(place), {} if value is None else {"h": value}) for place, value in enumerate(values)]
    found = grouped(runs, "h")
    assert [str(value) for value in found] == ["True", "2.5", "10", "nan", "w9", "w10", "None"]
    assert [run.name for run in list(found.values())[3]] == ["3", "7"]


@given(st.lists(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), max_size=8))
def test_anything_can_be_sorted(values: list[Any]) -> None:
    """Values of any kind have one order, independent of the order of the input."""
    keys = [sort_key(value) for value in values]
    backwards = keys[::-1]
    assert sorted(keys) == sorted(backwards)


def test_replicates_are_one_row_and_best_comes_first() -> None:
    """Replicates form one row, rows are ranked by their mean, and `repeats=True` gives each run its own row."""
    runs = [trial(number, value, repeats=2) for number, value in enumerate([0.1, 0.3, 0.8, 0.9])]
    first, second = rank(runs, ACCURACY)
    assert [run.number for run in first.runs] == [2, 3]
    assert (first.place, second.place) == (1, 2)
    assert first.best == Stat(pytest.approx(0.85), pytest.approx(statistics.stdev([0.8, 0.9])), 2)
    assert [row.runs[0].number for row in rank(runs, ACCURACY, repeats=True)] == [3, 2, 1, 0]


def test_less_is_better_where_the_goal_says_so() -> None:
    """A goal of "min" ranks the smallest value first."""
    runs = [foreign("a", epoch_loss=[3.0]), foreign("b", epoch_loss=[1.0]), foreign("c", epoch_loss=[2.0])]
    assert [row.runs[0].name for row in rank(runs, objective_of(runs))] == ["b", "c", "a"]


@pytest.mark.parametrize("state", [state for state in TrialState if state is not TrialState.FINISHED])
def test_only_finished_runs_have_a_place(state: TrialState) -> None:
    """Runs that are running, pruned, diverged or failed stay in the list, at the end and without a rank."""
    rows = rank([trial(0, 0.99, status=state), trial(1, 0.1)], ACCURACY)
    assert [(row.runs[0].number, row.place) for row in rows] == [(1, 1), (0, None)]


def test_pruned_runs_are_ordered_by_how_far_they_came() -> None:
    """Below the ranked rows, a run that was pruned after more epochs comes before one that was pruned earlier."""
    pruned = [
        replace(trial(number, 0.5, status=TrialState.PRUNED), result=TrialResult(TrialState.PRUNED, epochs=epochs))
        for number, epochs in enumerate([2, 8])
    ]
    failed = trial(2, 0.9, status=TrialState.FAILED)
    rows = rank([*pruned, failed, trial(3, 0.1)], ACCURACY)
    assert [row.runs[0].number for row in rows] == [3, 1, 0, 2]


def test_a_row_averages_what_was_measured_and_lists_what_was_set() -> None:
    """In a row of replicates, metrics are means over the finished runs, and seeds are listed.

    Values that all runs share are unchanged.
    """
    runs = [trial(0, 0.2, repeats=3), trial(1, 0.4, repeats=3), trial(2, 0.9, repeats=3, status=TrialState.FAILED)]
    (row,) = rank(runs, ACCURACY)
    assert row.value("x") == 0
    assert row.value("seed") == "0, 1, 2"
    assert row.value("best") == row.best == Stat(pytest.approx(0.3), pytest.approx(statistics.stdev([0.2, 0.4])), 2)
    assert row.value("validation/accuracy") == row.best
    assert row.value("sweep") == "s"


@pytest.mark.parametrize(
    ("hparams", "expected"),
    [
        pytest.param({"name": "mnist", "validation": 0.2}, [], id="none"),
        pytest.param({"name": "synthetic", "validation": 0.2}, ["synthetic data"], id="synthetic"),
        pytest.param({"name": "mnist", "validation": "test"}, ["validated on the test set"], id="test-set"),
    ],
)
def test_results_carry_their_caveats(hparams: dict[str, Any], expected: list[str]) -> None:
    """hpdash's own runs, and no others, have caveats for synthetic data and for validation on the test set."""
    ours: Run = trial(0, 0.5, hparams=hparams)
    assert caveats([ours]) == expected
    assert caveats([foreign("f", hparams)]) == []
