"""Tests of the commands: what they print, to which stream, and their exit codes; never a traceback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commands import hpdash, invoke, own
from sweep_files import made_sweep

from hpdash import cli
from hpdash.backends import probe
from hpdash.backends.estimate import COMPILE_SECONDS, START_SECONDS
from hpdash.errors import DataError, HpdashError

MLP = """
[data]
name = "{data}"
[train]
epochs = 1
[hparams]
dropout = [0.1, 0.2]
"""
HOSTILE = "[/b]\x1b[31m\n<img src=x>"
LITERAL = r"[/b]\x1b[31m\n<img src=x>"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a temporary folder that cannot find any data of this machine."""
    (tmp_path / "mlp.toml").write_text(MLP.format(data="digits"))
    monkeypatch.setenv("HPDASH_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


COMMANDS = [
    "sweep",
    "check",
    "data",
    "board",
    "new",
    "ls",
    "save",
    "show",
    "compare",
    "effects",
    "report",
    "export",
    "verify",
    "evaluate",
]


@pytest.mark.parametrize("arguments", [[], *([name] for name in COMMANDS), ["data", "get"]], ids=" ".join)
def test_every_command_has_help(arguments: list[str]) -> None:
    """--help says what a command does and exits with 0."""
    shown = invoke(*arguments, "--help")
    assert shown.exit_code == 0
    assert "Usage: hpdash" in shown.output


def test_help_lists_the_commands() -> None:
    """The help of the group lists exactly the commands that are tested here."""
    assert sorted(cli.main.commands) == sorted(COMMANDS)


def test_version() -> None:
    """--version prints the version of hpdash."""
    assert invoke("--version").output.startswith("hpdash, version ")


def test_check_says_what_would_run(folder: Path) -> None:
    """For a valid file, `check` exits with 0, prints the sweep's size, names and domains, and writes nothing."""
    before = sorted(folder.iterdir())
    shown = invoke("check", "mlp.toml")
    assert shown.exit_code == 0
    assert "mlp: valid; grid of 2 trials" in shown.output
    assert "ranked by validation/accuracy, max: the default for classes" in shown.output
    assert "digits: pictures of 8 x 8, divided by 16" in shown.output
    assert "dropout: 0.1 | 0.2" in shown.output
    assert sorted(folder.iterdir()) == before


def test_check_says_what_is_required_and_pruned(folder: Path) -> None:
    """`check` also prints conditions and pruning."""
    text = (folder / "mlp.toml").read_text() + "\n[prune]\n[[require]]\nthat = 'dropout < 0.15'\n"
    (folder / "less.toml").write_text(text)
    shown = invoke("check", "less.toml")
    assert (shown.exit_code, "less: valid; grid of 1 trials" in shown.output) == (0, True)
    assert "  require dropout < 0.15\n  prune by asha of validation/accuracy, from 1 epoch on" in shown.output


def test_check_in_json(folder: Path) -> None:
    """With --json, `check` prints the same as JSON, with every setting resolved."""
    shown = json.loads(invoke("check", "mlp.toml", "--json", "--set", "sweep.repeats=3").stdout)
    assert (shown["name"], shown["settings"], shown["trials"]) == ("mlp", 2, 6)
    assert shown["train"]["batch_size"] == 32


@pytest.mark.parametrize("command", [["check"], ["sweep"], ["sweep", "--dry-run"]], ids=" ".join)
@pytest.mark.parametrize(
    ("content", "overrides", "expected"),
    [
        pytest.param(None, [], "bad.toml: expected a sweep file, found no such file", id="no-file"),
        pytest.param("= 3", [], "bad.toml", id="no-toml"),
        pytest.param(MLP.replace("epochs", "epoch"), [], "bad.toml: train.epoch", id="unknown-key"),
        pytest.param(MLP, ["train.epochs=none"], "train.epochs", id="bad-override"),
        pytest.param(MLP, ["hparams.dropout=[]"], "hparams.dropout", id="nothing-to-sweep"),
        pytest.param("\x00" * 9, [], "bad.toml", id="nul"),
    ],
)
def test_a_bad_file(folder: Path, command: list[str], content: str | None, overrides: list[str], expected: str) -> None:
    """An invalid file or override gives exit code 2 and the name of the key on stderr.

    Nothing is printed on stdout, and nothing is written.
    """
    if content is not None:
        (folder / "bad.toml").write_text(content.replace("{data}", "digits"))
    sets = [part for override in overrides for part in ("--set", override)]
    shown = invoke(*command, "bad.toml", *sets)
    assert shown.exit_code == 2
    assert expected in shown.stderr
    assert shown.stdout == ""
    assert not (folder / "logs").exists()


@pytest.mark.parametrize(
    "arguments",
    [["sweep"], ["swep"], ["check", "mlp.toml", "--nope"], ["sweep", "mlp.toml", "--workers", "0"], ["data", "get"]],
    ids=" ".join,
)
def test_a_bad_command_line(folder: Path, arguments: list[str]) -> None:
    """An invalid command line gives exit code 2."""
    assert invoke(*arguments).exit_code == 2


def test_errors_in_json(folder: Path) -> None:
    """With --json, an error is an object with its exit code on stdout, and text on stderr."""
    shown = hpdash("check", "nowhere.toml", "--json", cwd=folder)
    assert shown.returncode == 2
    assert json.loads(shown.stdout)["exit_code"] == 2
    assert "nowhere.toml" in json.loads(shown.stdout)["error"]
    assert "nowhere.toml" in shown.stderr


def test_errors_in_json_in_process(folder: Path) -> None:
    """The JSON of an error does not depend on the command line of the process."""
    assert json.loads(invoke("check", "nowhere.toml", "--json").stdout)["exit_code"] == 2


def test_json_for_a_terminal_that_was_closed() -> None:
    """Output for a terminal that has been closed is discarded without an error, JSON too."""
    program = (
        "import os, pty, signal\n"
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "master, slave = pty.openpty()\n"
        "os.dup2(slave, 1)\n"
        "os.close(slave)\n"
        "os.close(master)\n"
        "from hpdash.cli.group import print_json\n"
        "print_json({})\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_data_sets_are_listed(folder: Path) -> None:
    """Every named data set is listed, with its file and whether it is present."""
    shown = invoke("data")
    assert shown.exit_code == 0
    for name in ("mnist", "fashion_mnist", "cifar10", "digits", "synthetic"):
        assert name in shown.stdout
    listed = {each["name"]: each for each in json.loads(invoke("data", "--json").stdout)}
    assert listed["digits"]["here"] is True
    assert listed["mnist"]["here"] is False
    assert listed["mnist"]["where"] == str(folder / "data" / "mnist.npz")


def test_what_is_here_is_not_fetched(folder: Path) -> None:
    """`data get` says so if a data set needs no file."""
    shown = invoke("data", "get", "digits")
    assert shown.exit_code == 0
    assert shown.stdout.startswith("digits: ") and "no download" in shown.stdout


def test_a_data_set_that_does_not_exist(folder: Path) -> None:
    """An unknown name of a data set gives exit code 4 and suggests the nearest name."""
    shown = invoke("data", "get", "mnits")
    assert shown.exit_code == 4
    assert "Did you mean mnist?" in shown.stderr


def test_data_that_cannot_be_fetched(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a file and without a network, the exit code is 4 and the error lists where the file was looked for."""

    def no_network(*_: object) -> None:
        raise DataError(f"mnist could not be fetched. Looked for {folder / 'data' / 'mnist.npz'}")

    monkeypatch.setattr(probe, "fetch", no_network)
    shown = invoke("data", "get", "mnist")
    assert shown.exit_code == 4
    assert str(folder / "data" / "mnist.npz") in shown.stderr


def test_a_dry_run_lists_the_trials(folder: Path) -> None:
    """--dry-run lists every trial with its settings and seed, gives an estimate, and exits with 0.

    Nothing is written.
    """
    shown = invoke("sweep", "mlp.toml", "--dry-run")
    assert shown.exit_code == 0
    assert [line.split() for line in shown.stdout.splitlines()[1:3]] == [["0000", "0.1", "0"], ["0001", "0.2", "0"]]
    assert "2 trials, about" in shown.stdout
    assert not (folder / "logs").exists()


def test_a_dry_run_of_a_search(folder: Path) -> None:
    """For a search that learns from results, --dry-run lists the trials that are certain.

    It also says how many more may follow from their results.
    """
    tables = {"data": {"name": "synthetic"}, "train": {}, "hparams": {"dropout": {"min": 0.0, "max": 0.5}}}
    made_sweep(folder, name="search", sweep={"strategy": "tpe", "trials": 13}, **tables)
    shown = invoke("sweep", "search.toml", "--dry-run")
    assert "… and up to 3 more, which depend on the results" in shown.output
    told = json.loads(invoke("sweep", "search.toml", "--dry-run", "--json").stdout)
    assert (len(told["trials"]), told["total"]) == (10, 13)
    assert told["estimate_seconds"] > 0


@pytest.mark.parametrize("option", [["--new"], ["--extend"], ["--retry-failed"], ["--backend", "ray"]])
def test_a_dry_run_takes_no_option_that_it_ignores(folder: Path, option: list[str]) -> None:
    """An option that concerns a sweep in its folder, or another machine, is refused beside --dry-run."""
    refused = invoke("sweep", "mlp.toml", "--dry-run", *option)
    assert refused.exit_code == 2 and option[0] in refused.stderr


def test_a_dry_run_in_json(folder: Path) -> None:
    """With --json, a dry run prints the same as JSON; without the data there is no estimate."""
    (folder / "far.toml").write_text(MLP.format(data="mnist"))
    near, far = (json.loads(invoke("sweep", name, "--dry-run", "--json").stdout) for name in ("mlp.toml", "far.toml"))
    assert [trial["swept"] for trial in near["trials"]] == [{"dropout": 0.1}, {"dropout": 0.2}]
    assert near["estimate_seconds"] > 0
    assert "no_estimate" not in near
    assert far["estimate_seconds"] is None
    assert "data" in far["no_estimate"]


NETS = """
import keras
from keras import layers

def convolutional(input_shape, classes, filters):
    net = [layers.Reshape((*input_shape, 1)), layers.Conv2D(filters, 3, padding="same"), layers.Flatten()]
    return keras.Sequential([keras.Input(input_shape), *net, layers.Dense(classes, activation="softmax")])

def recurrent(input_shape, classes, filters):
    net = [layers.LSTM(filters), layers.Dense(classes, activation="softmax")]
    return keras.Sequential([keras.Input(input_shape), *net])

def broken(input_shape, classes, filters):
    raise ValueError(f"{filters} filters are too many")

def loop(trial):
    pass
"""


def estimated(folder: Path, filters: int = 4, **trained: Any) -> dict[str, Any]:
    """Return the JSON of a dry run of a sweep with a number of filters and a user's [model] or training loop."""
    (folder / "nets.py").write_text(NETS)
    tables = {"data": {"name": "digits"}, "train": {"epochs": 100}, "hparams": {"filters": [filters]}}
    made_sweep(folder, name="net", **tables, **trained)
    shown = invoke("sweep", "net.toml", "--dry-run", "--json")
    assert shown.exit_code == 0, shown.stderr
    told: dict[str, Any] = json.loads(shown.stdout)
    return told


@pytest.mark.slow
def test_a_dry_run_estimates_convolutions(folder: Path) -> None:
    """With 16 times the filters, the estimate without startup and compilation is more than five times as long."""
    once = START_SECONDS + COMPILE_SECONDS
    few, many = (
        estimated(folder, filters, model={"builder": "nets:convolutional"})["estimate_seconds"] - once
        for filters in (16, 256)
    )
    assert many > 5 * few > 0


@pytest.mark.usefixtures("one_process")
@pytest.mark.parametrize(
    ("trained", "reason"),
    [
        pytest.param({"model": {"builder": "nets:recurrent"}}, "recurrent", id="recurrent", marks=pytest.mark.slow),
        pytest.param({"model": {"builder": "nets:broken"}}, "4 filters are too many", id="broken"),
        pytest.param({"loop": "nets:loop"}, "loop", id="own-loop"),
    ],
)
def test_a_dry_run_says_why_there_is_no_estimate(folder: Path, trained: dict[str, Any], reason: str) -> None:
    """If there is no estimate, a dry run says why, and still lists the trials."""
    told = estimated(folder, **trained)
    assert told["estimate_seconds"] is None
    assert reason in told["no_estimate"]
    assert len(told["trials"]) == 1


def test_a_sweep_ends_in_a_leaderboard(folder: Path) -> None:
    """A sweep prints progress on stderr, the leaderboard and the tensorboard line on stdout, and exits with 0.

    The same command, run again, prints the same stdout at once.
    """
    path = own(folder, "learn", HOSTILE)
    shown = hpdash("sweep", path, "--workers", "1", cwd=folder)
    assert shown.returncode == 0, shown.stderr
    assert "[2/2] 0001" in shown.stderr
    assert "best validation/accuracy" in shown.stdout
    assert shown.stdout.endswith("tensorboard --logdir logs\n")
    again = hpdash("sweep", path, cwd=folder)
    assert (again.returncode, again.stdout, again.stderr) == (0, shown.stdout, "")
    listed = json.loads(hpdash("sweep", path, "--json", cwd=folder).stdout)
    assert [trial["result"]["state"] for trial in listed["trials"]] == ["finished"] * 2
    for text in (shown.stdout, shown.stderr):
        assert LITERAL in text
        assert "\x1b" not in text


COLLECTS = """
import gc, sys
from hpdash.driver import runner
from hpdash.__main__ import main

runner.drive_sweep = lambda *_: sys.exit(40 + gc.isenabled())
main()
"""


def test_a_sweep_collects_garbage(folder: Path) -> None:
    """Garbage collection is switched off only for short commands, not for a sweep, which may take days."""
    command = [sys.executable, "-c", COLLECTS, "sweep", str(folder / "mlp.toml")]
    assert subprocess.run(command, check=False).returncode == 41


def test_a_failed_trial_makes_one(folder: Path) -> None:
    """A sweep with a failed trial exits with 1 and prints the reason literally, without a traceback."""
    shown = hpdash("sweep", own(folder, "raise"), "--workers", "1", cwd=folder)
    assert shown.returncode == 1
    assert r"0000 failed (does=raise): ValueError: [/b] \x1b[31m odd" in shown.stdout
    assert "Traceback" not in shown.stdout + shown.stderr
    assert "To continue: hpdash sweep own.toml --workers 1" in shown.stdout


def wait_for(happened: Callable[[], object]) -> None:
    """Wait until `happened` returns a true value."""
    deadline = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def test_a_stopped_sweep_says_how_to_go_on(folder: Path) -> None:
    """Signal n ends a sweep with 128 + n, and the printed command to continue repeats the original options."""
    command = [sys.executable, "-m", "hpdash", "sweep", own(folder, "wait"), "--workers", "1"]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=folder, **pipes) as driver:
        wait_for(lambda: list(folder.glob("logs/own/0000*/*")))
        driver.send_signal(signal.SIGTERM)
        out, err = driver.communicate(timeout=60)
    assert driver.returncode == 143
    assert "Stopped; 1 of 1 trials" in out
    assert "To continue: hpdash sweep own.toml --workers 1" in out
    assert "Traceback" not in out + err


def test_hostile_names_in_errors(folder: Path) -> None:
    """Text from a file or a command line is printed literally, never as markup or an escape sequence."""
    shown = invoke("check", f"{HOSTILE}.toml")
    assert shown.exit_code == 2
    assert r"[/b]\x1b[31m" in shown.stderr
    assert "\x1b" not in shown.stderr


def test_board_needs_a_folder(folder: Path) -> None:
    """`board` with a folder that does not exist exits with 2."""
    shown = invoke("board", "nowhere")
    assert shown.exit_code == 2
    assert "nowhere" in shown.stderr


@pytest.mark.parametrize(("given", "started"), [((), "hpdash.plugin.start"), (("--tensorflow",), "tensorboard.main")])
def test_board_starts_tensorboard_with_every_step(
    folder: Path, monkeypatch: pytest.MonkeyPatch, given: tuple[str, ...], started: str
) -> None:
    """The process becomes TensorBoard, with the folder and no limit on steps; without TensorFlow unless asked for.

    Further arguments are passed on.
    """
    called: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda path, command: called.append(command))
    invoke("board", str(folder), "--port", "6007", *given)
    ((_, module, name, *options),) = called
    assert (module, name) == ("-m", started)
    assert options[0] == f"--logdir={folder}"
    assert options[-2:] == ["--port", "6007"]
    assert "histograms=" in options[1]


@pytest.mark.parametrize("error", HpdashError.__subclasses__(), ids=lambda error: error.__name__)
def test_every_error_has_its_exit_code(folder: Path, monkeypatch: pytest.MonkeyPatch, error: type[HpdashError]) -> None:
    """Every hpdash error ends a command with the exit code of its class and prints its message."""

    def fail(*_: object) -> None:
        raise error(["what is wrong"]) if error.__name__ == "SpecError" else error("what is wrong")

    monkeypatch.setattr("hpdash.spec.load_sweep", fail)
    shown = invoke("check", "mlp.toml")
    assert (shown.exit_code, shown.stderr) == (error.exit_code, "what is wrong\n")


def test_ctrl_c_outside_a_sweep(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C in any command but `sweep` gives exit code 130."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("hpdash.spec.load_sweep", stop)
    assert invoke("check", "mlp.toml").exit_code == 130
