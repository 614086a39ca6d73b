"""Tests of `compare`: how it finds the tag, what it draws and says, and the four formats that it saves."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from made import foreign
from rich.console import Console

from hpdash import cli
from hpdash.errors import LogdirError, SpecError
from hpdash.histograms.distances import wasserstein
from hpdash.histograms.histogram import Histogram
from hpdash.logs.writer import RunWriter
from hpdash.runs import Damage, HistogramSeries, Run
from hpdash.views.comparison import Comparison, WeightsComparison, compare, file_format, groups_of
from hpdash.views.text import json_text

HOSTILE = "[/b]\x1b[31m\n<img src=x onerror=alert(1)></script><!--"


def runs(count: int = 4) -> list[Run]:
    """Make runs that alternate between two values of `bn`; each run is a tenth better than the last."""
    return [
        foreign(
            f"r{place}",
            {"bn": ("none", "before")[place % 2], "width": 10 * place},
            epoch_loss=[3.0, 2.0 - place / 10],
            epoch_accuracy=[0.1, 0.5 + place / 10, 0.4 + place / 10],
            validation__epoch_accuracy=[0.2, 0.3, 0.3 + place / 10],
        )
        for place in range(count)
    ]


def weights(steps: Sequence[int], shift: float = 0.0, scale: float = 1.0) -> HistogramSeries:
    """Make histograms of a bell curve that widens with the steps."""
    grid = np.linspace(-3, 3, 61)
    counts = np.round(1000 * np.exp(-(((grid[:-1] + grid[1:]) / 2) ** 2) / 2))
    made = [Histogram(grid * scale * (1 + step / 10) + shift, counts) for step in steps]
    return HistogramSeries(np.array(steps, np.int64), tuple(made))


def of(
    series: Mapping[str, HistogramSeries], by: str | None = "bn", members: Sequence[Run] = (), **more: Any
) -> WeightsComparison:
    """Compare histograms of hand-made runs."""
    members = members or [run for run in runs(len(series)) if run.name in series]
    return WeightsComparison.of("hidden_2/kernel", by, groups_of(members, by), series, **more)


def four(steps: Sequence[int] = (0, 1, 2)) -> dict[str, HistogramSeries]:
    """Make the histograms of four runs: the two without batch normalization are 1 apart, the two with it .2."""
    return {f"r{place}": weights(steps, (0.0, 0.0, 1.0, 0.2)[place]) for place in range(4)}


def console(width: int, terminal: bool = True) -> Console:
    """Make a console of this width, as a terminal with colours or as a pipe."""
    system: Any = "truecolor" if terminal else None
    return Console(file=StringIO(), width=width, force_terminal=terminal, color_system=system, markup=False)


def text_of(found: Comparison, width: int = 100, terminal: bool = False) -> str:
    """Draw a comparison; return the text."""
    screen = console(width, terminal)
    screen.print(found.render(screen))
    assert isinstance(screen.file, StringIO)
    return screen.file.getvalue()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("epoch_accuracy", ("epoch_accuracy", "validation/epoch_accuracy"), id="both-parts"),
        pytest.param("accuracy", ("epoch_accuracy", "validation/epoch_accuracy"), id="short"),
        pytest.param("validation/accuracy", ("validation/epoch_accuracy",), id="validation-alone"),
        pytest.param("loss", ("epoch_loss",), id="training-alone"),
    ],
)
def test_which_scalar_is_meant(name: str, expected: tuple[str, ...]) -> None:
    """A short name means the epoch's scalar. A name without `validation/` means both training and validation."""
    found = compare(runs(), name, "bn").to_json()
    assert tuple(found["groups"][0]["tags"]) == expected


@pytest.mark.parametrize(
    ("tag", "by", "words"),
    [
        pytest.param("acuracy", None, ["--tag", "acuracy", "epoch_accuracy"], id="typing-error"),
        pytest.param("LOSS", None, ["There is epoch_loss"], id="part-of-a-name"),
        pytest.param("zzz", None, ["epoch_accuracy, epoch_loss, validation/epoch_accuracy"], id="nothing-near"),
        pytest.param("accuracy", "bnn", ["--by", "bnn", "'bn'"], id="unknown-hyperparameter"),
    ],
)
def test_unknown_names(tag: str, by: str | None, words: list[str]) -> None:
    """A tag or a hyperparameter that no run has is refused, and the error lists similar names."""
    with pytest.raises(SpecError) as error:
        compare(runs(), tag, by)
    assert all(word in str(error.value) for word in words)


@pytest.mark.parametrize("chosen", [[], [foreign("empty")]], ids=["no-runs", "runs-without-tags"])
def test_nothing_to_compare(chosen: list[Run]) -> None:
    """If no run was chosen, or no run has a tag, the error says so."""
    with pytest.raises(SpecError, match="No run"):
        compare(chosen, "accuracy")


def test_last_and_best_values() -> None:
    """A group's numbers are the means and standard deviations of the last and best values of its runs."""
    found = compare(runs(), "accuracy", "bn").to_json()
    none = {group["group"]: group for group in found["groups"]}["bn=none"]
    assert none["runs"] == ["r0", "r2"]
    training = none["tags"]["epoch_accuracy"]
    assert training["last"] == {"mean": pytest.approx(0.5), "std": pytest.approx(0.02**0.5), "n": 2}
    assert training["best"]["mean"] == pytest.approx(0.6)
    assert (training["best"]["first_step"], training["best"]["last_step"]) == (2, 2)
    assert training["curve"]["low"] == pytest.approx([0.1, 0.5, 0.4])
    assert "0.5000 ± 0.1414" in text_of(compare(runs(), "accuracy", "bn"))
    assert "step 2" in text_of(compare(runs(), "accuracy", "bn", step=2))


def test_the_best_of_a_loss_is_the_least() -> None:
    """The best value of a loss is the lowest one."""
    found = compare(runs(), "loss", "bn").to_json()
    assert found["goal"] == "min"
    assert found["groups"][0]["tags"]["epoch_loss"]["best"]["mean"] == pytest.approx(1.8)


@pytest.mark.parametrize("width", [80, 160])
@pytest.mark.parametrize("by", ["bn", "width", None])
def test_a_terminal_is_never_too_narrow(width: int, by: str | None) -> None:
    """Every comparison fits the terminal's width, in colours."""
    members = runs(8)
    series = {f"r{place}": weights(range(30), place / 10) for place in range(8)}
    for found in (compare(members, "accuracy", by), of(series, by, members), of(series, by, members, over_steps=True)):
        drawing = text_of(found, width, terminal=True)
        assert "\x1b[" in drawing
        assert max(len(line) for line in re.sub(r"\x1b\[[\d;]*m", "", drawing).splitlines()) <= width


def test_curves_in_a_pipe() -> None:
    """Without colours, every group has its own chart under its name, and all charts have the same axes."""
    drawing = text_of(compare(runs(), "accuracy", "bn"), width=1000)
    assert "\x1b" not in drawing
    charts = re.split(r"^bn=\w+$", drawing, flags=re.MULTILINE)[1:]
    axes = [re.findall(r"^ *([\d.]+) ┤", chart, flags=re.MULTILINE) for chart in charts]
    assert len(axes) == 2
    assert axes[0] == axes[1] != []


def test_distributions_share_axis_and_height() -> None:
    """A group that is twice as wide is drawn twice as wide. The first and the last step are next to each other."""
    series = {f"r{place}": weights([0, 5], scale=(1.0, 2.0)[place % 2]) for place in range(4)}
    lines = text_of(of(series)).splitlines()
    assert "step 0" in lines[1]
    assert "step 5" in lines[1]
    widths = {}
    for line in lines:
        if match := re.match(r"■ (bn=\w+) +([▁-█ ]+)$", line):
            widths[match[1]] = [len(cell) for cell in re.findall(r"[▁-█]+", match[2])]
    assert [
        wide / narrow for wide, narrow in zip(widths["bn=before"], widths["bn=none"], strict=True)
    ] == pytest.approx([2, 2], rel=0.25)


def test_an_outlier_does_not_ruin_the_axis() -> None:
    """One run with one distant weight does not change the axis; the text gives the share of values outside it."""
    grid = np.append(np.linspace(-3, 3, 61), 1e6)
    far = Histogram(grid, np.append(np.full(60, 1000.0), 1.0))
    series = {name: weights([1]) for name in ("r0", "r1", "r2")} | {"r3": HistogramSeries(np.array([1]), (far,))}
    drawing = text_of(of(series))
    assert "lie outside it" in drawing
    axis = next(line for line in drawing.splitlines() if re.fullmatch(r"[\s\d.-]+", line) and "-2" in line)
    assert max(abs(float(label)) for label in axis.split()) < 10


def test_over_steps() -> None:
    """With over_steps there is one row per step. A long run is thinned evenly, and the text says so."""
    drawing = text_of(of(four(), over_steps=True))
    assert [step for step in range(3) if f"step {step}  " in drawing] == [0, 1, 2]
    long = text_of(of(four(range(100)), over_steps=True))
    assert "24 of 100 steps" in long
    assert "step 99" in long


def test_statistics() -> None:
    """Statistics are those of each run's histogram and of the group's mean.

    Distances are those to the start and to the reference group.
    """
    series = four()
    found = of(series).to_json()
    assert found["reference"] == "bn=none"
    last = {(row["group"], row["run"]): row for row in found["statistics"] if row["moment"] == "step 2"}
    assert set(last) == {("bn=before", None), ("bn=none", None)} | {
        (f"bn={('none', 'before')[place % 2]}", f"r{place}") for place in range(4)
    }
    run = last["bn=none", "r2"]
    start, *_, end = series["r2"].histograms
    assert run["mean"] == pytest.approx(end.mean)
    assert run["p99"] == pytest.approx(end.quantile(0.99))
    assert run["from start"] == pytest.approx(wasserstein(start, end))
    assert last["bn=none", None]["W1 to ref"] == 0
    assert last["bn=none", None]["mean"] == pytest.approx(0.5)
    assert last["bn=before", None]["from start"] > 0


def test_the_answer() -> None:
    """The answer says that runs .2 apart are more alike than runs 1 apart. It gives both numbers and their ratio."""
    (answer,) = of(four()).conclusions
    assert "more alike" in answer
    assert "0.2 against 1" in answer
    assert answer in text_of(of(four()), width=1000)
    assert of(four(), by=None).conclusions == []


def test_one_step_of_many() -> None:
    """A requested step is shown alone.

    A step that the runs do not share is refused, and the error names the nearest.
    """
    assert [moment.step for moment in of(four(), step=1).shown] == [1]
    with pytest.raises(SpecError, match=r"one of the 3 steps.* The nearest is 2"):
        of(four(), step=7)


def test_runs_without_a_common_step() -> None:
    """Runs that share no step are compared at their first and last steps, and the text says so."""
    series = {"r0": weights([0, 2]), "r1": weights([1, 3]), "r2": weights([]), "r3": weights([5])}
    found = of(series)
    assert [moment.label for moment in found.shown] == ["first", "last"]
    assert "no step in common" in text_of(found)
    assert {run.name for run in found.runs} == {"r0", "r1", "r3"}
    with pytest.raises(SpecError, match="--step"):
        of(series, step=1)
    with pytest.raises(SpecError, match="at least one step"):
        of({"r0": weights([])})


def test_histograms_of_nothing() -> None:
    """Weights that are all NaN have NaN statistics and cause no error."""
    series = four() | {"r1": HistogramSeries(np.arange(3), tuple(Histogram.of(np.full(5, np.nan)) for _ in range(3)))}
    found = of(series)
    assert "NaN" in json_text(found.to_json())
    assert text_of(found)
    assert found.panels()
    assert found.blocks()


def saved(found: Comparison, path: Path) -> bytes:
    """Save a comparison; return the file's bytes."""
    found.save(path)
    return path.read_bytes()


def test_csv_has_every_number(tmp_path: Path) -> None:
    """The CSV of a scalar has each run's exact value at each step.

    The CSV of weights has each statistic and distance.
    """
    members = runs()
    rows = list(csv.DictReader(StringIO(saved(compare(members, "accuracy", "bn"), tmp_path / "a.csv").decode())))
    for run in members:
        for tag in ("epoch_accuracy", "validation/epoch_accuracy"):
            own = [row for row in rows if row["run"] == run.name and row["tag"] == tag]
            assert [float(row["value"]) for row in own] == run.scalars[tag].values.tolist()
            assert {row["group"] for row in own} == {f"bn={run.hparams['bn']}"}
    found = list(csv.DictReader(StringIO(saved(of(four()), tmp_path / "w.CSV").decode())))
    assert {row["statistic"] for row in found} >= {"mean", "p99", "non-finite", "spread", "change / std"}
    spread = [row for row in found if row["statistic"] == "spread" and row["group"] == "bn=none"]
    assert [float(row["value"]) for row in spread] == pytest.approx([1.0, 1.0, 1.0])


@pytest.mark.parametrize(
    "found", [compare(runs(), "accuracy", "bn"), of(four()), of(four(), None)], ids=["scalar", "histogram", "by-run"]
)
def test_pictures(tmp_path: Path, found: Comparison) -> None:
    """A PNG has a sensible size. An SVG has the names as text and is the same each time."""
    pytest.importorskip("matplotlib")
    picture = saved(found, tmp_path / "x.png")
    assert picture.startswith(b"\x89PNG")
    width, height = (int.from_bytes(picture[at : at + 4]) for at in (16, 20))
    assert 1000 < width < 2000
    assert 500 < height < 3000
    svg = saved(found, tmp_path / "x.svg").decode()
    assert all(group.label in svg for group in found.groups)
    assert saved(found, tmp_path / "y.svg").decode() == svg


@pytest.mark.parametrize("name", ["x", "x.pdf", ".html", "x.html.gz"])
def test_other_endings(name: str) -> None:
    """A file name with none of the four endings is refused, and the error lists them."""
    with pytest.raises(SpecError, match=r"-o: expected a name ending in \.html, \.png, \.svg or \.csv"):
        file_format(Path(name))


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    """Saving to a folder that does not exist is an error that names the folder."""
    with pytest.raises(LogdirError, match="nowhere"):
        compare(runs(), "accuracy").save(tmp_path / "nowhere" / "x.csv")


def test_without_matplotlib() -> None:
    """Without matplotlib, saving a picture is refused, and the error gives the command that installs the extra."""
    program = (
        "import sys; sys.modules['matplotlib'] = None; "
        "from hpdash.views.web.figures import picture; picture('t', [], [], [], 'png')"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert 'pip install "hpdash[figures]"' in ended.stderr
    assert "SpecError" in ended.stderr


def hostile() -> list[Run]:
    """Make runs whose names are markup."""
    return [
        foreign(f"{HOSTILE}{place}", {HOSTILE: f"{HOSTILE}{place}"}, **{HOSTILE: [0.1, 0.2 + place]})
        for place in range(2)
    ]


def test_names_are_shown_literally(tmp_path: Path) -> None:
    """Markup in names, values and tags is shown as text in the terminal, the page, the pictures and the notebook."""
    found = compare(hostile(), HOSTILE, HOSTILE)
    for terminal in (True, False):
        drawing = text_of(found, 900, terminal)
        assert r"[/b]\x1b[31m\n<img" in drawing
        assert "\x1b[31m\n<img" not in drawing
    page = saved(found, tmp_path / "x.html").decode()
    assert "<img" not in page
    assert page.count("<!--") == 0 or "<!--" not in page.split("</style>")[1].split("<script>")[0]
    assert len(re.findall("</script", page.rsplit('id="figures"', maxsplit=1)[1])) == 2
    assert "<img" not in found._repr_html_()
    pytest.importorskip("matplotlib")
    assert b"<img" not in saved(found, tmp_path / "x.svg")
    assert saved(found, tmp_path / "x.png")


@pytest.mark.parametrize("found", [compare(runs(), "accuracy", "bn"), of(four())], ids=["scalar", "histogram"])
def test_a_notebook_shows_a_picture(found: Comparison) -> None:
    """In a notebook, a comparison is an SVG of less than 100 kB, without a script or an address."""
    html = found._repr_html_()
    assert html.count("<svg") == html.count("</svg>") == len([panel for row in found.panels() for panel in row])
    assert len(html) < 100_000
    assert "<script" not in html
    assert "http" not in html
    assert "nan" not in html.lower()
    assert all(sentence.replace("<", "&lt;") in html for sentence in found.conclusions)


def test_json_is_json() -> None:
    """The output of --json can be parsed for every comparison."""
    for found in (compare(runs(), "accuracy", "bn"), compare(runs(), "loss"), of(four()), of(four(), None)):
        assert json.loads(json_text(found.to_json()))["tag"] == found.tag


def test_damage_is_told() -> None:
    """The comparison warns about histograms that could not be read."""
    found = of(four(), damage=[Damage(Path("events"), 12, "edges that decrease")])
    assert found.warnings == ["events, byte 12: edges that decrease"]
    assert compare(runs(), "accuracy").warnings == []


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write two runs with scalars and histograms to the disk; return the folder."""
    folder = tmp_path_factory.mktemp("logs")
    random = np.random.default_rng(0)
    for place in range(2):
        writer = RunWriter(folder / f"run{place}")
        for step in range(1, 4):
            writer.scalar("epoch_accuracy", step / 10, step)
            writer.scalar("epoch_accuracy", step / 10 + place / 100, step, validation=True)
            writer.histogram("dense/kernel", Histogram.of(random.normal(0, 1 + place, 500)), step)
        writer.close()
    return folder


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        pytest.param(["--tag", "accuracy"], 0, ["epoch_accuracy by run", "run1", "0.3100"], id="scalar"),
        pytest.param(["--tag", "dense/kernel"], 0, ["step 1", "step 3", "W1 to ref"], id="histogram"),
        pytest.param(["--tag", "dense/kernel", "--over-steps"], 0, ["step 2"], id="over-steps"),
        pytest.param(["--tag", "dense/kernel", "--step", "2"], 0, ["step 2"], id="step"),
        pytest.param(["--tag", "accuracy", "--where", "run=run1"], 0, ["run1"], id="where"),
        pytest.param(["--tag", "accuracy", "--json"], 0, ['"kind": "scalar"'], id="json"),
        pytest.param(["--tag", "acuracy"], 2, ["epoch_accuracy"], id="unknown-tag"),
        pytest.param(["--tag", "accuracy", "-o", "x.pdf"], 2, [".html, .png, .svg or .csv"], id="ending"),
        pytest.param([], 2, ["--tag"], id="no-tag"),
    ],
)
def test_the_command(
    logs: Path, options: list[str], code: int, words: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The command reads a logdir and prints the comparison; an invalid request exits with 2."""
    monkeypatch.setenv("HPDASH_CACHE", str(tmp_path))
    result = CliRunner().invoke(cli.main, ["compare", str(logs), *options])
    assert result.exit_code == code, result.output
    assert all(word in result.output for word in words)


def test_the_command_saves(logs: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With -o the command writes a file and prints nothing."""
    monkeypatch.setenv("HPDASH_CACHE", str(tmp_path))
    file = tmp_path / "x.html"
    result = CliRunner().invoke(cli.main, ["compare", str(logs), "--tag", "dense/kernel", "-o", str(file)])
    assert (result.exit_code, result.output) == (0, "")
    assert b"Plotly.newPlot" in file.read_bytes()
