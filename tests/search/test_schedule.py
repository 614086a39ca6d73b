"""Tests of a sweep's schedule: how settings are proposed, and that interruptions and damage do not change them."""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from driven import driving, run, started, until
from sweep_files import made_sweep

from hpdash.api import verify
from hpdash.journal.entries import PROPOSAL, Entry, Proposal, Transition, kind_of
from hpdash.journal.history import History
from hpdash.journal.journal import read_journal
from hpdash.logs import layout
from hpdash.records import TrialResult, TrialState
from hpdash.search import Schedule
from hpdash.search.schedule import evidence
from hpdash.spec import Sweep, load_sweep, parse_sweep

TRIALS, STARTUP = 15, 10
LOOPS = """
import time

def bowl(trial):
    x, y = trial.hparams["x"], trial.hparams["y"]
    for epoch in range(1, trial.epochs + 1):
        time.sleep(0.05)
        loss = float("nan") if trial.number == 4 else (x - 1) ** 2 + (y + 2) ** 2
        if trial.number == 6:
            raise ValueError("an odd reason")
        trial.report(epoch, loss=loss)
"""


def written(folder: Path, trials: int = TRIALS, repeats: int = 1) -> Path:
    """Write the sweep's file; return its path."""
    return made_sweep(
        folder,
        name="bowl",
        loop="loops:bowl",
        source=LOOPS,
        sweep={"strategy": "tpe", "trials": trials, "repeats": repeats, "objective": "loss"},
        hparams={"x": {"min": -5.0, "max": 5.0}, "y": {"min": -5.0, "max": 5.0}},
    )


def journal(path: Path) -> Path:
    """Return the path of the sweep's journal."""
    return path.parent / "logs" / "bowl" / layout.JOURNAL


def lines_of(path: Path) -> int:
    """Return the number of lines in the journal."""
    return journal(path).read_bytes().count(b"\n") if journal(path).exists() else 0


def proposals(path: Path) -> list[tuple[int, Any]]:
    """Return the proposed settings, in order."""
    entries = read_journal(journal(path)).entries
    return [(entry.setting, dict(entry.point)) for entry in entries if isinstance(entry, Proposal)]


def results(path: Path) -> dict[int, tuple[TrialState, Any]]:
    """Return each trial's final state and best values."""
    latest = read_journal(journal(path)).latest
    return {number: (record.state, record.result and record.result.best) for number, record in latest.items()}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run the sweep on one worker without interruption; return the path of its file."""
    path = written(tmp_path_factory.mktemp("undisturbed"))
    outcome, _ = run(path, workers=1)
    assert (len(outcome.results), outcome.total) == (TRIALS, TRIALS)
    return path


def test_proposals_are_in_the_journal(undisturbed: Path) -> None:
    """A setting is in the journal before its trial starts, with the last line whose results it is based on."""
    entries = read_journal(journal(undisturbed)).entries
    assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
    assert [setting for setting, _ in proposals(undisturbed)] == list(range(TRIALS))
    for entry, following in pairwise(entries):
        if isinstance(entry, Proposal):
            assert entry.after == entry.seq - 1
            assert isinstance(following, Transition)
            assert (following.trial, following.state) == (entry.setting, TrialState.RUNNING)


def test_later_settings_follow_from_results(undisturbed: Path) -> None:
    """Settings proposed from results are closer to the optimum, on average, than the initial settings."""
    distances = [math.hypot(point["x"] - 1, point["y"] + 2) for _, point in proposals(undisturbed)]
    assert sum(distances[STARTUP:]) / (TRIALS - STARTUP) < sum(distances[:STARTUP]) / STARTUP
    ends = results(undisturbed)
    assert (ends[4][0], ends[6][0]) == (TrialState.DIVERGED, TrialState.FAILED)


@pytest.mark.parametrize("lines", [[10, 34, 41]])
def test_killed_and_gone_on_with(tmp_path: Path, undisturbed: Path, lines: list[int]) -> None:
    """A search whose driver is killed, even several times, ends with the same proposals and results."""
    path = written(tmp_path)
    for count in lines:
        with driving(path, "--workers", "1") as driver:
            until(lambda count=count: lines_of(path) >= count, 60)  # type: ignore[misc]
            driver.kill()
    run(path, workers=1)
    assert proposals(path) == proposals(undisturbed)
    assert results(path) == results(undisturbed)


@pytest.mark.parametrize("lost", [[3], [11, 12], [14]])
def test_a_lost_proposal_is_worked_out_again(tmp_path: Path, undisturbed: Path, lost: list[int]) -> None:
    """If the journal's lines of proposals are lost, the same settings are computed again."""
    path = written(tmp_path)
    (path.parent / "logs").symlink_to(undisturbed.parent / "logs")
    entries = read_journal(journal(undisturbed)).entries
    left = [entry for entry in entries if not (isinstance(entry, Proposal) and entry.setting in lost)]
    schedule = Schedule.replayed(load_sweep(path), left)
    assert [(spec.setting, dict(spec.swept)) for spec in schedule.specs] == proposals(undisturbed)


def test_verify_tells_of_a_lost_proposal(tmp_path: Path, undisturbed: Path) -> None:
    """`verify` reports a damaged line of a proposal, which is lost only until it is computed again."""
    shutil.copytree(undisturbed.parent / "logs", tmp_path / "logs")
    path = tmp_path / "logs" / "bowl" / layout.JOURNAL
    lines = path.read_bytes().splitlines(keepends=True)
    at = next(number for number, line in enumerate(lines) if kind_of(line) == PROPOSAL and b'"setting":11' in line)
    path.write_bytes(b"".join([*lines[:at], lines[at].replace(b"setting", b"setTing"), *lines[at + 1 :]]))
    (found,) = verify(tmp_path / "logs").checked.findings
    assert found.line == at + 1
    assert "a proposed setting" in found.affected


def test_what_is_done_is_not_run_again(tmp_path: Path, undisturbed: Path) -> None:
    """The same command again trains nothing if every setting has a result."""
    before = journal(undisturbed).read_bytes()
    outcome, told = run(undisturbed)
    assert (len(outcome.results), started(told)) == (TRIALS, [])
    assert journal(undisturbed).read_bytes() == before


def test_two_workers(tmp_path: Path) -> None:
    """On two workers, a search proposes the same number of settings.

    Each proposal is based on all results in the journal at that time.
    """
    path = written(tmp_path)
    outcome, _ = run(path, workers=2)
    assert len(outcome.results) == TRIALS
    entries = read_journal(journal(path)).entries
    for place, entry in enumerate(entries):
        if isinstance(entry, Proposal):
            schedule = Schedule.replayed(load_sweep(path), entries[:place])
            assert schedule.propose(History.of(entries[:place])) == entry.point


def test_replicates_share_a_proposal(tmp_path: Path) -> None:
    """All seeds of a setting run before the next setting is proposed."""
    path = written(tmp_path, trials=3, repeats=2)
    outcome, told = run(path, workers=1)
    assert [(spec.number, spec.setting, spec.seed) for spec in outcome.specs] == [
        (0, 0, 0), (1, 0, 1), (2, 1, 0), (3, 1, 1), (4, 2, 0), (5, 2, 1),
    ]  # fmt: skip
    assert started(told) == [0, 1, 2, 3, 4, 5]
    assert [setting for setting, _ in proposals(path)] == [0, 1, 2]


FINISHED = TrialResult(TrialState.FINISHED, best={"loss": 1.0})
BETTER = TrialResult(TrialState.FINISHED, best={"loss": 0.5})
SCORES: dict[str, tuple[Sequence[TrialResult | None], float | None]] = {
    "one": ([FINISHED], 1.0),
    "the mean of replicates": ([FINISHED, BETTER], 0.75),
    "one of them runs": ([FINISHED, None], None),
    "none has run": ([None, None], None),
    "one failed": ([FINISHED, TrialResult(TrialState.FAILED)], 1.0),
    "all failed": ([TrialResult(TrialState.FAILED)], math.nan),
    "one diverged": ([FINISHED, TrialResult(TrialState.DIVERGED)], math.inf),
}


@pytest.mark.parametrize(("results", "expected"), SCORES.values(), ids=SCORES.keys())
def test_a_settings_score(results: Sequence[TrialResult | None], expected: float | None) -> None:
    """A setting's score is the mean of its finished replicates, once none is missing; divergence is the worst score."""
    found = evidence([spec_of("min")] * len(results), results).score
    assert found == (None if expected is None else pytest.approx(expected, nan_ok=True))


def test_who_diverges_is_worst_for_either_goal() -> None:
    """If more is better, a diverged setting scores minus infinity."""
    assert evidence([spec_of("max")], [TrialResult(TrialState.DIVERGED)]).score == -math.inf


def test_who_was_pruned_counts_with_its_last_value() -> None:
    """A pruned setting scores with its last value, and the number of its epochs is kept."""
    pruned = TrialResult(TrialState.PRUNED, epochs=3, metrics={"loss": 0.7}, best={"loss": 0.6})
    found = evidence([spec_of("min")], [pruned])
    assert (found.score, found.epochs) == (0.7, 3)


def spec_of(goal: str) -> Any:
    """Return a trial with this goal."""
    return Schedule(small(goal=goal, objective="loss")).certain()[0]


def small(**head: Any) -> Sweep:
    """Build a small sweep of tpe."""
    tables = {
        "sweep": {"strategy": "tpe", "trials": 4, **head},
        "data": {"name": "digits"},
        "hparams": {"dropout": {"min": 0.0, "max": 0.5}},
    }
    return parse_sweep(tables, name="x.toml", folder=Path())


def test_results_that_a_search_learns_from() -> None:
    """An interrupted, killed or running trial has no result; a trial's later line replaces an earlier one."""
    states = [TrialState.FINISHED, TrialState.FAILED, TrialState.KILLED, TrialState.INTERRUPTED, TrialState.RUNNING]
    lines = [Transition(n, n, state, 1, 0.0, TrialResult(state)) for n, state in enumerate(states)]
    again = Transition(9, 0, TrialState.RUNNING, 2, 0.0)
    assert list(History.of(lines).results) == [0, 1]
    assert list(History.of([*lines, again]).results) == [1]


def test_a_journal_without_proposals_has_no_course() -> None:
    """A sweep without proposals in its journal has no trials yet.

    The first settings, which need no results, are known in advance and are Sobol points.
    """
    none: list[Entry] = []
    schedule = Schedule.replayed(small(), none)
    assert (schedule.specs, schedule.total) == ([], 4)
    assert [spec.number for spec in schedule.certain()] == [0, 1, 2, 3]
