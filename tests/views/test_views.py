"""Tests of what users see in a terminal: the ranking, the time left, the live view, and names shown literally."""

from __future__ import annotations

import math
import re
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from hpdash.analysis.rows import Row
from hpdash.records import Ended, Notice, Progress, Started, TrialResult, TrialSpec, TrialState
from hpdash.search import trials
from hpdash.spec import parse_sweep
from hpdash.views.terminal.check import trial_list
from hpdash.views.terminal.leaderboard import differing, fault_lines, leaderboard, next_steps, outcome_json, ranked
from hpdash.views.terminal.live import LiveView, Running, Tally, time_left
from hpdash.views.text import duration, number, plain, setting

HOSTILE = "[/b]\x1b[31m\n\u202e<img>"
LITERAL = r"[/b]\x1b[31m\n\u202e<img>"


def specs(count: int, repeats: int = 1, goal: str = "max", values: list[Any] | None = None) -> list[TrialSpec]:
    """Make the trials of a sweep over a keyword of a custom loop."""
    content = {
        "sweep": {"repeats": repeats, "objective": "validation/accuracy", "goal": goal},
        "data": {"name": "digits"},
        "train": {"loop": "loops:train", "epochs": 4},
        "hparams": {"x": values or list(range(count))},
    }
    return trials(parse_sweep(content, name="shown", folder=Path()))


def result(value: float | None = None, state: TrialState = TrialState.FINISHED, **more: Any) -> TrialResult:
    """Make a result with a best value."""
    best = {} if value is None else {"validation/accuracy": value}
    return TrialResult(state, best=best, metrics=best, best_epoch=None if value is None else 2, **more)


def results(*values: float | None) -> dict[int, TrialResult]:
    """Make finished results, numbered from 0."""
    return {place: result(value) for place, value in enumerate(values)}


def text_of(*parts: Any, terminal: bool = False) -> str:
    """Draw parts as the command line does; return the text."""
    console = Console(file=StringIO(), force_terminal=terminal, width=200, markup=False, highlight=False, emoji=False)
    for part in parts:
        console.print(part, soft_wrap=True)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def numbers(rows: list[Row]) -> list[int | None]:
    """Return the number of the first trial of each row."""
    return [row.runs[0].number for row in rows]


PIPE = Console(file=StringIO(), width=200)


@pytest.mark.parametrize(
    ("goal", "values", "order"),
    [
        pytest.param("max", [0.1, 0.3, 0.2], [1, 2, 0], id="max"),
        pytest.param("min", [0.1, 0.3, 0.2], [0, 2, 1], id="min"),
        pytest.param("max", [0.2, 0.3, 0.3], [1, 2, 0], id="ties-in-the-order-of-trials"),
        pytest.param("max", [math.nan, 0.1, 0.2], [2, 1, 0], id="nan-last"),
        pytest.param("min", [math.nan, 0.1, -math.inf], [1, 0, 2], id="not-finite-last-for-min-too"),
        pytest.param("max", [None, 0.1, 0.2], [2, 1, 0], id="no-value-last"),
    ],
)
def test_ranking(goal: str, values: list[float | None], order: list[int]) -> None:
    """The best finite value is first, ties keep the order of trials, and settings without a finite value are last."""
    assert numbers(ranked(specs(3, goal=goal), results(*values))) == order


@given(st.lists(st.none() | st.floats(), min_size=1, max_size=6), st.sampled_from(["min", "max"]))
def test_any_results_can_be_ranked(values: list[float | None], goal: str) -> None:
    """Whatever the values are, every setting is ranked once and none is below a worse one."""
    rows = ranked(specs(len(values), goal=goal), results(*values))
    assert sorted(numbers(rows)) == list(range(len(values)))
    means = [row.best.mean for row in rows if row.best]
    assert means == sorted(means, reverse=goal == "max")


@pytest.mark.parametrize("state", [state for state in TrialState if state is not TrialState.FINISHED])
def test_only_finished_trials_are_ranked(state: TrialState) -> None:
    """The best value of a trial that did not finish (diverged, failed or interrupted) is ignored."""
    rows = ranked(specs(2), {0: result(0.9, state), 1: result(0.1)})
    assert (numbers(rows), [row.values for row in rows]) == ([1, 0], [(0.1,), ()])


def test_replicates_are_folded() -> None:
    """The seeds of a setting become one row with the mean, the sample standard deviation and their number.

    A seed that failed is left out.
    """
    made = specs(2, repeats=3)
    found = results(0.1, 0.2, 0.3, 0.5, None, 0.7)
    found[4] = result(state=TrialState.FAILED)
    first, second = ranked(made, found)
    assert (numbers([first]), first.values) == ([3], (0.5, 0.7))
    assert first.best and first.best.mean == pytest.approx(0.6)
    assert second.best and second.best.std == pytest.approx(0.1)
    drawn = text_of(leaderboard(PIPE, made, found, "shown"))
    assert "0.6000 ± 0.1414 (2)" in drawn
    assert "0.2000 ± 0.1000 (3)" in drawn


def test_a_pipe_gets_every_row_and_no_line() -> None:
    """In a pipe the leaderboard is plain and complete; a terminal gets the best rows."""
    made, found = specs(30), results(*(i / 100 for i in range(30)))
    lines = text_of(leaderboard(PIPE, made, found, "shown")).splitlines()
    assert len(lines) == 2 + 30
    assert lines[2].split() == ["1", "0029", "29", "0.2900", "2", "0.2900", "0.0s"]
    terminal = Console(force_terminal=True, file=StringIO(), width=200)
    assert "0.0900" not in text_of(leaderboard(terminal, made, found, "shown"))


def test_settings_that_do_not_differ_are_not_shown() -> None:
    """Columns are the hyperparameters with more than one value, or all of them if none has."""
    assert differing(specs(2)) == ["x"]
    assert differing(specs(1)) == ["x"]
    assert differing([]) == []


def test_faults_say_a_reason_once() -> None:
    """Each trial that went wrong has a line; a reason that was already given is referred to."""
    found = {
        0: result(state=TrialState.FAILED, error="odd"), 1: result(state=TrialState.FAILED, error="odd"),
        2: result(state=TrialState.DIVERGED), 3: result(0.5),
    }  # fmt: skip
    assert [line.plain for line in fault_lines(specs(4), found)] == [
        "0000 failed (x=0): odd",
        "0001 failed: same reason as 0000",
        "0002 diverged (x=2): the loss is no longer finite",
    ]


@pytest.mark.parametrize(
    ("found", "stopped", "expected"),
    [
        pytest.param(results(0.1, 0.2), False, [], id="all-well"),
        pytest.param(results(0.1), True, ["Stopped; 1 of 2 trials have no result. To continue: again"], id="stopped"),
        pytest.param(
            {0: result(state=TrialState.FAILED), 1: result(state=TrialState.FAILED)},
            True,
            ["Stopped; 2 of 2 trials have no result. To continue: again --retry-failed"],
            id="all-failed",
        ),
        pytest.param(
            {0: result(state=TrialState.FAILED)},
            False,
            ["Done; 2 of 2 trials have no result. To continue: again (with --retry-failed for the 1 that failed)"],
            id="one-failed",
        ),
        pytest.param({}, True, ["Stopped; 2 of 2 trials have no result. To continue: again"], id="none-yet"),
    ],
)
def test_what_to_type_next(found: dict[int, TrialResult], stopped: bool, expected: list[str]) -> None:
    """The closing lines say how to continue if results are missing, and always how to start TensorBoard."""
    lines = [line.plain for line in next_steps(2, found, Path("my logs"), "again", stopped)]
    assert lines == [*expected, "tensorboard --logdir 'my logs'"]


def test_an_outcome_in_json() -> None:
    """JSON has every trial with its hyperparameters and result, and a ranking of the trials with a value."""
    made = outcome_json("shown", specs(3), results(0.1, 0.3), None)
    assert [trial["hparams"] for trial in made["trials"]] == [{"x": 0}, {"x": 1}, {"x": 2}]
    assert made["trials"][1]["result"]["best"] == {"validation/accuracy": 0.3}
    assert made["trials"][2]["result"] is None
    assert [(row["setting"], row["mean"], row["n"]) for row in made["ranking"]] == [(1, 0.3, 1), (0, 0.1, 1)]


def test_hostile_names_are_shown_literally() -> None:
    """No value from a user is read as markup or an escape, or starts a new line."""
    made = specs(2, values=[HOSTILE, "plain"])
    found = {0: result(state=TrialState.FAILED, error=HOSTILE), 1: result(0.5)}
    parts = (
        leaderboard(PIPE, made, found, HOSTILE),
        *fault_lines(made, found),
        *trial_list(PIPE, made, len(made), "no data"),
    )
    drawn = text_of(*parts)
    assert drawn.count(LITERAL) >= 4
    assert "\x1b" not in drawn
    assert "\u202e" not in drawn


@given(st.text())
def test_plain_is_printable_and_loses_nothing(text: str) -> None:
    """Any text becomes one printable line; printable text stays as it is."""
    shown = plain(text).plain
    assert shown.isprintable()
    assert not text.isprintable() or shown == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0s"),
        (59.94, "59.9s"),
        (59.96, "1:00"),
        (60, "1:00"),
        (119.7, "2:00"),
        (3599.9, "1:00:00"),
        (math.inf, "?"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    """A duration is rounded before it is split into hours, minutes and seconds."""
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, ""), (0, "0.0000"), (0.98765, "0.9877"), (1234.5, "1234"), (0.0001234, "0.0001234"), (math.nan, "nan")],
)
def test_numbers(value: float | None, text: str) -> None:
    """A metric has four decimals, or four significant digits if it is very small or large."""
    assert number(value) == text


@pytest.mark.parametrize(("value", "text"), [(None, ""), (0.1, "0.1"), (True, "True"), ([64, 32], "64-32")])
def test_settings(value: object, text: str) -> None:
    """A hyperparameter is shown as TensorBoard gets it; an absent one is empty."""
    assert setting(value) == text


def tally(done: int = 0, total: int = 4) -> Tally:
    """Make a tally that starts at second 100."""
    return Tally(total, workers=2, begin=100.0, over=set(range(100, 100 + done)))


def test_no_time_left_is_told_before_anything_moved() -> None:
    """There is no estimate until a trial has made progress."""
    made = tally()
    made.note(Started(specs(1)[0], 1, 0), 100.0)
    assert made.seconds_left(130.0) is None


def test_time_left_counts_running_trials() -> None:
    """Half a trial in ten seconds leaves seventy for the other three and a half."""
    made = tally()
    made.note(Started(specs(1)[0], 1, 0), 100.0)
    made.note(Progress(0, epoch=1, epochs=4, fraction=1.0), 110.0)
    assert made.seconds_left(110.0) == pytest.approx(70.0)


def test_time_left_counts_this_run_only() -> None:
    """Trials that ended before this run do not count for the pace."""
    first, second = specs(2)
    made = tally(done=2)
    made.note(Started(first, 1, 0), 100.0)
    made.note(Ended(first, 1, result(0.5)), 120.0)
    assert made.seconds_left(120.0) == pytest.approx(20.0)
    made.note(Started(second, 1, 0), 120.0)
    made.note(Ended(second, 1, result(0.5)), 140.0)
    assert made.seconds_left(140.0) == 0
    assert (made.done, made.running) == (4, {})


def test_time_left_of_a_trial_that_goes_on() -> None:
    """Epochs from before this attempt do not count for its pace.

    A quarter in ten seconds leaves ten seconds for the last quarter.
    """
    made = tally(total=1)
    made.note(Started(specs(1)[0], 2, 0, epoch=2), 100.0)
    made.note(Progress(0, epoch=2, epochs=4, fraction=0.0), 101.0)
    assert made.seconds_left(101.0) is None
    made.note(Progress(0, epoch=3, epochs=4, fraction=0.0), 110.0)
    assert made.seconds_left(110.0) == pytest.approx(10.0)
    made.note(Ended(specs(1)[0], 2, result(0.5)), 120.0)
    assert made.ended_shares == pytest.approx(0.5)


def test_silence_is_shown() -> None:
    """A trial without a message for over a minute shows that instead of the time left."""
    running = Running(specs(1)[0], 0.0, progress=Progress(0, 1, 4, 0.5), heard=10.0)
    assert [time_left(running, now) for now in (69.0, 135.0)] == ["1:55 left", "no message for 2:05"]


@given(st.lists(st.tuples(st.integers(0, 4), st.floats(0, 1)), max_size=8))
def test_time_left_is_never_negative(steps: list[tuple[int, float]]) -> None:
    """Whatever a trial's progress is, the time left is None or at least 0."""
    made = tally(total=1)
    made.note(Started(specs(1)[0], 1, 0), 100.0)
    for now, (epoch, fraction) in enumerate(steps, 101):
        made.note(Progress(0, min(epoch, 3), 4, fraction), now)
        assert (made.seconds_left(now) or 0) >= 0


def test_progress_of_a_trial_that_has_ended_is_nothing() -> None:
    """A late progress message of a trial that is not running is ignored."""
    made = tally()
    made.note(Progress(7, 1, 4, 0.5), 110.0)
    assert made.running == {}


@pytest.mark.parametrize(("goal", "expected"), [("max", 0.9), ("min", 0.2)])
def test_the_best_so_far(goal: str, expected: float) -> None:
    """The best value is the best of the finished trials, by the sweep's goal."""
    made = tally()
    values = [result(0.5), result(0.9), result(0.2), result(99, TrialState.DIVERGED), result()]
    for spec, each in zip(specs(5, goal=goal), values, strict=True):
        made.note_best(spec, each)
    assert made.best is not None
    assert made.best[1] == expected


def screen(terminal: bool = True, environ: dict[str, str] | None = None) -> tuple[Console, StringIO]:
    """Make a console with a wide screen; return it with the file that it writes to."""
    file = StringIO()
    options = {"markup": False, "highlight": False, "emoji": False}
    return Console(file=file, force_terminal=terminal, width=160, _environ=environ, **options), file  # type: ignore[arg-type]


def play(console: Console) -> None:
    """Show a small sweep in a live view, and refresh the view once in the middle."""
    made = specs(3, values=["a", HOSTILE, "c"])
    with LiveView(console) as view:
        view.event(Notice("before the plan"))
        view.plan(made, {0: result(0.25)}, 2, 3)
        view.event(None)
        view.event(Started(made[1], 1, 0))
        view.event(Progress(1, 1, 4, 0.5, {"loss": 0.125}))
        view.event(Started(made[2], 1, 1))
        view.event(Progress(2, 0, 4, 0.0, phase="compiling"))
        view.event(Notice("slow", 2))
        if view._live is not None:
            view._live.refresh()
        view.event(Ended(made[2], 1, result(0.75, seconds=3)))


@pytest.mark.parametrize("terminal", [pytest.param(True, id="terminal"), pytest.param(False, id="pipe")])
def test_what_has_happened_stays_on_the_screen(terminal: bool) -> None:
    """Notices, also those before the plan, and ended trials are lines in a terminal and in a pipe."""
    console, file = screen(terminal)
    play(console)
    shown = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", file.getvalue())
    for line in (
        "before the plan",
        "0002: slow",
        "[2/3] 0002 x=c: finished validation/accuracy 0.7500 at epoch 2 in 3.0s",
    ):
        assert line in shown


def test_a_terminal_shows_what_runs() -> None:
    """The terminal has a line per running trial, a total with the time left, and the best so far.

    A trial's line has its epoch and metrics. Names are shown literally.
    """
    console, file = screen()
    play(console)
    shown = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", file.getvalue())
    running = next(line for line in shown.splitlines() if "epoch 2/4" in line)
    assert "loss 0.1250" in running
    assert LITERAL in running
    assert "left" in running
    assert "compiling" in shown
    assert "total 1/3 trials" in shown
    assert "best  0000 validation/accuracy 0.2500 at epoch 2  x=a" in shown


@pytest.mark.parametrize("environ", [{"TERM": "dumb"}, {"TERM": "unknown"}], ids=lambda environ: environ["TERM"])
def test_a_dumb_terminal_gets_lines(environ: dict[str, str]) -> None:
    """A terminal that cannot move its cursor gets no escape sequence that would move it."""
    console, file = screen(environ=environ)
    play(console)
    assert not re.search(r"\x1b\[[0-9;?]*[A-LN-Za-ln-z]", file.getvalue())  # an escape that ends with m sets a colour
    assert "0002: slow" in file.getvalue()


def test_a_fetch_is_shown() -> None:
    """In a pipe, a download reports each whole megabyte once."""
    console, file = screen(terminal=False)
    with LiveView(console) as view:
        for done in (0, 1_000_000, 1_100_000, 2_000_000):
            view.fetch("mnist", done, 11_000_000)
    assert file.getvalue().splitlines() == ["fetching mnist: 1 of 11 MB", "fetching mnist: 2 of 11 MB"]
