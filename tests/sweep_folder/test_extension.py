"""Tests of --extend: what may be added to a sweep, and that the trials already run do not change."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from commands import hpdash
from driven import finished, run, snapshot, started

from hpdash.api import read_runs
from hpdash.driver import runner
from hpdash.errors import LockedError, SpecError
from hpdash.logs import layout
from hpdash.search import trials
from hpdash.spec import parse_sweep

LOOPS = """
def behave(trial):
    for epoch in range(1, trial.epochs + 1):
        trial.report(epoch, loss=trial.hparams["a"] / epoch, validation_accuracy=trial.hparams["b"] / epoch)
"""
SWEEP = """
[sweep]
name = "more"
{head}
[data]
name = "synthetic"
train = 20
validation = 20
[train]
loop = "loops:behave"
epochs = 2
{hparams}
"""
GRID = "[hparams]\na = [1.0, 2.0]\nb = [0.1, 0.2]"
DRAWN = "[hparams]\na = { min = 0.0, max = 1.0 }\nb = { min = 0.0, max = 1.0 }"


def written(folder: Path, hparams: str = GRID, head: str = "") -> Path:
    """Write the sweep; return its file."""
    (folder / "loops.py").write_text(LOOPS)
    path = folder / "more.toml"
    path.write_text(SWEEP.format(hparams=hparams, head=head))
    return path


def points(path: Path) -> list[tuple[Any, Any, int]]:
    """Return each trial's hyperparameters and seed, by number."""
    runs = sorted(read_runs(path.parent / "logs").runs, key=lambda run: run.number or 0)
    return [(run.hparams["a"], run.hparams["b"], run.seed or 0) for run in runs]


def test_more_values_of_a_grid(tmp_path: Path) -> None:
    """An added value makes new trials after the existing ones, which keep their numbers and every byte."""
    path = written(tmp_path, head="repeats = 2")
    run(path)
    folder = tmp_path / "logs" / "more"
    before, tried = finished(folder), points(path)
    written(tmp_path, GRID.replace("[0.1, 0.2]", "[0.1, 0.15, 0.2]"), head="repeats = 2")
    outcome, told = run(path, extend=True)
    assert sorted(started(told)) == [8, 9, 10, 11]
    assert points(path)[:8] == tried
    assert points(path)[8:] == [(a, 0.15, seed) for a in (1.0, 2.0) for seed in (0, 1)]
    after = finished(folder)
    assert {number: after[number] for number in before} == before
    assert (outcome.total, len(outcome.results)) == (12, 12)
    again, told = run(path)
    assert (started(told), again.results) == ([], outcome.results)


@pytest.mark.parametrize("strategy", ["random", "sobol", "tpe"])
def test_more_trials(tmp_path: Path, strategy: str) -> None:
    """Trials added to a search are those that a longer sweep would have had; the first trials stay."""
    path = written(tmp_path, DRAWN, f'strategy = "{strategy}"\ntrials = 3')
    run(path, workers=1)
    tried = points(path)
    written(tmp_path, DRAWN, f'strategy = "{strategy}"\ntrials = 5')
    _, told = run(path, workers=1, extend=True)
    assert started(told) == [3, 4]
    assert points(path)[:3] == tried
    (longer := tmp_path / "longer").mkdir()
    whole = written(longer, DRAWN, f'strategy = "{strategy}"\ntrials = 5')
    run(whole, workers=1)
    assert points(path) == points(whole)


def test_a_wider_range(tmp_path: Path) -> None:
    """A wider range gives settings outside the old range, in addition to all settings already tried."""
    path = written(tmp_path, DRAWN, 'strategy = "sobol"\ntrials = 4')
    run(path)
    tried = points(path)
    written(tmp_path, DRAWN.replace("max = 1.0", "max = 9.0"), 'strategy = "sobol"\ntrials = 12')
    run(path, extend=True)
    assert points(path)[:4] == tried
    assert len(points(path)) == 12
    assert max(a for a, *_ in points(path)) > 1.0


def test_extended_twice_and_cut_off(tmp_path: Path) -> None:
    """A second extension adds to the first; an interrupted extension resumes from the same file without --extend."""
    path = written(tmp_path)
    run(path)
    for values in ("[1.0, 2.0, 3.0]", "[0.5, 1.0, 2.0, 3.0]"):
        written(tmp_path, GRID.replace("[1.0, 2.0]", values))
        run(path, extend=True)
    assert [a for a, *_ in points(path)] == [1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 0.5, 0.5]
    journal = tmp_path / "logs" / "more" / layout.JOURNAL
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:-4]))
    _, told = run(path)
    assert started(told) == [6, 7]
    assert json.loads((tmp_path / "logs" / "more" / layout.SWEEP_JSON).read_text())["trials"] == 8


def test_more_listed_trials(tmp_path: Path) -> None:
    """[[trial]] tables that are added at any position become new trials."""
    first, second, third = ("[[trial]]\na = 1.0\nb = 0.5", "[[trial]]\na = 2.0\nb = 0.5", "[[trial]]\na = 3.0\nb = 0.5")
    path = written(tmp_path, f"{first}\n{second}")
    run(path)
    written(tmp_path, f"{third}\n{first}\n{second}")
    run(path, extend=True)
    assert [a for a, *_ in points(path)] == [1.0, 2.0, 3.0]


REFUSED = {
    "a value taken away": (GRID.replace("[0.1, 0.2]", "[0.2, 0.3]"), "", "hparams.b"),
    "a new hyperparameter": (GRID + "\nc = [1, 2]", "", "hparams.c"),
    "more epochs": (GRID.replace("[hparams]", "[hparams]\nepochs = [3]"), "", "epochs"),
    "another seed": (GRID, "seed = 3", "sweep.seed"),
    "more repeats": (GRID, "repeats = 3", "sweep.repeats"),
    "fewer trials": (GRID, "trials = 2", "sweep.trials"),
}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run the grid; return the sweep's file."""
    path = written(tmp_path_factory.mktemp("done"))
    run(path)
    return path


@pytest.mark.parametrize(("hparams", "head", "key"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_no_addition_is_refused(done: Path, hparams: str, head: str, key: str) -> None:
    """A change other than an addition is refused with an error that names the change, and nothing is written."""
    folder = done.parent / "logs" / "more"
    before = snapshot(folder)
    path = written(done.parent, hparams, head)
    if "epochs" in hparams:
        path.write_text(path.read_text().replace("epochs = 2\n", ""))
    with pytest.raises(SpecError, match="--extend can only add") as error:
        run(path, extend=True)
    assert key in str(error.value)
    assert snapshot(folder) == before


def test_extended_by_another_driver_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver is refused if another driver extends the sweep after it read the sweep and before it has the lock."""
    path = written(tmp_path)
    run(path)
    fetch_missing = runner._fetch_missing

    def extend_first(*arguments: Any) -> None:
        monkeypatch.setattr(runner, "_fetch_missing", fetch_missing)
        record = tmp_path / "logs" / "more" / layout.SWEEP_JSON
        known = json.loads(record.read_text())
        known["tried"] = [{"a": 9.0, "b": 0.1}]
        record.write_text(json.dumps(known))

    monkeypatch.setattr(runner, "_fetch_missing", extend_first)
    written(tmp_path, GRID.replace("[1.0, 2.0]", "[1.0, 2.0, 3.0]"))
    with pytest.raises(LockedError, match="another driver has just extended this sweep"):
        run(path, extend=True)


def test_the_command(tmp_path: Path) -> None:
    """`--extend` adds trials; without it a changed file is refused with that advice; with --new it is refused."""
    path = written(tmp_path)
    assert hpdash("sweep", path.name, cwd=tmp_path).returncode == 0
    written(tmp_path, GRID.replace("[1.0, 2.0]", "[1.0, 2.0, 3.0]"))
    changed = hpdash("sweep", path.name, cwd=tmp_path)
    assert changed.returncode == 2
    assert "or add trials or values with --extend" in changed.stderr
    assert hpdash("sweep", path.name, "--extend", "--new", cwd=tmp_path).returncode == 2
    assert hpdash("sweep", path.name, "--extend", cwd=tmp_path).returncode == 0
    assert len(points(path)) == 6


def test_a_sweep_knows_what_it_tried() -> None:
    """An extended sweep has its earlier trials first, in their order, followed by the new ones."""
    sweep = parse_sweep({"data": {"name": "digits"}, "hparams": {"dropout": [0.1, 0.2, 0.3]}}, name="x", folder=Path())

    made = trials(replace(sweep, tried=({"dropout": 0.3}, {"dropout": 0.1})))
    assert [spec.swept["dropout"] for spec in made] == [0.3, 0.1, 0.2]
