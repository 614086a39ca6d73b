"""Tests of `hpdash ls`: the ranking, what is never hidden, and what a terminal and a pipe get."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from io import StringIO
from typing import Any

import numpy as np
import pytest
from made import ACCURACY, foreign, series, trial
from rich.console import Console

from hpdash.analysis.ranking import listings, to_json
from hpdash.errors import SpecError
from hpdash.records import TrialState
from hpdash.runs import Run, Series
from hpdash.views.terminal.ls import MOST, draw
from hpdash.views.text import json_text

HOSTILE = "[/b]\x1b[31m\n<img>"
LITERAL = r"[/b]\x1b[31m\n<img>"


def shown(runs: list[Run], width: int = 1000, top: int | None = None, **options: Any) -> list[str]:
    """Draw a listing as the command line does; return its lines without colours.

    A width of 1000 or more stands for a pipe.
    """
    terminal = width < 1000
    console = Console(file=StringIO(), force_terminal=terminal, width=width, markup=False, highlight=False, emoji=False)
    for part in draw(console, listings(runs, **options), top):
        console.print(part)
    assert isinstance(console.file, StringIO)
    return re.sub(r"\x1b\[[0-9;]*m", "", console.file.getvalue()).splitlines()


SIX = [
    trial(0, 0.5, 0.6),
    trial(1, 0.9, 0.8),
    trial(2, 0.99, status=TrialState.DIVERGED),
    trial(3, status=TrialState.FAILED, result={"error": "ValueError: no"}),
    trial(4, 0.7, status=TrialState.RUNNING),
    trial(5, 0.8, status=TrialState.INTERRUPTED),
]


def test_the_best_comes_first_and_nothing_is_hidden() -> None:
    """Finished trials are ranked. All others are listed below them, with their state and the epochs they reached."""
    title, header, *rows, note = shown(SIX)
    assert title == "s · 2 finished · 1 diverged · 1 failed · 1 running · 1 interrupted · max of validation/accuracy"
    assert header.split() == ["trial", "x", "best", "epoch", "last", "trained", "time", "status"]
    assert [row.split() for row in rows] == [
        ["1", "0001", "1", "0.9000", "1", "0.8000", "2", "3.0s", "finished"],
        ["2", "0000", "0", "0.6000", "2", "0.6000", "2", "2.0s", "finished"],
        ["0002", "2", "0.9900", "1", "0.9900", "1/4", "4.0s", "diverged"],
        ["0003", "3", "5.0s", "failed"],
        ["0004", "4", "0.7000", "1", "0.7000", "1/4", "0.0s", "running"],
        ["0005", "5", "0.8000", "1", "0.8000", "1/4", "7.0s", "interrupted"],
    ]
    assert note == "s: 1 did not finish: hpdash show s/0003 says why"


def test_each_sweep_has_a_table_with_its_own_columns() -> None:
    """Each sweep, and the runs without a sweep, have a table with the hyperparameters that differ in it."""
    runs = [
        trial(0, 0.5, sweep="b"),
        trial(1, 0.5, sweep="b"),
        trial(0, 0.5, sweep="a", hparams={"y": "p"}),
        trial(1, 0.5, sweep="a", repeats=2, hparams={"y": "q"}, group="a/0001"),
        foreign("f/one", {"units": 3}, epoch_loss=[1.0]),
        foreign("f/two", {"units": 4}, epoch_loss=[2.0]),
    ]
    tables = listings(runs)
    assert [(table.sweep, table.columns[0]) for table in tables] == [("a", "y"), ("b", "x"), (None, "units")]
    lines = shown(runs)
    (title,) = (line for line in lines if line.startswith("no sweep · "))
    assert title.startswith("no sweep · 2 runs · last step 1 · min of loss (no sweep ")
    assert "a loss in 2 of 2 runs)" in title
    assert lines[-2].split() == ["1", "f/one", "3", "1.0000", "1", "1.0000", "1", "0.0s"]


def test_replicates_fold_and_unfold() -> None:
    """Replicates share one row with means ± deviations and their number, or get one row each on request."""
    runs = [trial(number, value, repeats=3) for number, value in enumerate([0.1, 0.2, 0.3, 0.7, 0.8, 0.9])]
    rows = shown(runs)[2:]
    assert [re.split(r"\s{2,}", row)[:4] for row in rows] == [
        ["1", "3-5", "1", "0.8000 ± 0.1000 (3)"],
        ["2", "0-2", "0", "0.2000 ± 0.1000 (3)"],
    ]
    unfolded = [row.split()[1:4] for row in shown(runs, repeats=True)[2:4]]  # trial, x, seed
    assert unfolded == [["0005", "1", "2"], ["0004", "1", "1"]]


def test_replicates_that_ended_differently_say_so() -> None:
    """A row of replicates counts their states; its mean is that of the finished ones."""
    runs = [trial(0, 0.5, repeats=2), trial(1, 0.9, repeats=2, status=TrialState.KILLED)]
    assert re.split(r"\s{2,}", shown(runs)[2])[2:] == [
        "0.5000 (1)", "1", "0.5000", "1", "2.0s", "1 finished, 1 killed",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        pytest.param("time", [0, 1, 2, 3, 5, 4], id="field"),
        pytest.param("-time", [4, 5, 3, 2, 1, 0], id="descending"),
        pytest.param("best", [0, 4, 5, 1, 2, 3], id="absent-last"),
        pytest.param("-best", [2, 1, 5, 4, 0, 3], id="absent-last-descending"),
        pytest.param("-validation/accuracy", [2, 1, 5, 4, 0, 3], id="metric"),
        pytest.param("status", [2, 3, 1, 0, 5, 4], id="words"),
    ],
)
def test_sorting(key: str, expected: list[int]) -> None:
    """A key sorts in ascending order, and with a leading dash in descending order.

    Rows without a value are last in both.
    """
    runs = [run if run.number != 4 else trial(4, 0.7, status=TrialState.RUNNING, scalars=slow()) for run in SIX]
    assert [run.number for run in listings(runs, sort=key)[0].runs] == expected


@pytest.mark.parametrize(("key", "expected"), [("z", [2, 0, 1, 3]), ("-z", [0, 2, 1, 3])])
def test_nan_is_sorted_last(key: str, expected: list[int]) -> None:
    """Rows whose value is NaN come after all numbers in both directions, and before those without a value."""
    values = {0: 0.9, 1: math.nan, 2: 0.6, 3: None}
    runs = [trial(number, 0.5, hparams={} if z is None else {"z": z}) for number, z in values.items()]
    assert [run.number for run in listings(runs, sort=key)[0].runs] == expected


def slow() -> dict[str, Series]:
    """Make the series of a trial that took 100 seconds."""
    return {ACCURACY.tag: series(0.7), "time/epoch": replace(series(1.0, 2.0), times=np.array([0.0, 100.0]))}


def test_columns_are_what_was_asked_for() -> None:
    """Any hyperparameter, field or metric can be a column, in the order given, even if all rows have the same value."""
    header, *rows = shown(SIX[:2], columns=["seed", "epochs", "validation/epoch_accuracy", "status"])[1:]
    assert header.split() == ["trial", "seed", "epochs", "validation/epoch_accuracy", "status"]
    assert rows[0].split() == ["1", "0001", "0", "4", "0.8000", "finished"]
    assert "finished" in shown(SIX[:2], width=80, columns=["status"])[4]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param({"sort": "-tyme"}, "--sort: .*'tyme'. Did you mean 'time'?", id="sort"),
        pytest.param({"columns": ["x", "sead"]}, "--columns: .*'sead'. Did you mean 'seed'?", id="columns"),
        pytest.param({"where": "xx=1"}, "--where: .*'xx'", id="where"),
    ],
)
def test_an_unknown_name_is_refused(options: dict[str, Any], expected: str) -> None:
    """A name that no run has is an error that suggests the nearest one."""
    with pytest.raises(SpecError, match=expected):
        listings(SIX, **options)


def test_a_terminal_gets_what_fits_it_and_is_told_of_the_rest() -> None:
    """A terminal gets the best rows.

    A note gives the number of further rows, their states and the option that shows them.
    """
    runs = [trial(number, number / 100) for number in range(MOST + 5)] + [trial(99, status=TrialState.FAILED)]
    note = f"s: 6 more rows (5 finished, 1 failed); --top {MOST + 6} shows all"
    assert shown(runs, width=80)[-2] == note
    assert len(shown(runs)) == MOST + 9
    assert shown(runs, top=2)[-2:] == [
        f"s: {MOST + 4} more rows ({MOST + 3} finished, 1 failed); --top {MOST + 6} shows all",
        "s: 1 did not finish: hpdash show s/0099 says why",
    ]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_table_fits_its_terminal(width: int) -> None:
    """No line is wider than the terminal, and no value is cut."""
    runs = [
        trial(
            number, 0.1 * number, hparams={"kernel_initializer": f"random_normal(stddev={number})", "y": "q" * number}
        )
        for number in range(5)
    ]
    named = [replace(run, swept=("kernel_initializer", "y")) for run in runs]
    lines = shown(named, width=width)
    assert all(len(line) <= width for line in lines)
    assert "…" not in "".join(lines)


def test_what_all_share_stands_in_the_title_of_a_terminal() -> None:
    """A terminal shows in the title, not in columns, that every trial finished after the same number of epochs.

    A pipe always gets the columns.
    """
    assert shown(SIX[:2], width=80)[0].strip() == "s · 2 finished · 2 epochs · max of validation/accuracy"
    assert "status" not in "".join(shown(SIX[:2], width=80))
    assert shown(SIX[:2])[1].split()[-3:] == ["trained", "time", "status"]


def test_what_is_missing_is_told() -> None:
    """Notes count the trials that have not started and the runs that match the condition."""
    assert shown(SIX[:2], planned={"s": 8}, where="x=1")[-2:] == [
        "s: 1 of 2 match --where",
        "s: 6 of 8 trials have not started",
    ]
    assert shown(SIX[:2], where="x=9") == ["s: 0 of 2 match --where"]
    assert shown([]) == []


def test_caveats_stand_in_the_title() -> None:
    """The title says if the results are from the test set."""
    assert shown([trial(0, 0.5, hparams={"validation": "test"})])[0].endswith(" · validated on the test set")


@pytest.mark.parametrize("width", [80, 1000])
def test_names_are_shown_literally(width: int) -> None:
    """Names from users and files are never read as markup or as escape sequences."""
    runs = [foreign(f"{HOSTILE}{number}", {HOSTILE: f"{HOSTILE}{number}"}, epoch_loss=[1.0]) for number in range(2)]
    console = Console(file=StringIO(), force_terminal=width < 1000, width=width, color_system=None, markup=False)
    for part in draw(console, listings(runs, columns=[HOSTILE])):
        console.print(part)
    assert isinstance(console.file, StringIO)
    text = console.file.getvalue()
    assert "\x1b[31m" not in text
    assert text.count(f"{LITERAL}0") == 2


def test_json_has_every_row_with_its_runs() -> None:
    """The JSON form has ranks, ids, states, hyperparameters, columns, and means with n, in valid JSON numbers."""
    runs = [trial(0, 0.2, repeats=2), trial(1, 0.4, repeats=2), trial(2, 0.5, math.nan, repeats=2)]
    (table,) = json.loads(json_text(to_json(listings(runs, planned={"s": 4}))))
    assert table["objective"] == {
        "name": "validation/accuracy",
        "tag": "validation/epoch_accuracy",
        "goal": "max",
        "reason": "",
    }
    assert (table["found"], table["missing"]) == (3, 1)
    first, second = table["rows"]
    assert (first["place"], first["values"]["best"], first["values"]["last"]) == (1, 0.5, "NaN")
    assert [run["id"] for run in second["runs"]] == ["s/0000", "s/0001"]
    assert second["values"]["best"] == {"mean": pytest.approx(0.3), "std": pytest.approx(0.02**0.5), "n": 2}
    assert second["hparams"] == {"epochs": 4, "x": 0, "y": "a"}


def test_a_terminal_says_how_far_unfinished_trials_came() -> None:
    """In a terminal, the state of an unfinished trial includes its epochs; a pipe has a separate column for them."""
    assert "running 1/4" in "\n".join(shown(SIX, width=100))
    assert "running 1/4" not in "\n".join(shown(SIX))
