"""Tests of row 13 in README.md: two sweeps under one logs root at the same time, and a sweep into a foreign folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import hpdash, own
from driven import driving, journal_faults, series, snapshot, values
from sweep_files import made_sweep
from tensorboard.plugins.hparams import metadata

from hpdash.logs import layout

LOOPS = """
import os, time
from pathlib import Path

def behave(trial):
    logs = Path(__file__).parent / "logs"
    for epoch in range(1, trial.epochs + 1):
        while len(list(logs.glob("*/journal.jsonl"))) < int(os.environ.get("SWEEPS", 1)):
            trial.tick(0.5)
            time.sleep(0.05)
        trial.histogram("model/weights", trial.data.x_train * epoch, epoch)
        trial.report(epoch, loss=trial.seed + 1 / epoch, validation_accuracy=epoch / 4)
"""
SWEPT = {"one": {"colour": ["red", "blue"]}, "two": {"dropout": {"min": 0.0, "max": 0.5, "step": 0.25}}}


def sweeps(folder: Path) -> list[Path]:
    """Write two sweeps with different hyperparameters; return their files."""
    return [
        made_sweep(folder, name=name, loop="loops:behave", source=LOOPS, hparams=swept) for name, swept in SWEPT.items()
    ]


def recorded(sweep: Path) -> set[str]:
    """Return the hyperparameters in a sweep's only HParams record."""
    (folder,) = layout.hparams_record_folders(sweep)
    ((_, value),) = values(folder)
    experiment = metadata.parse_experiment_plugin_data(value.metadata.plugin_data.content)
    return {info.name for info in experiment.hparam_infos}


def test_two_sweeps_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both sweeps end as each would alone, and the HParams record of each has the hyperparameters of both."""
    for path in sweeps(tmp_path / "alone"):
        assert hpdash("sweep", path.name, "--workers", "1", cwd=path.parent).returncode == 0
    monkeypatch.setenv("SWEEPS", "2")  # no trial ends before both sweeps have started
    one, two = sweeps(tmp_path)
    with driving(one, "--workers", "1") as first, driving(two, "--workers", "1") as second:
        told = [driver.communicate(timeout=60) for driver in (first, second)]
    assert (first.returncode, second.returncode) == (0, 0), told
    for name, trials in {"one": 2, "two": 3}.items():
        sweep = tmp_path / "logs" / name
        assert list(journal_faults(sweep, trials)) == []
        assert series(sweep) == series(tmp_path / "alone" / "logs" / name)
        assert {"colour", "dropout"} <= recorded(sweep)


@pytest.mark.parametrize("name", ["thesis.tex", "events.out.tfevents.1.host", "0000-does=learn/checkpoint.npz"])
def test_a_folder_that_is_not_ours(tmp_path: Path, name: str) -> None:
    """A sweep into somebody else's folder exits with 4 and says so, with any options; nothing in the folder changes."""
    file = tmp_path / "logs" / "own" / name
    file.parent.mkdir(parents=True)
    file.write_text("mine")
    own(tmp_path, "learn")
    before = snapshot(tmp_path / "logs")
    for options in ([], ["--retry-failed"]):
        shown = hpdash("sweep", "own.toml", "--workers", "1", *options, cwd=tmp_path)
        assert shown.returncode == 4
        assert f"{Path('logs', 'own')}: " in shown.stderr
        assert "no sweep.json" in shown.stderr and "--logdir" in shown.stderr
        assert snapshot(tmp_path / "logs") == before
