"""Tests of the Weights tab over runs with HParams sessions: selection, counts, and many runs."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from boards import Board
from weights_page import WeightsPage

import hpdash
from hpdash.histograms.histogram import Histogram
from hpdash.logs.writer import RunWriter

TAGS = ("hidden_1/kernel", "hidden_2/kernel", "hidden_1/bias", "gradients/hidden_1/kernel")
KERNELS, RUNS, STEPS = 2, 8, 5
MANY = 500


def write(folder: Path, hparams: dict[str, Any], steps: int, tags: tuple[str, ...] = TAGS, seed: int = 0) -> None:
    """Write a run whose weights widen with the steps."""
    random = np.random.default_rng(seed)
    with RunWriter(folder) as run:
        run.start(hparams, folder.name)
        for step, tag in itertools.product(range(steps), tags):
            run.histogram(tag, Histogram.of(random.normal(size=400) * (1 + step / 10)), step)


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Logs with eight runs over three hyperparameters, five hundred runs, and one run of sixty steps."""
    root = tmp_path_factory.mktemp("tab")
    values = itertools.product(("none", "before"), ("relu", "tanh"), (0.1, 0.01))
    for number, (batchnorm, activation, rate) in enumerate(values):
        hparams = {"batchnorm": batchnorm, "activation": activation, "learning_rate": rate}
        write(root / "eight" / f"{number:04d}", hparams, STEPS, seed=number)
    for number in range(MANY):
        hparams = {"batchnorm": ("none", "before")[number % 2]}
        write(root / "many" / f"{number:04d}", hparams, 3, TAGS[:1], seed=number)
    write(root / "long" / "run", {"a": 1}, 60, TAGS[:1])
    return root


Open = Callable[..., WeightsPage]


@pytest.fixture(scope="module")
def boards(logs: Path) -> Iterator[Callable[..., Board]]:
    """Return a function that starts a TensorBoard over some of the runs, once for each selection."""
    started: dict[tuple[str, ...], Board] = {}
    with ExitStack() as stack:

        def start(part: str, load_fast: str, *options: str) -> Board:
            key = (part, load_fast, *options)
            if key not in started:
                runs = len([*(logs / part).iterdir()])
                board = stack.enter_context(Board(logs / part, load_fast, *options))
                started[key] = board.until(lambda board: len(board.runs()) == runs)
            return started[key]

        yield start


@pytest.fixture
def opened(browser: Any) -> Iterator[Open]:
    """Return a function that opens the tab in a new page.

    The test fails if a dialog appears or the console has an error.
    """
    tabs: list[WeightsPage] = []
    context = browser.new_context(viewport={"width": 1400, "height": 1000})

    def show(board: Board, **selection: str) -> WeightsPage:
        tabs.append(WeightsPage(context.new_page(), board.url))
        tabs[-1].open(**selection)
        return tabs[-1]

    yield show
    context.close()
    assert [tab.errors for tab in tabs] == [[]] * len(tabs)


@pytest.mark.parametrize("load_fast", ["true", pytest.param("false", marks=pytest.mark.slow)])
def test_tags_colours_and_panels_are_chosen(opened: Open, boards: Callable[..., Board], load_fast: str) -> None:
    """A tag is drawn when it is ticked; colours and panels follow the hyperparameters of the sessions."""
    tab = opened(boards("eight", load_fast))
    tab.drawn(RUNS * KERNELS)
    tab.control("tags").locator("summary").click()
    tab.control("tag-search").fill("bias")
    tab.frame.locator("input[data-tag='hidden_1/bias']").check()
    tab.drawn(RUNS * (KERNELS + 1))
    tab.page.keyboard.press("Escape")
    panels = tab.frame.locator(".charts [data-drawn]")
    tab.control("facet").select_option("")
    tab.drawn(RUNS * (KERNELS + 1))
    assert panels.count() == KERNELS + 1
    tab.control("colour").select_option("activation")
    tab.frame.locator(".legend[data-hparam=activation]").wait_for()
    tab.control("facet").select_option("learning_rate")
    panels.nth(2 * (KERNELS + 1) - 1).wait_for()
    tab.drawn(RUNS * (KERNELS + 1))
    assert [panel.get_attribute("data-drawn") for panel in panels.all()] == ["4"] * 2 * (KERNELS + 1)


def test_dark_follows_tensorboards_own_switch(opened: Open, boards: Callable[..., Board]) -> None:
    """TensorBoard's own menu turns the tab dark, and everything is still drawn."""
    tab = opened(boards("eight", "true"))
    ground = "(body) => getComputedStyle(body).backgroundColor"
    light = tab.frame.locator("body").evaluate(ground)
    tab.page.get_by_role("button", name=re.compile("theme", re.IGNORECASE)).click()
    tab.page.get_by_role("menuitem", name="Dark").click()
    tab.frame.locator("html.dark").wait_for()
    assert tab.frame.locator("body").evaluate(ground) != light
    tab.drawn(RUNS * KERNELS)


def test_ticks_far_apart_are_each_spelled(opened: Open, boards: Callable[..., Board]) -> None:
    """On a logarithmic axis, a small tick is not labelled 0 even if another tick is many powers of ten larger."""
    tab = opened(boards("eight", "true"))
    spell = """async () => {
        const loaded = performance.getEntriesByType("resource").map(({ name }) => name);
        const { logarithmic } = await import(loaded.find((name) => /chart\\.js/.test(name)));
        const scale = logarithmic([1e-5, 1e5], [0, 400]);
        return scale.labels(scale.ticks());
    }"""
    told = tab.frame.locator("body").evaluate(spell)
    assert told == ["1e\u22125", "0.0001", "0.001", "0.01", "0.1", "1", "10", "100", "1000", "10000", "100000"]


def test_spread_says_what_the_command_says(opened: Open, boards: Callable[..., Board], logs: Path) -> None:
    """The spread view shows the same sentence as `hpdash compare` for the same logs."""
    tab = opened(boards("eight", "true"), view="spread")
    [answer] = hpdash.compare(logs / "eight", "hidden_2/kernel", "batchnorm").conclusions
    sentence = answer.partition("the runs are")[2]
    assert "against" in sentence
    tab.frame.get_by_text(sentence).wait_for()


@pytest.mark.parametrize("load_fast", ["true", pytest.param("false", marks=pytest.mark.slow)])
def test_five_hundred_runs_are_drawn(opened: Open, boards: Callable[..., Board], load_fast: str) -> None:
    """All of five hundred runs are drawn, and every view opens."""
    tab = opened(boards("many", load_fast))
    tab.drawn(MANY)
    for view in ("bands", "heat", "spread", "ridges"):
        tab.view(view)
        tab.frame.locator(f'.charts[data-view="{view}"]').wait_for()


def test_it_says_when_tensorboard_shows_a_sample(opened: Open, boards: Callable[..., Board]) -> None:
    """If TensorBoard keeps fewer steps than were logged, the tab says so and how to see all steps."""
    tab = opened(boards("long", "true", "--samples_per_plugin=histograms=20"))
    tab.frame.get_by_text("hpdash board").wait_for()
    tab.frame.get_by_text("samples_per_plugin").wait_for()
