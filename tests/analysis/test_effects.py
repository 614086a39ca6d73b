"""Tests of effects: what the results of constructed sweeps with known answers depend on, and how that is shown."""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made import ACCURACY, foreign, trial
from rich.console import Console

from hpdash.analysis import forest
from hpdash.analysis.effects import Effects, measure_effects
from hpdash.analysis.forest import LEAST_TRIALS, importance
from hpdash.analysis.rows import by_sweep
from hpdash.goal import Goal
from hpdash.records import Scalar, TrialState
from hpdash.runs import Objective, Run
from hpdash.views.terminal.effects import importance_sentence, interaction_sentence, render, title, to_json
from hpdash.views.web.effect_figures import importance_figure, interaction_figure, marginals_figure

PAIR = [1, 2]


def a_run(number: int, hparams: Mapping[str, Scalar], value: float, **fields: Any) -> Run:
    """Return a trial with the value, by default finished, of a sweep that varies all the given hyperparameters."""
    return trial(number, value, hparams=hparams, **{"swept": tuple(hparams), **fields})


def a_sweep(space: Mapping[str, Iterable[Scalar]], value: Callable[..., float], repeats: int = 1) -> list[Run]:
    """Return the trials of a grid search over a space; `value` computes each trial's value from its hyperparameters."""
    points = [point for point in itertools.product(*space.values()) for _ in range(repeats)]
    return [a_run(n, dict(zip(space, point, strict=True)), value(*point)) for n, point in enumerate(points)]


def shares(found: Effects) -> dict[str, float]:
    """Return the importance of each hyperparameter by its name."""
    return {share.name: share.share for share in found.importance.shares}


def noise(scale: float = 0.01) -> Callable[[], float]:
    """Return a source of normal noise that always gives the same sequence."""
    random = np.random.default_rng(7)
    return lambda: float(random.normal(0, scale))


def test_marginals_are_means_and_sample_deviations() -> None:
    """A value's mean, sample standard deviation and count are those of the finished trials that have it."""
    runs = a_sweep({"a": ["x", "y"], "b": [1, 2, 3]}, lambda a, b: b / 10 + (a == "y"))
    [a, b] = measure_effects(runs).marginals
    assert (a.name, [(level.low, level.best.n, level.trials) for level in a.levels if level.best]) == (
        "a", [("x", 3, 3), ("y", 3, 3)],
    )  # fmt: skip
    assert [level.best.mean for level in a.levels if level.best] == pytest.approx([0.2, 1.2])
    assert [level.best.std for level in a.levels if level.best] == pytest.approx([0.1, 0.1])
    assert (b.name, [level.low for level in b.levels]) == ("b", [1, 2, 3])
    assert a.explained + b.explained == pytest.approx(1)


def test_only_finished_trials_count() -> None:
    """Failed, running and diverged trials are in no mean, but their values and their count are listed."""
    runs = [
        a_run(0, {"a": 1}, 0.5),
        a_run(1, {"a": 1}, 0.9, status=TrialState.FAILED),
        a_run(2, {"a": 2}, 0.9, status=TrialState.DIVERGED),
        a_run(3, {"a": 2}, 0.9, status=TrialState.RUNNING),
        a_run(4, {"a": 3}, np.nan),
    ]
    found = measure_effects(runs)
    [marginal] = found.marginals
    assert (found.finished, found.trials) == (1, 5)
    assert [(level.low, level.best and level.best.mean, level.trials) for level in marginal.levels] == [
        (1, 0.5, 2), (2, None, 2), (3, None, 1),
    ]  # fmt: skip


def test_a_value_that_does_not_apply_is_a_level() -> None:
    """Trials without a hyperparameter form a level of their own, which comes last."""
    runs = [a_run(0, {"optimizer": "sgd", "momentum": 0.9}, 0.5), a_run(1, {"optimizer": "adam"}, 0.7)]
    [momentum] = [marginal for marginal in measure_effects(runs).marginals if marginal.name == "momentum"]
    assert [level.low for level in momentum.levels] == [0.9, None]


@pytest.mark.parametrize("scale", [lambda x: x, lambda x: 10 ** (6 * x - 6)], ids=["linear", "logarithmic"])
def test_many_numbers_are_binned(scale: Callable[[float], float]) -> None:
    """A sampled range is split into four ordered bins with equally many trials, whatever its scale."""
    points = [float(scale(x)) for x in np.random.default_rng(0).random(40)]
    [marginal] = measure_effects(a_sweep({"rate": points}, lambda rate: rate)).marginals
    assert [level.trials for level in marginal.levels] == [10] * 4
    bounds = [bound for level in marginal.levels for bound in (level.low, level.high)]
    assert bounds == sorted(bounds, key=lambda bound: float(bound or 0))
    assert (bounds[0], bounds[-1]) == (min(points), max(points))


def test_binned_numbers_keep_their_absent() -> None:
    """If a range does not apply to some trials, these trials form a level after the bins."""
    runs = [a_run(n, {"a": "x", "rate": n / 10} if n < 20 else {"a": "y"}, n / 10) for n in range(30)]
    [rate] = [marginal for marginal in measure_effects(runs).marginals if marginal.name == "rate"]
    assert [level.trials for level in rate.levels] == [5, 5, 5, 5, 10]
    assert rate.levels[-1].low is None


@given(st.lists(st.one_of(st.none(), st.integers(-3, 30), st.floats(-5, 5), st.sampled_from("ab")), max_size=40))
def test_every_trial_is_in_one_level(values: list[Scalar | None]) -> None:
    """Whatever the values are, a marginal counts each trial exactly once."""
    runs = [a_run(n, {} if value is None else {"a": value}, 0.5, swept=("a",)) for n, value in enumerate(values)]
    for marginal in measure_effects(runs).marginals:
        assert sum(level.trials for level in marginal.levels) == len(runs)
        assert sum(level.best.n for level in marginal.levels if level.best) == len(runs)


def test_importance_finds_the_one_that_matters() -> None:
    """If the objective depends on one hyperparameter and noise, that hyperparameter has nearly all the importance."""
    chance = noise(0.05)
    found = measure_effects(
        a_sweep({"idle": ["p", "q", "r"], "a": range(6), "flag": [True, False]}, lambda _, a, __: a + chance())
    )
    assert found.importance.refused is None
    assert shares(found)["a"] > 0.97
    assert max(shares(found)["idle"], shares(found)["flag"]) < 0.02
    assert sum(shares(found).values()) == pytest.approx(1)
    assert found.importance.r2 is not None and found.importance.r2 > 0.9
    assert found.marginals[0].name == "a"


def test_a_pure_interaction_has_importance_and_no_marginal() -> None:
    """In an exclusive or, both hyperparameters are equally important, and all of the variance is interaction.

    The means of their values do not differ, so that their marginals explain nothing.
    """
    chance = noise()
    space = {"idle": [1, 2, 3], "a": ["x", "y"], "b": ["x", "y"], "more": range(3)}
    found = measure_effects(a_sweep(space, lambda _, a, b, __: (a != b) + chance()))
    assert shares(found)["a"] == pytest.approx(0.5, abs=0.1)
    assert shares(found)["b"] == pytest.approx(0.5, abs=0.1)
    assert all(marginal.explained < 0.01 for marginal in found.marginals)
    assert found.interaction is not None
    assert {found.interaction.rows.name, found.interaction.columns.name} == {"a", "b"}
    assert found.interaction.share == pytest.approx(1, abs=0.01)


def test_sums_do_not_interact() -> None:
    """If effects add up, no part of the variance is interaction, even if a cell is empty."""
    runs = a_sweep({"a": [0, 1, 2], "b": ["x", "y"], "c": [1, 2]}, lambda a, b, _: 3 * a + 10 * (b == "y"))
    interaction = measure_effects([run for run in runs if (run.hparams["a"], run.hparams["b"]) != (2, "y")]).interaction
    assert interaction is not None
    assert {interaction.rows.name, interaction.columns.name} == {"a", "b"}
    assert interaction.share == pytest.approx(0, abs=1e-12)
    cells = np.array([[np.nan if cell is None else cell.mean for cell in row] for row in interaction.cells])
    ordered = cells if interaction.rows.name == "b" else cells.T
    np.testing.assert_allclose(ordered, [[0, 3, 6], [10, 13, np.nan]])


def test_an_interaction_that_cannot_be_told_is_not() -> None:
    """No interaction share is given if row and column effects can fit any means of the filled cells."""
    runs = [a_run(n, dict(zip("ab", point, strict=True)), n) for n, point in enumerate(["xx", "xy", "yy"])]
    interaction = measure_effects(runs).interaction
    assert interaction is not None
    assert interaction.share is None
    assert sum(cell is None for row in interaction.cells for cell in row) == 1


def test_importance_is_deterministic() -> None:
    """The same trials give bit-identical shares and standard errors."""
    chance = noise(1)
    runs = a_sweep({"a": range(4), "b": ["x", "y"], "c": [0.1, 0.2]}, lambda a, b, c: a + (b == "x") * c + chance())
    assert measure_effects(runs).importance == measure_effects(runs).importance


def test_the_standard_error_shrinks_with_trials() -> None:
    """More trials of the same sweep give smaller standard errors of the shares."""
    chance = noise(0.3)
    few, many = (
        measure_effects(a_sweep({"a": range(3), "b": range(4)}, lambda a, b: a + b / 2 + chance(), repeats)).importance
        for repeats in (1, 12)
    )
    assert all(
        many_share.std < few_share.std / 2 for many_share, few_share in zip(many.shares, few.shares, strict=True)
    )


def test_scales_do_not_matter() -> None:
    """A learning rate and its logarithm have the same importance."""
    rates = [10.0**-n for n in range(6)]
    linear, logarithmic = (
        importance({"rate": scaled * 4, "b": ["x"] * 12 + ["y"] * 12}, [*range(6)] * 4)
        for scaled in (rates, [float(np.log10(rate)) for rate in rates])
    )
    assert linear == logarithmic


def test_many_trials_get_smaller_trees_and_the_same_shares(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a thousand trials, trees on 512 of them give the shares of trees on all; few trials are never left out."""
    monkeypatch.setattr(forest, "SAMPLES", 2)
    random = np.random.default_rng(0)
    rate, units, idle = random.uniform(-4, 0, 1000), random.integers(1, 5, 1000), random.uniform(size=1000)
    values = (-((rate + 2) ** 2) / 50 + units / 100 + random.normal(0, 0.01, 1000)).tolist()
    settings = {"rate": rate.tolist(), "units": units.tolist(), "idle": idle.tolist()}
    few = {name: column[: forest.MOST_IN_A_TREE] for name, column in settings.items()}, values[: forest.MOST_IN_A_TREE]
    small, smallest = importance(settings, values), importance(*few)
    monkeypatch.setattr(forest, "MOST_IN_A_TREE", 10**9)
    large = importance(settings, values)
    assert [each.name for each in small.shares] == ["rate", "units", "idle"]
    assert [each.share for each in small.shares] == pytest.approx([each.share for each in large.shares], abs=0.03)
    assert small.r2 == pytest.approx(large.r2, abs=0.03)
    assert small != large
    assert smallest == importance(*few)


@pytest.mark.parametrize(
    ("space", "value", "reason"),
    [
        pytest.param({"a": range(LEAST_TRIALS - 1)}, float, "11 finished trials are too few; 12 ", id="few"),
        pytest.param({"a": PAIR, "b": PAIR, "c": PAIR}, lambda a, *_: a, "8 finished trials are too few", id="eight"),
        pytest.param(
            {"a": PAIR, "b": PAIR, "c": PAIR, "d": PAIR, "e": [1, 1]}, lambda *_: 1.0, "the same value", id="all-equal"
        ),
        pytest.param({"a": PAIR, "b": PAIR, "c": [1, 2, 3]}, lambda a, *_: a, None, id="just-enough"),
        pytest.param({"a": range(20)}, lambda a: a * 7 % 2, "not trained on (R² ", id="chance"),
        pytest.param({"a": [1]}, float, "no hyperparameter differs", id="one-trial"),
        pytest.param({"a": []}, float, "no hyperparameter differs", id="none"),
    ],
)
def test_importance_is_refused_in_words(
    space: Mapping[str, list[Scalar]], value: Callable[..., float], reason: str | None
) -> None:
    """Importance is refused with a reason if nothing varies, nothing is explained or there are too few trials.

    The message about too few trials says how many are needed.
    """
    found = measure_effects(a_sweep(space, value)).importance
    assert bool(found.shares) == (reason is None)
    assert (reason or "") in (found.refused or "")


def drawn(found: Effects, width: int, terminal: bool = True) -> str:
    """Return what is printed to a terminal or to a pipe."""
    file = io.StringIO()
    console = Console(file=file, width=width, force_terminal=terminal, color_system=None, highlight=False, markup=False)
    for part in render(console, found):
        console.print(part)
    return file.getvalue()


@pytest.fixture(scope="module")
def sampled() -> Effects:
    """Return the effects of a sweep with all special cases: a sampled range, absent values, replicates, a failure."""
    random, chance = np.random.default_rng(1), noise()
    runs = []
    for number in range(40):
        hparams: dict[str, Scalar] = {"batchnorm": ["none", "before"][number % 2], "rate": float(random.random())}
        if number % 4 < 2:
            hparams["momentum"] = 0.9
        value = 0.8 + 0.1 * (number % 2) + 0.05 * hparams["rate"] + chance()  # type: ignore[operator]
        status = TrialState.FAILED if number == 7 else TrialState.FINISHED
        runs.append(a_run(number, hparams, value, swept=("batchnorm", "rate", "momentum"), status=status))
    return measure_effects(runs)


@pytest.mark.parametrize("width", [80, 100, 160])
def test_the_terminal_shows_all_of_it_on_one_axis(sampled: Effects, width: int) -> None:
    """Means, counts, bars, importance and interaction fit the terminal, and all bars start at the axis."""
    text = drawn(sampled, width)
    assert max(map(len, text.splitlines())) <= width
    level = next(level for level in sampled.marginals[0].levels if level.low == "before")
    assert level.best is not None
    [line] = [line for line in text.splitlines() if line.split()[:2] == ["batchnorm", "before"]]
    assert f"{level.best.mean:.4f} ± {level.best.std:.4f}   19/20" in line
    assert line.count("●") == 1
    assert text.count("●") == sum(len(marginal.levels) for marginal in sampled.marginals)
    assert importance_sentence(sampled) in " ".join(text.split())
    assert sampled.interaction is not None
    assert interaction_sentence(sampled.interaction) in " ".join(text.split())


def test_a_pipe_gets_it_plain(sampled: Effects) -> None:
    """Output to a pipe has whole lines without control sequences."""
    text = drawn(sampled, 1000, terminal=False)
    assert "\x1b" not in text
    assert importance_sentence(sampled) in text


def test_odd_names_are_shown_literally() -> None:
    """Markup and control characters in names and values are shown literally, in the terminal and in figures."""
    runs = [a_run(n, {"[/b]<b>\x1b[31m": f"<img src=x {n}>"}, n) for n in range(2)]
    text = drawn(measure_effects(runs), 160)
    assert r"[/b]<b>\x1b[31m" in text
    assert "<img src=x 0>" in text
    ticks = marginals_figure(measure_effects(runs))["layout"]["yaxis"]["ticktext"]
    assert ticks == [r"<b>[/b]&lt;b&gt;\x1b[31m</b>", "&lt;img src=x 0&gt;", "&lt;img src=x 1&gt;"]


def test_json_and_figures_have_the_same_numbers(sampled: Effects) -> None:
    """The JSON form is valid JSON and has the same numbers as the figures."""
    told = json.loads(json.dumps(to_json(sampled)))
    means = [level["mean"] for hyperparameter in told["hyperparameters"] for level in hyperparameter["levels"]]
    assert marginals_figure(sampled)["data"][0]["x"] == pytest.approx(means, rel=1e-5)
    shares = [share["share"] for share in told["importance"]["shares"]]
    assert importance_figure(sampled)["data"][0]["x"] == pytest.approx(shares, rel=1e-5, abs=1e-9)
    assert sampled.interaction is not None
    heat = interaction_figure(sampled.interaction)["data"][0]
    assert heat["z"][0][0] == pytest.approx(told["interaction"]["cells"][0][0]["mean"], rel=1e-5)
    ranges = next(each["levels"] for each in told["hyperparameters"] if each["name"] == "rate")
    assert all(level["from"] < level["to"] for level in ranges)


def test_without_a_metric_the_title_says_what_to_do() -> None:
    """If no metric has a known goal, the title says so, and how to choose a metric."""
    found = measure_effects([foreign("a", {"lr": 1}, odd=[1.0]), foreign("b", {"lr": 2}, odd=[2.0])])
    assert title(found) == "runs: no metric to compare by; choose one with --objective and --goal"


def test_sweeps_are_told_apart() -> None:
    """Two sweeps of one logdir with different objectives have separate effects.

    Runs that belong to no sweep form one more group.
    """
    loss = Objective("loss", ACCURACY.tag, Goal.MIN)
    others = [replace(a_run(n, {"b": n}, n, sweep="other"), objective=loss, result=None) for n in range(3)]
    runs = [*(a_run(n, {"a": n}, n) for n in range(2)), *others, foreign("r", {"c": 1}, loss=[3.0])]
    found = [measure_effects(own) for own in by_sweep(runs).values()]
    assert [(each.sweep, each.objective and each.objective.name, each.finished) for each in found] == [
        ("other", "loss", 3), ("s", "validation/accuracy", 2), (None, "loss", 1),
    ]  # fmt: skip


def test_what_follows_from_a_swept_value_is_no_effect() -> None:
    """Settings that differ only because a swept setting differs are left out.

    Without a sweep, all settings that differ count.
    """
    hparams: list[dict[str, Scalar]] = [{"optimizer": "sgd"}, {"optimizer": "adam", "beta_1": 0.9}]
    swept = [a_run(n, each, n, swept=("optimizer",)) for n, each in enumerate(hparams)]
    runs = [foreign(f"r{n}", each, loss=[n]) for n, each in enumerate(hparams)]
    assert [marginal.name for marginal in measure_effects(swept).marginals] == ["optimizer"]
    assert {marginal.name for marginal in measure_effects(runs).marginals} == {"optimizer", "beta_1"}


def test_nothing_to_rank_by() -> None:
    """Runs without any scalar have levels, but no numbers."""
    found = measure_effects([foreign(f"r{n}", {"a": n}) for n in range(2)])
    assert found.objective is None
    assert [level.best for level in found.marginals[0].levels] == [None, None]
    assert found.importance.refused is not None
