"""Tests of logs that other tools write: the hyperparameters of each run, how runs are ranked, and what is shown."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from commands import invoke
from tensorboardX import SummaryWriter
from weights_logs import opened

from hpdash import compare, read_runs
from hpdash.plugin.catalogue import read_catalogue
from hpdash.reader.attribution import Sessions, hparams_of
from hpdash.reader.sessions import HParamsSession
from hpdash.records import TrialState

SCORES = {"exp_a": 0.7, "exp_b": 0.8, "exp_c": 0.9}
HPARAMS: Mapping[str, Mapping[str, Any]] = {
    "exp_a": {"lr": 0.1}, "exp_b": {"lr": 0.01, "dropout": 0.2}, "exp_c": {"lr": 0.001, "dropout": 0.5, "amp": True},
}  # fmt: skip


def steps(writer: SummaryWriter, score: float) -> None:
    """Write a scalar and a histogram over a few steps."""
    for step in range(3):
        writer.add_scalar("accuracy/test", score * (step + 1) / 3, step)
        writer.add_histogram("fc/weight", [0.1 * step, 0.2, 0.3], step)


def add_hparams(root: Path) -> None:
    """Write runs like `add_hparams` of PyTorch and tensorboardX: a run inside each run has the hyperparameters."""
    for name, score in SCORES.items():
        with SummaryWriter(str(root / name)) as writer:
            steps(writer, score)
            writer.add_hparams(dict(HPARAMS[name]), {"hparam/accuracy": score})


def no_metrics(root: Path) -> None:
    """Write runs that log their hyperparameters without any metric."""
    for name, score in SCORES.items():
        with SummaryWriter(str(root / "runs" / name)) as writer:
            writer.add_hparams(dict(HPARAMS[name]), {})
            steps(writer, score)


def above(root: Path) -> None:
    """Write runs inside folders that have the hyperparameters."""
    for name, score in SCORES.items():
        with SummaryWriter(str(root / name)) as writer:
            writer.add_hparams(dict(HPARAMS[name]), {"score": score}, name=".")
        with SummaryWriter(str(root / name / "train")) as writer:
            steps(writer, score)


def in_names(root: Path) -> None:
    """Write runs that have hyperparameters only in their names."""
    for name, score in SCORES.items():
        pairs = ",".join(f"{key}={value}" for key, value in HPARAMS[name].items())
        with SummaryWriter(str(root / pairs)) as writer:
            steps(writer, score)


@pytest.mark.parametrize("layout", [add_hparams, no_metrics, above, in_names])
def test_commands_and_the_weights_tab_agree(tmp_path: Path, layout: Callable[[Path], None]) -> None:
    """In every layout, each run is one row with its hyperparameters and results.

    The commands and the Weights tab agree.
    """
    layout(tmp_path)
    runs = read_runs(tmp_path)
    found = {run.hparams["lr"]: run for run in runs}
    assert len(runs) == len(found) == len(SCORES)
    for name, score in SCORES.items():
        run = found[HPARAMS[name]["lr"]]
        assert dict(run.hparams) == dict(HPARAMS[name])
        assert run.scalars["accuracy/test"].last == pytest.approx(score)
    with opened(tmp_path, "false") as source:
        tab = [dict(member.hparams) for member in read_catalogue(source).runs]
    assert sorted(tab, key=lambda pairs: pairs["lr"]) == [dict(HPARAMS[name]) for name in sorted(SCORES, reverse=True)]
    assert len(compare(runs, "accuracy/test", "lr").groups) == 3
    assert "lr" in invoke("effects", str(tmp_path)).output
    shown = invoke("show", runs[0].name, "--logdir", str(tmp_path))
    assert (shown.exit_code, "lr" in shown.output) == (0, True)


def test_a_session_has_one_owner() -> None:
    """A run's own session comes first, then one in a folder above, then the only one in a folder below.

    If two sessions lie below a run, it gets neither.
    """
    session = HParamsSession(hparams={"lr": 0.1})
    other = HParamsSession(hparams={"lr": 0.2})
    sessions = Sessions.of(
        {"a": session, "a/b": other, "c/x": session, "d/x": session, "d/y": other, "e": HParamsSession()}
    )
    owners = {run: sessions.whose(run) for run in ("a", "a/b", "a/b/c", "a/z", "c", "d", "e", "f")}
    assert owners == {
        "a": "a", "a/b": "a/b", "a/b/c": "a/b", "a/z": "a", "c": "c/x", "d": None, "e": None, "f": None,
    }  # fmt: skip
    assert hparams_of(["lr=1", "lr=2"], Sessions.of({})) == ([{"lr": 1}, {"lr": 2}], "names")
    assert hparams_of(["lr=1", "a"], sessions)[1] == "sessions"


def test_several_sessions_of_one_run_stay_runs(tmp_path: Path) -> None:
    """Two `add_hparams` calls by one writer make two runs with hyperparameters. The writer's run gets neither set."""
    with SummaryWriter(str(tmp_path / "exp")) as writer:
        steps(writer, 0.5)
        for rate in (0.1, 0.2):
            writer.add_hparams({"lr": rate}, {"score": rate}, name=f"lr_{rate}")
    found = {run.name: dict(run.hparams) for run in read_runs(tmp_path)}
    assert found == {"exp": {}, "exp/lr_0.1": {"lr": 0.1}, "exp/lr_0.2": {"lr": 0.2}}


def test_any_metric_ranks_either_way(tmp_path: Path) -> None:
    """`--objective` and `--goal` override the choice by metric names in every command that ranks runs.

    Without them, the output names the metric that was chosen.
    """
    with SummaryWriter(str(tmp_path / "a")) as first, SummaryWriter(str(tmp_path / "b")) as second:
        for writer, value in ((first, 1.0), (second, 2.0)):
            writer.add_scalar("size", value, 0)
            writer.add_scalar("accuracy", -value, 0)
    assert "accuracy in 2 of 2 runs" in invoke("ls", str(tmp_path)).output
    for goal, best in (("min", "a"), ("max", "b")):
        ranked = ("--objective", "size", "--goal", goal)
        rows = json.loads(invoke("ls", str(tmp_path), *ranked, "--json").output)["sweeps"][0]["rows"]
        assert rows[0]["runs"][0]["name"] == best
        exported = json.loads(invoke("export", str(tmp_path), *ranked, "--json").output)
        assert {(row["objective"], row["goal"]) for row in exported} == {("size", goal)}
        assert "size" in invoke("effects", str(tmp_path), *ranked).output
        assert invoke("report", str(tmp_path), *ranked, "-o", str(tmp_path / "report.html")).exit_code == 0
    assert invoke("ls", str(tmp_path), "--objective", "size").exit_code == 2
    assert "'size'" in invoke("ls", str(tmp_path), "--objective", "sizes", "--goal", "min").output


def test_what_cannot_be_ranked_says_what_to_do(tmp_path: Path) -> None:
    """If no metric's name shows whether more or less is better, the output suggests `--objective`."""
    with SummaryWriter(str(tmp_path / "a")) as writer:
        writer.add_scalar("size", 1.0, 0)
    assert "--objective" in invoke("ls", str(tmp_path)).output
    page = tmp_path / "report.html"
    assert invoke("report", str(tmp_path), "-o", str(page)).exit_code == 0
    assert "--objective" in page.read_text()


def test_a_sweeps_own_best_is_not_taken_for_anothers(tmp_path: Path) -> None:
    """Ranked by another metric than the sweep's, a run's best value comes from that metric's series.

    The journal's best value is not used.
    """
    from hpdash.analysis.objective import best, with_objective

    kept = Path(__file__).parents[1] / "faults" / "kept" / "schema-1" / "logs" / "own"
    runs = [run for run in read_runs(kept) if run.status is TrialState.FINISHED]
    for run in with_objective(runs, "loss", "max"):
        assert run.objective is not None
        assert best(run, run.objective) == run.scalars["epoch_loss"].best(run.objective.goal)


def test_no_hint_suggests_what_was_typed(tmp_path: Path) -> None:
    """An unknown hyperparameter name is not suggested as its own correction, even if it looks like an abbreviation."""
    with SummaryWriter(str(tmp_path / "a")) as writer:
        writer.add_scalar("loss", 1.0, 0)
    for name in ("lr", "los", "Loss"):
        output = invoke("compare", str(tmp_path), "--tag", "loss", "--by", name).output
        assert f"mean '{name}'" not in output


def test_a_long_value_does_not_fill_the_page(tmp_path: Path) -> None:
    """`show` shortens a long value, and `--json` gives all of it."""
    text = ", ".join(f"class_{index}" for index in range(500))
    with SummaryWriter(str(tmp_path / "a")) as writer:
        writer.add_hparams({"classes": text, "lr": 0.1}, {"score": 1.0}, name=".")
    assert max(map(len, invoke("show", "a", "--logdir", str(tmp_path)).output.splitlines())) < 200
    assert json.loads(invoke("show", "a", "--logdir", str(tmp_path), "--json").output)["hparams"]["classes"] == text
