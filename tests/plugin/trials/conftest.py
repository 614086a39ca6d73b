"""Logs for the tests of the Trials tab, which none of them changes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trials_logs
from boards import Board
from once import once
from trials_page import TrialsPage

from hpdash.logs import layout
from hpdash.plugin.trials.logdir import Snapshot, WatchedLogdir


def _write(folder: Path) -> None:
    trials_logs.write(folder)


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A logs root with two sweeps and three runs of another tool."""
    return once(tmp_path_factory, "trials", _write) / "logs"


@pytest.fixture
def snapshot(root: Path) -> Snapshot:
    """The logs root as it is read for the tab."""
    return WatchedLogdir(str(root)).current()


@pytest.fixture(scope="module")
def board(request: pytest.FixtureRequest, root: Path) -> Iterator[Board]:
    """A TensorBoard over the logs root, with the default loader unless the test asks for another."""
    with Board(root, getattr(request, "param", "true")) as board:
        yield board.until(lambda board: board.get(f"plugin/{layout.TRIALS_PLUGIN}/version"))


@pytest.fixture
def tab(browser: Any, board: Board) -> Iterator[TrialsPage]:
    """The tab over the logs root."""
    with TrialsPage.opened(browser, board.url) as tab:
        yield tab
