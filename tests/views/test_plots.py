"""Tests of interactive charts: their numbers are those of the runs, names stay text, and the page needs no network."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made import foreign

from hpdash.analysis.snapshots import snapshots
from hpdash.histograms.histogram import Histogram
from hpdash.runs import HistogramSeries, Run
from hpdash.views.comparison import WeightsComparison, compare, groups_of
from hpdash.views.web.panels import density_panels
from hpdash.views.web.plots import (
    Chart,
    Fragment,
    Heading,
    bands_figure,
    curves_figure,
    densities_figure,
    literal,
    page,
    ridges_figures,
    steps_figure,
)

HOSTILE = "</script><!--<img src=x onerror=alert(1)>%{x}\n"


def runs() -> list[Run]:
    """Make four runs in two groups."""
    return [
        foreign(
            f"r{place}",
            {"bn": ("none", "before")[place % 2]},
            epoch_accuracy=[0.5, 0.6, float("nan") if place == 3 else 0.7],
            validation__epoch_accuracy=[0.4, 0.5 + place / 10, 0.6],
        )
        for place in range(4)
    ]


def histograms(steps: int = 3) -> dict[str, HistogramSeries]:
    """Make the histograms of those runs: uniform from 0, each run half as wide again as the last."""
    made = {}
    for place in range(4):
        own = tuple(Histogram(np.linspace(0, 1 + place / 2 + step, 33), np.full(32, 10.0)) for step in range(steps))
        made[f"r{place}"] = HistogramSeries(np.arange(steps), own)
    return made


GROUPS = groups_of(runs(), "bn")


def traces(figure: dict[str, Any], role: str) -> list[dict[str, Any]]:
    """Return the traces of a role."""
    return [trace for trace in figure["data"] if trace["meta"]["role"] == role]


def test_curves() -> None:
    """Validation is drawn solid, with its range and single runs, and training is dashed.

    The means are those of the runs at each step.
    """
    figure = curves_figure(GROUPS, "epoch_accuracy")
    solid = [
        trace for trace in traces(figure, "mean") if "dash" not in trace["line"] or trace["line"]["dash"] == "solid"
    ]
    dashed = [trace for trace in traces(figure, "mean") if trace["line"].get("dash") == "dash"]
    assert [trace["name"] for trace in solid] == [f"bn={name} validation/epoch_accuracy" for name in ("before", "none")]
    assert solid[1]["y"] == pytest.approx([0.4, 0.6, 0.6])
    assert dashed[0]["y"] == pytest.approx([0.5, 0.6, 0.7])
    assert dashed[0]["customdata"][2] == [None, 1]
    assert len(traces(figure, "run")) == 4
    assert traces(figure, "band")[1]["y"] == pytest.approx([0.4, 0.7, 0.6, 0.6, 0.5, 0.4])
    assert figure["layout"]["meta"]["legend"] == [[group.label, group.colour] for group in GROUPS]


def test_one_part_of_a_curve() -> None:
    """A scalar without validation is drawn solid; runs without the scalar are left out."""
    (mean,) = traces(curves_figure(groups_of([foreign("a", {"x": 1}, loss=[1.0]), foreign("b")], "x"), "loss"), "mean")
    assert mean["line"]["dash"] == "solid"


def test_densities() -> None:
    """Each frame has every trace, a group's mean is the mean of its runs, and the axis covers all values."""
    figure = densities_figure(GROUPS, histograms(), "w")
    assert [frame["name"] for frame in figure["frames"]] == ["step 0", "step 1", "step 2"]
    assert all(len(frame["data"]) == len(figure["data"]) for frame in figure["frames"])
    assert figure["frames"][-1]["data"] == [{"y": trace["y"]} for trace in figure["data"]]
    low, high = figure["layout"]["xaxis"]["range"]
    for mean in traces(figure, "mean"):
        own = [trace["y"] for trace in traces(figure, "run") if trace["legendgroup"] == mean["legendgroup"]]
        assert mean["y"] == pytest.approx(np.mean(own, axis=0), abs=1e-5)
        assert sum(mean["y"]) * (high - low) / len(mean["y"]) == pytest.approx(1, abs=0.01)


def test_densities_at_chosen_steps() -> None:
    """Only the requested steps are frames; a single step needs no frame."""
    assert densities_figure(GROUPS, histograms(), "w", [1])["frames"] == []
    assert len(densities_figure(GROUPS, histograms(), "w", [0, 2])["frames"]) == 2
    assert densities_figure(GROUPS, {}, "w")["data"] == []


def test_quantiles_over_steps() -> None:
    """The median of a uniform distribution is in the middle, and the quantiles are in order."""
    single = {"r0": histograms()["r0"]}
    figure = bands_figure(groups_of(runs()[:1], "bn"), single, "w")
    (median,) = traces(figure, "mean")
    assert median["y"] == pytest.approx([0.5, 1.0, 1.5])
    low, high = traces(figure, "edge")
    assert low["y"] == pytest.approx([0.01, 0.02, 0.03])
    assert high["y"] == pytest.approx([0.99, 1.98, 2.97])


def test_ridges() -> None:
    """There is one ridge per step, each one unit below the last. All groups have the same scale of height."""
    figures = ridges_figures(GROUPS, histograms(), "w")
    for figure in figures:
        assert [trace["y"][0] for trace in figure["data"]] == [0, -1, -2]
        assert figure["layout"]["yaxis"]["ticktext"] == ["0", "1", "2"]
    heights = [max(figure["data"][0]["y"]) for figure in figures]
    densities = [(1 / 1.5 + 1 / 2.5) / 2, (1 + 1 / 2) / 2]
    assert heights[0] / heights[1] == pytest.approx(densities[0] / densities[1], rel=0.05)


def test_numbers_that_json_has_not() -> None:
    """NaN and infinities become gaps, and numbers keep six significant digits."""
    figure = steps_figure([(GROUPS[0], [1, 2, 3], [float("nan"), 0.123456789, float("inf")])], "weight units")
    assert figure["data"][0]["y"] == [None, 0.123457, None]
    json.dumps(figure, allow_nan=False)


def test_names_stay_text() -> None:
    """Plotly interprets tags in its texts, so it gets none. The page's own legend shows the name unchanged."""
    groups = groups_of([foreign("a", {"x": HOSTILE}, **{HOSTILE: [1.0]})], "x")
    figure = curves_figure(groups, HOSTILE)
    shown = [trace["name"] for trace in figure["data"]] + [figure["layout"]["yaxis"]["title"]["text"]]
    assert not any("<" in name or "\n" in name for name in shown)
    assert all("onerror" not in trace["hovertemplate"] for trace in figure["data"])
    assert unescape(literal(HOSTILE)) == HOSTILE.replace("\n", "\\n")


def test_a_page_is_one_file() -> None:
    """The page contains plotly once and loads nothing. Names in it cannot end a script or become markup."""
    figure = {"data": [{"y": [1]}], "layout": {"title": {"text": HOSTILE}}}
    blocks = [Heading(HOSTILE), Fragment("<p>&lt;3</p>"), Chart(figure, HOSTILE), Chart(figure, wide=False)]
    html = page(HOSTILE, blocks)
    assert html.count("plotly.js v") == 1
    assert not re.findall(r"<(?:script|link|img|iframe)[^>]+(?:src|href)", html.partition("<script>")[0])
    assert html.count("</script>") == html.count("<script") == 3
    assert "<img src" not in html
    data = re.search(r'<script type="application/json" id="figures">(.*?)</script>', html, re.DOTALL)
    assert data is not None
    assert json.loads(data[1]) == [figure, figure]
    assert len(page("short", [Fragment("<p>no chart</p>")])) < 20_000


@pytest.fixture
def opened(browser: Any, tmp_path: Path) -> Iterator[Any]:
    """Return a function that opens HTML as a page without a network.

    The test fails if the page requests anything or reports an error.
    """
    context = browser.new_context(offline=True, viewport={"width": 1280, "height": 900})
    page_ = context.new_page()
    wrong: list[str] = []
    page_.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page_.on("pageerror", lambda error: wrong.append(str(error)))
    page_.on("request", lambda request: None if request.url.startswith("file:") else wrong.append(request.url))

    def show(html: str) -> Any:
        (tmp_path / "page.html").write_text(html)
        page_.goto((tmp_path / "page.html").as_uri())
        page_.wait_for_function("document.querySelectorAll('.plot .main-svg').length")
        return page_

    yield show
    context.close()
    assert wrong == []


def seen(shown: Any, chart: int = 0) -> list[str]:
    """Return the groups that a chart shows."""
    script = f"document.getElementById('chart-{chart}').data.filter(t => t.visible !== false).map(t => t.legendgroup)"
    return sorted(set(shown.evaluate(script)))


def test_a_histogram_page_in_a_browser(opened: Any) -> None:
    """The page's controls work without a network.

    A click on a group hides it in every chart, the slider moves the densities, and a dark colour scheme changes the
    colours.
    """
    found = WeightsComparison.of("w", "bn", GROUPS, histograms())
    shown = opened(page(found.title, found.blocks()))
    assert seen(shown) == ["bn=before", "bn=none"]
    shown.get_by_role("button", name="bn=none").first.click()
    assert seen(shown) == seen(shown, 1) == ["bn=before"]
    shown.get_by_role("button", name="bn=none").last.press("Enter")
    assert seen(shown) == ["bn=before", "bn=none"]

    figure = densities_figure(GROUPS, histograms(), "w")
    shown.get_by_role("slider").fill("0")
    shown.wait_for_function(
        "y => document.getElementById('chart-0').data.at(-1).y[0] === y", arg=figure["frames"][0]["data"][-1]["y"][0]
    )
    assert shown.locator("output").inner_text() == "step 0"
    shown.get_by_role("button", name="play").click()
    shown.wait_for_function("document.querySelector('output').textContent === 'step 2'")

    ink = "document.getElementById('chart-0')._fullLayout.font.color"
    light = shown.evaluate(ink)
    shown.emulate_media(color_scheme="dark")
    shown.wait_for_function(f"light => {ink} !== light", arg=light)
    assert len(shown.pdf(format="A4")) > 20_000


def test_a_narrow_page(opened: Any) -> None:
    """At a width of 600 pixels the page does not scroll sideways; wide tables scroll on their own."""
    found = WeightsComparison.of("w", "bn", GROUPS, histograms())
    shown = opened(page(found.title, found.blocks()))
    shown.set_viewport_size({"width": 600, "height": 800})
    shown.wait_for_timeout(300)
    assert shown.evaluate("document.documentElement.scrollWidth") <= 600


def test_a_scalar_page_in_a_browser(opened: Any) -> None:
    """Single runs can be hidden and the axis can be made logarithmic; markup in names is text in the buttons."""
    members = [foreign(f"r{at}", {"x": f"{HOSTILE}{at % 2}"}, loss=[9.0, 1.0 + at]) for at in range(4)]
    found = compare(members, "loss", "x")
    shown = opened(page(found.title, found.blocks()))
    assert shown.locator("img").count() == 0
    assert HOSTILE.strip() in shown.locator("button[data-group]").first.inner_text()
    runs_seen = "document.getElementById('chart-0').data.filter(t => t.meta.role === 'run' && t.visible).length"
    assert shown.evaluate(runs_seen.replace("t.visible", "t.visible !== false")) == 4
    shown.get_by_role("button", name="single runs").click()
    assert shown.evaluate(runs_seen) == 0
    shown.get_by_role("button", name="log y").click()
    assert shown.evaluate("document.getElementById('chart-0')._fullLayout.yaxis.type") == "log"


def test_each_group_has_its_panel_whatever_its_name() -> None:
    """A group whose name has a character that is not printable has its curves in its panel."""
    named = [foreign(f"r{place}", {"o": ("x\ty", "z")[place % 2]}) for place in range(4)]
    panels = density_panels(groups_of(named, "o"), snapshots(histograms()), "t")
    assert all(len(panel["data"]) > 0 for row in panels for panel in row)
