"""Tests of hpdash as a library: it reads the same values as a running TensorBoard from the same logs, and more."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import pytest
from boards import Board

import hpdash
from hpdash.errors import SpecError

# Like Keras' metrics, these numbers are not exactly representable in float32.
LOOP = """
import numpy as np

def train(trial):
    if trial.hparams["activation"] == "none":
        raise ValueError("no such activation")
    random = np.random.default_rng([trial.seed, trial.number])
    weights = random.normal(size=100)
    trial.histogram("hidden_1/kernel", weights, 0)
    for epoch in range(1, trial.epochs + 1):
        weights += random.normal(size=100) * trial.hparams["learning_rate"]
        trial.histogram("hidden_1/kernel", weights, epoch)
        accuracy = np.float32(random.random())
        trial.report(epoch, loss=float(np.float32(1 / epoch)), accuracy=0.5, validation_accuracy=float(accuracy))
"""
SWEEP: dict[str, Any] = {
    "sweep": {"name": "made", "repeats": 2},
    "data": {"name": "synthetic", "train": 20, "validation": 20},
    "train": {"loop": "loops:train", "epochs": 4},
    "hparams": {"activation": ["relu", "tanh", "none"], "learning_rate": [0.1, 0.01]},
}
METRIC = "/best/accuracy"


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the logs of twelve trials, four of which failed."""
    folder = tmp_path_factory.mktemp("reading")
    (folder / "loops.py").write_text(LOOP)
    sweep = hpdash.parse_sweep(SWEEP, name="made", folder=folder)
    hpdash.run_sweep(sweep, folder / "logs", hpdash.Options(workers=1))
    return folder / "logs"


@pytest.fixture(scope="module")
def board(logs: Path) -> Iterator[Board]:
    """Return a TensorBoard that has loaded all the logs."""

    def loaded(board: Board) -> bool:
        groups = board.groups()
        ended = [METRIC in group["metrics"] or "STATUS_FAILURE" in group["statuses"] for group in groups.values()]
        return len(ended) == 6 and all(ended) and "STATUS_UNKNOWN" not in str(groups)

    with Board(logs, "true") as board:
        yield board.until(loaded)


def scalar(board: Board, run: str, tag: str) -> list[list[float]]:
    """Ask TensorBoard for a series; each point is [wall time, step, value]."""
    return board.get("plugin/scalars/scalars", run=run, tag=tag)  # type: ignore[no-any-return]


def test_ls_gives_the_means_that_tensorboard_gives(logs: Path, board: Board) -> None:
    """The best value of each setting in `ls` is the mean that TensorBoard shows for its replicates.

    Settings whose trials failed have no best value.
    """
    (table,) = hpdash.read_runs(logs).tables
    groups = board.groups()
    assert len(table.rows) == len(groups) == 6
    for row in table.rows:
        theirs = groups[str(row.runs[0].group)]
        assert (row.best is None) == (METRIC not in theirs["metrics"])
        if row.best is not None:
            assert row.best.mean == pytest.approx(theirs["metrics"][METRIC], rel=1e-7)
            assert row.runs[0].hparams["activation"] == theirs["hparams"]["activation"]
        else:
            assert {run.status for run in row.runs} == {"failed"}
            assert set(theirs["statuses"]) == {"STATUS_FAILURE"}


def test_export_gives_the_series_that_tensorboard_gives(logs: Path, board: Board) -> None:
    """Every exported scalar point equals TensorBoard's bit for bit: wall time, step and value."""
    ours: dict[tuple[str, str], list[list[float]]] = {}
    for row in hpdash.export(logs, "series").to_json():
        run, tag = f"{row['run']}", row["tag"]
        if tag.startswith("validation/"):
            run, tag = f"{run}/validation", tag.removeprefix("validation/")
        ours.setdefault((run, tag), []).append([row["wall_time"], row["step"], row["value"]])
    tags = board.get("plugin/scalars/tags")
    assert set(ours) == {(run, tag) for run, names in tags.items() for tag in names}
    assert ours == {(run, tag): scalar(board, run, tag) for run, tag in ours}


def test_export_gives_last_and_best_as_tensorboard_has_them(logs: Path, board: Board) -> None:
    """A trial's exported best value, last value and hyperparameters equal TensorBoard's scalars and session."""
    groups = board.groups()
    rows = hpdash.export(logs).to_json()
    assert len(rows) == 12
    for row in rows:
        assert row["hparams.learning_rate"] == groups[row["group"]]["hparams"]["learning_rate"]
        if row["status"] == "finished":
            assert row["best"] == scalar(board, row["run"], "best/accuracy")[-1][2]
            assert row["epoch"] == scalar(board, row["run"], "best/epoch")[-1][2]
            assert row["last"] == scalar(board, f"{row['run']}/validation", "epoch_accuracy")[-1][2]


def test_effects_are_means_of_what_tensorboard_shows(logs: Path, board: Board) -> None:
    """A marginal's mean ± std for a value equals that of the best values of TensorBoard's sessions with that value."""
    best = {
        row["run"]: (row["hparams.activation"], scalar(board, row["run"], "best/accuracy")[-1][2])
        for row in hpdash.export(logs).to_json()
        if row["status"] == "finished"
    }
    (found,) = hpdash.effects(logs).to_json()["sweeps"]
    marginal = next(each for each in found["hyperparameters"] if each["name"] == "activation")
    seen = {level["value"]: level for level in marginal["levels"]}
    for activation in ("relu", "tanh"):
        values = [value for name, value in best.values() if name == activation]
        assert seen[activation]["mean"] == pytest.approx(fmean(values), rel=1e-12)
        assert seen[activation]["std"] == pytest.approx(stdev(values), rel=1e-9)
        assert seen[activation]["n"] == len(values) == 4


def test_runs_are_a_sequence_that_can_be_narrowed(logs: Path) -> None:
    """Runs can be counted, indexed, filtered and converted to a pandas DataFrame with the columns of `export`."""
    runs = hpdash.read_runs(logs)
    assert len(runs) == 12
    assert isinstance(runs[0], hpdash.Run)
    tanh = runs.where("activation = tanh")
    assert {run.hparams["activation"] for run in tanh} == {"tanh"}
    assert len(tanh) == 4
    frame = runs.to_pandas()
    assert len(frame) == 12
    assert list(frame["hparams.activation"]) == [run.hparams["activation"] for run in runs]
    assert sorted(runs.histograms(tanh[0])["hidden_1/kernel"].steps) == [0, 1, 2, 3, 4]


def test_a_wrong_name_is_told_when_runs_are_read(logs: Path) -> None:
    """A condition or a sort column with a name that no run has is an error that suggests the nearest name."""
    with pytest.raises(SpecError, match="learning_rate"):
        hpdash.read_runs(logs, where="learning_rat = 1")
    with pytest.raises(SpecError, match="activation"):
        hpdash.read_runs(logs, sort="activatio")


def test_what_a_notebook_shows_is_escaped(logs: Path) -> None:
    """The notebook table names the hyperparameters, says that the data are synthetic, and contains no script."""
    shown = hpdash.read_runs(logs)._repr_html_()
    assert "synthetic data" in shown
    assert "learning_rate" in shown
    assert "<script" not in shown
