"""Tests of hpdash in a notebook: a real kernel sweeps, reads, compares and shows."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

import hpdash
from hpdash.goal import Goal
from hpdash.logs import layout
from hpdash.records import Progress, Started, TrialSpec
from hpdash.views.web.notebook import NotebookView, in_notebook

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


PAGE = Path(hpdash.__file__).parent / "api" / "notebook.ipynb"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Any]]:
    """Run the notebook of the documents in a kernel, up to the cell that ends TensorBoard; return its code cells."""
    folder = tmp_path_factory.mktemp("page")
    notebook = nbformat.read(PAGE, as_version=4)
    client = NotebookClient(notebook, timeout=240, resources={"metadata": {"path": str(folder)}})
    with client.setup_kernel():
        for place, cell in enumerate(notebook.cells[:-1]):
            client.execute_cell(cell, place)
        yield [cell for cell in notebook.cells if cell.cell_type == "code"]
        client.execute_cell(notebook.cells[-1], len(notebook.cells) - 1)


def cell_with(page: list[Any], text: str) -> Any:
    """Return the first code cell that contains a text."""
    return next(cell for cell in page if text in cell.source)


def test_the_page_goes_from_arrays_to_predictions(page: list[Any]) -> None:
    """The notebook sweeps a builder and arrays of its cells, shows progress and leaderboard, and predicts."""
    progress, leaderboard = html(cell_with(page, "run_sweep").outputs)
    assert "4/4 trials" in progress
    assert "best validation/accuracy" in leaderboard
    (chart,) = html(cell_with(page, "hidden_1/kernel").outputs)
    assert "<svg" in chart
    (evaluated,) = html(cell_with(page, "hpdash.evaluate").outputs)
    assert "digits_in_cells" in evaluated
    accuracy = float(cell_with(page, "model.predict").outputs[-1].data["text/plain"])
    assert accuracy > 0.8


def test_the_weights_tab_is_in_the_cell(page: list[Any], browser: Any) -> None:
    """The cell's frame opens the Weights tab of a running TensorBoard, with the runs of the notebook."""
    (frame,) = html(cell_with(page, "hpdash.board").outputs)
    port = int(frame.partition("url.port = ")[2].partition(";")[0])
    with serving(f"<!doctype html><title>a notebook</title>{frame}") as address:
        tab = browser.new_page()
        tab.goto(address)
        inside = tab.frame_locator("iframe").frame_locator("iframe")  # TensorBoard shows each plugin in a frame
        inside.get_by_text("Colour by").first.wait_for()
        assert f":{port}/" in tab.frames[1].url and layout.PLUGIN in tab.frames[1].url
        tab.close()


@contextmanager
def serving(content: str) -> Iterator[str]:
    """Serve one page on a free port; yield its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(content.encode())

        def log_message(self, *_: Any) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("localhost", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://localhost:{server.server_port}/"
        server.shutdown()


def test_a_trial_that_does_not_train_yet_shows_its_phase(monkeypatch: pytest.MonkeyPatch) -> None:
    """While a trial compiles, its row says so instead of its epoch."""
    settings: dict[str, Any] = {"data": {}, "model": {}, "train": {}, "log": {}}
    spec = TrialSpec(0, 0, 0, {"units": 8}, settings, "loss", Goal.MIN)
    monkeypatch.setattr(NotebookView, "_redraw", lambda _: None)  # only a kernel can show it
    shown = NotebookView()
    shown.plan([spec], {}, 1, 1)
    shown.event(Started(spec, 1, 0))
    shown.event(Progress(0, 0, 10, 0.0, phase="compiling"))
    assert "compiling" in shown.html()
    shown.event(Progress(0, 1, 10, 0.5))
    assert "2/10" in shown.html()
