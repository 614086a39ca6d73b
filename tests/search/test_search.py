"""Tests of the trials that a sweep consists of."""

from __future__ import annotations

import itertools
import time
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpdash.errors import SpecError
from hpdash.search import strategy_for, trials
from hpdash.spec import parse_sweep
from hpdash.views.terminal.check import summary


def sweep(hparams, *, own=False, train=None, listed=None, **head):
    """Build a sweep from an [hparams] table."""
    tables = {"sweep": head, "data": {"name": "digits"}, "train": train or {}}
    tables["model"] = {"builder": "nets:net"} if own else {}
    tables |= {"trial": listed} if listed is not None else {"hparams": hparams}
    return parse_sweep(tables, name="x.toml", folder=Path())


def points(sweep):
    """Return all points of a sweep."""
    strategy = strategy_for(sweep)
    return [strategy.point(index) for index in range(strategy.count)]


def wide(factors, **head):
    """Build a sweep of 10^factors points."""
    return sweep({f"k{index}": list(range(10)) for index in range(factors)}, own=True, **head)


OPTIMIZERS = {
    "optimizer": ["sgd", "adam"],
    "momentum": {"values": [0.0, 0.9], "when": {"optimizer": "sgd"}},
    "nesterov": {"values": [True, False], "when": {"momentum": 0.9}},
}


def test_the_last_name_varies_fastest():
    """A grid lists its points like nested loops in the order of the file."""
    values = {"a": [1, 2], "b": ["x", "y", "z"], "c": [True, False]}
    expected = [dict(zip("abc", row, strict=True)) for row in itertools.product(*values.values())]
    assert points(sweep(values, own=True)) == expected


def test_a_condition_does_not_multiply_where_it_does_not_hold():
    """A conditional name is absent if its `when` does not hold, and so are names whose `when` refers to it."""
    assert points(sweep(OPTIMIZERS)) == [
        {"optimizer": "sgd", "momentum": 0.0},
        {"optimizer": "sgd", "momentum": 0.9, "nesterov": True},
        {"optimizer": "sgd", "momentum": 0.9, "nesterov": False},
        {"optimizer": "adam"},
    ]


def test_a_condition_on_a_fixed_setting():
    """A `when` on a fixed setting either always or never holds; `check` and the sweep say that it never does."""
    hparams = {"a": [1, 2], "b": {"values": [3, 4], "when": {"epochs": 5}}}
    always, never = (sweep(hparams, own=True, train={"epochs": epochs}) for epochs in (5, 6))
    assert (strategy_for(always).count, always.remarks) == (4, [])
    assert points(never) == [{"a": 1}, {"a": 2}]
    assert never.remarks == ["hparams.b never varies: its when asks for epochs = 5, and epochs is 6"]
    assert never.remarks[0] in summary(never, 2).plain


@st.composite
def conditional(draw):
    """Draw an [hparams] table with names whose `when` refers to other names."""
    names = [f"h{index}" for index in range(draw(st.integers(1, 5)))]
    table = {}
    for index, name in enumerate(names):
        values = list(range(draw(st.integers(1, 3))))
        parents = draw(st.lists(st.sampled_from(names[:index]), unique=True, max_size=2)) if index else []
        when = {parent: draw(st.sampled_from(table[parent]["values"])) for parent in parents}
        table[name] = {"values": values, **({"when": when} if when else {})}
    return dict(draw(st.permutations(list(table.items()))))


@given(conditional())
def test_a_grid_is_what_brute_force_finds(table):
    """A grid has exactly the points of the full product that satisfy every `when`, each once."""
    order = sorted(table)
    expected = set()
    for row in itertools.product(*(table[name]["values"] for name in order)):
        point = {}
        for name, value in zip(order, row, strict=True):
            if all(point.get(parent) == wanted for parent, wanted in table[name].get("when", {}).items()):
                point[name] = value
        expected.add(tuple(sorted(point.items())))
    found = [tuple(sorted(point.items())) for point in points(sweep(table, own=True))]
    assert len(found) == len(set(found))
    assert set(found) == expected


def test_more_trials_than_can_be_listed_are_refused():
    """The number of trials (settings times repeats) is limited, as the size of a grid is."""
    few = sweep({"learning_rate": [0.1, 0.2]}, repeats=1000)
    assert strategy_for(few).count == 2
    with pytest.raises(SpecError, match=r"sweep.repeats: expected at most 100000 trials, found 1000 for each of 1000"):
        strategy_for(wide(3, repeats=1000))


def test_conditions_that_hang_together_are_refused():
    """Conditions whose combinations give 2^22 cases are refused, using little memory."""
    hparams = {f"p{index}": [0, 1] for index in range(22)} | {"q": [0, 1]}
    hparams |= {f"c{index}": {"values": [0, 1], "when": {f"p{index}": 1, "q": 1}} for index in range(22)}
    tracemalloc.start()
    with pytest.raises(SpecError, match=r"hparams.p\d+: expected fewer .*`when`"):
        strategy_for(sweep(hparams, own=True))
    assert tracemalloc.get_traced_memory()[1] < 100e6
    tracemalloc.stop()


@pytest.mark.parametrize("strategy", ["grid", "random"])
@pytest.mark.parametrize("factors", [9, 400])
def test_a_huge_grid_is_sampled(factors, strategy):
    """A few distinct points out of 10^9 or 10^400 are drawn quickly, in little memory, and the same ones each time."""
    huge = wide(factors, trials=20, strategy=strategy)
    tracemalloc.start()
    start = time.perf_counter()
    drawn = points(huge)
    seconds, peak = time.perf_counter() - start, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert seconds < 10  # generous, for busy machines; building all points would never end
    assert peak < 100e6
    assert len({tuple(point.items()) for point in drawn}) == 20
    assert drawn == points(huge)
    assert drawn != points(wide(factors, trials=20, strategy=strategy, seed=1))


def test_a_sampled_grid_keeps_the_order_of_the_grid():
    """If a grid has more points than [sweep] trials, some are left out in order; otherwise all are used."""
    whole = points(wide(2))
    some = points(wide(2, trials=30))
    assert len(some) == 30
    assert some == [point for point in whole if point in some]
    assert points(wide(2, trials=1000)) == whole


def test_random_draws_distinct_settings_of_a_finite_space():
    """As many random trials as there are settings cover all settings; one more trial is refused."""
    drawn = points(wide(2, trials=100, strategy="random"))
    assert sorted(map(str, drawn)) == sorted(map(str, points(wide(2))))
    assert drawn != points(wide(2))
    with pytest.raises(SpecError, match="at most 100"):
        strategy_for(wide(2, trials=101, strategy="random"))


MIXED = {
    "learning_rate": {"min": 1e-4, "max": 1e-1, "scale": "log"},
    "momentum": {"min": 0.0, "max": 0.9, "when": {"optimizer": "sgd"}},
    "optimizer": ["sgd", "adam"],
}


@pytest.mark.parametrize(
    "hparams", [MIXED, {"hidden": [[1], [2], [3]], "dropout": {"min": 0, "max": 0.5, "step": 0.1}}]
)
def test_more_trials_only_add(hparams):
    """Raising [sweep] trials of a random sweep keeps the earlier points."""
    assert points(sweep(hparams, strategy="random", trials=15))[:7] == points(
        sweep(hparams, strategy="random", trials=7)
    )


def test_random_points_of_an_infinite_space():
    """A random point lies in its domains, lists its names in the file's order, and has only names that apply."""
    drawn = points(sweep(MIXED, strategy="random", trials=50))
    assert {point["optimizer"] for point in drawn} == {"sgd", "adam"}
    for point in drawn:
        assert 1e-4 <= point["learning_rate"] <= 1e-1
        assert list(point) == [name for name in MIXED if name in point]
        assert ("momentum" in point) == (point["optimizer"] == "sgd")


def test_listed_settings():
    """`[[trial]]` tables are the settings, in order; [sweep] trials limits their number."""
    listed = [{}, {"activation": "elu"}, {"hidden": [8]}]
    assert points(sweep(None, listed=listed)) == listed
    assert points(sweep(None, listed=listed, trials=2)) == listed[:2]


def test_trials_are_numbered_by_setting_and_repeat():
    """Trials are numbered by setting and repeat, and replicates differ only in number and seed.

    That is, number = setting * repeats + repeat and seed = sweep seed + repeat.
    """
    found = trials(sweep({"hidden": [[8], [4]]}, repeats=3, seed=7))
    assert [(spec.number, spec.setting, spec.seed) for spec in found] == [
        (0, 0, 7), (1, 0, 8), (2, 0, 9), (3, 1, 7), (4, 1, 8), (5, 1, 9),
    ]  # fmt: skip
    assert [spec.settings["model"]["hidden"] for spec in found] == [[8]] * 3 + [[4]] * 3
