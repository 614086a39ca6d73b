"""Logs for the tests of the Trials tab, which none of them changes."""

from __future__ import annotations

from pathlib import Path

import pytest
import trials_logs
from once import once

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
