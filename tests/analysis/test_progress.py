"""Tests of how the progress of a search is read from its journal and shown."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from pathlib import Path

import pytest
from commands import invoke
from driven import run
from searched import LOOPS, written
from sweep_files import made_sweep

from hpdash.analysis.progress import SearchProgress, steps
from hpdash.api import effects, read_runs, report
from hpdash.goal import Goal
from hpdash.journal.journal import Transition, read_journal
from hpdash.logs import layout
from hpdash.records import TrialResult, TrialState
from hpdash.runs import Objective
from hpdash.views.terminal.progress import searched, spending, summary
from hpdash.views.web.progress_figure import figure

LOSS = Objective("loss", "epoch_loss", Goal.MIN)
F, P, K, D = TrialState.FINISHED, TrialState.PRUNED, TrialState.KILLED, TrialState.DIVERGED


def records(*ends: tuple[int, TrialState, int, float]) -> list[Transition]:
    """Build one record for each given end: trial number, state, epochs and best loss."""
    results = (TrialResult(state, epochs=epochs, best={"loss": best}) for _, state, epochs, best in ends)
    return [Transition(0, end[0], end[1], 1, 0.0, result) for end, result in zip(ends, results, strict=True)]


def test_what_was_spent_and_what_was_best() -> None:
    """Epochs add up over trials, and the best value so far never gets worse.

    Epochs before a promotion count once.
    """
    found = steps(records((0, P, 1, 0.9), (1, P, 1, 0.5), (1, F, 4, 0.2), (2, D, 2, math.nan), (3, F, 4, 0.3)), LOSS)
    assert [(step.trial, step.spent, step.best, step.is_better) for step in found] == [
        (0, 1, 0.9, True), (1, 2, 0.5, True), (1, 5, 0.2, True), (2, 7, 0.2, False), (3, 11, 0.2, False),
    ]  # fmt: skip


def test_what_was_trained_twice_counts_twice() -> None:
    """Epochs of a killed attempt count as spent, even if the trial lost its checkpoint and trained them again.

    The kill itself is not an end of the trial.
    """
    found = steps(records((0, K, 3, 0.4), (0, F, 2, 0.5), (1, F, 1, math.nan)), LOSS)
    assert [(step.trial, step.spent, step.best) for step in found] == [(0, 5, 0.5), (1, 6, 0.5)]


def test_who_was_pruned_when() -> None:
    """A trial counts as pruned if that is its final state, and it counts at its last epoch."""
    found = SearchProgress(
        LOSS, steps(records((0, P, 1, 0.9), (1, P, 1, 0.5), (1, P, 3, 0.2), (2, F, 9, 0.1)), LOSS), 27
    )
    assert found.pruned == {1: 1, 3: 1}
    told = spending(found)
    assert told.startswith("3 trials in 13 epochs, 48 % of the epochs ")
    assert told.endswith("; pruned: 1 after epoch 1, 1 after epoch 3.")


def test_when_the_search_last_improved() -> None:
    """The summary names the last trial that improved the best value, and how many have ended since."""
    found = SearchProgress(
        LOSS, steps(records((0, F, 3, 0.9), (1, F, 3, 0.5), (2, F, 3, 0.7), (3, D, 1, math.nan)), LOSS), 9
    )
    assert "trial 0001, after 6 epochs: 2 more trials have ended since then" in summary(found)
    assert "the last to end" in summary(replace(found, steps=found.steps[:2]))


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run a search with pruning and return its logs."""
    path = written(tmp_path_factory.mktemp("searched"))
    run(path)
    return path.parent / "logs"


def test_effects_tell_of_the_search(logs: Path) -> None:
    """`hpdash effects` lists the improvements of the search, and its JSON form every end in the journal."""
    ends = [r for r in read_journal(logs / "curves" / layout.JOURNAL).transitions if r.result is not None]
    shown = json.loads(invoke("effects", str(logs), "--json").output)["sweeps"][0]["search"]
    assert [(step["trial"], step["state"]) for step in shown["steps"]] == [(r.trial, r.state) for r in ends]
    assert shown["spent"] == sum(len(each.scalars["epoch_loss"].steps) for each in read_runs(logs).runs)
    text = invoke("effects", str(logs)).output
    assert "Improvements of validation/accuracy" in text
    assert re.search(r"\d trials in [\d,]+ epochs, \d+ % of the epochs .*; pruned: \d+ after epoch \d", text)


def test_the_report_draws_the_search(logs: Path, tmp_path: Path) -> None:
    """The report has a chapter that plots the ends of trials over the epochs spent, pruned trials separately."""
    page = report(logs, tmp_path / "report.html").read_text()
    assert "How the search went" in page
    found = searched(read_runs(logs).runs)
    assert found is not None
    drawn = {trace["name"]: trace for trace in figure(found)["data"]}
    assert {"best so far", "finished", "pruned"} <= drawn.keys()
    assert drawn["best so far"]["y"] == sorted(drawn["best so far"]["y"])
    assert drawn["best so far"]["x"][-1] == found.spent


def test_a_grid_has_no_search(tmp_path: Path) -> None:
    """A grid sweep has no search progress, because the order of its trials has no meaning."""
    tables = {"train": {"epochs": 9}, "hparams": {"q": [0.1, 0.9]}}
    path = made_sweep(tmp_path, name="curves", loop="loops:curve", source=LOOPS, **tables)
    run(path)
    assert [each.progress for each in effects(path.parent / "logs").sweeps] == [None]
