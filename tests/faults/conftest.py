"""What several rows' tests hold their sweeps against."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from driven import long, run
from filelock import FileLock


@pytest.fixture(scope="session")
def unharmed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run the sweep of one long Keras trial undisturbed, once for all processes of the suite; return its folder."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "unharmed"
    with FileLock(f"{folder}.lock"):
        if not (folder / "done").exists():
            folder.mkdir()
            outcome, _ = run(long(folder))
            assert outcome.exit_code == 0
            (folder / "done").touch()
    return folder / "logs" / "long"
