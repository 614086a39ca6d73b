"""Tests of how `hpdash board` starts TensorBoard: without TensorFlow, and with all that it shows."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from boards import Board

from hpdash.logs.writer import RunWriter


@pytest.fixture(params=[False, True], ids=["without", "with"])
def board(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Board]:
    """A TensorBoard over one run, without and with TensorFlow."""
    with RunWriter(tmp_path / "run") as run:
        run.scalar("loss", 1.0, 1)
    with Board(tmp_path, "true", tensorflow=request.param) as board:
        yield board.until(lambda board: board.runs() == {"run"})


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_tensorflow_is_loaded_only_if_asked_for(board: Board, request: pytest.FixtureRequest) -> None:
    """The process has TensorFlow's library only with `--tensorflow`; the tabs are the same."""
    loaded = "_pywrap_tensorflow" in Path(f"/proc/{board.pid}/maps").read_text()
    assert loaded is ("with]" in request.node.name and "without" not in request.node.name)
    listed = board.get("plugins_listing")
    assert {"scalars", "timeseries", "hparams", "histograms", "hpdash_weights", "hpdash_trials"} <= set(listed)
    assert board.get("plugin/scalars/scalars", run="run", tag="loss")[0][1:] == [1, 1.0]
    assert "not found" not in board.output
