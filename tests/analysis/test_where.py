"""Tests of `--where`: what a condition means, and how an invalid one is reported."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made import foreign, trial

from hpdash.analysis.where import select
from hpdash.conditions.parser import DEEPEST
from hpdash.errors import SpecError
from hpdash.records import TrialState
from hpdash.runs import Run

RUN = trial(
    3, 0.5, 0.9, 0.7,
    status=TrialState.FAILED,
    hparams={
        "batchnorm": "before", "learning_rate": 0.001, "hidden": "512", "shape": "512-256", "nesterov": True,
        "batch_size": 32.0, "odd name": 3, "not": "x", "kernel": "random_normal(stddev=1)", "drawn": 0.00123456789,
    },
)  # fmt: skip


def matches(text: str, run: Run) -> bool:
    """Return whether a condition selects a run; another run has the hyperparameter `momentum`."""
    return run in select([run, foreign("other", hparams={"momentum": 0.9})], text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("batchnorm=before", True, id="text"),
        pytest.param("batchnorm == after", False, id="other-text"),
        pytest.param("batchnorm != after", True, id="unequal"),
        pytest.param("batchnorm=Before", False, id="texts-have-case"),
        pytest.param("batchnorm=before and learning_rate<0.01", True, id="and"),
        pytest.param("batchnorm=after OR lr <= 1e-3", True, id="or-in-capitals"),
        pytest.param("lr=0.0010", True, id="number-however-spelled"),
        pytest.param("batch_size=32", True, id="integer-logged-as-float"),
        pytest.param("drawn=0.00123457", True, id="as-tables-show-it"),
        pytest.param('lr="0.001"', True, id="quoted-number-as-shown"),
        pytest.param("lr<abc", False, id="number-against-word"),
        pytest.param("hidden=512", True, id="text-that-looks-like-a-number"),
        pytest.param("hidden=512.0", False, id="text-is-compared-by-its-text"),
        pytest.param("shape=512-256", True, id="bare-word-with-dash"),
        pytest.param("batchnorm > after", True, id="texts-in-order"),
        pytest.param("nesterov=true", True, id="boolean"),
        pytest.param("nesterov != FALSE", True, id="boolean-unequal"),
        pytest.param("nesterov=1", False, id="a-boolean-is-no-number"),
        pytest.param("nesterov>=0", False, id="booleans-have-no-order"),
        pytest.param('"odd name" = 3', True, id="quoted-name"),
        pytest.param("`odd name`>2", True, id="name-in-backticks"),
        pytest.param("'not' = x", True, id="quoted-keyword"),
        pytest.param('kernel="random_normal(stddev=1)"', True, id="quoted-value"),
        pytest.param("batchnorm in (after, before)", True, id="in"),
        pytest.param('batchnorm not in ("after", none)', True, id="not-in"),
        pytest.param("lr in (1, 0.001)", True, id="number-in"),
        pytest.param("not status = failed", False, id="not"),
        pytest.param("not not status = failed", True, id="not-not"),
        pytest.param("lr=1 or lr=2 and lr=3 or trial=3", True, id="and-binds-first"),
        pytest.param("(trial=3 or trial=4) and trial=4", False, id="parentheses"),
        pytest.param("not trial=4 and trial=3", True, id="not-binds-first"),
        pytest.param("best>0.8 and last<0.8 and epoch=2", True, id="objective"),
        pytest.param("validation/accuracy < 0.8", True, id="metric-is-its-last-value"),
        pytest.param("sweep=s and id=s/0003 and attempt=1", True, id="fields"),
        pytest.param("momentum=0", False, id="absent"),
        pytest.param("momentum!=0", False, id="absent-is-not-unequal"),
        pytest.param("momentum not in (0)", False, id="absent-is-not-outside"),
        pytest.param("not momentum=0", True, id="not-absent"),
        pytest.param("  batchnorm\n=\tbefore  ", True, id="spaces"),
        pytest.param("nesterov and not not nesterov", True, id="boolean-alone"),
        pytest.param("0 < lr < 1", True, id="chain"),
        pytest.param("1 < lr < 2 or lr < 1 < 2", True, id="chains"),
        pytest.param("len(shape) = 2 and sum(shape) = 768 and product(shape) > 100_000", True, id="functions"),
        pytest.param("min(shape) == 256 and max(shape)==512 and len(hidden)=1", True, id="more-functions"),
        pytest.param("shape[0] = 512 and shape[-1] < 2*shape[0]", True, id="elements"),
        pytest.param("shape = sorted(shape)", False, id="sorted"),
        pytest.param("512 in shape and 300 not in shape", True, id="in-a-list"),
        pytest.param("shape == [512, 256] and shape in ([512, 256], 512-300)", True, id="lists"),
        pytest.param("best - last > 0.1 and best-last < 0.3 and best*10 >= 9", True, id="arithmetic"),
        pytest.param("-lr < 0 and (trial + 1) / 2 = 2 and trial % 2 = 1 and trial//2 = 1", True, id="more-arithmetic"),
        pytest.param("batchnorm in [after, before]", True, id="brackets"),
        pytest.param("'before' = batchnorm", True, id="value-first"),
        pytest.param("trial >= attempt", True, id="two-names"),
        pytest.param("batchnorm = status", False, id="a-name-that-is-no-value"),
    ],
)
def test_what_a_condition_means(text: str, expected: bool) -> None:
    """A condition selects the expected runs; any comparison with a name that a run lacks is false."""
    assert matches(text, RUN) is expected


def test_nan_can_be_asked_for() -> None:
    """A metric whose last value is NaN equals nan, and is neither less nor greater than anything."""
    run = foreign(epoch_loss=[1.0, math.nan])
    assert [matches(f"epoch_loss {rest}", run) for rest in ("= nan", "!= nan", "< 1", ">= 1")] == [
        True, False, False, False,
    ]  # fmt: skip


@given(st.floats(allow_nan=False), st.floats(allow_nan=False))
def test_numbers_compare_as_numbers(value: float, bound: float) -> None:
    """Every comparison of two numbers gives the same result as in Python, however the numbers are written."""
    run = foreign(hparams={"x": value})
    assert matches(f"x < {bound!r}", run) is (value < bound)
    assert matches(f"x >= {bound!r}", run) is (value >= bound)
    assert matches(f"x = {value!r}", run)


@given(st.text(st.characters(exclude_characters='"')), st.text(st.characters(exclude_characters="`"), min_size=1))
def test_any_name_and_text_can_be_quoted(value: str, name: str) -> None:
    """A quoted name or value is found whatever characters it has, and nothing inside quotes is an operator."""
    assert matches(f'`{name}` = "{value}"', foreign(hparams={name: value}))


BAD = [
    pytest.param("", "a name or a value, found the end", 0, id="empty"),
    pytest.param("batchnorm", "an operator (=, !=, <, <=, >, >=, in or not in), found the end", 9, id="name-alone"),
    pytest.param("lr <", "a value, found the end", 4, id="no-value"),
    pytest.param("< 3", "a name or a value, found '<'", 0, id="no-name"),
    pytest.param("lr < 3 )", "`and`, `or` or the end, found ')'", 7, id="too-many-parentheses"),
    pytest.param("(lr < 3", "`)`, found the end", 7, id="too-few-parentheses"),
    pytest.param("lr < 3 lr > 1", "`and`, `or` or the end, found 'lr'", 7, id="no-joint"),
    pytest.param("lr < 3 and", "a name or a value, found the end", 10, id="nothing-after-and"),
    pytest.param("lr in 3", "a list such as (a, b), found '3'", 6, id="in-without-parentheses"),
    pytest.param("lr + 1", "an operator", 6, id="arithmetic-alone"),
    pytest.param("(lr = 1) + 1 = 2", "a name or a value, found a condition", 9, id="arithmetic-with-a-condition"),
    pytest.param("lr = (x = 1)", "a name or a value, found a condition", 12, id="comparison-with-a-condition"),
    pytest.param("-(lr = 1) > 2", "a name or a value, found a condition", 10, id="sign-of-a-condition"),
    pytest.param("shape[0 = 1", "`]`, found '='", 8, id="open-bracket"),
    pytest.param("lr in ()", "a value, found ')'", 7, id="in-nothing"),
    pytest.param("lr not 3", "`in`, found '3'", 7, id="not-alone"),
    pytest.param("lr = and", "a value, found 'and'", 5, id="keyword-as-value"),
    pytest.param("lr ! 3", "a name, a value or an operator, found '!'", 3, id="odd-character"),
    pytest.param("lr = 'x", 'a name, a value or an operator, found "\'". The quote is not closed', 5, id="open-quote"),
    pytest.param("(" * 5000 + "lr=1" + ")" * 5000, f"at most {DEEPEST} levels", DEEPEST + 1, id="5000-parentheses"),
    pytest.param("not " * 5000 + "lr=1", f"at most {DEEPEST} levels", 60, id="5000-nots"),
]


@pytest.mark.parametrize(("text", "expected", "column"), BAD)
def test_a_condition_that_is_none_says_where(text: str, expected: str, column: int) -> None:
    """The error of an invalid condition says what was expected and found, with a caret below the position."""
    with pytest.raises(SpecError) as raised:
        select([RUN], text)
    first, *_, caret = str(raised.value).split("\n")
    assert expected in first
    assert first.startswith("--where: ")
    assert caret == "  " + " " * column + "^"


def test_long_conditions_are_no_trouble() -> None:
    """A condition with thousands of parts can be parsed and evaluated."""
    assert matches(" and ".join(["lr<1"] * 5000), RUN)
    assert not matches(" or ".join(["lr>1"] * 5000), RUN)


@given(st.text("ab =<>!()\"'`,\n\x1b[not in and or").map(lambda text: f"x = {text}"))
def test_any_text_is_a_condition_or_a_spec_error(text: str) -> None:
    """Any text is either a valid condition or an error with one line of message, the text and a caret."""
    try:
        select([RUN], text)
    except SpecError as error:
        assert len(str(error).split("\n")) == 3
        assert "\x1b" not in str(error)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("batchnrm=before", "Did you mean 'batchnorm'?", id="hyperparameter"),
        pytest.param("statu=failed", "Did you mean 'status'?", id="field"),
        pytest.param("Learning_Rate<1", "Did you mean 'learning_rate'?", id="case"),
        pytest.param("validation/acuracy>0", "Did you mean 'validation/accuracy'?", id="metric"),
        pytest.param("trial=3 or qqq=1", "Fields of every run: run, id, sweep", id="nothing-near"),
    ],
)
def test_an_unknown_name_is_an_error_with_the_nearest(text: str, expected: str) -> None:
    """A name that no run has is an error that suggests the nearest name, rather than a comparison that is false."""
    with pytest.raises(SpecError, match="a hyperparameter, a metric or a field") as raised:
        select([RUN], text)
    assert expected in str(raised.value)


def test_a_name_that_one_run_has_is_known() -> None:
    """If only some runs have a hyperparameter, a condition on it skips the other runs without an error."""
    runs = [foreign("a", {"x": 1}), foreign("b", {"y": 1})]
    assert select(runs, "x=1") == runs[:1]
    assert select(runs, None) == runs


def test_no_runs_know_no_names() -> None:
    """Without runs, any name is accepted in a condition, and nothing is selected."""
    nothing: list[Any] = []
    assert select(nothing, "anything=1") == []
