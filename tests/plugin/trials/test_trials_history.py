"""Tests of the Trials tab's search and timeline: they are what the journal says."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import replace
from html import unescape
from pathlib import Path

import numpy as np
from commands import invoke

from hpdash.analysis.timeline import Attempt
from hpdash.goal import Goal
from hpdash.journal.entries import RungDecision, Transition, to_line
from hpdash.journal.journal import read_journal
from hpdash.logs import layout
from hpdash.plugin.trials.charts import effects_impl
from hpdash.plugin.trials.history import search_impl, timeline_impl
from hpdash.plugin.trials.logdir import Snapshot
from hpdash.plugin.trials.table import chosen_runs
from hpdash.reader import read
from hpdash.records import TrialResult, TrialState
from hpdash.runs import Objective, Run, Series
from hpdash.views.report import render_report
from hpdash.views.report.timeline import timeline


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


def test_a_proposal_has_the_results_that_were_known(root: Path, snapshot: Snapshot) -> None:
    """The results before a proposal are the ends of trials above its line in the journal."""
    answer = search_impl(chosen_runs(snapshot, "curves", None, None))
    lines = [json.loads(line) for line in (root / "curves" / layout.JOURNAL).read_text().splitlines()]
    ended = [line["kind"] == "state" and line["state"] in ("finished", "pruned") for line in lines]
    expected = {line["setting"]: sum(ended[:at]) for at, line in enumerate(lines) if line["kind"] == "proposal"}
    assert answer["known"] == expected
    assert max(expected.values()) > min(expected.values()) == 0
    assert search_impl(chosen_runs(snapshot, "grid", None, None))["known"] == {}


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


def recorded(folder: Path, *records: Transition | RungDecision) -> list[Run]:
    """Write a journal; return its trials as runs, with the states that they have now."""
    (folder / layout.JOURNAL).write_bytes(b"".join(map(to_line, records)))
    latest = {each.trial: each for each in records if isinstance(each, Transition)}
    loss = Objective("loss", "loss", Goal.MIN)
    return [
        Run(
            f"{number:04d}",
            folder / f"{number:04d}",
            number=number,
            status=last.state,
            result=last.result,
            objective=loss,
        )
        for number, last in latest.items()
    ]


def test_running_attempts_are_in_lanes_of_their_own(tmp_path: Path) -> None:
    """Attempts that run now do not share a lane, and a later attempt gets a third one."""
    running = TrialState.RUNNING
    runs = recorded(tmp_path, *(Transition(n + 1, n, running, 1, 10.0 * n) for n in range(3)))
    answer = timeline_impl(runs)
    assert answer["lanes"] == 3
    assert [(each["lane"], each["state"], each["end"]) for each in answer["spans"]] == [
        (0, "running", None), (1, "running", None), (2, "running", None),
    ]  # fmt: skip


def test_an_attempt_whose_driver_died_was_interrupted(tmp_path: Path) -> None:
    """An attempt without an end is interrupted if the trial started again, whatever the trial is now."""
    done = TrialResult(TrialState.FINISHED, 3, seconds=4.0)
    runs = recorded(
        tmp_path,
        Transition(1, 0, TrialState.RUNNING, 1, 0.0),
        Transition(2, 0, TrialState.RUNNING, 2, 50.0),
        Transition(3, 0, TrialState.FINISHED, 2, 60.0, done),
    )
    spans = timeline_impl(runs)["spans"]
    assert [(each["attempt"], each["state"], each["end"]) for each in spans] == [
        (1, "interrupted", None), (2, "finished", 60.0),
    ]  # fmt: skip


def test_a_rung_may_have_seen_nan(tmp_path: Path) -> None:
    """A trial whose watched metric was NaN at a rung has no value there."""
    done = TrialResult(TrialState.PRUNED, 1, best={"loss": 0.5}, best_epoch=1)
    runs = recorded(
        tmp_path,
        Transition(1, 0, TrialState.RUNNING, 1, 0.0),
        RungDecision(2, 1.0, 0, 1, math.nan, goes_on=False),
        Transition(3, 0, TrialState.PRUNED, 1, 2.0, done),
    )
    answer = search_impl(runs)
    assert answer["rungs"][0]["values"] == [None]
    json.dumps(answer, allow_nan=False)


def test_a_filter_that_nothing_meets_is_named(snapshot: Snapshot) -> None:
    """Without a trial, the note is about the filter, not about the journal."""
    runs = chosen_runs(snapshot, "curves", None, None, "q > 99")
    assert "filter" in search_impl(runs)["note"] and "filter" in timeline_impl(runs)["note"]


def test_a_resumed_trial_counts_its_training_once(tmp_path: Path) -> None:
    """The seconds of a resumed trial include its earlier attempt; each bar has only its own."""
    states = [
        (TrialState.RUNNING, 0.0, None), (TrialState.KILLED, 10.0, 8.0),
        (TrialState.RUNNING, 20.0, None), (TrialState.FINISHED, 25.0, 12.0),
    ]  # fmt: skip
    lines = [
        Transition(at + 1, 0, state, 1 + at // 2, time, TrialResult(state, 3, seconds=seconds) if seconds else None)
        for at, (state, time, seconds) in enumerate(states)
    ]
    answer = timeline_impl(recorded(tmp_path, *lines))
    assert [(each["attempt"], each["begin"], each["end"], each["training"]) for each in answer["spans"]] == [
        (1, 0.0, 10.0, 8.0), (2, 20.0, 25.0, 4.0),
    ]  # fmt: skip
    assert "80 %" in answer["sentence"]


def two_attempts(states: Sequence[tuple[TrialState, float, float | None]]) -> list[Transition]:
    """Return the lines of two attempts at trial 0, from their states, times and, at an end, the seconds of a result."""
    return [
        Transition(n, 0, state, (n + 1) // 2, time, None if seconds is None else TrialResult(state, 5, seconds=seconds))
        for n, (state, time, seconds) in enumerate(states, start=1)
    ]


def test_an_attempt_does_not_train_longer_than_it_ran(tmp_path: Path) -> None:
    """The seconds of a resumed trial include an attempt that died, whose own seconds are not known."""
    states = [
        (TrialState.RUNNING, 0.0, None), (TrialState.KILLED, 10.0, 0.0),
        (TrialState.RUNNING, 20.0, None), (TrialState.FINISHED, 25.0, 12.0),
    ]  # fmt: skip
    lines = two_attempts(states)
    answer = timeline_impl(recorded(tmp_path, *lines))
    assert [each["training"] for each in answer["spans"]] == [0.0, 5.0]


def test_the_report_has_what_the_tab_has(root: Path, snapshot: Snapshot) -> None:
    """The timeline, the effects at the first rung, and what failures have in common are in the report too."""
    html = unescape(render_report(read(root)))
    for sweep in ("curves", "grid"):
        runs = chosen_runs(snapshot, sweep, None, None)
        found = timeline_impl(runs)
        assert found["sentence"] in html
        assert f"{len(found['spans'])} attempts, {found['lanes']} at a time" in html
        assert all(sentence in html for sentence in effects_impl(runs)["patterns"])
    early = effects_impl(chosen_runs(snapshot, "curves", None, None), at_rung=True)
    assert f"The same for all {early['finished']} trials, by their value after {early['rung']} epoch" in html
    assert effects_impl(chosen_runs(snapshot, "grid", None, None))["patterns"]


def test_bars_that_cannot_be_told_apart_are_one() -> None:
    """Thousands of short attempts are at most a few hundred bars, and every attempt counts in one."""
    many = [Attempt(f"s/{n}", 1, "finished", float(n), n + 1.0, 0.5, lane=0) for n in range(5000)]
    svg = timeline(many)
    assert svg.count("<g ") < 500
    joined = [int(count) for count in re.findall(r"and (\d+) more", svg)]
    assert sum(joined) + svg.count("<g ") == 5000


def test_training_and_compiling_are_told_apart(tmp_path: Path) -> None:
    """With the seconds of each epoch in the logs, an attempt has those of its own epochs; the first one compiles."""
    states = [
        (TrialState.RUNNING, 100.0, None), (TrialState.KILLED, 110.0, 0.0),
        (TrialState.RUNNING, 120.0, None), (TrialState.FINISHED, 130.0, 12.0),
    ]  # fmt: skip
    lines = two_attempts(states)
    seconds, times = np.array([4.0, 1.0, 3.0, 1.0, 1.0]), np.array([105.0, 106.0, 124.0, 125.0, 126.0])
    epochs = {layout.time_tag("epoch"): Series(np.arange(1, 6), seconds, times)}
    (run,) = recorded(tmp_path, *lines)
    answer = timeline_impl([replace(run, scalars=epochs)])
    assert [(each["training"], each["compiling"]) for each in answer["spans"]] == [(2.0, 3.0), (3.0, 2.0)]
    assert "25 %" in answer["sentence"] and "compiling" in answer["sentence"]


def test_a_trial_that_starts_over_counts_all_of_its_seconds(tmp_path: Path) -> None:
    """A failed trial that runs again trains from the start: nothing of its first attempt is in the second result."""
    states = [
        (TrialState.RUNNING, 0.0, None), (TrialState.FAILED, 10.0, 9.0),
        (TrialState.RUNNING, 20.0, None), (TrialState.FINISHED, 60.0, 30.0),
    ]  # fmt: skip
    lines = two_attempts(states)
    assert [each["training"] for each in timeline_impl(recorded(tmp_path, *lines))["spans"]] == [9.0, 30.0]
