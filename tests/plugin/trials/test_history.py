"""Tests of the Trials tab's search and timeline: they are what the journal says."""

from __future__ import annotations

import json
from pathlib import Path

from commands import invoke

from hpdash.journal.entries import Transition, to_line
from hpdash.journal.journal import read_journal
from hpdash.logs import layout
from hpdash.plugin.trials.history import search_impl, timeline_impl
from hpdash.plugin.trials.logdir import Snapshot
from hpdash.plugin.trials.table import chosen_runs
from hpdash.records import TrialResult, TrialState
from hpdash.runs import Objective, Run


def test_the_search_is_what_effects_prints(root: Path, snapshot: Snapshot) -> None:
    """The ends of trials and the best value are those of `hpdash effects --json`, the rungs those of the journal."""
    answer = search_impl(chosen_runs(snapshot, "curves", None, None))
    shown = json.loads(invoke("effects", str(root), "--json").stdout)["sweeps"]
    (printed,) = [each["search"] for each in shown if each["sweep"] == "curves"]
    own = {**answer, "pruned": {str(epoch): count for epoch, count in answer["pruned"].items()}}
    assert {name: own[name] for name in printed} == printed
    assert [rung["epoch"] for rung in answer["rungs"]] == [1, 3]
    first = answer["rungs"][0]
    assert len(first["trials"]) == len(first["values"]) == len(first["goes_on"]) == 14
    second = set(answer["rungs"][1]["trials"])
    columns = zip(first["trials"], first["goes_on"], first["promoted"], strict=True)
    went = {trial for trial, goes_on, promoted in columns if goes_on or promoted}
    assert went == second


def test_the_timeline_has_each_attempt(root: Path, snapshot: Snapshot) -> None:
    """Each attempt in the journal is one bar, and bars of one lane do not overlap."""
    for sweep in ("grid", "curves"):
        answer = timeline_impl(chosen_runs(snapshot, sweep, None, None))
        records = read_journal(root / sweep / layout.JOURNAL).transitions
        assert len(answer["spans"]) == sum(record.state is TrialState.RUNNING for record in records)
        assert answer["lanes"] <= 2
        ends: dict[int, float] = {}
        for attempt in answer["spans"]:
            assert attempt["begin"] >= ends.get(attempt["lane"], 0.0)
            ends[attempt["lane"]] = attempt["end"]
            assert 0 <= attempt["training"] <= attempt["end"] - attempt["begin"] + 1


def test_where_there_is_no_journal_it_says_so(snapshot: Snapshot) -> None:
    """Runs of another tool have no order and no times; the answers say why."""
    runs = chosen_runs(snapshot, "", None, None)
    assert "no journal" in search_impl(runs)["note"]
    assert "no journal" in timeline_impl(runs)["note"]


def test_a_resumed_trial_counts_its_training_once(tmp_path: Path) -> None:
    """The seconds of a resumed trial include its earlier attempt; each bar has only its own."""
    states = [
        (TrialState.RUNNING, 0.0, None), (TrialState.KILLED, 10.0, 8.0),
        (TrialState.RUNNING, 20.0, None), (TrialState.FINISHED, 25.0, 12.0),
    ]  # fmt: skip
    lines = [
        to_line(Transition(at + 1, 0, state, 1 + at // 2, time, seconds and TrialResult(state, 3, seconds=seconds)))
        for at, (state, time, seconds) in enumerate(states)
    ]
    (tmp_path / layout.JOURNAL).write_bytes(b"".join(lines))
    run = Run("0000", tmp_path / "0000", number=0, objective=Objective("loss", "loss", "min"))  # type: ignore[arg-type]
    answer = timeline_impl([run])
    assert [(each["attempt"], each["begin"], each["end"], each["training"]) for each in answer["spans"]] == [
        (1, 0.0, 10.0, 8.0), (2, 20.0, 25.0, 4.0),
    ]  # fmt: skip
    assert "80 %" in answer["sentence"]
