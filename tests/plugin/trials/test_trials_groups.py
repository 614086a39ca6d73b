"""Tests of the Trials tab in Chromium: grouped rows, ticked trials, pictures, and the logs of other tools."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from boards import Board
from commands import invoke
from driven import until
from trials_page import TrialsPage

from hpdash.journal.entries import EvaluationEntry, to_line
from hpdash.journal.journal import read_journal
from hpdash.logs import layout
from hpdash.plugin.trials.history import search_impl
from hpdash.plugin.trials.logdir import WatchedLogdir
from hpdash.plugin.trials.table import chosen_runs
from hpdash.testset import Evaluation, Score


def groups(tab: TrialsPage) -> list[str]:
    """Return the names of the groups, from top to bottom."""
    found: list[str] = tab.grid.locator("[data-group]").evaluate_all(
        "rows => rows.toSorted((a, b) => a.ariaRowIndex - b.ariaRowIndex).map((row) => row.dataset.group)"
    )
    return found


def test_rows_are_grouped_by_a_column(tab: TrialsPage, root: Path) -> None:
    """A group has the mean, spread and number of `hpdash effects`; the best mean comes first; its rows unfold."""
    tab.open(sweep="grid")
    tab.control("group").select_option("=x")
    tab.rows(3)
    assert groups(tab) == ["x 0.9", "x 0.5", "x 0.2"]
    [effects] = json.loads(invoke("effects", str(root / "grid"), "--json").stdout)["sweeps"]
    [x] = [each for each in effects["hyperparameters"] if each["name"] == "x"]
    levels = {level["value"]: level for level in x["levels"]}
    first = tab.grid.locator('[data-group="x 0.9"]')
    expected = levels[0.9]
    assert f"{expected['mean']:.4f} ± {expected['std']:.4f} ({expected['n']})" in first.inner_text()
    assert "x 0.9: 6 trials" in first.inner_text()
    first.locator("[data-fold]").click()
    tab.rows(6)
    assert tab.ids()[0] == "grid/0012"
    tab.page.wait_for_function("location.hash.includes('unfolded')")
    tab.page.reload()
    tab.wait()
    tab.rows(6)
    tab.control("group").select_option("status")
    tab.rows(3)
    assert groups(tab)[0] == "status finished"
    tab.control("group").select_option("")
    tab.rows(9)


def test_many_numbers_are_grouped_into_ranges(tab: TrialsPage, root: Path) -> None:
    """Of a hyperparameter with many numbers, the groups are the ranges of `hpdash effects`; results are grouped too."""
    tab.open(sweep="curves", group="=q", sort=json.dumps([["trial", "up"]]))
    tab.rows(4)
    [effects] = json.loads(invoke("effects", str(root / "curves"), "--json").stdout)["sweeps"]
    [levels] = [each["levels"] for each in effects["hyperparameters"] if each["name"] == "q"]
    expected = {f"q {level['from']:.6g} to {level['to']:.6g}": level["trials"] for level in levels}
    assert set(groups(tab)) == set(expected)
    for name, count in expected.items():
        assert f"{name}: {count} trials" in tab.grid.locator(f'[data-group="{name}"]').inner_text()
    for column in ("best", "at", "last", "time"):
        tab.control("group").select_option(column)
        tab.grid.locator("[data-group]").first.wait_for()
        assert 1 <= len(groups(tab)) <= 8


def test_groups_by_the_keyboard(tab: TrialsPage) -> None:
    """Enter and the right arrow unfold a group, the left arrow folds it; a click opens no trial."""
    tab.open(sweep="grid", group="=does")
    tab.rows(3)
    tab.grid.focus()
    tab.page.keyboard.press("ArrowDown")
    tab.page.keyboard.press("Enter")
    tab.rows(6)
    tab.page.keyboard.press("ArrowLeft")
    tab.rows(3)
    tab.page.keyboard.press("ArrowRight")
    tab.rows(6)
    tab.grid.locator("[data-group]").first.click()
    tab.rows(3)
    assert tab.drawer.is_hidden()


def test_ticked_trials_come_first_and_have_colours(tab: TrialsPage) -> None:
    """A ticked trial is on top of the table, and has a line of its own colour in Curves and in Parallel."""
    tab.open(sweep="curves", view="curves")
    last, before = tab.ids()[-1], tab.ids()[-2]
    for trial in (last, before):
        tab.row(trial).locator("[data-tick]").click()
        tab.row(trial).locator("[data-tick]:checked").wait_for()
    assert set(tab.ids()[:2]) == {last, before}
    tab.frame.locator(".curves .line.ticked").nth(1).wait_for(state="attached")
    lines = tab.frame.locator(".curves .line.ticked")
    colours = lines.evaluate_all("lines => lines.map((line) => [line.dataset.id, line.getAttribute('stroke')])")
    drawn = dict(colours)
    assert set(drawn) == {last, before}
    assert len(set(drawn.values())) == 2
    chips = tab.control("ticks").locator("[data-ticked]")
    assert chips.count() == 2
    tab.page.wait_for_function(
        "(both) => both.every((number) => (location.hash.split('ticked')[1] ?? '').includes(number))",
        arg=[last[-4:], before[-4:]],
    )
    tab.page.reload()
    tab.wait()
    chips.nth(1).wait_for()
    tab.control("filter").fill("q > 0")  # a filter keeps the ticks
    tab.rows(14)
    assert set(tab.ids()[:2]) == {last, before}
    tab.grid.focus()
    tab.page.keyboard.press("Home")
    tab.page.keyboard.press(" ")
    tab.frame.locator("[data-ticked]").nth(1).wait_for(state="detached")
    chips.first.click()
    tab.control("ticks").wait_for(state="hidden")


@pytest.mark.parametrize("view", ["overview", "parallel"])
def test_the_charts_are_saved_as_a_picture(tab: TrialsPage, view: str) -> None:
    """PNG saves the headline and the charts, with their colours; a canvas is in it too."""
    image = pytest.importorskip("matplotlib.image", reason="matplotlib is not installed")
    tab.open(sweep="curves", view=view)
    tab.frame.locator("figure[data-drawn]:visible").first.wait_for()
    with tab.page.expect_download() as waited:
        tab.control("png").click()
    assert waited.value.suggested_filename == "curves.png"
    picture = image.imread(waited.value.path())
    height, width, _ = picture.shape
    box = tab.frame.locator(".charts").bounding_box()
    assert width == pytest.approx(2 * (box["width"] + 24), abs=4)
    assert height > 2 * box["height"]
    rows = picture[:, :, :3].reshape(height, -1)
    blank = (rows == rows[0]).all(axis=1)  # rows of pixels without anything
    assert blank.mean() < 0.6


def test_logs_of_other_tools(browser: Any, others: Path) -> None:
    """Runs of Keras, tf.summary and tensorboardX's add_hparams are rows, with the hyperparameters of their sessions."""
    with Board(others, "true") as board:
        board.until(lambda board: board.get("plugin/hpdash_trials/version"))
        with TrialsPage.opened(browser, board.url) as tab:
            tab.open()
            listed = json.loads(invoke("ls", str(others), "--json").stdout)["sweeps"]
            rows = [row for sweep in listed for row in sweep["rows"]]
            tab.rows(len(rows))
            assert "units" in tab.columns()
            for view in ("curves", "parallel", "effects", "search", "timeline"):
                tab.control("view", view).click()
                tab.wait()


def test_the_drawer_shows_how_the_weights_changed(tab: TrialsPage) -> None:
    """The drawer has a picture of each histogram, one column for each step; another trial has its own."""
    tab.open(sweep="curves")
    best, second = tab.ids()[:2]  # finished, so with all nine epochs
    tab.row(best).click()
    strip = tab.drawer.locator('[data-strip="model/total"]')
    strip.wait_for()
    assert strip.locator("canvas").evaluate("(canvas) => [canvas.width, canvas.height]") == [9, 32]
    assert "steps 1 to 9" in strip.inner_text()
    before = strip.locator("canvas").evaluate("(canvas) => canvas.toDataURL()")
    tab.row(second).click()
    tab.drawer.locator("h2", has_text=second).wait_for()
    until(lambda: strip.locator("canvas").evaluate("(canvas) => canvas.toDataURL()") != before, 10)
    tab.open(sweep="grid", open="grid/0012")  # it has no histograms
    tab.drawer.locator("h2", has_text="grid/0012").wait_for()
    assert tab.drawer.locator("[data-strip]").count() == 0


@pytest.mark.parametrize(("view", "plot"), [("timeline", ".timeline .plot"), ("search", ".search .pair")])
def test_marks_are_reached_by_the_keyboard(tab: TrialsPage, view: str, plot: str) -> None:
    """Arrow keys go from mark to mark and say what it is; Enter opens its trial."""
    tab.open(sweep="curves", view=view)
    tab.frame.locator(f"figure.{view}[data-drawn]:not([data-drawn='0'])").wait_for()  # how many depends on the workers
    tab.frame.locator(plot).focus()
    for _ in range(3):
        tab.page.keyboard.press("ArrowRight")
    meant = tab.frame.locator(f".{view} .meant")
    assert meant.count() == 1
    said = tab.frame.locator(f".{view} .tip").inner_text()
    number = said.removeprefix("curves/")[:4]
    assert number.isdecimal()
    tab.page.keyboard.press("Enter")
    tab.drawer.locator("h2", has_text=f"curves/{number}").wait_for()


def test_a_value_of_the_effects_is_chosen_by_the_keyboard(tab: TrialsPage) -> None:
    """The values of a hyperparameter are buttons: Enter filters."""
    tab.open(sweep="grid", view="effects")
    tab.frame.locator('[data-level="0.9"]').focus()
    tab.page.keyboard.press("Enter")
    tab.rows(3)
    assert set(tab.column("x")) == {"0.9"}


def test_an_open_drawer_is_modal_in_a_narrow_window(browser: Any, board: Board) -> None:
    """Where the drawer covers the page, the keyboard stays in it; Escape closes it and returns to the table."""
    with TrialsPage.opened(browser, board.url, 600) as tab:
        tab.open(sweep="grid")
        tab.row("grid/0012").click()
        tab.drawer.locator("h2", has_text="grid/0012").wait_for()
        until(lambda: tab.drawer.locator(".close").evaluate("(close) => close === document.activeElement"), 10)
        assert tab.grid.evaluate("(grid) => grid.inert")
        tab.page.keyboard.press("Escape")
        tab.drawer.wait_for(state="hidden")
        assert tab.grid.evaluate("(grid) => !grid.inert && grid === document.activeElement")


def test_test_columns_are_shown_but_not_sorted_by(browser: Any, root: Path, tmp_path: Path) -> None:
    """After `evaluate`, the table has the metrics on the test set; their headers have no button."""
    logs = shutil.copytree(root, tmp_path / "logs")
    journal = logs / "grid" / layout.JOURNAL
    score = Score(12, 3, "0" * 64, 0.9, {"loss": 0.4, "accuracy": 0.875})
    evaluation = Evaluation(2, "synthetic", 20, "validation/accuracy", "max", (score,))
    seq = len(read_journal(journal).entries) + 1
    journal.write_bytes(journal.read_bytes() + to_line(EvaluationEntry(seq, 0.0, evaluation)))
    with Board(logs, "true") as board:
        board.until(lambda board: board.get("plugin/hpdash_trials/version"))
        with TrialsPage.opened(browser, board.url) as tab:
            tab.open(sweep="curves")
            assert not [name for name in tab.columns() if name.startswith("test/")]
            tab.open(sweep="grid")
            assert tab.columns()[-2:] == ["test/accuracy", "test/loss"]
            assert tab.column("test/accuracy")[0] == "0.8750"
            assert set(tab.column("test/accuracy")[1:]) == {""}
            assert tab.header("test/accuracy").count() == 0
            assert "2 evaluations on the test set" in tab.frame.locator(".notes").inner_text()
            tab.open(sweep="grid", sort='[["test:test/accuracy","up"]]')  # a link cannot sort by it either
            assert tab.ids()[0] == "grid/0012"


def test_executions_of_a_keras_tuner_trial_are_replicates(browser: Any, others: Path) -> None:
    """The executions of a trial are one row with their mean and spread, as `hpdash ls` has it, and unfold."""
    with Board(others / "tuner", "true") as board:
        board.until(lambda board: len(board.runs()) >= 8)
        with TrialsPage.opened(browser, board.url) as tab:
            tab.open()
            tab.rows(2)
            [listed] = json.loads(invoke("ls", str(others / "tuner"), "--json").stdout)["sweeps"]
            assert [len(row["runs"]) for row in listed["rows"]] == [2, 2]
            assert tab.ids() == [row["runs"][0]["id"] for row in listed["rows"]]
            assert tab.column("units") == [str(row["hparams"]["units"]) for row in listed["rows"]]
            assert all("± " in text and text.endswith("(2)") for text in tab.column("best"))
            tab.grid.locator("[data-fold]").first.click()
            tab.rows(4)


def test_two_hyperparameters_together(tab: TrialsPage) -> None:
    """The view Effects has the means of each pair of values; another choice is in the link and survives a reload."""
    tab.open(sweep="grid", view="effects")
    table = tab.frame.locator(".pairs[data-drawn]")
    table.wait_for()
    rows = tab.control("crossed").input_value()
    other = "does" if rows == "x" else "x"
    tab.control("crossed").select_option(other)  # the two change places
    table.locator("th", has_text=f"{other} ↓").wait_for()
    assert tab.control("with").input_value() == rows
    tab.page.wait_for_function("location.hash.includes('pair')")
    tab.page.reload()
    tab.wait()
    table.locator("th", has_text=f"{other} ↓").wait_for()
    assert table.locator("td", has_text="(2)").count() == 3  # three numbers, of which only those that learn finish
    tab.open(sweep="grid")
    tab.frame.locator("figure.effects[data-drawn]").wait_for()
    assert table.is_hidden()


def test_all_trials_of_a_sweep_that_prunes_are_compared_at_first(tab: TrialsPage) -> None:
    """Until the finished ones are chosen, all trials are compared at the first rung; the link keeps the choice."""

    def compared(stage: str) -> str:
        tab.frame.locator(f"[data-control=stage] [data-value={stage}][aria-pressed=true]").wait_for()
        return str(tab.frame.locator("figure.effects figcaption").inner_text())

    tab.open(sweep="curves")
    assert "over 14 of 14 trials" in compared("rung")
    assert "were pruned" in tab.frame.locator("figure.effects .patterns").inner_text()
    tab.frame.locator("[data-control=stage] [data-value=finished]").click()
    assert "finished of 14 trials" in compared("finished")
    tab.page.wait_for_function("location.hash.includes('stage')")
    tab.page.reload()
    tab.wait()
    assert "finished of 14 trials" in compared("finished")
    tab.open(sweep="grid")
    tab.frame.locator("figure.effects[data-drawn]").wait_for()
    assert tab.frame.locator("[data-control=stage]").count() == 0


def test_a_count_filters_by_its_state(tab: TrialsPage) -> None:
    """A click on the number of trials in a state selects them; another one selects all again."""
    tab.open(sweep="grid")
    tab.frame.locator(".counts [data-status=failed]").click()
    tab.rows(3)
    assert tab.control("filter").input_value() == "status = failed"
    tab.frame.locator(".counts [data-status=failed]").click()
    tab.rows(9)


def test_all_sweeps_in_one_table(tab: TrialsPage) -> None:
    """The last choice of sweeps shows all of them, with the sweep as a column that rows can be grouped by."""
    tab.open(sweep="*", objective="validation/accuracy", goal="max")
    tab.rows(14 + 9 + 3)
    assert "sweep" in tab.columns()
    assert {name.lstrip("▸").split("/")[0] for name in tab.column("trial")} >= {"grid", "curves"}
    tab.control("group").select_option("=sweep")
    tab.rows(3)
    tab.control("sweep").select_option("grid")
    tab.rows(9)
    assert "sweep" not in tab.columns()


def test_a_command_is_copied(tab: TrialsPage) -> None:
    """The menu has the commands that go on from here; a click copies one."""
    tab.open(sweep="grid")
    tab.control("commands").locator("summary").click()
    entry = tab.frame.locator(".command", has_text="Train the 6 that failed again")
    assert "--retry-failed" in entry.locator("code").inner_text()
    entry.locator("button").click()
    tab.frame.locator(".command button", has_text="Copied").wait_for()
    tab.page.keyboard.press("Escape")
    entry.wait_for(state="hidden")
    tab.open(sweep="")
    assert tab.control("commands").is_hidden()


def test_the_axis_can_have_all_values(tab: TrialsPage) -> None:
    """The caption says how many values lie outside of the axis; with all values on it, none does."""
    tab.open(sweep="curves", view="curves")
    caption = tab.frame.locator("figure.curves figcaption")
    caption.filter(has_text="lie outside of the axis").wait_for()
    tab.control("range").select_option("all")
    tab.page.wait_for_function("location.hash.includes('range=all')")
    assert "outside" not in caption.inner_text()


def test_a_trial_shows_what_the_search_knew(tab: TrialsPage, root: Path) -> None:
    """At the pointer or by keyboard, the results that were known when a trial was proposed stand out."""
    tab.open(sweep="curves", view="search")
    known = search_impl(chosen_runs(WatchedLogdir(str(root)).current(), "curves", None, None))["known"]
    last = max(known, key=lambda trial: known[trial])
    dot = tab.frame.locator(f'.search .end[data-step][data-number="{last}"]').last
    dot.hover(force=True)
    tab.frame.locator(".search .explains").wait_for()
    assert tab.frame.locator(".search .end.known").count() == known[last]
    assert f"when {known[last]} results were known" in dot.locator("title").text_content()
    tab.frame.locator("[data-headline]").hover()
    tab.frame.locator(".search .explains").wait_for(state="detached")


def test_curves_are_smoothed_as_tensorboard_does(tab: TrialsPage) -> None:
    """Smoothing is off at first; with it, the line is TensorBoard's moving average, and the values are behind it."""
    tab.open(sweep="curves", view="curves", smooth="0.6")
    tab.frame.locator("figure.curves[data-drawn]").wait_for()
    lines, raw = tab.frame.locator(".curves .line:not(.raw)"), tab.frame.locator(".curves .line.raw")
    assert lines.count() == raw.count() == 14
    # the average of 1, 2, 3 with the weight 0.6, corrected for its start at 0
    page = tab.frame.locator("body")
    module = "document.querySelector('link[href*=style]').href.replace('style.css', 'curves.js')"
    found = page.evaluate(f"async () => (await import({module})).smoothed([1, null, 2, 3], 0.6)")
    assert found == pytest.approx([1.0, None, 1.625, 2.326530612], abs=1e-6)
    tab.control("smooth").select_option("")
    raw.first.wait_for(state="detached")


def test_curves_over_time(tab: TrialsPage) -> None:
    """Curves can be drawn over the time since the start of their trial; the link has the choice."""
    tab.open(sweep="curves", view="curves")
    label = tab.frame.locator(".curves svg[role=img]")
    assert "over the epochs" in label.get_attribute("aria-label")
    tab.control("over").select_option("time")
    tab.frame.locator('.curves svg[aria-label*="over time"]').wait_for()
    assert tab.frame.locator(".curves text", has_text="since the start of the trial").count() == 1
    tab.page.wait_for_function("location.hash.includes('over=time')")
    tab.control("by").select_option("q")
    tab.frame.locator(".curves .key").first.wait_for()
