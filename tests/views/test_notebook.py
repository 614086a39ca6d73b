"""Tests of hpdash in a notebook: a real kernel sweeps, reads, compares and shows."""

from __future__ import annotations

from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from hpdash.views.web.notebook import in_notebook

CELLS = {
    "sweep": """
import hpdash
hpdash.run_sweep({
    "sweep": {"name": "digits"}, "data": {"name": "digits"}, "model": {"hidden": [16, 16]}, "train": {"epochs": 3},
    "hparams": {"batchnorm": ["none", "before"], "kernel_initializer": ["he_normal", "glorot_normal"]},
}, "logs", hpdash.Options(workers=1))
""",
    "read": "runs = hpdash.read_runs('logs')\nruns",
    "pandas": "frame = runs.to_pandas()\nframe[['id', 'hparams.batchnorm', 'best']]",
    "curves": "hpdash.compare(runs, tag='accuracy', by='batchnorm')",
    "weights": "hpdash.compare('logs', tag='hidden_2/kernel', by='batchnorm')",
    "show": "hpdash.show('0', 'logs')",
    "effects": "hpdash.effects(runs)",
    "light": "import sys\n{'tensorflow', 'keras'} & set(sys.modules)",
}


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """Run all cells in order in one kernel; return the outputs of each cell."""
    folder = tmp_path_factory.mktemp("notebook")
    cells = [nbformat.v4.new_code_cell(source.strip()) for source in CELLS.values()]
    notebook = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(folder)}}).execute()
    return {name: cell.outputs for name, cell in zip(CELLS, notebook.cells, strict=True)}


def html(outputs: list[Any]) -> list[str]:
    """Return the HTML of each output."""
    return [output.data["text/html"] for output in outputs]


def test_a_sweep_shows_its_progress_and_then_its_leaderboard(outputs: dict[str, list[Any]]) -> None:
    """A sweep has two outputs and prints nothing else: the progress, which is redrawn, and the table of results."""
    progress, leaderboard = html(outputs["sweep"])
    assert "4/4 trials" in progress
    assert "best validation/accuracy" in progress
    assert leaderboard.count("<tr>") == 5
    assert "glorot_normal" in leaderboard


def test_runs_are_a_table(outputs: dict[str, list[Any]]) -> None:
    """Runs are shown as a ranked table, and pandas gets one row per run."""
    (table,) = html(outputs["read"])
    assert "4 finished" in table
    assert table.count("<tr>") == 5
    (frame,) = html(outputs["pandas"])
    assert "digits/0003" in frame


@pytest.mark.parametrize("cell", ["curves", "weights"])
def test_a_comparison_is_a_picture(outputs: dict[str, list[Any]], cell: str) -> None:
    """A comparison displays a chart that needs no script and no network and names each group."""
    (chart,) = html(outputs[cell])
    assert "<svg" in chart
    assert "<script" not in chart
    assert "http" not in chart.replace("http://www.w3.org/2000/svg", "")
    assert "batchnorm=before" in chart


def test_a_run_and_effects_are_shown(outputs: dict[str, list[Any]]) -> None:
    """One run and the effects are shown as in a terminal."""
    (page,) = html(outputs["show"])
    assert "digits/0000" in page
    (effects,) = html(outputs["effects"])
    assert "kernel_initializer" in effects


def test_the_kernel_stays_light(outputs: dict[str, list[Any]]) -> None:
    """Neither sweeping nor reading imports TensorFlow into the notebook's kernel."""
    assert outputs["light"][0].data["text/plain"] == "set()"


def test_a_test_is_no_notebook() -> None:
    """Outside a kernel, hpdash does not take itself to be in a notebook."""
    assert not in_notebook()
