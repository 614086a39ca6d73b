"""What several rows' tests hold their sweeps against."""

from __future__ import annotations

from pathlib import Path

import pytest
from driven import long, run
from once import once


@pytest.fixture(scope="session")
def unharmed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run the sweep of one long Keras trial undisturbed; return its folder."""

    def make(folder: Path) -> None:
        outcome, _ = run(long(folder))
        assert outcome.exit_code == 0

    return once(tmp_path_factory, "unharmed", make) / "logs" / "long"
