"""Tests of the report: it describes real sweeps correctly, opens without a network and shows names as text."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from made import foreign, series, trial
from sweep_files import made_sweep

from hpdash import Options, cli, run_sweep
from hpdash.analysis.rows import value_of
from hpdash.errors import SpecError
from hpdash.reader import read
from hpdash.records import TrialState
from hpdash.runs import Logdir, Run
from hpdash.views.report import render_report
from hpdash.views.report.curves import MOST_LINES, MOST_STEPS, curves
from hpdash.views.report.origin import what_ran
from hpdash.views.report.parallel import NO_VALUE_Y, parallel
from hpdash.views.text import number

HOSTILE = '</script><img src=x onerror="alert(1)">'
OWN: dict[str, Any] = {
    "sweep": {"description": "is <b>bold</b>"},
    "train": {"epochs": 3},
    "hparams": {
        "does": ["learn", "raise", HOSTILE],
        "width": [1, 2],
        "depth": {"values": [3], "when": {"does": "learn"}},
    },
}
SECOND: dict[str, Any] = {"sweep": {"repeats": 2}, "hparams": {"width": [1, 2]}}
LOOPS = """
import numpy as np

def behave(trial):
    for epoch in range(trial.epochs + 1):
        weights = np.random.default_rng(trial.seed).normal(size=64) * (1 + epoch)
        trial.histogram("hidden_1/kernel", weights, epoch)
        trial.histogram("hidden_1/bias", weights, epoch)
        if epoch and trial.hparams.get("does") == "raise":
            raise ValueError("no <i>such</i> width")
        if epoch:
            trial.report(epoch, loss=1 / epoch, validation_accuracy=0.1 * epoch + 0.05 * trial.hparams["width"])
"""


class Page(HTMLParser):
    """A page as a browser sees it: its elements with their attributes, and its text outside scripts and styles."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._raw = False
        self.feed(html)
        self.text = "".join(self.texts)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Record an element."""
        self.elements.append((tag, dict(attrs)))
        self._raw = tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        """Record the end of a script or style."""
        self._raw = False

    def handle_data(self, data: str) -> None:
        """Record text outside scripts and styles."""
        if not self._raw:
            self.texts.append(data)


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run two real sweeps; return their logdir. The first has failing trials and names that look like markup."""
    folder = tmp_path_factory.mktemp("sweeps")
    for name, tables in {"own": OWN, "second": SECOND}.items():
        path = made_sweep(folder, name=name, loop="loops:behave", source=LOOPS, **tables)
        path.write_text(f"# what it is about\n{path.read_text()}")
        run_sweep(path, folder / "logs", Options(workers=1))
    return folder / "logs"


@pytest.fixture(scope="module")
def found(logs: Path) -> Logdir:
    """Return what the reader finds in the logs."""
    return read(logs)


@pytest.fixture(scope="module")
def html(found: Logdir) -> str:
    """Return the report on both sweeps."""
    return render_report(replace(found, warnings=("a <b>torn</b> tail",)), command="hpdash report 'a<b'")


def many(count: int, epochs: int = 50) -> list[Run]:
    """Make trials of a sweep over a range and a choice: one in ten failed, one in two has no momentum."""
    random, steps = np.random.default_rng(0), np.arange(1, epochs + 1)
    runs = []
    for at in range(count):
        accuracies = (1 - np.exp(-steps / 9)) * random.uniform(0.5, 0.9) + random.normal(0, 0.01, epochs)
        hparams = {"rate": float(10 ** random.uniform(-4, -1)), "kind": "abc"[at % 3]}
        made = trial(
            at, *accuracies, status=TrialState.FAILED if at % 10 == 9 else TrialState.FINISHED,
            hparams=hparams | ({"momentum": float(random.random())} if at % 2 else {}),
            swept=("rate", "kind", "momentum"),
        )  # fmt: skip
        losses = {"epoch_loss": series(*(1 - accuracies)), "validation/epoch_loss": series(*(1.1 - accuracies))}
        runs.append(replace(made, scalars={**made.scalars, "epoch_accuracy": series(*accuracies), **losses}))
    return runs


def test_nothing_is_loaded(html: str) -> None:
    """No element and no style refers to anything outside the page."""
    for tag, attributes in Page(html).elements:
        assert tag not in ("link", "iframe", "img", "object", "embed", "base")
        assert not attributes.keys() & {"src", "srcset", "data", "action"}
        assert (attributes.get("href") or "#").startswith("#")
    styles = html[: html.index("<body>")] + html[html.index("<style>", html.index("<body>")) :].partition("</style>")[0]
    assert "url(" not in styles
    assert "@import" not in styles


def test_names_are_shown_literally(html: str) -> None:
    """Names from users and files are text: they create no elements and appear exactly as written."""
    page = Page(html)
    assert {tag for tag, _ in page.elements} & {"img", "b", "i"} == set()
    for text in (HOSTILE, "is <b>bold</b>", "no <i>such</i> width", "a <b>torn</b> tail", "hpdash report 'a<b'"):
        assert text in page.text
    assert html.count("</script>") == sum(tag == "script" for tag, _ in page.elements)


def test_it_tells_what_was_run(html: str) -> None:
    """The report has the sweep file, versions, data and seeds, and shows caveats with the results."""
    text = Page(html).text
    assert "# what it is about" in text
    assert "synthetic, validation 20" in text
    assert "tensorflow 2." in text
    assert "synthetic data" in text
    assert "hpdash report 'a<b'" in text


def test_its_numbers_are_the_runs(found: Logdir, html: str) -> None:
    """Every trial is in the report with the best and the last value that `ls` and `export` show."""
    rows = html.split("<tr>")
    for run in found.runs:
        [row] = [row for row in rows if f"<td>{run.id}</td>" in row]
        for name in ("best", "last"):
            value = value_of(run, name)
            assert value is None or f">{number(float(value))}<" in row
        assert f">{run.status}<" in row


def test_failures_have_their_reasons(html: str) -> None:
    """Trials that failed for the same reason are listed together, with one traceback."""
    text = Page(html).text
    assert "failed trials 0002, 0003" in text
    assert text.count("Traceback (most recent call last)") == 1
    assert "failed or diverged2" in text


def test_replicates_are_folded(html: str) -> None:
    """The leaderboard has one row per setting, with mean and deviation; the table of all trials has every seed."""
    chapter = Page(html[html.index('id="sweep-1"') :]).text
    assert "0002, 0003" in chapter
    assert "± " in chapter
    assert all(f"second/{at:04d}" in chapter for at in range(4))


def test_a_sweep_alone_is_the_title(found: Logdir) -> None:
    """A condition selects the runs. If one sweep is left, its name is the title and there is no list of contents."""
    page = Page(render_report(found, where="sweep = second"))
    assert "<h1>second</h1>" in render_report(found, where="sweep = second")
    assert "own" not in page.text
    assert not any(tag == "a" for tag, _ in page.elements)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param({"by": "widht"}, "'width'", id="by"),
        pytest.param({"where": "widht = 1"}, "'width'", id="where"),
        pytest.param({"where": "width = 77"}, "--where: .*found no matching run", id="nothing-left"),
    ],
)
def test_bad_options_are_told(found: Logdir, options: dict[str, str], expected: str) -> None:
    """An unknown name, or a condition that no run matches, is an error that says what to do next."""
    with pytest.raises(SpecError, match=expected):
        render_report(found, **options)


@pytest.mark.parametrize(("hparams", "said"), [({}, "1 setting that"), ({"z": 1}, "2 settings that")])
def test_shared_settings_are_counted(hparams: dict[str, Any], said: str) -> None:
    """The settings that all trials share are counted, in the singular if there is one."""
    runs = [replace(trial(n), hparams={"x": n, "y": "a", **hparams}) for n in range(2)]
    assert f"{said} all trials share" in Page(what_ran(runs)).text


def test_an_empty_logdir_has_no_report(tmp_path: Path) -> None:
    """A report on a logdir without runs is refused."""
    with pytest.raises(SpecError, match="found none"):
        render_report(Logdir(tmp_path, ()))


@pytest.mark.parametrize(
    "runs",
    [
        pytest.param([trial(0)], id="no-metric"),
        pytest.param([trial(0, 0.5)], id="one"),
        pytest.param(
            [trial(0, 0.5, status=TrialState.FAILED), trial(1, np.nan, status=TrialState.DIVERGED)], id="none-finished"
        ),
        pytest.param([trial(0, 0.5, status=TrialState.RUNNING), trial(1, 0.5)], id="running"),
        pytest.param([trial(n, 0.5) for n in range(14)], id="all-alike"),
        pytest.param(
            [trial(n, 0.5, hparams={"time": "noon", "best": "x" * n}, swept=("time", "best")) for n in range(3)],
            id="names-of-results",
        ),
        pytest.param([foreign("a", {"lr": 0.1}, loss=[1.0, 0.5]), foreign("b", {}, loss=[2.0])], id="foreign"),
        pytest.param([foreign("a", {"lr": 0.1}), foreign("b")], id="foreign-without-scalars"),
    ],
)
def test_whatever_there_is_has_a_report(runs: list[Run]) -> None:
    """Any logdir with runs has a report that names them.

    This includes one trial, no finished trial, no metric, and logs that hpdash did not write.
    """
    text = Page(render_report(Logdir(Path("logs"), tuple(runs)))).text
    assert all(run.id in text for run in runs)


def test_100_trials_are_less_than_8_megabytes() -> None:
    """A report on 100 trials of 1000 epochs with three hyperparameters is below 8 MB and contains plotly once."""
    html = render_report(Logdir(Path("logs"), tuple(many(100, 1000))))
    assert len(html.encode()) < 8e6
    assert html.count("* plotly.js v") == 1


def test_thousands_of_trials_are_less_than_8_megabytes() -> None:
    """A report on 5,000 trials draws the lines of the best ones, and means of all; every trial is in the table."""
    runs = many(5000, 30)
    html = render_report(Logdir(Path("logs"), tuple(runs)))
    assert len(html.encode()) < 8e6
    assert "of all 5,000 trials" in html
    assert all(f"<td>{run.id}</td>" in html for run in runs)
    [*_, chart] = curves(runs, runs[0].objective, None)  # type: ignore[arg-type]
    roles = Counter(trace["meta"]["role"] for trace in chart.figure["data"])  # type: ignore[union-attr]
    assert roles["run"] == MOST_LINES
    assert roles["band"] > 1


def test_long_curves_keep_their_ends() -> None:
    """A curve with too many points is thinned to MOST_STEPS points and keeps its first and last step."""
    [*_, chart] = curves(many(4, 5000), many(1)[0].objective, None)  # type: ignore[arg-type]
    lines = [trace["x"] for trace in chart.figure["data"] if trace["mode"] == "lines" and "fill" not in trace]  # type: ignore[union-attr]
    assert all((line[0], line[-1], len(line)) == (1, 5000, MOST_STEPS) for line in lines)


def test_parallel_coordinates_drop_no_trial() -> None:
    """Every trial is a line. A trial without a hyperparameter or a result goes through the dash of that axis."""
    runs = many(40)
    page = Page(parallel(runs, ["rate", "kind", "momentum"], runs[0].objective))  # type: ignore[arg-type]
    lines = {(attributes.get("class"), attributes["d"]) for tag, attributes in page.elements if tag == "path"}
    assert len(lines) == 40
    unfinished = [path for kind, path in lines if kind == "unfinished"]
    assert len(unfinished) == 4
    assert all(path is not None and path.endswith(f",{NO_VALUE_Y:.1f}") for path in unfinished)
    assert sum(f",{NO_VALUE_Y:.1f}S" in str(path) for _, path in lines) == 20


def test_the_command_writes_it(logs: Path, tmp_path: Path) -> None:
    """`hpdash report` writes the file and prints its size; `hpdash effects` prints both sweeps."""
    written = CliRunner().invoke(cli.main, ["report", str(logs), "-o", str(tmp_path / "r.html"), "--by", "width"])
    assert (written.exit_code, written.stderr) == (0, "")
    assert f"{tmp_path / 'r.html'}: " in written.stdout
    assert Page((tmp_path / "r.html").read_text()).text.index("epoch_accuracy by width") > 0
    shown = CliRunner().invoke(cli.main, ["effects", str(logs)])
    assert shown.exit_code == 0
    assert "own: best validation/accuracy, 4 of 6 trials finished" in shown.stdout
    assert "No importance: 4 finished trials are too few; 12 " in shown.stdout
    told = json.loads(CliRunner().invoke(cli.main, ["effects", str(logs), "--json"]).stdout)
    assert [sweep["sweep"] for sweep in told["sweeps"]] == ["own", "second"]


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 600)])
def test_page_opens_offline(browser: Any, html: str, tmp_path: Path, scheme: str, width: int) -> None:
    """Without a network every chart is drawn and nothing is cut off. The page requests nothing and reports no error."""
    (tmp_path / "report.html").write_text(html)
    context = browser.new_context(offline=True, color_scheme=scheme, viewport={"width": width, "height": 900})
    page = context.new_page()
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(message.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda request: wrong.append(request.url) if not request.url.startswith("file:") else None)
    page.goto((tmp_path / "report.html").as_uri())
    assert page.locator(".plot").count() == page.locator(".plot .main-svg.plot-container, .plot .svg-container").count()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(255, 255, 255)") == (scheme == "light")
    page.pdf(path=tmp_path / "report.pdf")
    assert wrong == []
    context.close()


def test_page_answers(browser: Any, html: str, tmp_path: Path) -> None:
    """Choosing a hyperparameter shows only its curves; a click on a column sorts the trials by it."""
    (tmp_path / "report.html").write_text(html)
    page = browser.new_page()
    page.goto((tmp_path / "report.html").as_uri())
    captions = page.locator("figure:not([hidden]) figcaption", has_text=" by ")
    assert captions.first.inner_text() == "epoch_accuracy by does"
    page.locator(".choice select").first.select_option("width")
    assert captions.first.inner_text() == "epoch_accuracy by width"
    assert page.locator("figure:not([hidden]) .plot").first.bounding_box()["width"] > 500
    page.locator("summary", has_text="All 6 trials").click()
    table = page.locator(".sortable").first
    best = table.locator("th", has_text="best")
    for _ in range(2):
        best.click()
    shown = [float(text) for text in table.locator("td.number:nth-child(7)").all_inner_texts() if text != "—"]
    assert shown == sorted(shown, reverse=True)
    assert table.locator("tr").last.locator("td").nth(5).inner_text() == "failed"
    page.close()
