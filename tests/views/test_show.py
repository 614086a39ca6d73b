"""Tests of `hpdash show`: which run a name means, what a page says, and that its recipe trains the same trial."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made import foreign, series, trial
from rich.console import Console

from hpdash.errors import SpecError
from hpdash.facts import NOT_EXAMINED
from hpdash.histograms.histogram import Histogram
from hpdash.logs import layout
from hpdash.logs.outline import Layer
from hpdash.records import TrialSpec, TrialState
from hpdash.runs import Damage, HistogramSeries, Run
from hpdash.search import trials
from hpdash.spec import Sweep, parse_sweep
from hpdash.sweep_folder.recipe import recipe
from hpdash.sweep_folder.sweep_json import SweepRecord, record_of
from hpdash.views.statistics import BARS, sparkline, statistics
from hpdash.views.terminal.show import Page, draw, find
from hpdash.views.terminal.show_json import to_json
from hpdash.views.text import json_text

HOSTILE = "[/b]\x1b[31m<img>"
RUNS = [trial(0, 0.5, sweep="a"), trial(3, 0.5, sweep="a"), trial(3, 0.5, sweep="b"), foreign("lr=1/two words")]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("a/0003", "a/0003", id="id"),
        pytest.param("a/3", "a/0003", id="sweep-and-number"),
        pytest.param("0", "a/0000", id="number-that-one-has"),
        pytest.param("0000", "a/0000", id="padded-number"),
        pytest.param("b/0003-x=3", "b/0003", id="name"),
        pytest.param("b/0003-x=3/", "b/0003", id="name-as-a-shell-completes-it"),
        pytest.param("0000-x=0", "a/0000", id="folder-name"),
        pytest.param("lr=1/two words", "lr=1/two words", id="foreign"),
        pytest.param("two words", "lr=1/two words", id="foreign-folder"),
    ],
)
def test_a_run_is_found_by_what_names_it_alone(name: str, expected: str) -> None:
    """A run is found by its name, its id, its folder's name, or its number if no other run has that number."""
    assert find(RUNS, name).id == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("3", "one run, found 2 that match '3'. Use a/0003 or b/0003.", id="ambiguous"),
        pytest.param("a/0033", "found 'a/0033'. Did you mean a/0003", id="near"),
        pytest.param("", "found ''. For example: a/0000.", id="empty"),
        pytest.param("../../etc", "found '../../etc'. For example: a/0000.", id="path"),
    ],
)
def test_a_name_of_none_or_many_is_an_error_with_the_nearest(name: str, expected: str) -> None:
    """A name that matches no run, or more than one, is refused, and the error suggests valid names."""
    with pytest.raises(SpecError) as raised:
        find(RUNS, name)
    assert expected in str(raised.value)


def shown(page: Page, width: int = 200) -> str:
    """Draw a page without colours; return the text."""
    console = Console(file=StringIO(), width=width, force_terminal=True, color_system=None, markup=False, emoji=False)
    for part in draw(page):
        console.print(part)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


TOLD = trial(
    3, 0.5, 0.9, 0.7,
    status=TrialState.FAILED,
    attempt=2,
    result={
        "parameters": 44860, "trainable_parameters": 44800, "loss_function": "mse", "xla": True, "reused_graph": False,
        "weights_sha256": "ab" * 32, "error": "ValueError: [/b] no",
        "traceback": "Traceback (most recent call last):\n\tFile x\nValueError: [/b] no",
    },
    damage=(Damage(Path("events"), 1234, "checksum"),),
)  # fmt: skip
WEIGHTS = HistogramSeries(
    np.array([0, 20]), (Histogram.of(np.zeros(10)), Histogram.of(np.linspace(-1.0, 1.0, 100_000), 2000))
)


def test_a_page_tells_all_of_a_run() -> None:
    """The page has settings, metrics, weights, the error's full traceback, damage and the recipe."""
    text = shown(Page(TOLD, {"hidden_1/kernel": WEIGHTS}, "[data]\nname = 'x'\n"))
    for part in (
        "failed · attempt 2 · 3/4 epochs · 5.0s · seed 0",
        "validation/accuracy: 0.9000 at epoch 2, 0.7000 at the end",
        "44,860 parameters, 44,800 of them trainable",
        "loss function mse",
        "compiled with XLA; new graph",
        "ab" * 32,
        "x  3\ny  a",
        "epochs=4",
        "validation/epoch_accuracy  ▁█▄  0.5000  0.7000  0.9000   2",
        "hidden_1/kernel (10)\n     0  all 0\n    20",
        "Traceback (most recent call last):\n    File x\nValueError: [/b] no",
        "events, byte 1,234: checksum",
        "[data]\nname = 'x'",
    ):
        assert part in "\n".join(line.rstrip() for line in text.splitlines())


@pytest.mark.parametrize("width", [80, 160])
def test_a_page_fits_its_terminal(width: int) -> None:
    """No line is wider than the terminal."""
    page = Page(TOLD, {"hidden_1/kernel": WEIGHTS}, layers=[Layer("a" * 99, "Dense", "(None, 3)", 10**9, 0)])
    assert max(map(len, shown(page, width).splitlines())) <= width


def test_a_page_has_the_parameters_of_every_layer() -> None:
    """Each layer is listed with its trainable and fixed parameters, and the sums are last.

    Names are shown literally.
    """
    norm = Layer("batchnorm_1", "BatchNormalization", "(None, 300)", 600, 600)
    page = Page(
        TOLD, {}, layers=[Layer(HOSTILE, "Flatten", "", 0, 0), norm, Layer("out", "Dense", "(None, 3)", 903, 0)]
    )
    assert [line.split() for line in shown(page).partition("\nLayers\n")[2].splitlines()[:5]] == [
        ["layer", "kind", "output", "shape", "trainable", "not", "trainable"],
        [r"[/b]\x1b[31m<img>", "Flatten"],
        ["batchnorm_1", "BatchNormalization", "(None,", "300)", "600", "600"],
        ["out", "Dense", "(None,", "3)", "903"],
        ["all", "1,503", "600"],
    ]
    assert to_json(page)["layers"][1] == {
        "name": "batchnorm_1", "kind": "BatchNormalization", "shape": "(None, 300)", "trainable": 600, "fixed": 600,
    }  # fmt: skip


def test_a_page_of_a_foreign_run_tells_what_there_is() -> None:
    """The page of a run that hpdash did not write leaves out what was not logged."""
    text = shown(Page(foreign("f", {"units": 3}, epoch_loss=[2.0, 1.0]), {}))
    assert "last step" not in text
    assert "loss: 1.0000 at step 2, 1.0000 at the end" in text
    assert "None" not in text + shown(Page(foreign("empty"), {}))


def test_names_are_shown_literally() -> None:
    """Names from users and files are never read as markup or as escape sequences."""
    run = replace(foreign(HOSTILE, {HOSTILE: HOSTILE}), scalars={HOSTILE: series(1.0)})
    text = shown(Page(run, {HOSTILE: WEIGHTS}))
    assert "\x1b[31m" not in text
    assert text.count(r"[/b]\x1b[31m<img>") == 6


def test_statistics_are_those_of_the_values() -> None:
    """Moments, quantiles and the share near zero equal those of the values, within a bucket's width."""
    found = statistics(TOLD, "hidden_1/kernel", WEIGHTS, 1)
    expected = {
        "step": 20, "values": 100_000, "mean": 0.0, "std": 1 / math.sqrt(3), "min": -1.0, "max": 1.0, "p1": -0.98,
        "p50": 0.0, "p99": 0.98, "near_0": 0.001, "nonfinite": 0.0,
    }  # fmt: skip
    assert found == pytest.approx(expected, abs=1e-3)


def test_the_share_that_was_not_finite_is_the_logged_one() -> None:
    """The share of NaN or infinite values is read from its own series, at the histogram's step."""
    lost = replace(series(0.25, 0.5), steps=np.array([0, 20]))
    run = replace(TOLD, scalars={layout.nonfinite_tag("k"): lost})
    assert [statistics(run, "k", WEIGHTS, at)["nonfinite"] for at in (0, 1)] == [0.25, 0.5]
    assert "50.00% not finite" in shown(Page(run, {"k": WEIGHTS}))


@given(st.lists(st.floats(-1e300, 1e300) | st.just(math.nan) | st.just(math.inf), min_size=1, max_size=100))
def test_a_curve_is_drawn_in_blocks(values: list[float]) -> None:
    """A curve has at most the requested width, and only values that are not finite are blank."""
    drawn = sparkline(np.array(values), 20)
    assert len(drawn) == min(20, len(values))
    assert set(drawn) <= {*BARS, " "}
    assert (" " in drawn) <= (not np.isfinite(values).all())


def test_a_curve_goes_up_where_values_do() -> None:
    """The lowest value is the lowest block and the highest the highest.

    If there are more values than characters, they are averaged.
    """
    assert sparkline(np.arange(8.0)) == BARS
    assert sparkline(np.arange(800.0), 8) == BARS
    assert sparkline(np.array([1.0, math.nan, 1.0])) == "▁ ▁"


def test_json_has_all_of_it() -> None:
    """The JSON form has fields, settings, metrics, statistics, result, damage and recipe, in valid JSON numbers."""
    nan = replace(TOLD, scalars={**TOLD.scalars, "epoch_loss": series(1.0, math.nan)})
    data = json.loads(json_text(to_json(Page(nan, {"k": WEIGHTS}, "toml"))))
    assert (data["id"], data["status"], data["best"], data["epoch"]) == ("s/0003", "failed", 0.9, 2)
    assert data["metrics"]["epoch_loss"] == {"steps": 2, "first": 1.0, "last": "NaN", "best": 1.0, "best_step": 1}
    assert [each["step"] for each in data["weights"]["k"]] == [0, 20]
    assert data["result"]["traceback"].startswith("Traceback")
    assert data["damage"] == [{"file": "events", "offset": 1234, "reason": "checksum"}]
    assert data["recipe"] == "toml"


GRID = """
[sweep]
name = "all"
repeats = 2
seed = 5
objective = "loss"
[data]
name = "digits"
validation = 0.25
[model]
hidden = [32, 16]
kernel_initializer = { name = "random_normal", stddev = 0.5 }
[log]
histograms = 2
[hparams]
optimizer = ["sgd", "adam"]
momentum = { values = [0.0, 0.9], when = { optimizer = "sgd" } }
batch_size = { min = 16, max = 18 }
bias_initializer = ["zeros", { name = "constant", value = 0.25 }]
"""
LISTED = """
[data]
name = "synthetic"
[[trial]]
hidden = []
[[trial]]
hidden = [8, 8]
batchnorm = true
train = 100
"""
OWN = """
[data]
name = "module:data"
[model]
builder = "module:build"
depth = 3
[hparams]
units = [1, 2]
wide = [true, false]
ratio = { min = 0.5, max = 1.0, step = 0.5 }
label = { values = ["1", "odd \\u0022 name"], when = { wide = true } }
"""
RARELY = """
[data]
name = "digits"
[hparams]
leaky_slope = { values = [0.1], when = { activation = "leaky_relu" } }
"""


def logged(spec: TrialSpec, sweep: Sweep, kind: type[int] | type[float] = float) -> Run:
    """Return the run as it would be read from a trial's event files, where all whole numbers have one type."""
    whole = {name for name, value in spec.hparams.items() if type(value) in (int, float) and value == int(value)}
    hparams = {name: kind(value) if name in whole else value for name, value in spec.hparams.items()}
    names = tuple(hyperparameter.name for hyperparameter in sweep.hparams)
    return Run("r", Path("r"), hparams, sweep=sweep.name, number=spec.number, seed=spec.seed, swept=names)


def about_of(settings: dict[str, Any]) -> SweepRecord:
    """Return what the folder of a sweep with these settings would contain."""
    return SweepRecord(settings, 1, {}, "", known=NOT_EXAMINED)


@pytest.mark.parametrize("kind", [int, float])
@pytest.mark.parametrize("source", [GRID, LISTED, OWN, RARELY], ids=["grid", "listed", "own-code", "nothing-applies"])
def test_a_recipe_trains_the_same_trial(source: str, kind: type[int] | type[float]) -> None:
    """Every trial's recipe is a sweep file of one trial with equal settings, seed and objective.

    It therefore trains to the same bits.
    """
    sweep = parse_sweep(source, name="given", folder=Path())
    about = about_of(json.loads(json.dumps(sweep.to_json())))
    for spec in trials(sweep):
        text = recipe(logged(spec, sweep, kind), about)
        assert text is not None
        (again,) = trials(parse_sweep(text, name="again", folder=Path()))
        assert json.dumps(again.settings, sort_keys=True) == json.dumps(spec.settings, sort_keys=True)
        assert (again.seed, again.objective, again.goal) == (spec.seed, spec.objective, spec.goal)


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"name": "x", "objective": "loss", "goal": "min", "data": 3}, id="damaged"),
    ],
)
def test_without_its_sweep_a_run_has_no_recipe(settings: dict[str, Any]) -> None:
    """Settings that are not those of a sweep give no recipe, rather than a wrong one."""
    assert recipe(trial(0, 0.5), about_of(settings)) is None


def test_a_recipe_that_would_train_something_else_is_not_given() -> None:
    """If the logged hyperparameters cannot come from the sweep, there is no recipe."""
    sweep = parse_sweep(GRID, name="given", folder=Path())
    run = logged(trials(sweep)[0], sweep)
    odd = replace(run, hparams={**run.hparams, "activation": "no such"})
    assert recipe(odd, about_of(sweep.to_json())) is None


def test_a_sweeps_folder_is_read_or_is_nothing(tmp_path: Path) -> None:
    """The sweep's record is found from a run's folder, or from the sweep's folder if the run has none.

    A damaged record counts as none.
    """
    run = replace(trial(0, 0.5), folder=tmp_path / "0000-x=0")
    assert record_of(run) is None
    (tmp_path / layout.SWEEP_JSON).write_text(
        '{"name": "s-2", "settings": {"name": "s", "seed": 1}, "trials": 8, "versions": {"keras": "3"}}'
    )
    (tmp_path / layout.SWEEP_TOML).write_text("# as given")
    for folder in (tmp_path / "0000-x=0", tmp_path):
        found = record_of(replace(run, folder=folder))
        assert found is not None
        assert (found.settings, found.trials, found.versions, found.source) == (
            {"name": "s-2", "seed": 1}, 8, {"keras": "3"}, "# as given",
        )  # fmt: skip
    assert record_of(replace(run, sweep=None)) is None
    for damaged in ("", "[]", "{}", '{"settings": 3, "trials": 8, "versions": {}}', "[" * 100_000):
        (tmp_path / layout.SWEEP_JSON).write_text(damaged)
        assert record_of(run) is None
