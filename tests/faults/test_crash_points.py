"""Tests of row 3 in README.md: the driver dies before, during or after each change that it makes on the disk."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hpdash.logs import layout

HERE = Path(__file__).parent
SCENARIOS = {  # the least number of points in each scenario: a test fails if a lab finds none
    "a new sweep": 80,
    "from a checkpoint": 40,
    "failed before": 50,
    "a torn journal": 50,
    "deaths in a row": 12,
}


@pytest.fixture(scope="module")
def labs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, subprocess.Popen[str]]]:
    """Start each scenario in its own process, which has only one thread because it forks."""
    environment = os.environ | {"PYTHONPATH": str(HERE.parent), "OPENBLAS_NUM_THREADS": "1"}
    started = {
        name: subprocess.Popen(
            [sys.executable, HERE / "crash_lab.py", tmp_path_factory.mktemp("lab"), name],
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for name in SCENARIOS
    }  # fmt: skip
    yield started
    for lab in started.values():
        lab.kill()
        lab.communicate()


@pytest.fixture(scope="module")
def reports(labs: dict[str, subprocess.Popen[str]]) -> dict[str, Any]:
    """Wait for all scenarios; return the report of each."""
    reports = {}
    for name, lab in labs.items():
        out, error = lab.communicate()
        assert lab.returncode == 0, error
        reports[name] = json.loads(out)
    return reports


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_point_resumes(reports: dict[str, Any], scenario: str) -> None:
    """After a death at any point, the same command resumes and ends like an undisturbed run.

    The finished trials do not change.
    """
    assert reports[scenario]["wrong"] == {}
    assert reports[scenario]["points"] >= SCENARIOS[scenario]


def test_a_file_is_on_the_disk_before_it_gets_its_name(reports: dict[str, Any]) -> None:
    """A power cut leaves no empty file under a final name.

    The bytes of a file are synced before the file gets its name, and its folder is synced right after that.
    """
    changes = reports["a new sweep"]["changes"]
    renames = [at for at, (name, _) in enumerate(changes) if name == "replace"]
    assert len(renames) > 4
    for at in renames:
        path = changes[at][1]
        assert [name for name, other in changes[:at] if other == path][-1] == "fsync", path
        assert changes[at + 1] == ["fsync", str(Path(path).parent)], path


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_transition_is_on_the_disk_before_anything_else_happens(reports: dict[str, Any], scenario: str) -> None:
    """Each line of the journal is synced right after it is written."""
    changes = reports[scenario]["changes"]
    lines = [at for at, (name, path) in enumerate(changes) if name == "write" and Path(path).name == layout.JOURNAL]
    assert len(lines) >= 2
    for at in lines:
        assert changes[at + 1] == ["fsync", changes[at][1]]


def test_what_a_trial_wrote_is_on_the_disk_before_it_is_called_finished(reports: dict[str, Any]) -> None:
    """A power cut takes nothing from a finished trial: its event files are synced before its line is written."""
    waiting = set()
    for name, path in reports["a torn journal"]["changes"]:
        if Path(path).name.startswith(layout.EVENT_FILE):
            (waiting.add if name == "write" else waiting.discard)(path)
        assert name != "write" or Path(path).name != layout.JOURNAL or not waiting, waiting
