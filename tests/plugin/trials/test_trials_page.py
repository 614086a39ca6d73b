"""Tests of the Trials tab as a user sees it: in Chromium, inside a real TensorBoard."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest
import trials_logs
from boards import Board
from commands import invoke
from driven import driving, until
from trials_page import TrialsPage

from hpdash import Options, run_sweep
from hpdash.logs import layout

HOSTILE = ["<img src=x onerror=alert(1)>", "=cmd()", "__proto__", "\u202eltr", "x" * 99, "C:\\data", 'say "no"']
HOSTILE_LOOPS = """
def learn(trial):
    if trial.hparams["does"].startswith("="):
        raise ValueError("<script>alert(1)</script>\\n<img src=x onerror=alert(2)>")
    trial.report(1, loss=1.0, validation_accuracy=len(trial.hparams["does"]) / 100)
"""


@pytest.mark.parametrize(
    "board", ["true", pytest.param("false", marks=pytest.mark.slow, id="python-loader")], indirect=True
)
def test_it_opens_on_the_newest_sweep_best_first(tab: TrialsPage, root: Path) -> None:
    """Without a choice, the tab shows the sweep that started last; its rows are in the order of `hpdash ls`."""
    tab.open()
    tab.rows(14)
    listed = json.loads(invoke("ls", str(root / "curves"), "--json").stdout)["sweeps"][0]["rows"]
    expected = [f"curves/{run['id'].rpartition('/')[2]}" for row in listed for run in row["runs"]]
    assert tab.ids() == expected
    assert tab.columns() == ["#", "trial", "q", "best", "at", "last", "curve", "status", "time"]
    ranked = [row["place"] for row in listed if row["place"]]
    assert tab.column("#") == [*map(str, ranked), *[""] * (14 - len(ranked))]
    assert f"({expected[0][-4:]})" in tab.headline()
    assert "Its settings: q " in tab.headline()


def test_another_sweep_is_chosen(tab: TrialsPage) -> None:
    """The picker lists the sweeps and the runs without one; the link has the choice, and a reload keeps it."""
    tab.open()
    options = tab.control("sweep").locator("option").all_inner_texts()
    assert options == ["curves (14)", "grid (18)", "runs without a sweep (3)", "all sweeps (3)"]
    tab.control("sweep").select_option("grid")
    tab.rows(9)
    tab.page.wait_for_function("location.hash.includes('sweep=grid')")
    tab.page.reload()
    tab.wait()
    tab.rows(9)
    tab.control("sweep").select_option("")
    tab.rows(3)
    assert tab.columns()[2:4] == ["act", "lr"]
    assert tab.column("trial")[0] == "other/lr=0.01,act=relu"


def test_a_header_sorts(tab: TrialsPage) -> None:
    """A click sorts, the next one the other way round, the third one ranks again; Shift adds a key."""
    tab.open(sweep="curves")
    ranked = tab.column("q")
    tab.header("q").click()
    assert tab.column("q") == sorted(ranked, key=float)
    tab.header("q").click()
    assert tab.column("q") == sorted(ranked, key=float, reverse=True)
    tab.header("q").click()
    assert tab.column("q") == ranked
    tab.header("status").click()
    tab.header("q").click(modifiers=["Shift"])
    rows = list(zip(tab.column("status"), map(float, tab.column("q")), strict=True))
    assert [text.split(",")[0] for text, _ in rows] == sorted(text.split(",")[0] for text, _ in rows)
    finished = [q for text, q in rows if text == "finished"]
    assert finished == sorted(finished) and len(finished) > 1
    states = tab.grid.locator("[role=columnheader][aria-sort=ascending]").count()
    assert states == 2


def test_rows_without_a_value_come_last(tab: TrialsPage) -> None:
    """Failed and pruned trials are rows, after those with a value, in either direction."""
    tab.open(sweep="grid")
    for _ in range(2):
        tab.header("best").click()
        best = tab.column("best")
        assert best[3:] == [""] * 6
        assert all(best[:3])


def test_a_filter_selects_as_where_does(tab: TrialsPage) -> None:
    """The filter is the condition of `hpdash ls --where`; a wrong one gives a sentence, and the rows stay."""
    tab.open(sweep="grid")
    tab.control("filter").fill("does = learn and x > 0.3")
    tab.rows(2)
    assert tab.column("x") == ["0.9", "0.5"]
    tab.control("filter").fill("dose = learn")
    wrong = tab.frame.locator(".wrong")
    wrong.filter(has_text="does").wait_for()
    assert tab.control("filter").get_attribute("aria-invalid") == "true"
    tab.rows(9)
    tab.control("filter").fill("")
    wrong.filter(has_text="does").wait_for(state="detached")


def test_replicates_unfold(tab: TrialsPage) -> None:
    """A setting with replicates is one row with mean, spread and number; its trials unfold below it."""
    tab.open(sweep="grid")
    assert tab.column("best")[0] == "0.9005 ± 0.0007 (2)"
    tab.row("grid/0012").locator("[data-fold]").click()
    tab.rows(11)
    assert tab.column("trial")[1:3] == ["0012", "0013"]
    assert tab.column("best")[1:3] == ["0.9000", "0.9010"]
    tab.header("x").click()  # replicates stay below their setting
    rows = tab.column("trial")
    at = rows.index("0012")
    assert (rows[at - 1][-4:], rows[at + 1]) == ("0013", "0013")


def test_columns_are_chosen(tab: TrialsPage) -> None:
    """The menu adds a hyperparameter that is the same everywhere, with its value, and hides a column."""
    tab.open(sweep="grid")
    tab.control("columns").locator("summary").click()
    options = tab.control("columns").locator("label")
    options.filter(has_text="epochs").filter(has_text="always 5").locator("input").check()
    options.filter(has_text="does").locator("input").uncheck()
    assert tab.columns() == ["#", "trial", "x", "epochs", "best", "at", "last", "curve", "status", "time"]
    assert set(tab.column("epochs")) == {"5"}


def test_the_drawer_shows_one_trial(tab: TrialsPage) -> None:
    """A click opens the trial with its settings against the best, its error and how to train it again."""
    tab.open(sweep="grid", unfolded=json.dumps(["grid/0002"]))
    tab.row("grid/0003").click()
    drawer = tab.drawer
    drawer.locator("h2", has_text="grid/0003").wait_for()
    assert drawer.get_attribute("data-trial") == "grid/0003"
    assert "<b>4 filters</b> are too many" in drawer.locator(".error").inner_text()
    assert drawer.locator("tr.differs").all_inner_texts() == ["x\t0.2\tbest: 0.9", "does\traise\tbest: learn"]
    drawer.get_by_text("Train it again").click()
    assert '"raise"' in drawer.locator("pre", has_text="[sweep]").inner_text()
    tab.page.wait_for_function("location.hash.includes('open=grid%2F0003')")
    tab.row("grid/0012").click()
    drawer.locator("h2", has_text="grid/0012").wait_for()
    assert drawer.locator("figure.lines").first.get_attribute("data-drawn") == "1"
    weights = drawer.get_by_role("link", name="Weights").get_attribute("href")
    assert "#hpdash_weights&p.hpdash_weights.sweep=grid&p.hpdash_weights.contains=grid%2F0012" in weights
    drawer.get_by_label("Close").click()
    assert drawer.is_hidden()


def test_two_trials_are_compared(tab: TrialsPage) -> None:
    """A button, a click with Ctrl or Shift-Enter opens a trial next to another; the link has both, and a reload."""
    tab.open(sweep="grid", unfolded=json.dumps(["grid/0002"]))
    drawer = tab.drawer
    tab.row("grid/0003").click()
    drawer.get_by_role("button", name="Compare with another trial").click()
    drawer.get_by_text("Open the trial to compare with").wait_for()
    tab.row("grid/0012").click()
    drawer.locator("h2", has_text="grid/0012 and 0003").wait_for()
    both = [(name, drawer.get_attribute(f"data-{name}")) for name in ("trial", "against")]
    assert both == [("trial", "grid/0012"), ("against", "grid/0003")]
    assert "0003: failed" in drawer.locator(".other").inner_text()
    differing = ["x\t0.9\t0003: 0.2", "does\tlearn\t0003: raise"]
    assert drawer.locator("tr.differs").all_inner_texts() == differing
    tab.page.wait_for_function("location.hash.includes('against=grid%2F0003')")
    tab.page.reload()
    tab.wait()
    drawer.locator("h2", has_text="grid/0012 and 0003").wait_for()
    other = next(id for id in tab.ids() if tab.row(id).get_attribute("data-status") == "finished" and id != "grid/0012")
    tab.row(other).click(modifiers=["Control"])
    drawer.locator("h2", has_text=f"{other} and 0012").wait_for()
    first = drawer.locator("figure.lines").first
    assert first.get_attribute("data-drawn") == "2"
    assert "0012" in first.locator("figcaption").inner_text()
    drawer.get_by_role("button", name="Stop comparing").click()
    drawer.locator("h2", has_text=re.compile(f"^{other}$")).wait_for()
    assert drawer.locator("figure.lines").first.get_attribute("data-drawn") == "1"
    tab.grid.focus()
    for key in ("Home", "Shift+Enter"):
        tab.page.keyboard.press(key)
    drawer.locator("h2", has_text=f"grid/0012 and {other[-4:]}").wait_for()


def test_the_keyboard_is_enough(tab: TrialsPage) -> None:
    """Arrow keys go from row to row, Enter opens, the right key unfolds, Escape closes."""
    tab.open(sweep="grid")
    tab.grid.focus()
    keys = tab.page.keyboard
    keys.press("ArrowDown")
    keys.press("ArrowRight")
    tab.rows(10 + 1)
    keys.press("ArrowDown")
    keys.press("Enter")
    tab.drawer.locator("h2", has_text="grid/0012").wait_for()
    keys.press("Escape")
    assert tab.drawer.is_hidden()
    keys.press("End")
    active = tab.grid.get_attribute("aria-activedescendant")
    assert tab.frame.locator(f"#{active}").get_attribute("data-trial") == tab.ids()[-1]


def test_another_objective_ranks(tab: TrialsPage) -> None:
    """A metric and a goal can be chosen; then the ranks are those of `hpdash ls --objective`."""
    tab.open(sweep="grid")
    tab.control("objective").select_option(label="loss (min)")
    tab.frame.locator("[data-headline]", has_text="0.2222").wait_for()
    assert tab.column("x")[:3] == ["0.9", "0.5", "0.2"]


def test_the_table_is_saved(tab: TrialsPage) -> None:
    """CSV has the rows in their order, with exact numbers, and the mean, spread and number in columns."""
    tab.open(sweep="grid")
    with tab.page.expect_download() as waited:
        tab.control("csv").click()
    rows = list(csv.DictReader(waited.value.path().read_text().splitlines()))
    assert waited.value.suggested_filename == "grid.csv"
    assert [row["x"] for row in rows][:3] == ["0.9", "0.5", "0.2"]
    assert (float(rows[0]["best"]), rows[0]["best_n"]) == (pytest.approx(0.9005), "2")
    assert rows[0]["trial"] == "grid/0012 grid/0013"


@pytest.mark.parametrize("width", [600, 1500])
def test_it_fits_narrow_and_wide_windows(browser: Any, board: Board, width: int) -> None:
    """Nothing is wider than the window; in a narrow one, the drawer covers the page."""
    with TrialsPage.opened(browser, board.url, width) as tab:
        tab.open(sweep="grid", open="grid/0012")
        tab.drawer.locator("h2").wait_for()
        assert tab.frame.locator("html").evaluate("(page) => page.scrollWidth <= page.clientWidth")


def test_dark_follows_tensorboard(tab: TrialsPage) -> None:
    """TensorBoard's own menu turns the tab dark, and the charts are drawn in the colours of the dark page."""
    tab.open(sweep="grid", view="parallel")
    ground = "(body) => getComputedStyle(body).backgroundColor"
    light = tab.frame.locator("body").evaluate(ground)
    drawn = tab.frame.locator(".parallel canvas").first
    before = drawn.evaluate("(canvas) => canvas.toDataURL()")
    tab.page.get_by_role("button", name=re.compile("theme", re.IGNORECASE)).click()
    tab.page.get_by_role("menuitem", name="Dark").click()
    tab.frame.locator("html.dark").wait_for()
    assert tab.frame.locator("body").evaluate(ground) != light
    until(lambda: drawn.evaluate("(canvas) => canvas.toDataURL()") != before, 10)


# --- the views


def test_each_view_draws(tab: TrialsPage) -> None:
    """Each view draws its charts with a label; the link has the view, and another sweep keeps it."""
    drawn = {"curves": {"curves": 14}, "parallel": {"parallel": 14}, "effects": {"effects": 1}}
    drawn |= {"search": {"search": 14}, "timeline": {"timeline": 14}, "overview": {"curves": 14, "effects": 1}}
    tab.open(sweep="curves")
    for view, charts in drawn.items():
        tab.control("view", view).click()
        for name, count in charts.items():
            least = f"figure.{name}:not([hidden])[data-drawn]"
            tab.frame.locator(least).wait_for()
            found = int(tab.frame.locator(least).get_attribute("data-drawn"))
            assert found >= count, (view, name)
        labels = tab.frame.locator("figure:not([hidden]) [role=img]").evaluate_all(
            "all => all.map((one) => one.ariaLabel)"
        )
        assert labels and all(len(label) > 20 for label in labels)
    tab.control("view", "parallel").click()
    tab.control("sweep").select_option("grid")
    tab.frame.locator('figure.parallel:not([hidden])[data-drawn="18"]').wait_for()
    tab.page.wait_for_function("location.hash.includes('view=parallel')")


def test_a_value_of_the_effects_filters_all_views(tab: TrialsPage) -> None:
    """A click on a value selects its trials in the table and the charts; the chip takes the selection back."""
    tab.open(sweep="grid", view="effects")
    tab.frame.locator('.effects [data-level="learn"]').click()
    tab.rows(3)
    chip = tab.frame.locator('[data-brush="does"]')
    assert chip.inner_text().startswith("does learn")
    tab.control("filter").fill("x > 0.3")
    tab.rows(2)
    tab.control("view", "timeline").click()
    tab.frame.locator('figure.timeline[data-drawn="4"]').wait_for()
    tab.page.wait_for_function("location.hash.includes('view=timeline')")
    tab.page.reload()
    tab.wait()
    tab.rows(2)
    chip.click()
    tab.rows(6)


def test_an_axis_is_brushed(tab: TrialsPage) -> None:
    """A drag along an axis selects the trials in that range, a double click takes it back."""
    tab.open(sweep="grid", view="parallel")
    plot = tab.frame.locator(".parallel .plot")
    tab.frame.locator('figure.parallel[data-drawn="18"]').wait_for()
    box, head = plot.bounding_box(), tab.frame.locator('[data-axis="x"]').bounding_box()
    left = head["x"] + head["width"] / 2
    mouse = tab.page.mouse
    mouse.move(left, box["y"] + 5)
    mouse.down()
    mouse.move(left, box["y"] + 60)
    mouse.up()
    tab.rows(3)
    assert set(tab.column("x")) == {"0.9"}
    mouse.dblclick(left, box["y"] + 150)
    tab.rows(9)


def test_a_curve_and_its_row_are_one(tab: TrialsPage) -> None:
    """The pointer on a curve marks the trial's row and says its value; the keyboard goes from curve to curve."""
    tab.open(sweep="curves", view="curves")
    tab.frame.locator("figure.curves[data-drawn]").wait_for()
    tab.frame.locator(".curves .plot").focus()
    tab.page.keyboard.press("ArrowDown")
    best = tab.ids()[0]
    assert tab.frame.locator(".body .meant").get_attribute("data-trial") == best
    assert tab.frame.locator(".curves .tip").inner_text().startswith(f"{best}: ")
    tab.page.keyboard.press("Enter")
    tab.drawer.locator("h2", has_text=best).wait_for()


# --- logs of their own


def test_hostile_names_are_text(browser: Any, tmp_path: Path) -> None:
    """Values and errors with markup are text: no dialog, no error in the console."""
    path = trials_logs.grid(tmp_path, "odd", tuple(HOSTILE), 1)
    (tmp_path / "loops.py").write_text(HOSTILE_LOOPS)
    run_sweep(path, tmp_path / "logs", Options(workers=1))
    with Board(tmp_path / "logs", "true") as board, TrialsPage.opened(browser, board.url) as tab:
        board.until(lambda board: board.get(f"plugin/{layout.TRIALS_PLUGIN}/version"))
        tab.open()
        tab.rows(3 * len(HOSTILE))
        assert set(tab.column("does")) == set(HOSTILE)
        tab.open(brush=json.dumps({"does": {"in": list(HOSTILE)[1:]}}))
        tab.rows(3 * (len(HOSTILE) - 1))
        tab.open(brush=json.dumps({"does": {"in": ["=cmd()"]}}))
        tab.rows(3)
        failed = tab.grid.locator("[data-status=failed]").first
        failed.click()
        assert "<script>alert(1)</script>" in tab.drawer.locator(".error").inner_text()
        markup = "<img src=x onerror=alert(3)>"
        tab.open(where=markup, sort=markup, show=markup)
        tab.open(open=markup, sweep=markup)


def test_a_running_sweep_is_followed(browser: Any, tmp_path: Path) -> None:
    """While a sweep runs, rows appear and progress moves; the sort and the open drawer stay."""
    logs = tmp_path / "logs"
    path = trials_logs.grid(tmp_path, "live", ("learn", "wait"), 1)
    logs.mkdir()
    with (
        driving(path, "--workers", "2") as driver,
        Board(logs, "true") as board,
        TrialsPage.opened(browser, board.url) as tab,
    ):
        until(lambda: list(logs.glob("live/*/events*")), 60)
        board.until(lambda board: board.get(f"plugin/{layout.TRIALS_PLUGIN}/sweeps")["sweeps"])
        tab.open()
        tab.frame.locator(".live", has_text="live").wait_for()
        tab.grid.locator("[data-status=running]").first.wait_for()
        tab.header("x").click()
        tab.row("live/0000").click()
        tab.drawer.locator("h2", has_text="live/0000").wait_for()
        (tmp_path / "go").touch()
        tab.rows(6)
        tab.frame.locator(".counts", has_text="6 finished").wait_for()
        assert driver.wait(60) == 0
        assert tab.column("x") == sorted(tab.column("x"))
        assert tab.drawer.get_attribute("data-trial") == "live/0000"
        tab.frame.locator(".live:empty").wait_for(state="attached")


def test_it_waits_for_the_first_trial(browser: Any, tmp_path: Path) -> None:
    """Over an empty folder, the page says so, and it shows the first sweep without a reload."""
    (tmp_path / "logs").mkdir()
    with Board(tmp_path / "logs", "true") as board, TrialsPage.opened(browser, board.url) as tab:
        board.until(lambda board: board.get(f"plugin/{layout.TRIALS_PLUGIN}/version"))
        tab.page.goto(f"{board.url}/#{layout.TRIALS_PLUGIN}")
        tab.wait("empty")
        run_sweep(trials_logs.grid(tmp_path, "first", ("learn",), 1), tmp_path / "logs", Options(workers=1))
        tab.wait()
        tab.rows(3)
