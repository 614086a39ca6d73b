"""Fixtures of several fault tests: an undisturbed sweep and a small file system."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from driven import long, run
from once import once
from small_disk import ROOM, as_root, size


@pytest.fixture(scope="session")
def unharmed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run the sweep of one long Keras trial undisturbed; return its folder."""

    def make(folder: Path) -> None:
        outcome, _ = run(long(folder))
        assert outcome.exit_code == 0

    return once(tmp_path_factory, "unharmed", make) / "logs" / "long"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Return a small separate file system that serves as the logs root."""
    logs = tmp_path / "logs"
    logs.mkdir()
    size(logs, ROOM)
    yield logs
    as_root("umount", "-l", str(logs))
