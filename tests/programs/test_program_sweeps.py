"""Tests of sweeps whose trials are programs: what they get, what their ends mean, and what is read of their logs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commands import invoke
from driven import alive, run, session_ends, states, trial_folder
from programs import PYTHON, noted_pids, program_sweep

import hpdash
from hpdash.journal.journal import read_journal
from hpdash.logs import layout
from hpdash.records import TrialState


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run a sweep of programs that end in every way; return its folder."""
    folder = tmp_path_factory.mktemp("programs")
    does = ["learn", "refuse", "crash", "diverge", "mute", "leave-nothing"]
    path = program_sweep(folder, {"does": does, "x": [2.0]}, sweep={"max_retries": 0, "max_consecutive_failures": 9})
    run(path)
    return folder / "logs" / "programs"


def results(sweep: Path) -> dict[int, hpdash.TrialResult]:
    """Return the last result of each trial in the journal."""
    latest = read_journal(sweep / layout.JOURNAL).latest
    return {number: record.result for number, record in latest.items() if record.result}


def test_the_end_of_a_program_is_the_state_of_its_trial(swept: Path) -> None:
    """Exit code 0 finishes a trial, another fails it, a signal kills it, a value that is not finite diverges."""
    ends = ["finished", "failed", "killed", "diverged", "failed", "finished"]
    assert {number: str(state) for number, state in states(swept).items()} == dict(enumerate(ends))
    found = results(swept)
    assert "exit code 1" in str(found[1].error) and "a reason [/b]" in str(found[1].traceback)
    assert "SIGSEGV" in str(found[2].error)
    assert "score" in str(found[4].error) and "mute" in str(found[4].error)


def test_the_result_is_what_the_program_logged(swept: Path) -> None:
    """The best and the last value of the objective, with their steps, are those in the program's own event files."""
    found = results(swept)[0]
    assert (found.epochs, found.metrics, found.best, found.best_epoch) == (4, {"score": 8.0}, {"score": 8.0}, 4)
    diverged = results(swept)[3]
    assert (diverged.epochs, diverged.best, diverged.best_epoch) == (4, {"score": 4.0}, 2)


def test_each_session_ends_once(swept: Path) -> None:
    """The run folder of each trial has the end of its HParams session, and what the program has printed."""
    ends = {number: session_ends(trial_folder(swept, number)) for number in range(6)}
    assert {number: len(found) for number, found in ends.items()} == dict.fromkeys(range(6), 1)
    assert (ends[0], ends[1]) == ([1], [2])
    assert "--does=learn" in (trial_folder(swept, 0) / layout.OUTPUT).read_text()


def test_the_commands_read_it(swept: Path) -> None:
    """`ls` ranks by the tag, `show` has the settings and the end of the output, `verify` finds no damage."""
    logs = str(swept.parent)
    listed = json.loads(invoke("ls", logs, "--json").stdout)["sweeps"][0]
    assert listed["objective"] == {"name": "score", "tag": "score", "goal": "max", "reason": ""}
    first = listed["rows"][0]
    assert (first["values"]["best"], first["hparams"]) == (8.0, {"does": "learn", "x": 2, "steps": 4})
    shown = json.loads(invoke("show", "programs/0", "--logdir", logs, "--json").stdout)
    assert shown["unit"] == "step" and "--does=learn" in shown["output"]
    assert shown["recipe"].count("program.py") == 1
    assert invoke("verify", logs).exit_code == 0
    assert invoke("effects", logs).exit_code == 0


def test_the_recipe_runs_the_same_program(swept: Path, tmp_path: Path) -> None:
    """The sweep file that `show` prints runs the trial again, with the same result."""
    shown = json.loads(invoke("show", "programs/0", "--logdir", str(swept.parent), "--json").stdout)
    path = program_sweep(tmp_path, {"x": [1.0]})
    path.write_text(shown["recipe"])
    outcome, _ = run(path)
    assert outcome.results[0].best == {"score": 8.0}


def test_values_stay_in_their_arguments(tmp_path: Path) -> None:
    """Each element of the command is one argument, whatever the value; lists and booleans are JSON."""
    source = """
import json, os, sys
from pathlib import Path
from hpdash.logs.writer import EventFile, scalar_value
file = EventFile(Path(os.environ["HPDASH_RUN"]))
file.add(scalar_value("score", 1.0), 1)
file.close()
kept = {"arguments": sys.argv[1:], "cwd": os.getcwd(), "stdin": sys.stdin.read()}
kept |= {name: value for name, value in os.environ.items() if name.startswith("HPDASH_") and name != "HPDASH_CACHE"}
Path(os.environ["HPDASH_RUN"], "kept.json").write_text(json.dumps(kept))
"""
    odd = "--x; rm -rf / $HOME \n'\" {run}"
    command = (PYTHON, "program.py", "{*}", "--odd", "{odd}", "a{{b}}{n}-{seed}", "{run}")
    path = program_sweep(
        tmp_path, {"odd": [odd], "n": [0.0001], "on": [True], "units": [[8, 4]]}, command=command, source=source,
        steps=None, sweep={"seed": 3},
    )  # fmt: skip
    outcome, _ = run(path)
    assert outcome.exit_code == 0
    folder = trial_folder(tmp_path / "logs" / "programs", 0)
    kept = json.loads((folder / "kept.json").read_text())
    swept = [f"--odd={odd}", "--n=0.0001", "--on=true", "--units=[8, 4]"]
    assert kept["arguments"] == [*swept, "--odd", odd, "a{b}0.0001-3", str(folder)]
    assert (kept["cwd"], kept["stdin"]) == (str(tmp_path), "")
    assert (kept["HPDASH_RUN"], kept["HPDASH_SEED"]) == (str(folder), "3")
    assert json.loads(kept["HPDASH_HPARAMS"]) == {"odd": odd, "n": 0.0001, "on": True, "units": [8, 4]}
    assert "KERAS_BACKEND" not in kept


def test_a_long_output_is_bounded(tmp_path: Path) -> None:
    """Of 100 MB that a program prints, the file has at most about 1 MB: the end."""
    outcome, _ = run(program_sweep(tmp_path, {"does": ["print"]}))
    assert outcome.exit_code == 0
    output = trial_folder(tmp_path / "logs" / "programs", 0) / layout.OUTPUT
    assert output.stat().st_size <= 2**20
    text = output.read_text()
    assert "bytes left out" in text.splitlines()[0] and text.endswith("the last line\n")


def test_a_program_that_cannot_start_fails(tmp_path: Path) -> None:
    """A program that is not there is named, before anything is written."""
    path = program_sweep(tmp_path, {"x": [1.0]}, command=("no-such-program", "{*}"))
    refused = invoke("sweep", str(path), "--logdir", str(tmp_path / "logs"))
    assert refused.exit_code == 2 and "train.command[0]" in refused.output and "no-such-program" in refused.output
    assert not (tmp_path / "logs").exists()


def test_children_do_not_outlive_their_program(tmp_path: Path) -> None:
    """Processes that a program leaves behind are killed, also if they have left its session."""
    path = program_sweep(tmp_path, {"does": ["leave"]}, sweep={"timeout": 3.0, "max_retries": 0})
    outcome, _ = run(path)
    assert outcome.results[0].state is TrialState.TIMED_OUT
    pids = noted_pids(tmp_path)
    assert len(pids) == 3 and not any(map(alive, pids))
