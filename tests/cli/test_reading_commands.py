"""Tests of the commands `hpdash ls`, `show` and `export`: what they print, where, and with which exit code."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hpdash import cli, run_sweep
from hpdash.search import trials
from hpdash.spec import parse_sweep

OWN = {
    "sweep": {"name": "own", "repeats": 2},
    "data": {"name": "synthetic", "examples": 40},
    "train": {"loop": "looked_at:behave", "epochs": 3},
    "hparams": {"does": ["learn", "raise"]},
}
LOOPS = """
def behave(trial):
    for epoch in range(1, trial.epochs + 1):
        if trial.hparams["does"] == "raise" and epoch == 2:
            raise ValueError("[/b] odd")
        trial.report(epoch, loss=1 / epoch, validation_accuracy=epoch / 4 + trial.seed / 8)
"""


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Run a sweep in which half of the trials fail, and make its folder the working directory."""
    folder = tmp_path_factory.mktemp("looked_at")
    (folder / "looked_at.py").write_text(LOOPS)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("HPDASH_CACHE", str(folder / "cache"))
        run_sweep(parse_sweep(OWN, name="own", folder=folder), folder / "logs")
        (folder / "empty").mkdir()
        yield folder / "logs"


def invoke(*arguments: str, code: int = 0) -> Result:
    """Run a command and check its exit code and that hpdash prints no traceback of its own."""
    result = CliRunner().invoke(cli.main, arguments)
    assert result.exit_code == code, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


@pytest.mark.usefixtures("logs")
def test_ls_lists_the_default_logs_root() -> None:
    """Without arguments, `ls` lists the runs under logs/, best first, with one row for all seeds of a setting."""
    title, header, first, second, note = invoke("ls").stdout.splitlines()
    assert title == "own · 2 finished · 2 failed · max of validation/accuracy · synthetic data"
    assert header.split() == ["trial", "does", "best", "epoch", "last", "trained", "time", "status"]
    assert first.split()[:6] == ["1", "0,", "1", "learn", "0.8125", "±"]
    assert second.split()[-1] == "failed"
    assert note == "own: 2 did not finish: hpdash show own/0002 says why"


def test_ls_options(logs: Path) -> None:
    """The options of `ls` filter and sort the rows, list each seed, limit the rows and choose the columns."""
    options = ["--where", "does=learn", "--sort", "-seed", "--repeats", "--columns", "seed,best", "--top", "1"]
    lines = invoke("ls", str(logs), *options).stdout.splitlines()
    assert [line.split() for line in lines[1:3]] == [["trial", "seed", "best"], ["1", "0001", "1", "0.8750"]]
    data = json.loads(invoke("ls", str(logs / "own"), "--json", "--repeats").stdout)
    assert [row["values"]["best"] for row in data["sweeps"][0]["rows"][:2]] == [0.875, 0.75]


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        pytest.param(["ls", "--where", "does=="], 2, "--where: expected a name or a value, found the end", id="where"),
        pytest.param(["ls", "--sort", "tine"], 2, "--sort: expected a hyperparameter", id="sort"),
        pytest.param(["ls", "nowhere"], 4, "nowhere: expected a folder", id="no-logdir"),
        pytest.param(["show", "own/7"], 2, "RUN: expected a run's name, folder or id, found 'own/7'", id="show"),
        pytest.param(["show", "logs/own"], 2, "found 'logs/own'", id="show-sweep"),
        pytest.param(["export", "--format", "parquet"], 2, "-o FILE.parquet", id="parquet"),
        pytest.param(["export", "-o", "nowhere/x.csv"], 2, "-o: expected a file that can be written", id="output"),
    ],
)
@pytest.mark.usefixtures("logs")
def test_bad_input_is_told_in_a_line(arguments: list[str], code: int, expected: str) -> None:
    """An error in the command line or the logdir is printed on standard error, with the matching exit code."""
    result = invoke(*arguments, code=code)
    assert expected in result.stderr
    assert result.stdout == ""


@pytest.mark.usefixtures("logs")
def test_an_empty_logdir_is_told_of() -> None:
    """If there are no runs, a reading command says so on standard error and exits with 0."""
    result = invoke("ls", "empty")
    assert result.stdout == ""
    assert "empty: no runs." in result.stderr


def test_show_tells_of_a_run_by_any_of_its_names(logs: Path) -> None:
    """A number, an id and a folder all show the same run, with its complete error."""
    (folder,) = (logs / "own").glob("0002*")
    texts = {invoke("show", name).stdout for name in ("2", "own/2", "own/0002", str(folder.relative_to(Path.cwd())))}
    (first, *others) = [text.split("\n", 2)[2] for text in texts]
    assert all(other == first for other in others)
    assert "failed · 1/3 epochs" in first
    assert 'raise ValueError("[/b] odd")\nValueError: [/b] odd' in first


@pytest.mark.usefixtures("logs")
def test_show_gives_a_recipe_that_runs_the_trial() -> None:
    """The sweep file that `show` prints defines exactly one trial: the trial shown."""
    data = json.loads(invoke("show", "1", "--json").stdout)
    (spec,) = trials(parse_sweep(data["recipe"], name="again", folder=Path()))
    assert (spec.seed, spec.hparams) == (1, data["hparams"])
    assert data["metrics"]["validation/epoch_accuracy"]["best"] == 0.875


@pytest.mark.usefixtures("logs")
def test_export_writes_what_its_options_say() -> None:
    """`export` prints CSV to standard output; the output file's extension or an option selects another format."""
    rows = list(csv.DictReader(io.StringIO(invoke("export", "--where", "does=learn").stdout)))
    assert [(row["id"], row["best"], row["seed"]) for row in rows] == [
        ("own/0000", "0.75", "0"),
        ("own/0001", "0.875", "1"),
    ]
    invoke("export", "-o", "runs.json", "--what", "series")
    invoke("export", "-o", "runs.parquet")
    points = json.loads(Path("runs.json").read_text())
    assert {point["tag"] for point in points} >= {"validation/epoch_accuracy", "epoch_loss"}
    assert Path("runs.parquet").read_bytes()[:4] == b"PAR1"
    invoke("export", "-o", "RUNS.JSON")
    assert len(json.loads(Path("RUNS.JSON").read_text())) == 4
    assert json.loads(invoke("export", "--json").stdout)[3]["error"] == "ValueError: [/b] odd"


def test_a_run_alone_is_not_an_unfinished_sweep(logs: Path) -> None:
    """The folder of one trial can be listed; the other trials of its sweep are not missing."""
    (folder,) = (logs / "own").glob("0000*")
    shown = invoke("ls", str(folder)).stdout
    assert "not started" not in shown
    assert json.loads(invoke("ls", str(folder), "--json").stdout)["sweeps"][0]["missing"] == 0


@pytest.mark.usefixtures("logs")
def test_board_takes_options_without_a_logdir(monkeypatch: pytest.MonkeyPatch) -> None:
    """An option of TensorBoard's may come first: LOGDIR is then the default."""
    started: list[list[str]] = []
    monkeypatch.setattr("os.execv", lambda _, command: started.append(command))
    invoke("board", "--port", "6007")
    [command] = started
    assert "--logdir=logs" in command
    assert command[-2:] == ["--port", "6007"]
