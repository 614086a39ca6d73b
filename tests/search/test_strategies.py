"""Tests of the contract that every search strategy keeps."""

from __future__ import annotations

import math
import random
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from hpdash.errors import SpecError
from hpdash.search import Evidence, strategy_for
from hpdash.spec import Sweep, parse_sweep
from hpdash.spec.domains import Choice, identity

COUNT = 24
STRATEGIES = ["grid", "list", "random", "sobol", "tpe"]
FINITE = {
    "hidden": [[8], [16, 8], [64, 32]],
    "optimizer": ["sgd", "adam"],
    "momentum": {"min": 0.0, "max": 0.9, "step": 0.1, "when": {"optimizer": "sgd"}},
    "batch_size": {"min": 8, "max": 64, "step": 8},
    "kernel_initializer": ["he_normal", {"name": "random_normal", "stddev": 1.0}],
}
INFINITE = FINITE | {
    "learning_rate": {"min": 1e-4, "max": 1.0, "scale": "log"},
    "dropout": {"min": 0.0, "max": 0.5},
    "epochs": {"min": 1, "max": 200, "scale": "log"},
}
LISTED = [{"hidden": [units], "optimizer": "adam"} for units in range(1, 31)]
SPACES = {"finite": FINITE, "infinite": INFINITE}
CASES = [pytest.param(strategy, space, id=f"{strategy}-{space}") for strategy in STRATEGIES for space in SPACES]
CASES = [case for case in CASES if case.id not in ("grid-infinite", "list-infinite")]


def sweep(strategy: str, hparams: Any = FINITE, require: str = "", **head: Any) -> Sweep:
    """Build a sweep with the given strategy."""
    tables: dict[str, Any] = {"sweep": {"strategy": strategy, "trials": COUNT, **head}, "data": {"name": "digits"}}
    tables |= (
        {"trial": LISTED}
        if strategy == "list"
        else {"hparams": SPACES[hparams] if isinstance(hparams, str) else hparams}
    )
    tables |= {"require": [{"that": require}]} if require else {}
    return parse_sweep(tables, name="x.toml", folder=Path())


def scored(point: dict[str, Any], place: int) -> Evidence:
    """Score a setting.

    Some settings get no normal score: one still runs, one failed, one diverged.
    """
    score = -abs(len(point["hidden"]) - 2) - abs(point.get("momentum", 0.5) - 0.4)
    return Evidence(point, {5: None, 6: float("nan"), 7: float("-inf")}.get(place % 9, score))


def schedule(made: Sweep, count: int = COUNT) -> list[Evidence]:
    """Run a search in which each setting is proposed from the scores of all earlier ones."""
    strategy, known = strategy_for(made), list[Evidence]()
    for index in range(count):
        known.append(scored(strategy.point(index, known), index))
    return known


def points(known: list[Evidence]) -> list[Any]:
    """Return the proposed points in a form that can be compared."""
    return [identity(each.point) for each in known]


@pytest.mark.parametrize(("strategy", "space"), CASES)
def test_a_point_lies_in_the_space(strategy, space):
    """A point's values lie in their domains and have the right types.

    Its names are in the file's order, and only names that apply are there.
    """
    made = sweep(strategy, space)
    order = [hparam.name for hparam in made.hparams]
    for each in schedule(made):
        point = each.point
        assert list(point) == [name for name in order if name in point]
        assert ("momentum" in point) == (strategy != "list" and point["optimizer"] == "sgd")
        for hparam in made.hparams:
            if hparam.name not in point:
                continue
            value, domain = point[hparam.name], hparam.domain
            if domain.size is not None:
                assert domain.value(domain.index(value)) == value
            else:
                assert domain.min <= value <= domain.max
            if not isinstance(domain, Choice):
                assert type(value) is type(domain.min)
        assert made.settings(point)


@pytest.mark.parametrize(("strategy", "space"), CASES)
def test_a_search_comes_from_the_file_and_the_seed(strategy, space):
    """The same file and results give the same settings; another seed gives others, unless they are listed."""
    first = schedule(sweep(strategy, space))
    assert points(schedule(sweep(strategy, space))) == points(first)
    assert (points(schedule(sweep(strategy, space, seed=1))) == points(first)) == (strategy == "list")


@pytest.mark.parametrize(("strategy", "space"), CASES)
@pytest.mark.parametrize("done", [0, 3, 11, 17])
def test_a_search_goes_on_where_it_stopped(strategy, space, done):
    """After any number of results, a new strategy makes the same proposals as one that ran all along."""
    whole = schedule(sweep(strategy, space))
    resumed = strategy_for(sweep(strategy, space))
    following = [identity(resumed.point(index, whole[:index])) for index in range(done, COUNT)]
    assert following == points(whole)[done:]


@pytest.mark.parametrize(("strategy", "space"), CASES)
def test_the_order_of_arrival_has_no_say(strategy, space):
    """Results that arrive in different orders lead to the same proposal once all are there."""
    known = schedule(sweep(strategy, space), 16)
    waiting = {3, 8, 14}
    orders = []
    for seed in (0, 1):
        strategy_of, so_far = strategy_for(sweep(strategy, space)), list(known)
        for place in waiting:
            so_far[place] = Evidence(known[place].point, None)
        for place in random.Random(seed).sample(sorted(waiting), len(waiting)):
            strategy_of.point(16, so_far)  # a proposal before all results are there must not affect later ones
            so_far[place] = known[place]
        orders.append(identity(strategy_of.point(16, so_far)))
    assert orders[0] == orders[1]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_finite_space_has_no_setting_twice(strategy):
    """In a finite space, no setting is proposed twice, and more trials than settings are refused."""
    hparams = {"hidden": [[1], [2], [3]], "optimizer": ["sgd", "adam"], "batch_size": {"min": 8, "max": 32, "step": 8}}
    known = schedule(sweep(strategy, hparams))
    assert len(set(points(known))) == COUNT
    if strategy not in ("grid", "list"):
        with pytest.raises(SpecError, match=r'x: sweep\.trials: expected at most 24, .*"grid"'):
            strategy_for(sweep(strategy, hparams, trials=COUNT + 1))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_setting_meets_the_requirements(strategy):
    """A setting that a [[require]] forbids is never proposed, and the same file gives the same settings again."""
    require = "product(hidden) < 130 and (batch_size > 16 or optimizer == 'adam')"
    made = sweep(strategy, "finite", require)
    known = schedule(made)
    assert len(known) == COUNT
    assert all(made.allows(each.point) for each in known)
    assert points(schedule(made)) == points(known)


@pytest.mark.parametrize("strategy", ["random", "sobol", "tpe"])
@pytest.mark.parametrize("space", ["finite", "infinite"])
def test_requirements_that_leave_too_little(strategy, space):
    """A search that finds no setting that meets the requirements fails before any training."""
    with pytest.raises(SpecError, match=r"x: (sweep\.trials|require)"):
        strategy_for(sweep(strategy, space, "len(hidden) > 5")).point(0)


@pytest.mark.parametrize("strategy", ["grid", "random", "sobol", "tpe"])
def test_a_huge_space_is_not_built(strategy):
    """Settings from a space of 10^400 are proposed in little memory, also when tpe uses results."""
    tables = {
        "sweep": {"strategy": strategy, "trials": 20},
        "data": {"name": "digits"},
        "model": {"builder": "nets:net"},
        "hparams": {f"k{index}": list(range(10)) for index in range(400)},
    }
    made = parse_sweep(tables, name="x.toml", folder=Path())
    strategy_for(made).point(0)  # import needed modules before memory is measured
    tracemalloc.start()
    strategy, known = strategy_for(made), list[Evidence]()
    for index in range(12):
        known.append(Evidence(strategy.point(index, known), float(index)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6
    assert len(set(points(known))) == 12


@pytest.mark.parametrize("strategy", ["random", "sobol"])
def test_more_trials_only_add(strategy):
    """Raising [sweep] trials keeps the earlier settings."""
    few, many = schedule(sweep(strategy, "infinite"), 10), schedule(sweep(strategy, "infinite", trials=100), 20)
    assert points(many)[:10] == points(few)


def test_sobol_fills_a_space_evenly():
    """64 Sobol points in two dimensions put one point in each of 64 squares, also on a log scale and for any seed."""
    hparams = {"learning_rate": {"min": 1e-4, "max": 1.0, "scale": "log"}, "dropout": {"min": 0.0, "max": 0.8}}
    for seed in range(3):
        strategy = strategy_for(sweep("sobol", hparams, trials=64, seed=seed))
        drawn = [strategy.point(index) for index in range(64)]
        rates = [int((4 + math.log10(point["learning_rate"])) * 2) for point in drawn]
        assert len(set(zip(rates, (int(point["dropout"] * 10) for point in drawn), strict=True))) == 64


@pytest.mark.parametrize("goal", ["min", "max"])
def test_tpe_prefers_pruned_settings_to_diverged_ones(goal):
    """Where no setting has finished, tpe proposes settings like the best pruned ones, not like those that diverged."""
    space = {"learning_rate": {"min": 0.0001, "max": 1.0, "scale": "log"}}
    made = sweep("tpe", space, objective="loss", goal=goal)
    sign = 1 if goal == "min" else -1
    diverged = [Evidence({"learning_rate": 0.5 + place / 100}, sign * math.inf) for place in range(10)]
    pruned = [Evidence({"learning_rate": 0.001 + place / 10_000}, sign * (place + 1.0), 1) for place in range(10)]
    rates = [strategy_for(made).point(index, [*diverged, *pruned])["learning_rate"] for index in range(20, 30)]
    assert sum(rate < 0.1 for rate in rates) >= 8
