"""Tests of --extend: what may be added to a sweep, and that the trials already run do not change."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from commands import hpdash
from driven import finished, run, snapshot, started
from sweep_files import made_sweep

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
GRID: dict[str, Any] = {"a": [1.0, 2.0], "b": [0.1, 0.2]}
DRAWING_STRATEGIES = {"a": {"min": 0.0, "max": 1.0}, "b": {"min": 0.0, "max": 1.0}}


def written(folder: Path, **tables: Any) -> Path:
    """Write the sweep, over the grid unless the tables say otherwise; return its file."""
    space = {} if "trial" in tables else {"hparams": GRID}
    return made_sweep(folder, name="more", loop="loops:behave", source=LOOPS, **{**space, **tables})


def points(path: Path) -> list[tuple[Any, Any, int]]:
    """Return each trial's hyperparameters and seed, by number."""
    runs = sorted(read_runs(path.parent / "logs").runs, key=lambda run: run.number or 0)
    return [(run.hparams["a"], run.hparams["b"], run.seed or 0) for run in runs]


def test_more_values_of_a_grid(tmp_path: Path) -> None:
    """An added value makes new trials after the existing ones, which keep their numbers and every byte."""
    path = written(tmp_path, sweep={"repeats": 2})
    run(path)
    folder = tmp_path / "logs" / "more"
    before, tried = finished(folder), points(path)
    written(tmp_path, sweep={"repeats": 2}, hparams={**GRID, "b": [0.1, 0.15, 0.2]})
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
    path = written(tmp_path, sweep={"strategy": strategy, "trials": 3}, hparams=DRAWING_STRATEGIES)
    run(path, workers=1)
    tried = points(path)
    written(tmp_path, sweep={"strategy": strategy, "trials": 5}, hparams=DRAWING_STRATEGIES)
    _, told = run(path, workers=1, extend=True)
    assert started(told) == [3, 4]
    assert points(path)[:3] == tried
    whole = written(tmp_path / "longer", sweep={"strategy": strategy, "trials": 5}, hparams=DRAWING_STRATEGIES)
    run(whole, workers=1)
    assert points(path) == points(whole)


def test_a_wider_range(tmp_path: Path) -> None:
    """A wider range gives settings outside the old range, in addition to all settings already tried."""
    path = written(tmp_path, sweep={"strategy": "sobol", "trials": 4}, hparams=DRAWING_STRATEGIES)
    run(path)
    tried = points(path)
    wider = {name: {"min": 0.0, "max": 9.0} for name in DRAWING_STRATEGIES}
    written(tmp_path, sweep={"strategy": "sobol", "trials": 12}, hparams=wider)
    run(path, extend=True)
    assert points(path)[:4] == tried
    assert len(points(path)) == 12
    assert max(a for a, *_ in points(path)) > 1.0


def test_extended_twice_and_cut_off(tmp_path: Path) -> None:
    """A second extension adds to the first; an interrupted extension resumes from the same file without --extend."""
    path = written(tmp_path)
    run(path)
    for values in ([1.0, 2.0, 3.0], [0.5, 1.0, 2.0, 3.0]):
        written(tmp_path, hparams={**GRID, "a": values})
        run(path, extend=True)
    assert [a for a, *_ in points(path)] == [1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 0.5, 0.5]
    journal = tmp_path / "logs" / "more" / layout.JOURNAL
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:-4]))
    _, told = run(path)
    assert started(told) == [6, 7]
    assert json.loads((tmp_path / "logs" / "more" / layout.SWEEP_JSON).read_text())["trials"] == 8


def test_more_listed_trials(tmp_path: Path) -> None:
    """[[trial]] tables that are added at any position become new trials."""
    first, second, third = ({"a": a, "b": 0.5} for a in (1.0, 2.0, 3.0))
    path = written(tmp_path, trial=[first, second])
    run(path)
    written(tmp_path, trial=[third, first, second])
    run(path, extend=True)
    assert [a for a, *_ in points(path)] == [1.0, 2.0, 3.0]


REFUSED = {
    "a value taken away": ({"hparams": {**GRID, "b": [0.2, 0.3]}}, "hparams.b"),
    "a new hyperparameter": ({"hparams": {**GRID, "c": [1, 2]}}, "hparams.c"),
    "more epochs": ({"hparams": {"epochs": [3], **GRID}, "train": {}}, "epochs"),
    "another seed": ({"sweep": {"seed": 3}}, "sweep.seed"),
    "more repeats": ({"sweep": {"repeats": 3}}, "sweep.repeats"),
    "fewer trials": ({"sweep": {"trials": 2}}, "sweep.trials"),
}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run the grid; return the sweep's file."""
    path = written(tmp_path_factory.mktemp("done"))
    run(path)
    return path


@pytest.mark.parametrize(("tables", "key"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_no_addition_is_refused(done: Path, tables: dict[str, Any], key: str) -> None:
    """A change other than an addition is refused with an error that names the change, and nothing is written."""
    folder = done.parent / "logs" / "more"
    before = snapshot(folder)
    path = written(done.parent, **tables)
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
    written(tmp_path, hparams={**GRID, "a": [1.0, 2.0, 3.0]})
    with pytest.raises(LockedError, match="another driver has just extended this sweep"):
        run(path, extend=True)


def test_the_command(tmp_path: Path) -> None:
    """`--extend` adds trials; without it a changed file is refused with that advice; with --new it is refused."""
    path = written(tmp_path)
    assert hpdash("sweep", path.name, cwd=tmp_path).returncode == 0
    written(tmp_path, hparams={**GRID, "a": [1.0, 2.0, 3.0]})
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
