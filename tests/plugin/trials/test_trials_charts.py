"""Tests of what the Trials tab's charts draw: the same numbers as the commands, and nothing lost by thinning."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from commands import invoke

from hpdash.analysis.objective import best
from hpdash.plugin.arguments import RefusedError
from hpdash.plugin.trials import charts
from hpdash.plugin.trials.charts import curves_impl, effects_impl
from hpdash.plugin.trials.curves import thinned
from hpdash.plugin.trials.logdir import Snapshot
from hpdash.plugin.trials.table import chosen_runs
from hpdash.plugin.trials.weights import _chosen, weights_impl
from hpdash.reader import read_histograms
from hpdash.records import TrialState
from hpdash.runs import Run, Series
from hpdash.views.terminal.progress import pruning_rule


@pytest.mark.parametrize("sweep", ["grid", "curves"])
def test_effects_are_those_of_the_command(root: Path, snapshot: Snapshot, sweep: str) -> None:
    """The answer has what `hpdash effects --json` prints, and the values behind each mean."""
    answer = effects_impl(chosen_runs(snapshot, sweep, None, None))
    shown = json.loads(invoke("effects", str(root), "--json").stdout)["sweeps"]
    (printed,) = [each for each in shown if each["sweep"] == sweep]
    printed.pop("search", None)
    assert {name: answer[name] for name in printed} == printed
    for hparam in answer["hyperparameters"]:
        for level, dots in zip(hparam["levels"], answer["dots"][hparam["name"]], strict=True):
            assert len(dots) == level["n"]
            if dots:
                assert np.mean(dots) == pytest.approx(level["mean"])


def test_all_trials_are_compared_at_the_first_rung(snapshot: Snapshot) -> None:
    """In a sweep that prunes, every trial counts with its value after the first rung; else nothing changes."""
    runs_ = chosen_runs(snapshot, "curves", None, None)
    answer = effects_impl(runs_, at_rung=True)
    assert (answer["rung"], answer["finished"], answer["trials"]) == (1, 14, 14)
    values = sorted(dot for dots in answer["dots"]["q"] for dot in dots)
    assert values == sorted(float(run.scalars["validation/epoch_accuracy"].values[0]) for run in runs_)
    assert effects_impl(runs_)["finished"] < 14
    grid = chosen_runs(snapshot, "grid", None, None)
    assert effects_impl(grid, at_rung=True)["finished"] == effects_impl(grid)["finished"]


def test_any_two_hyperparameters_can_be_crossed(snapshot: Snapshot) -> None:
    """Each cell has the mean over the trials with both values; the labels are those of the two hyperparameters."""
    runs = chosen_runs(snapshot, "grid", None, None)
    answer = effects_impl(runs, pair=("does", "x"))
    found = answer["interaction"]
    assert (found["rows"]["name"], found["columns"]["name"]) == ("does", "x")
    for row, does in zip(found["cells"], answer["labels"]["does"], strict=True):
        for cell, x in zip(row, answer["labels"]["x"], strict=True):
            own = [run for run in runs if run.hparams["does"] == does and str(run.hparams["x"]) == x]
            finished = [best(run, run.objective) for run in own if run.status is TrialState.FINISHED]
            values = [pair[0] for pair in finished if pair is not None]
            assert cell["n"] == len(values)
            assert cell["mean"] == (pytest.approx(np.mean(values)) if values else None)
    with pytest.raises(RefusedError, match="pair"):
        effects_impl(runs, pair=("does", "nope"))
    some = chosen_runs(snapshot, "grid", None, None, "x = 0.5")  # x has one value only
    assert effects_impl(some, pair=("does", "x"))["interaction"] is None


def test_the_reasons_of_failures_are_said(snapshot: Snapshot) -> None:
    """Errors of trials are counted, the most frequent first, with one of the trials."""
    said = effects_impl(chosen_runs(snapshot, "grid", None, None))["reasons"]
    assert any(text.startswith("6 trials failed: ") and "<b>4 filters</b> are too many" in text for text in said)
    assert all("second line" not in text for text in said)
    assert effects_impl(chosen_runs(snapshot, "curves", None, None))["reasons"] == []


def test_a_slow_importance_is_left_out_at_first(snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    """With many finished trials, the importance is computed only if it is asked for."""
    monkeypatch.setattr(charts, "_MOST_AT_ONCE", 5)
    runs = chosen_runs(snapshot, "grid", None, None)
    quick, whole = effects_impl(runs, whole=False), effects_impl(runs, whole=True)
    assert (quick["is_whole"], whole["is_whole"]) == (False, True)
    assert "hpdash effects" in quick["sentence"] and quick["sentence"] != whole["sentence"]
    assert effects_impl(runs[:4], whole=False)["is_whole"]


def test_what_failed_trials_have_in_common_is_said(snapshot: Snapshot) -> None:
    """The value that all failed trials share is named, with counts."""
    said = effects_impl(chosen_runs(snapshot, "grid", None, None))["patterns"]
    assert "does = raise: 6 of its 6 trials failed, of the other 12 none" in said
    assert len(said) == 2


def test_how_trials_were_pruned_is_said(snapshot: Snapshot) -> None:
    """In a sweep that prunes, the effects have the number of pruned trials and the rule; else nothing is said."""
    runs = chosen_runs(snapshot, "curves", None, None)
    count = sum(run.status is TrialState.PRUNED for run in runs)
    said = effects_impl(runs)["pruned"]
    first, second = (
        sum(run.result.epochs == epoch for run in runs if run.status is TrialState.PRUNED) for epoch in (1, 3)
    )  # type: ignore[union-attr]
    parts = [f"{number} after epoch {epoch}" for number, epoch in ((first, 1), (second, 3)) if number]
    assert count and said.startswith(f"{count} trials were pruned: {', '.join(parts)}. ")
    assert said.endswith(pruning_rule(runs)) and pruning_rule(runs)
    assert effects_impl(chosen_runs(snapshot, "grid", None, None))["pruned"] == ""


def test_a_condition_selects_the_trials_of_the_charts(snapshot: Snapshot) -> None:
    """With a condition, curves and effects are of the trials that meet it."""
    runs = chosen_runs(snapshot, "grid", None, None, "does = learn and x > 0.3")
    assert {line["id"] for line in curves_impl(runs, None, ())["lines"]} == {
        "grid/0006", "grid/0007", "grid/0012", "grid/0013",
    }  # fmt: skip
    assert effects_impl(runs)["trials"] == 4


def test_the_best_have_lines_with_their_counterpart(snapshot: Snapshot) -> None:
    """Lines are in the order of the ranking, with the curve of the metric and that of training; failed trials count."""
    answer = curves_impl(chosen_runs(snapshot, "curves", None, None), None, ())
    assert (answer["metric"], answer["counterpart"], answer["fan"]) == ("validation/accuracy", "accuracy", None)
    assert len(answer["lines"]) == 14
    assert answer["lines"][0]["main"]["steps"] == list(range(1, 10))
    assert answer["lines"][0]["other"] is None
    loss = curves_impl(chosen_runs(snapshot, "grid", None, None), "loss", ())
    assert loss["left_out"] == 6  # those that raised an error before their first epoch


def runs(count: int, epochs: int) -> list[Run]:
    """Return trials whose accuracy at epoch e is e + their number."""
    steps = np.arange(1, epochs + 1)
    made = [Series(steps, steps + float(number), steps.astype(float)) for number in range(count)]
    return [Run(f"r{at:03d}", Path(), scalars={"accuracy": series}) for at, series in enumerate(made)]


def test_many_trials_are_a_fan() -> None:
    """Of many trials, all but the best twenty are quantiles at each epoch; one that is asked for has its own line."""
    assert len(curves_impl(runs(80, 5), None, ())["lines"]) == 80
    answer = curves_impl(runs(121, 5), None, ("r003",))
    assert len(answer["lines"]) == 21
    assert answer["lines"][-1]["id"] == "r003"
    fan = answer["fan"]
    assert (fan["trials"], fan["steps"], fan["counts"]) == (100, [1, 2, 3, 4, 5], [100] * 5)
    values = np.array([number for number in range(101) if number != 3])
    assert fan["middle"] == pytest.approx([np.quantile(values, 0.5) + epoch for epoch in range(1, 6)])
    assert fan["high"] == pytest.approx([np.quantile(values, 0.9) + epoch for epoch in range(1, 6)])


def test_a_trial_counts_in_the_fan_up_to_its_last_epoch() -> None:
    """A trial that was stopped early, or diverged, is not continued in the fan after its last finite value."""
    short = Series(np.array([1, 2]), np.array([5.0, np.nan]), np.zeros(2))
    found = [*runs(85, 4), Run("s", Path(), scalars={"accuracy": short})]
    fan = curves_impl(found, None, ())["fan"]
    assert fan["steps"] == [1, 2, 3, 4]
    assert fan["counts"] == [66, 65, 65, 65]


def test_a_fan_of_nothing_is_none() -> None:
    """If the trials without a line have no finite value at all, there is no fan."""
    steps = np.array([1, 2])
    bad = [
        Run(f"z{at}", Path(), scalars={"accuracy": Series(steps, np.full(2, np.nan), steps / 1.0)}) for at in range(61)
    ]
    assert curves_impl([*runs(20, 4), *bad], None, ())["fan"] is None


def test_another_metric_has_its_own_goal() -> None:
    """The answer has the goal of the metric that is drawn, not that of the objective."""
    steps = np.array([1, 2])
    both = {"accuracy": Series(steps, steps / 4, steps / 1.0), "loss": Series(steps, 1 / steps, steps / 1.0)}
    found = [Run(f"r{at}", Path(), scalars=both) for at in range(3)]
    assert (curves_impl(found, None, ())["goal"], curves_impl(found, "loss", ())["goal"]) == ("max", "min")


def test_thinning_keeps_the_extremes() -> None:
    """A long curve keeps its first and last point, its least and its greatest value; missing ones do not count."""
    values = np.sin(np.arange(10_000) / 50)
    values[4321], values[1234], values[777] = 9.0, -9.0, np.nan
    found = thinned(Series(np.arange(10_000), values, np.zeros(10_000)), 100)
    assert len(found["steps"]) <= 102
    assert (found["steps"][0], found["steps"][-1]) == (0, 9999)
    assert {9.0, -9.0} < set(found["values"])
    assert dict(zip(found["steps"], found["values"], strict=True))[4321] == 9.0
    only_nan = thinned(Series(np.arange(500), np.full(500, np.nan), np.zeros(500)), 100)
    assert set(only_nan["values"]) == {None}


def test_strips_are_the_densities_of_the_histograms(snapshot: Snapshot) -> None:
    """A strip has the density at each step, relative to the greatest one; a trial without histograms has none."""
    best = next(run for run in snapshot.runs_of("curves") if run.status is TrialState.FINISHED)
    [strip] = weights_impl(snapshot, best.id)["strips"]
    series = read_histograms(best, ["model/total"])["model/total"]
    assert (strip["tag"], strip["steps"]) == ("model/total", series.steps.tolist())
    edges = np.linspace(strip["low"], strip["high"], len(strip["densities"][0]) + 1)
    expected = np.array([each.density(edges) for each in series.histograms])
    np.testing.assert_allclose(strip["densities"], expected / expected.max(), atol=1e-3)
    assert weights_impl(snapshot, "grid/0012") == {"version": snapshot.version, "strips": [], "left_out": 0}
    with pytest.raises(RefusedError):
        weights_impl(snapshot, "grid/9999")


def test_kernels_come_first_and_in_their_order() -> None:
    """Of many histograms, the kernels are drawn, with the numbers in their names in order."""
    tags = [f"hidden_{number}/{name}" for number in range(1, 12) for name in ("kernel", "bias")]
    assert _chosen(tags) == [f"hidden_{number}/kernel" for number in range(1, 7)]
    assert _chosen(["b", "a"]) == ["a", "b"]


def test_curves_over_time_begin_with_their_trial(snapshot: Snapshot) -> None:
    """Over time, a point lies at the seconds since the start of its trial; the values are the same."""
    runs = chosen_runs(snapshot, "curves", None, None)
    plain, timed = curves_impl(runs, None, ()), curves_impl(runs, None, (), over_time=True)
    run = {run.id: run for run in runs}[timed["lines"][0]["id"]]
    series = run.scalars["validation/epoch_accuracy"]
    assert run.started is not None
    expected = series.times - min(run.started, series.times[0])
    assert timed["lines"][0]["main"]["steps"] == pytest.approx(expected.tolist(), abs=1e-3)
    assert timed["lines"][0]["main"]["values"] == plain["lines"][0]["main"]["values"]
