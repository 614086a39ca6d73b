"""What several rows' tests hold their sweeps against."""

from __future__ import annotations

from pathlib import Path

import pytest
from driven import long, run


@pytest.fixture(scope="session")
def unharmed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run the sweep of one long Keras trial undisturbed; return its folder."""
    outcome, _ = run(long(tmp_path_factory.mktemp("unharmed")), workers=1)
    assert outcome.exit_code == 0
    return outcome.folder
