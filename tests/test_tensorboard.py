"""Tests of what a real TensorBoard shows of real sweeps: over HTTP with both of its loaders, and in Chromium."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pytest
from boards import Board
from sweep_files import made_sweep

from hpdash import Options, Outcome, run_sweep
from hpdash.histograms.histogram import Histogram
from hpdash.logs import hparams_record, layout
from hpdash.logs.writer import RunWriter

MODEL = {"data": {"name": "digits"}, "model": {"hidden": [8]}}
GRID: dict[str, Any] = {
    "sweep": {"repeats": 2},
    "train": {"epochs": 3},
    "hparams": {"kernel_initializer": ["glorot_uniform", "zeros"], "batchnorm": ["none", "before"]},
}
RANDOM: dict[str, Any] = {
    "sweep": {"strategy": "random", "trials": 4, "seed": 3},
    "hparams": {
        "optimizer": ["sgd", "adam"],
        "learning_rate": {"min": 1e-4, "max": 1e-1, "scale": "log"},
        "momentum": {"min": 0.0, "max": 0.9, "when": {"optimizer": "sgd"}},
    },
}
LISTED = [
    {"broken": False, "learning_rate": 0.1},
    {"broken": True, "learning_rate": 0.1},
    {"broken": False, "learning_rate": 1e9},
]
LOOPS = """
def learn(trial):
    if trial.hparams["broken"]:
        raise RuntimeError("no such net")
    for epoch in range(1, trial.epochs + 1):
        loss = float("nan") if trial.hparams["learning_rate"] > 1 else 1 / epoch
        trial.report(epoch, loss=loss, accuracy=0.5, validation_loss=1.0, validation_accuracy=epoch / 4)
"""
SWEPT = {"grid": {"kernel_initializer", "batchnorm"}, "random": {"learning_rate", "optimizer", "momentum"}}
METRICS = [
    "/best/accuracy", "/best/epoch",
    "validation/epoch_accuracy", "/epoch_accuracy",
    "validation/epoch_loss", "/epoch_loss",
]  # fmt: skip
LONG_SCALARS, LONG_HISTOGRAMS = 1100, 600  # more than either loader keeps by default (1000 and 500)

Boards = Callable[[str, str], Board]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the sweep files and, next to them, the custom training loop."""
    folder = tmp_path_factory.mktemp("sweeps")
    made_sweep(folder, name="grid", **MODEL, **GRID)
    made_sweep(folder, name="random", **MODEL, **RANDOM)
    made_sweep(folder, loop="loops:learn", source=LOOPS, data={"name": "synthetic"}, trial=LISTED)
    return folder


@pytest.fixture(scope="module")
def outcomes(folder: Path) -> dict[str, Outcome]:
    """Two real sweeps of different hyperparameters under one logs root, and a run with a very large number of steps."""
    with RunWriter(folder / "logs" / "long") as run:
        for step in range(1, LONG_SCALARS + 1):
            run.scalar("epoch_loss", 1 / step, step)
        for step in range(LONG_HISTOGRAMS + 1):
            run.histogram("hidden_1/kernel", Histogram.of(np.arange(4.0), 2), step)
    return {name: run_sweep(folder / f"{name}.toml", folder / "logs", Options(workers=1)) for name in SWEPT}


@pytest.fixture(scope="module")
def boards(folder: Path, outcomes: dict[str, Outcome]) -> Iterator[Boards]:
    """Start TensorBoard on first use over a part of the logs root: (`""` or a sweep's name, load_fast)."""
    started: dict[tuple[str, str], Board] = {}
    with ExitStack() as stack:

        def start(part: str, load_fast: str) -> Board:
            if (part, load_fast) not in started:
                usual = (part, load_fast) == ("", "true")
                board = stack.enter_context(Board(folder / "logs" / part, load_fast, tensorflow=usual))
                started[part, load_fast] = board.until(everything_loaded)
            return started[part, load_fast]

        yield start


def everything_loaded(board: Board) -> bool:
    """Return whether TensorBoard has loaded every run completely."""
    runs = {file.parent.relative_to(board.logdir).as_posix() for file in board.logdir.rglob(f"{layout.EVENT_FILE}*")}
    return board.runs() == runs and all(
        "STATUS_UNKNOWN" not in group["statuses"]
        and (list(group["metrics"]) == METRICS or "STATUS_FAILURE" in group["statuses"])
        for group in board.groups().values()
    )


both_loaders = pytest.mark.parametrize("load_fast", ["true", "false"])
each_part = pytest.mark.parametrize("part", ["", "grid"], ids=["root", "one-sweep"])


@both_loaders
@each_part
def test_the_experiment_is_the_union_of_both_sweeps(boards: Boards, part: str, load_fast: str) -> None:
    """For the logs root or one sweep's folder, TensorBoard lists the hyperparameters of both sweeps, with domains."""
    hparams = boards(part, load_fast).hparams()
    assert hparams["kernel_initializer"]["domainDiscrete"] == ["glorot_uniform", "zeros"]
    assert hparams["batchnorm"]["domainDiscrete"] == ["none", "before"]
    assert hparams["optimizer"]["domainDiscrete"] == ["sgd", "adam"]
    assert hparams["learning_rate"]["domainInterval"] == {"minValue": 1e-4, "maxValue": 1e-1}
    assert hparams["momentum"]["domainInterval"] == {"minValue": 0.0, "maxValue": 0.9}
    assert hparams["epochs"]["domainDiscrete"] == [2, 3]
    assert hparams["learning_rate"]["type"] == "DATA_TYPE_FLOAT64"
    assert hparams["batchnorm_input"]["type"] == "DATA_TYPE_BOOL"


@both_loaders
@each_part
def test_a_record_marks_its_own_sweeps_names(boards: Boards, part: str, load_fast: str) -> None:
    """`differs` marks the names that one sweep sweeps in all of its trials; for one folder, the names of that sweep."""
    differing = {name for name, info in boards(part, load_fast).hparams().items() if info["differs"]}
    assert differing in ([SWEPT["grid"]] if part == "grid" else [SWEPT["grid"], SWEPT["random"] - {"momentum"}])


@both_loaders
def test_the_columns_shown_first_are_in_every_trial(boards: Boards, load_fast: str) -> None:
    """Every trial of both sweeps has the five columns that TensorBoard shows by default."""
    board = boards("", load_fast)
    assert all(set(list(board.hparams())[:5]) <= group["hparams"].keys() for group in board.groups().values())


@both_loaders
def test_metrics(boards: Boards, load_fast: str) -> None:
    """The table has the best and the last value of training and validation metrics under readable names."""
    infos = boards("", load_fast).experiment()["metricInfos"]
    assert [f"{info['name']['group']}/{info['name']['tag']}" for info in infos] == METRICS
    assert [info["displayName"] for info in infos] == [metric.removeprefix("/") for metric in METRICS]


@both_loaders
@each_part
def test_replicates_are_one_group(outcomes: dict[str, Outcome], boards: Boards, part: str, load_fast: str) -> None:
    """The seeds of a setting share a session group, whose metrics are the means over the seeds."""
    groups = boards(part, load_fast).groups()
    grid = outcomes["grid"]
    expected = {f"grid/{setting:04d}" for setting in range(4)} | {f"random/{setting:04d}" for setting in range(4)}
    assert groups.keys() == (expected if part == "" else {name for name in expected if name.startswith("grid/")})
    for setting in range(4):
        seeds = [grid.results[spec.number] for spec in grid.specs if spec.setting == setting]
        group = groups[f"grid/{setting:04d}"]
        assert group["statuses"] == ["STATUS_SUCCESS"] * 2
        assert group["metrics"] == pytest.approx(
            {
                "/best/accuracy": fmean(seed.best["validation/accuracy"] for seed in seeds),
                "/best/epoch": fmean(seed.best_epoch or 0 for seed in seeds),
                "/epoch_accuracy": fmean(seed.metrics["accuracy"] for seed in seeds),
                "/epoch_loss": fmean(seed.metrics["loss"] for seed in seeds),
                "validation/epoch_accuracy": fmean(seed.metrics["validation/accuracy"] for seed in seeds),
                "validation/epoch_loss": fmean(seed.metrics["validation/loss"] for seed in seeds),
            },
            rel=1e-6,
        )


@both_loaders
def test_sessions_have_their_settings(outcomes: dict[str, Outcome], boards: Boards, load_fast: str) -> None:
    """A session shows every setting of its trial; it shows momentum only if the optimiser has it."""
    groups = boards("", load_fast).groups()
    for spec in outcomes["random"].specs:
        hparams = groups[f"random/{spec.setting:04d}"]["hparams"]
        assert hparams == spec.hparams
        assert ("momentum" in hparams) == (hparams["optimizer"] == "sgd")


@both_loaders
def test_validation_lies_over_training(outcomes: dict[str, Outcome], boards: Boards, load_fast: str) -> None:
    """A trial's validation scalars are in a sub-run, with the same tags and steps as training, from step 1."""
    board = boards("", load_fast)
    tags = board.get("plugin/scalars/tags")
    for name in ("grid/" + runs_of(outcomes["grid"])[0], "random/" + runs_of(outcomes["random"])[0]):
        assert {"epoch_loss", "epoch_accuracy"} == set(tags[f"{name}/validation"]) <= set(tags[name])
        training, validation = (
            board.get("plugin/scalars/scalars", run=run, tag="epoch_loss") for run in (name, f"{name}/validation")
        )
        assert [step for _, step, _ in training] == [step for _, step, _ in validation]
        assert training[0][1] == 1


def runs_of(outcome: Outcome) -> list[str]:
    """Return a sweep's run folders."""
    return sorted(path.name for path in outcome.folder.iterdir() if layout.parse_run_name(path.name))


@both_loaders
@pytest.mark.parametrize("plugin", ["histograms", "distributions"])
def test_weights_from_step_0(outcomes: dict[str, Outcome], boards: Boards, plugin: str, load_fast: str) -> None:
    """Histograms and Distributions show every trial's weights at step 0 and after every epoch."""
    board = boards("", load_fast)
    tags = board.get(f"plugin/{plugin}/tags")
    for run in runs_of(outcomes["grid"]):
        before = "batchnorm=before" in run
        assert {"hidden_1/kernel", "hidden_1/bias", "output/kernel", "output/bias"} <= tags[f"grid/{run}"].keys()
        assert ("batchnorm_1/gamma" in tags[f"grid/{run}"]) == before
        points = board.get(f"plugin/{plugin}/{plugin}", run=f"grid/{run}", tag="hidden_1/kernel")
        assert [step for _, step, _ in points] == [0, 1, 2, 3]
        if plugin == "histograms":
            assert {sum(count for _, _, count in buckets) for _, _, buckets in points} == {64 * 8}


@both_loaders
def test_texts_of_every_trial(outcomes: dict[str, Outcome], boards: Boards, load_fast: str) -> None:
    """The Text tab shows each trial's settings and its model once, as tables."""
    board = boards("", load_fast)
    tags = board.get("plugin/text/tags")
    for spec in outcomes["grid"].specs:
        run = f"grid/{runs_of(outcomes['grid'])[spec.number]}"
        assert sorted(tags[run]) == ["model", "settings"]
        (settings,), (model,) = (board.get("plugin/text/text", run=run, tag=tag) for tag in ("settings", "model"))
        assert (settings["step"], model["step"]) == (0, 0)
        named = spec.swept["kernel_initializer"]
        assert f"<td><strong>model.kernel_initializer</strong></td>\n<td>{named}</td>" in settings["text"]
        assert "<td>hidden_1</td>\n<td>Dense</td>\n<td>(None, 8)</td>" in model["text"]


@both_loaders
def test_the_graph_of_every_trial(outcomes: dict[str, Outcome], boards: Boards, load_fast: str) -> None:
    """The Graphs tab shows each trial's layers, in order."""
    board = boards("", load_fast)
    graphs = board.get("plugin/graphs/info")
    runs = [f"grid/{run}" for run in runs_of(outcomes["grid"])]
    assert all(graphs[run]["run_graph"] for run in runs)
    graph = board.text("plugin/graphs/graph", run=runs[0], conceptual="false")
    layers = ("input_layer", "flatten", "hidden_1", "activation_1", "output")
    places = [graph.index(f'name: "{layer}"') for layer in layers]
    assert places == sorted(places)


@both_loaders
def test_board_shows_every_step(boards: Boards, load_fast: str) -> None:
    """With `hpdash board`, Time Series shows every step of a long series (Histograms never shows more than 51)."""
    requests = [
        {"plugin": "scalars", "tag": "epoch_loss"},
        {"plugin": "histograms", "tag": "hidden_1/kernel", "run": "long"},
    ]
    answers = boards("", load_fast).get("plugin/timeseries/timeSeries", requests=json.dumps(requests))
    scalars, histograms = ([point["step"] for point in answer["runToSeries"]["long"]] for answer in answers)
    assert scalars == list(range(1, LONG_SCALARS + 1))
    assert histograms == list(range(LONG_HISTOGRAMS + 1))


@pytest.fixture(scope="module")
def grown(folder: Path, outcomes: dict[str, Outcome]) -> Iterator[dict[str, Board]]:
    """A TensorBoard for each loader, over a logs root to which a third sweep is added while it runs."""
    root = folder / "growing"
    for name in SWEPT:
        shutil.copytree(outcomes[name].folder, root / name)
    hparams_record.update_records(root)
    with ExitStack() as stack:
        running = {
            load_fast: stack.enter_context(Board(root, load_fast, "--reload_interval=1"))
            for load_fast in ("true", "false")
        }
        for board in running.values():
            board.until(everything_loaded)
            assert "broken" not in board.hparams()
        outcome = run_sweep(folder / "own.toml", root, Options(workers=1))
        assert outcome.exit_code == 1
        yield running


@both_loaders
def test_a_sweep_added_while_tensorboard_runs_shows_up(grown: dict[str, Board], load_fast: str) -> None:
    """A running TensorBoard lists the new sweep's hyperparameters, and its trials as success and failure."""
    board = grown[load_fast].until(lambda board: "broken" in board.hparams() and everything_loaded(board))
    assert board.hparams()["broken"]["domainDiscrete"] == [False, True]
    assert board.hparams()["learning_rate"]["domainInterval"] == {"minValue": 1e-4, "maxValue": 1e9}
    assert board.hparams()["kernel_initializer"]["domainDiscrete"] == ["glorot_uniform", "zeros"]
    groups = board.groups()
    assert [groups[f"own/{setting:04d}"]["statuses"] for setting in range(3)] == [
        ["STATUS_SUCCESS"],  # finished
        ["STATUS_FAILURE"],  # failed: it has no metrics
        ["STATUS_FAILURE"],  # diverged: its last loss is shown unchanged
    ]
    assert groups["own/0001"]["metrics"] == {}
    assert groups["own/0002"]["metrics"]["/epoch_loss"] in ("NaN", "Infinity")
    assert len(groups) == 11


@pytest.fixture
def page(browser: Any, boards: Boards) -> Iterator[Any]:
    """A page of a TensorBoard over both sweeps; the test fails if the page writes an error to the console."""
    page = browser.new_page(viewport={"width": 1500, "height": 950}, base_url=boards("", "true").url)
    page.set_default_timeout(30_000)
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    page.close()
    assert errors == []


def count(locator: Any, number: int) -> None:
    """Wait until the page has this many elements."""
    from playwright.sync_api import expect

    expect(locator).to_have_count(number)


def open_hparams(page: Any, view: str) -> None:
    """Open a view of the HParams dashboard."""
    page.goto("/#hparams")
    page.locator("tf-hparams-sessions-pane paper-tab", has_text=view).click()


def test_page_table(page: Any) -> None:
    """The table has a row for every setting of both sweeps."""
    open_hparams(page, "Table")
    for name in (f"{sweep}/{setting:04d}" for sweep in SWEPT for setting in range(4)):
        count(page.locator("tf-hparams-table-view").get_by_text(name, exact=True), 1)


def test_page_parallel_coordinates(page: Any, outcomes: dict[str, Outcome]) -> None:
    """Every setting has a line, also with all other columns; the momentum column hides settings without momentum."""
    open_hparams(page, "Parallel Coordinates")
    lines = page.locator("tf-hparams-parallel-coords-plot .foreground path")
    count(lines, 8)
    for box in page.locator("tf-hparams-query-pane .hparam-checkbox:not([checked])").all()[::-1]:
        if "momentum" not in box.inner_text():
            box.click()
    count(page.locator("tf-hparams-query-pane .hparam-checkbox:not([checked])"), 1)
    count(lines, 8)
    page.locator("tf-hparams-query-pane .hparam-checkbox:not([checked])").click()
    with_momentum = [spec for spec in outcomes["random"].specs if "momentum" in spec.swept]
    assert 0 < len(with_momentum) < 4
    count(lines, 4 + len(with_momentum))


def test_page_scatter_plots(page: Any) -> None:
    """Every setting of both sweeps is a point in each of the 5 x 10 plots shown at first."""
    open_hparams(page, "Scatter Plot Matrix")
    count(page.locator("tf-hparams-scatter-plot-matrix-plot circle"), 8 * 5 * 10)


def test_page_time_series(page: Any, outcomes: dict[str, Outcome]) -> None:
    """Training and validation of every trial are drawn in one chart of a metric."""
    page.goto("/?tagFilter=epoch_accuracy#timeseries")
    count(page.locator("scalar-card"), 1)
    runs = [f"{sweep}/{run}" for sweep in SWEPT for run in runs_of(outcomes[sweep])]
    for name in runs + [f"{run}/validation" for run in runs]:
        count(page.locator("scalar-card").get_by_text(name, exact=True), 1)


def test_page_text(page: Any) -> None:
    """A trial's swept settings are highlighted in a table."""
    page.goto("/#text&tagFilter=settings")
    count(page.locator("tf-text-loader strong", has_text="model.batchnorm").first, 1)


def test_page_graph(page: Any) -> None:
    """The layers of the first trial's model are drawn without further clicks."""
    page.goto("/#graphs")
    for layer in ("flatten", "hidden_1", "output"):  # longer names are cut
        count(page.locator("tf-graph-scene .nodelabel").get_by_text(layer, exact=True), 1)


def test_page_histograms(page: Any) -> None:
    """A weight's histogram is drawn at step 0 and after every epoch."""
    page.goto("/#histograms&tagFilter=gamma")
    count(page.locator("vz-histogram-timeseries").first.locator(".histogram"), 4)


def test_page_distributions(page: Any) -> None:
    """A weight's distribution is drawn over the steps, as TensorBoard's eight bands."""
    page.goto("/#distributions&tagFilter=gamma")
    count(page.locator("vz-distribution-chart").first.locator("path.area"), 8)
