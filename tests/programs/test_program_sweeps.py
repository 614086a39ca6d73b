"""Tests of sweeps whose trials are programs: what they get, what their ends mean, and what is read of their logs."""

from __future__ import annotations

import json
import venv
from contextlib import closing
from pathlib import Path

import pytest
from commands import invoke
from driven import alive, run, session_ends, states, trial_folder
from programs import COMMAND, PYTHON, SOURCE, noted_pids, program_sweep

import hpdash
from hpdash.journal.journal import read_journal
from hpdash.logs import layout
from hpdash.logs.writer import EventFile, scalar_value
from hpdash.plugin.trials.charts import effects_impl
from hpdash.plugin.trials.logdir import WatchedLogdir
from hpdash.plugin.trials.table import trials_impl
from hpdash.plugin.trials.trial import trial_impl
from hpdash.programs.endings import ending
from hpdash.programs.tails import cut_tails
from hpdash.reader.program_runs import scalars_below
from hpdash.records import TrialState
from hpdash.spec import load_sweep
from hpdash.sweep_folder.provenance import scripts_in

EXAMPLE = Path(__file__).parents[2] / "sweeps" / "spirals.toml"


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


def test_another_python_than_that_of_hpdash_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the first `python` in PATH is not the Python that runs hpdash, `check` and `sweep` say which one it is."""
    path = program_sweep(tmp_path, {"x": [1.0]}, command=("python", *COMMAND[1:]))
    other = tmp_path / "other" / "bin" / "python"
    venv.create(tmp_path / "other", symlinks=True)
    script = tmp_path / "script" / "python"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nexec {PYTHON} "$@"\n')
    script.chmod(0o755)
    for python in (other, script, Path(PYTHON)):
        monkeypatch.setenv("PATH", f"{python.parent}:/usr/bin:/bin")
        is_named = python == other
        assert ("packages may differ" in invoke("check", str(path)).stdout) == is_named
        remarks = json.loads(invoke("check", str(path), "--json").stdout)["remarks"]
        assert any(str(python) in line for line in remarks) == is_named
        swept = invoke("sweep", str(path), "--new", "--logdir", str(tmp_path / "logs"))
        assert ("packages may differ" in swept.stderr, swept.exit_code != 0) == (is_named, is_named)


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
    path = program_sweep(tmp_path, {"does": ["leave"]}, sweep={"timeout": 8.0, "max_retries": 0})
    outcome, _ = run(path)
    assert outcome.results[0].state is TrialState.TIMED_OUT
    pids = noted_pids(tmp_path)
    assert len(pids) == 3 and not any(map(alive, pids))


def test_the_last_line_says_why_a_program_failed(swept: Path) -> None:
    """The reason of a failed trial has the last line that its program printed, as the tables and the tabs show it."""
    assert str(results(swept)[1].error).endswith(": a reason [/b]")


def test_what_needs_weights_says_so(swept: Path) -> None:
    """`evaluate` and `save` name the program; they do not ask for weights that no program keeps."""
    for arguments in (("evaluate", str(swept)), ("save", "programs/0", "--logdir", str(swept.parent), "-o", "x.keras")):
        refused = invoke(*arguments)
        assert refused.exit_code == 2 and "program.py" in refused.output


def test_an_incomplete_last_record_is_cut(tmp_path: Path) -> None:
    """After a program was ended, its event files end with a whole record; other damage stays as it is."""
    with closing(EventFile(tmp_path)) as file:
        file.add(scalar_value("score", 1.0), 1)
        file.add(scalar_value("score", 2.0), 2)
    whole = file.path.read_bytes()
    damaged = tmp_path / "sub" / f"{layout.EVENT_FILE}.1.damaged"
    damaged.parent.mkdir()
    damaged.write_bytes(whole[:40] + b"?" + whole[41:-3])
    file.path.write_bytes(whole[:-3])
    cut_tails(tmp_path)
    assert len(scalars_below(file.path.parent, {})[0]["score"].values) == 1
    assert file.path.read_bytes() == whole[: file.path.stat().st_size] and file.path.stat().st_size < len(whole) - 3
    assert damaged.stat().st_size == len(whole) - 3


def test_each_worker_has_its_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine with GPUs, a program sees that of its worker."""
    monkeypatch.setattr("hpdash.driver.runner.probe.count_gpus", lambda _: 2)
    source = 'import os, time\nprint("GPU", os.environ["CUDA_VISIBLE_DEVICES"])\ntime.sleep(1)\n' + SOURCE
    outcome, _ = run(program_sweep(tmp_path, {"x": [1.0, 2.0]}, source=source), workers=2)
    assert outcome.exit_code == 0
    folders = (trial_folder(tmp_path / "logs" / "programs", number) for number in range(2))
    assert {(folder / layout.OUTPUT).read_text().splitlines()[0] for folder in folders} == {"GPU 0", "GPU 1"}


def test_the_example_runs(tmp_path: Path) -> None:
    """The sweep that ships runs, and its program goes on from its checkpoint when it is promoted."""
    command = f"train.command={json.dumps([PYTHON, *load_sweep(EXAMPLE).command[1:]])}"
    more = ("--set", command, "--set", "sweep.trials=4", "--set", "train.steps=9")
    shown = invoke("sweep", str(EXAMPLE), "--logdir", str(tmp_path), *more, "--json")
    assert shown.exit_code == 0, shown.output
    assert {str(state) for state in states(tmp_path / "spirals").values()} <= {"finished", "pruned"}


def test_the_tab_has_the_trials(swept: Path) -> None:
    """They are ranked and counted in steps; the drawer has the output, and the effects the reasons of failures."""
    snapshot = WatchedLogdir(str(swept.parent)).current()
    found = trials_impl(snapshot, "programs", None, None)["trials"]
    assert set(found["unit"]) == {"step"} and set(found["planned"]) == {4}
    assert [found["best"][at] for at in trials_impl(snapshot, "programs", None, None)["ranking"]["trials"][0]] == [8.0]
    drawer = trial_impl(snapshot, "programs/0001")
    assert "a reason [/b]" in drawer["output"] and drawer["unit"] == "step"
    assert effects_impl(snapshot.runs_of("programs"))["reasons"]


def test_a_program_may_clear_its_folder(tmp_path: Path) -> None:
    """A program that deletes its run folder first still has a session, settings, and the end of its output."""
    source = "import shutil, sys\nshutil.rmtree(sys.argv[-1])\n" + SOURCE
    outcome, _ = run(program_sweep(tmp_path, {"does": ["learn", "refuse"]}, source=source))
    assert outcome.results[0].best == {"score": 4.0} and "a reason" in str(outcome.results[1].error)
    folder = tmp_path / "logs" / "programs"
    assert [session_ends(trial_folder(folder, number)) for number in range(2)] == [[1], [2]]
    assert "a reason" in (trial_folder(folder, 1) / layout.OUTPUT).read_text()
    assert invoke("verify", str(tmp_path / "logs")).exit_code == 0


@pytest.mark.parametrize(
    ("code", "output", "state", "said"),
    [
        pytest.param(137, "", "killed", "SIGKILL", id="a shell's SIGKILL"),
        pytest.param(143, "", "killed", "SIGTERM", id="a shell's SIGTERM"),
        pytest.param(1, "CUDA error: out of memory", "killed", "memory", id="CUDA"),
        pytest.param(1, "RESOURCE_EXHAUSTED: Out of memory", "killed", "memory", id="XLA"),
        pytest.param(1, "ModuleNotFoundError: No module named 'torch'", "failed", "/usr/bin/python", id="python"),
        pytest.param(2, "a\nlast line\n", "failed", "last line", id="last line"),
    ],
)
def test_what_an_exit_code_means(code: int, output: str, state: str, said: str) -> None:
    """The state of a trial, and a reason that helps."""
    found, reason = ending(code, output, "/usr/bin/python3")
    assert str(found) == state and said in reason


def test_only_the_script_of_a_command_is_code(tmp_path: Path) -> None:
    """Data and results that a command names may change; a text that is too long for a file name is no file."""
    for name in ("train.py", "data.csv", "run.sh"):
        (tmp_path / name).write_text("")
    assert scripts_in(["python", "-u", "train.py", "--data", "data.csv"], tmp_path) == ["train.py"]
    assert scripts_in(["./run.sh", "train.py", "data.csv"], tmp_path) == ["run.sh", "train.py"]
    assert scripts_in(["python", "-m", "train", "data.csv"], tmp_path) == ["train.py"]
    assert scripts_in(["python", "-c", "x/" * 5000], tmp_path) == []
