"""Tests of the Weights tab as a user sees it: in Chromium, inside a real TensorBoard."""

from __future__ import annotations

import csv
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from boards import Board
from weights_page import PREFIX, WeightsPage

from hpdash.histograms.histogram import Histogram
from hpdash.logs.writer import RunWriter

STEPS = range(4)
RUNS = [
    f"batchnorm={batchnorm},act={act},seed={seed}"
    for batchnorm, act, seed in itertools.product(("before", "none"), ("relu", "tanh"), (0, 1))
]
TAGS = ["hidden_1/kernel", "hidden_1/bias", "output/kernel"]
HOSTILE = [
    "<img src=x onerror=alert(1)>", "a&b=c#d%2F", "=cmd()", "__proto__", "constructor", "\u202eltr", "x" * 99, "S", "s",
]  # fmt: skip
HOSTILE_TAGS = ["<b>k</b>/kernel", "__proto__", 'a,b;"c"', "t" * 300]
ROUTES = "plugin/hpdash_weights"
VIEWS = ["overlay", "ridges", "bands", "heat", "spread"]


def write(folder: Path, runs: list[str], tags: list[str], steps: range = STEPS) -> None:
    """Write runs whose weights spread with the steps, twice as fast without batch normalization."""
    generator = np.random.default_rng(0)
    for name in runs:
        with RunWriter(folder / name) as run:
            for step in steps:
                for tag in tags:
                    std = 0.1 + 0.02 * step * (1 + ("none" in name))
                    run.histogram(tag, Histogram.of(generator.normal(0, std, 400)), step)


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Logs with eight named runs, runs with hostile names, and a folder that is still empty."""
    folder = tmp_path_factory.mktemp("weights")
    write(folder / "named", RUNS, TAGS)
    write(folder / "hostile", HOSTILE, HOSTILE_TAGS)
    (folder / "growing").mkdir()
    return folder


@pytest.fixture(scope="module")
def board(logs: Path) -> Iterator[Board]:
    """A TensorBoard over the named runs."""
    with Board(logs / "named", "true") as board:
        yield board.until(lambda board: len(board.get(f"{ROUTES}/overview")["runs"]) == len(RUNS))


@pytest.fixture(params=["true", "false"], ids=["fast-loader", "python-loader"])
def hostile(request: pytest.FixtureRequest, logs: Path) -> Iterator[Board]:
    """A TensorBoard with each loader, over runs and tags with hostile names."""
    with Board(logs / "hostile", request.param) as board:
        yield board.until(lambda board: len(board.get(f"{ROUTES}/overview")["runs"]) == len(HOSTILE))


def opened(browser: Any, url: str, **options: Any) -> Iterator[WeightsPage]:
    """Yield the tab in a new window; the test fails if the page reports an error."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, **options)
    tab = WeightsPage(context.new_page(), url)
    yield tab
    context.close()
    assert tab.errors == []


@pytest.fixture
def tab(browser: Any, board: Board) -> Iterator[WeightsPage]:
    """The tab over the named runs."""
    yield from opened(browser, board.url)


def test_opens_by_itself_on_what_matters(tab: WeightsPage) -> None:
    """The tab opens on the kernels, hidden layers first, with one line per run.

    The colour shows the hyperparameter that can be switched off.
    """
    tab.open()
    tab.drawn(2 * len(RUNS), step=3)
    assert tab.frame.locator("h2").all_inner_texts() == ["hidden_1/kernel", "output/kernel"]
    assert tab.control("colour").input_value() == "batchnorm"
    assert tab.control("reference").input_value() == '"none"'


def test_draws_every_view(tab: WeightsPage) -> None:
    """Each view draws its curves: runs, steps of groups, groups, and four charts per tag followed by the layers."""
    tab.open(tags=json.dumps(["hidden_1/kernel"]), facet="")
    for view, traces in zip(VIEWS, [8, 2 * 4, 2, 2 * 4, 4 * 2 + 2 * 2 * 2], strict=True):
        tab.view(view)
        tab.drawn(traces, view)
        assert all(tab.frame.locator(".plot").evaluate_all("all => all.map((one) => one.ariaLabel.length > 20)"))


def test_the_selection_lives_in_the_link(tab: WeightsPage) -> None:
    """The selection is in TensorBoard's own link and is restored when the browser reloads the page."""
    tab.open()
    tab.view("ridges")
    tab.control("first").click()
    tab.control("colour").select_option("act")
    for choice in ("step=0", "view=ridges", "by=act"):  # the page writes the link a moment after each choice
        tab.page.wait_for_function(f"location.hash.includes('{PREFIX}{choice}')")
    link = tab.linked()
    tab.page.reload()
    tab.frame.locator('.charts[data-view="ridges"][data-step="0"]').wait_for()
    assert tab.control("colour").input_value() == "act"
    assert tab.linked() == link


def test_survives_another_tab(tab: WeightsPage) -> None:
    """Switching to another dashboard and back keeps the view, the step and the link."""
    tab.open(view="bands", step="1")
    tab.page.get_by_role("tab", name="Histograms").click()
    tab.page.get_by_role("tab", name="Weights").click()
    tab.frame.locator('.charts[data-view="bands"][data-step="1"]').wait_for()
    assert f"{PREFIX}view=bands" in tab.linked()


@pytest.mark.parametrize(
    "entries",
    [
        pytest.param({"view": "nothing", "tags": '["gone"]', "step": "-1", "by": "gone"}, id="not there"),
        pytest.param({"hide": "{", "range": '{"seed": [1]}', "clip": "7", "reference": "[1]"}, id="malformed"),
        pytest.param({"hide": '{"act": 3}'}, id="of another type"),
    ],
)
def test_a_link_that_makes_no_sense_opens_the_default(tab: WeightsPage, entries: dict[str, str]) -> None:
    """Entries in a link that are unknown or malformed are ignored."""
    tab.open(**entries)
    tab.drawn(2 * len(RUNS), step=3)


def test_steps(tab: WeightsPage) -> None:
    """Buttons, arrow keys and play move through the steps, and play stops at the last one."""
    tab.open()
    tab.control("previous").click()
    tab.drawn(16, step=2)
    tab.page.keyboard.press("ArrowLeft")
    tab.drawn(16, step=1)
    tab.control("play").click()
    tab.drawn(16, step=3)
    tab.frame.locator('[data-control="play"][aria-pressed="false"]').wait_for()


def test_the_legend_filters(tab: WeightsPage) -> None:
    """A click in the legend hides a value's runs, and a double click leaves only those runs.

    The name filter takes text or a regular expression.
    """
    tab.open(tags=json.dumps(["hidden_1/kernel"]))
    tab.chip("act", "relu").click()
    tab.drawn(4)
    tab.chip("act", "relu").click()
    tab.drawn(8)
    tab.chip("act", "relu").dblclick()
    tab.drawn(4)
    tab.control("contains").fill("/none.*seed=1$/")
    tab.drawn(1)
    assert tab.control("count").inner_text() == "1 of 8 runs"
    tab.control("clear").click()
    tab.drawn(8)


def test_reads_exact_numbers(tab: WeightsPage) -> None:
    """Mouse and keyboard show a run's exact numbers and mark the run in the table."""
    tab.open(tags=json.dumps(["hidden_1/kernel"]))
    plot = tab.frame.locator(".plot").first
    plot.hover()
    tab.frame.locator(".tooltip").wait_for()
    plot.press("ArrowDown")
    said = tab.frame.locator(".tooltip").inner_text()
    assert "weight" in said and "density" in said and "step 3" in said
    assert tab.frame.locator("tr.meant").count() == 1
    plot.press("Escape")
    assert not tab.frame.locator(".tooltip").is_visible()


def test_sorts_and_saves(tab: WeightsPage, tmp_path: Path) -> None:
    """The table sorts by a column and is saved to a file; charts are saved as numbers and as a picture."""
    tab.open(tags=json.dumps(["hidden_1/kernel"]))
    tab.frame.locator('th button[data-sort="std"]').click()
    tab.frame.locator('th[aria-sort="ascending"]').wait_for()
    tab.frame.locator('td:last-child:text-matches("[0-9]")').first.wait_for()
    for control in ("table-csv", "csv", "png"):
        with tab.page.expect_download() as download:
            tab.control(control).click()
        download.value.save_as(tmp_path / control)
    rows = list(csv.DictReader((tmp_path / "table-csv").read_text().splitlines()))
    assert {row["name"] for row in rows} == set(RUNS)
    assert all(float(row["to reference"]) > 0 for row in rows)
    assert len((tmp_path / "csv").read_text().splitlines()) == 1 + 60 * len(RUNS)
    assert (tmp_path / "png").read_bytes().startswith(b"\x89PNG")


def test_follows_tensorboards_ground(tab: WeightsPage) -> None:
    """The tab turns dark as soon as TensorBoard's page does."""
    tab.open()
    assert tab.frame.locator("html.dark").count() == 0
    tab.page.evaluate("document.body.classList.add('dark-mode')")
    tab.frame.locator("html.dark").wait_for()


def test_hostile_names_are_text(browser: Any, hostile: Board) -> None:
    """Every view shows hostile names literally, and no markup or script in them takes effect."""
    for tab in opened(browser, hostile.url):
        tab.open(tags=json.dumps(HOSTILE_TAGS))
        for view in VIEWS:
            tab.view(view)
            tab.wait()
            tab.frame.locator(f'.charts[data-view="{view}"]').wait_for()
            assert tab.frame.locator("h2").all_text_contents()[-4:] == HOSTILE_TAGS
        assert set(tab.frame.locator("tbody tr").first.locator("td").all_text_contents()) & set(HOSTILE_TAGS)
        tab.control("facet").select_option(":run")
        tab.view("overlay")
        tab.drawn(len(HOSTILE) * len(HOSTILE_TAGS))
        assert tab.frame.locator("img, b").count() == 0


def test_new_steps_come_with_tensorboards_reload(browser: Any, logs: Path) -> None:
    """New steps appear when TensorBoard reloads.

    An empty page fills without a reload, and a page at the last step moves on to the new last step.
    """
    with Board(logs / "growing", "true", "--reload_interval=1") as board:
        board.until(lambda board: board.get(f"{ROUTES}/overview")["runs"] == [])
        for tab in opened(browser, board.url):
            tab.page.goto(f"{board.url}/data/plugin_entry.html?name=hpdash_weights")
            tab.page.locator('#hpdash[data-state="empty"]').wait_for()
            tab.errors.clear()  # on its own, the page requests an icon, which gives an error
            write(logs / "growing", RUNS[:2], TAGS[:1], range(3))
            tab.page.locator('#hpdash[data-state="ready"]').wait_for()
            tab.open()
            tab.drawn(2, step=2)
            for run in RUNS[:2]:
                write(logs / "growing", [run], TAGS[:1], range(3, 5))
            board.until(lambda board: board.get(f"{ROUTES}/distributions", tag=TAGS[0])["steps"] == [*range(5)])
            tab.page.locator("app-header-reload button").click()
            tab.drawn(2, step=4)


def test_says_what_is_wrong(browser: Any, logs: Path) -> None:
    """If TensorBoard stops answering, the tab says so and offers a button to try again."""
    for tab in opened(browser, ""):
        with Board(logs / "named", "true") as board:
            board.until(lambda board: len(board.get(f"{ROUTES}/overview")["runs"]) == len(RUNS))
            tab.page.goto(f"{board.url}/#hpdash_weights")
            tab.wait()
        tab.control("x", "free").click()
        tab.wait("error")
        assert "does not answer" in tab.frame.locator(".message").inner_text()
        assert tab.control("retry").is_visible()
        tab.errors.clear()  # the browser reports the lost connection as errors
