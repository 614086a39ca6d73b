"""Tests of row 30 in README.md: without an optional extra, a command exits with 2 and says in one line what to type."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from commands import hpdash, own, patched

from hpdash import read_runs
from hpdash.errors import SpecError
from hpdash.histograms.histogram import Histogram
from hpdash.logs.writer import RunWriter

FIGURES, PARQUET = 'pip install "hpdash[figures]"', 'pip install "hpdash[parquet]"'


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """Write a run with a curve and a histogram; return the logs root."""
    with RunWriter(tmp_path / "logs" / "run") as run:
        run.scalar("loss", 1.0, 1)
        run.histogram("kernel", Histogram.of(np.arange(9.0)), 1)
    return tmp_path / "logs"


@pytest.mark.parametrize(
    ("absent", "command", "advice"),
    [
        pytest.param("matplotlib", "compare --tag loss -o out.png", FIGURES, id="curves-png"),
        pytest.param("matplotlib", "compare --tag loss -o out.svg", FIGURES, id="curves-svg"),
        pytest.param("matplotlib", "compare --tag kernel -o out.png", FIGURES, id="weights-png"),
        pytest.param("pyarrow", "export --format parquet -o out.parquet", PARQUET, id="parquet"),
        pytest.param("pyarrow", "export --what series -o out.parquet", PARQUET, id="parquet-by-its-name"),
    ],
)
def test_an_absent_extra(logs: Path, absent: str, command: str, advice: str) -> None:
    """A command that needs a missing extra exits with 2, writes no file, and says in one line how to install it."""
    without = patched(logs.parent, f"import sys; sys.modules[{absent!r}] = None")
    shown = hpdash(*command.split(), cwd=logs.parent, environment=without)
    assert (shown.returncode, shown.stdout) == (2, "")
    (line,) = shown.stderr.splitlines()
    assert advice in line
    assert not list(logs.parent.glob("out.*"))


def test_a_cluster_without_ray(tmp_path: Path) -> None:
    """Without Ray, a sweep on Ray exits with 2 and one line before anything starts or is written; other sweeps run."""
    without = patched(tmp_path, "import sys; sys.modules['ray'] = None")
    sweep = own(tmp_path, "learn")
    shown = hpdash("sweep", sweep, "--backend", "ray", cwd=tmp_path, environment=without)
    assert (shown.returncode, shown.stdout) == (2, "")
    (line,) = shown.stderr.splitlines()
    assert 'pip install "hpdash[ray]"' in line
    assert not (tmp_path / "logs").exists()
    assert hpdash("sweep", sweep, cwd=tmp_path, environment=without).returncode == 0


@pytest.mark.parametrize(
    "command", ["ls", "show run", "compare --tag loss", "compare --tag kernel -o x.html", "report"]
)
def test_nobody_needs_an_extra(logs: Path, command: str) -> None:
    """Without any extra or package that only notebooks have, all other reading commands work without a warning."""
    absent = ["matplotlib", "pyarrow", "pandas", "IPython", "ipykernel", "ray", "scipy"]
    without = patched(logs.parent, f"import sys; sys.modules.update(dict.fromkeys({absent!r}))")
    shown = hpdash(*command.split(), cwd=logs.parent, environment=without)
    assert (shown.returncode, shown.stderr) == (0, "")


def test_to_pandas_without_pandas(logs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without pandas, `to_pandas()` says in one line what it needs."""
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(SpecError, match=r"^to_pandas\(\) needs pandas: pip install pandas$"):
        read_runs(logs).to_pandas()
