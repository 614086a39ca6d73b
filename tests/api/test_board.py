"""Tests of `hpdash.board`: the TensorBoard that it starts, and what it says if none starts."""

from __future__ import annotations

import json
import os
import signal
import time
import urllib.request
from pathlib import Path
from urllib.error import URLError

import pytest
from boards import WITHOUT_TENSORFLOW
from commands import own, patched

import hpdash
from hpdash.errors import BackendError, SpecError
from hpdash.logs import layout


@pytest.fixture
def light(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep TensorBoard from importing TensorFlow, so that it starts faster."""
    for name, value in patched(tmp_path, WITHOUT_TENSORFLOW).items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("light")
def test_it_starts_once_and_stops(tmp_path: Path) -> None:
    """A board serves the runs of its folder; a second call uses the same one; after `stop` nobody answers."""
    hpdash.run_sweep(tmp_path / own(tmp_path, "learn"), tmp_path / "logs", hpdash.Options(workers=1))
    logs = tmp_path / "logs"
    board = hpdash.board(logs)
    try:
        assert board.url == f"http://localhost:{board.port}/#{layout.PLUGIN}"
        with urllib.request.urlopen(f"http://localhost:{board.port}/data/logdir") as answer:
            assert Path(json.load(answer)["logdir"]) == logs.absolute()
        assert hpdash.board(logs, tab="hparams").pid == board.pid
    finally:
        board.stop()
    deadline = time.monotonic() + 30
    with pytest.raises(URLError):
        while time.monotonic() < deadline:
            urllib.request.urlopen(board.url).close()
            time.sleep(0.2)
    board.stop()


@pytest.mark.usefixtures("light")
def test_one_that_was_killed_is_started_again(tmp_path: Path) -> None:
    """After kill -9 of TensorBoard, whose record stays, the next call starts another; stopping the old does nothing."""
    (tmp_path / "logs").mkdir()
    killed = hpdash.board(tmp_path / "logs")
    os.kill(killed.pid, signal.SIGKILL)
    os.waitpid(killed.pid, 0)
    board = hpdash.board(tmp_path / "logs")
    try:
        assert board.pid != killed.pid
        with urllib.request.urlopen(f"http://localhost:{board.port}/data/logdir") as answer:
            assert answer.status == 200
        killed.stop()
    finally:
        board.stop()


def test_a_proxy_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind a proxy, the frame is at the address in TENSORBOARD_PROXY_URL, as TensorBoard's own is."""
    monkeypatch.setenv("TENSORBOARD_PROXY_URL", "/hub/proxy/%PORT%/")
    from hpdash.api.board import Board

    frame = Board(Path(), "hparams", 500, 6123, 1)._repr_html_()
    assert '"/hub/proxy/6123/"' in frame and "url.port" not in frame and 'height="500"' in frame


def test_what_does_not_start_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that is missing, and a TensorBoard that ends at once, are errors with the reason."""
    with pytest.raises(SpecError, match="no such folder"):
        hpdash.board(tmp_path / "nowhere")
    broken = tmp_path / "tensorboard"
    broken.write_text("#!/bin/sh\necho no protobuf >&2\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setenv("TENSORBOARD_BINARY", str(broken))
    with pytest.raises(BackendError, match="no protobuf"):
        hpdash.board(tmp_path)
