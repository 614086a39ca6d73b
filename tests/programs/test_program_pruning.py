"""Tests of pruning programs: rungs are steps, poor programs are ended, and only those with a state are promoted."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import invoke
from driven import run, states, trial_folder
from programs import COMMAND, SOURCE, program_sweep

from hpdash import read_runs
from hpdash.journal.entries import RungDecision
from hpdash.journal.journal import read_journal
from hpdash.logs import layout
from hpdash.records import Reached, TrialState

XS = [1.0, 2.0, 3.0, 4.0, 0.5, 0.25]
NEW_FOLDER = """
logdir = logdir / f"version_{len(list(logdir.glob('version_*')))}"
file = EventFile(logdir)
"""
RESUMABLE = (*COMMAND, "--state", "{state}")


def pruned(folder: Path, command: tuple[str, ...], xs: list[float], pause: float = 0.0) -> Path:
    """Run a sweep of programs of nine steps, whose score is x times the step, with asha; return its folder."""
    path = program_sweep(
        folder, {"x": xs}, command=(*command, "--steps", "{steps}", f"--pause={pause}"), steps=9,
        prune={"strategy": "asha", "min_epochs": 1, "reduction_factor": 3},
    )  # fmt: skip
    outcome, _ = run(path)
    assert outcome.exit_code == 0, outcome.results
    return folder / "logs" / "programs"


def rungs(sweep: Path) -> list[tuple[int, int, float, bool]]:
    """Return the decisions in the journal: trial, step, value, whether the trial went on."""
    entries = read_journal(sweep / layout.JOURNAL).entries
    return [(each.trial, each.epoch, each.value, each.goes_on) for each in entries if isinstance(each, RungDecision)]


def test_without_a_state_the_best_so_far_goes_on(tmp_path: Path) -> None:
    """No pruned program runs again, and the first one is not lost: at least the best so far goes on."""
    sweep = pruned(tmp_path, COMMAND, XS)
    ends = {number: str(state) for number, state in states(sweep).items()}
    assert ends == {0: "finished", 1: "finished", 2: "finished", 3: "finished", 4: "pruned", 5: "pruned"}
    assert [each for each in rungs(sweep) if each[0] == 4] == [(4, 1, 0.5, False)]
    result = read_journal(sweep / layout.JOURNAL).latest[4].result
    assert result and (result.epochs, result.best) == (1, {"score": 0.5})
    assert len(read_journal(sweep / layout.JOURNAL).transitions) == 12


def test_with_a_state_pruned_programs_are_promoted(tmp_path: Path) -> None:
    """With {state}, asha prunes the first ones too, and promotes the best; these go on from where they stopped."""
    sweep = pruned(tmp_path, RESUMABLE, XS)
    records = read_journal(sweep / layout.JOURNAL).transitions
    starts = [each.trial for each in records if each.state is TrialState.RUNNING]
    promoted = {number for number in starts if starts.count(number) > 1}
    assert promoted and states(sweep)[3] is TrialState.FINISHED
    output = (trial_folder(sweep, min(promoted)) / layout.OUTPUT).read_text()
    assert output.count("the arguments are") > 1


def test_a_pruned_program_is_ended(tmp_path: Path) -> None:
    """A program that takes its time is ended soon after its rung, not at its end."""
    sweep = pruned(tmp_path, COMMAND, [4.0, 1.0], pause=0.6)
    log = read_journal(sweep / layout.JOURNAL)
    times = {(each.trial, each.state): each.time for each in log.transitions}
    taken = times[1, TrialState.PRUNED] - times[1, TrialState.RUNNING]
    assert taken + 2.0 < times[0, TrialState.FINISHED] - times[0, TrialState.RUNNING]  # it has 5 s less to do


@pytest.mark.parametrize("step", [4, 12])
def test_a_program_without_steps_at_the_rung(tmp_path: Path, step: int) -> None:
    """A program that logs only some steps is compared at its first step after the rung, or at none."""
    source = f"""
import os
from pathlib import Path
from hpdash.logs.writer import EventFile, scalar_value
file = EventFile(Path(os.environ["HPDASH_RUN"]))
file.add(scalar_value("score", 1.0), {step})
file.close()
"""
    path = program_sweep(tmp_path, {"x": [1.0]}, source=source, steps=20, prune={"min_epochs": 3})
    outcome, events = run(path)
    assert outcome.results[0].state is TrialState.FINISHED
    assert [(each.epoch, each.value) for each in events if isinstance(each, Reached)] == [
        (max(rung for rung in (3, 9) if rung <= step), 1.0)
    ]


def test_a_loss_that_is_not_finite_diverges_before_it_is_pruned(tmp_path: Path) -> None:
    """However fast the program was, the state is that of the first thing that happened."""
    source = SOURCE.replace("flags.x * step", "-flags.x if step == 1 else math.nan")
    path = program_sweep(
        tmp_path, {"x": [1.0, 0.5]}, source=source, steps=9, sweep={"goal": "min"},
        prune={"min_epochs": 3, "reduction_factor": 2},
    )  # fmt: skip
    outcome, _ = run(path)
    assert {result.state for result in outcome.results.values()} == {TrialState.DIVERGED}
    assert rungs(tmp_path / "logs" / "programs") == []


def test_a_new_folder_at_each_start_goes_on_with_the_old_one(tmp_path: Path) -> None:
    """Programs that log into `version_0`, then `version_1`, have one curve after they were killed and went on."""
    source = SOURCE.replace("file = EventFile(logdir)", NEW_FOLDER)
    path = program_sweep(tmp_path, {"does": ["die"]}, command=RESUMABLE, source=source, sweep={"max_retries": 0})
    run(path)
    (tmp_path / "mended").touch()
    outcome, _ = run(path)
    assert (outcome.results[0].epochs, outcome.results[0].best) == (4, {"score": 4.0})
    (read,) = read_runs(tmp_path / "logs")
    assert read.scalars["score"].steps.tolist() == [1, 2, 3, 4]
    assert invoke("verify", str(tmp_path / "logs")).exit_code == 0
