"""Tests of the environment in which child processes start: it is set before they import anything that reads it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from driven import run, states
from sweep_files import made_sweep

from hpdash.records import TrialState

LOOPS = """
import json, os, threading
from pathlib import Path

import numpy as np

def count_threads(trial):
    threads = len(os.listdir("/proc/self/task")) - threading.active_count() + 1  # without Python's own
    (Path(__file__).parent / "threads.json").write_text(json.dumps(threads))
    trial.report(1, validation_accuracy=float(np.ones((64, 64)).dot(np.ones(64)).sum()))
"""


@pytest.mark.skipif(not Path("/proc/self/task").is_dir() or os.cpu_count() == 1, reason="counts threads, on two cores")
@pytest.mark.parametrize("threads", [1, 2])
def test_numpy_in_a_worker_has_the_threads_that_were_asked_for(tmp_path: Path, threads: int) -> None:
    """The linear algebra of a custom loop uses `--threads` threads, not one for each core."""
    path = made_sweep(tmp_path, loop="loops:count_threads", source=LOOPS, train={"epochs": 1}, hparams={"rate": [0.1]})
    outcome, _ = run(path, threads=threads)
    assert states(outcome.folder) == {0: TrialState.FINISHED}
    assert json.loads((tmp_path / "threads.json").read_text()) == threads


def test_every_child_uses_keras_with_tensorflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell that names another backend of Keras changes neither the check of a user's module nor its training."""
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    path = made_sweep(
        tmp_path,
        loop="loops:count_threads",
        source="import os\nassert os.environ['KERAS_BACKEND'] == 'tensorflow'\n" + LOOPS,
        train={"epochs": 1},
        hparams={"rate": [0.1]},
    )
    outcome, _ = run(path)
    assert states(outcome.folder) == {0: TrialState.FINISHED}
    assert os.environ["KERAS_BACKEND"] == "torch"
