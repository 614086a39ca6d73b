"""Tests of rows 18, 19 and 20: bad sweep files, wrong types and domains, and grids of 10^9 and 10^400 points.

The tests run hpdash's commands. For every bad file a command exits with 2 and names the file, the key, what was
expected and what was found. It writes nothing, starts no process, does not load TensorFlow, and needs little time and
memory.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from driven import DRIVER
from hypothesis import given, settings
from hypothesis import strategies as st

from hpdash import cli
from hpdash.search import strategy_for
from hpdash.search.grid import Grid
from hpdash.spec import parse_sweep

GOOD = """\
[sweep]
name = "good"
[data]
name = "digits"
[model]
kernel_initializer = { name = "random_normal", stddev = 1 }
[train]
optimizer = "adam"
[hparams]
hidden = [[8], [4, 2]]
dropout = { min = 0, max = 0.5, step = 0.25 }
batchnorm = { values = [true, false], when = { hidden = [[8]] } }
"""
SECONDS, BYTES = (
    10,
    100e6,
)  # the time is generous, for busy machines: an error in hpdash would take minutes or fill the memory
COMMANDS = [["check"], ["sweep"], ["sweep", "--dry-run"]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Use an empty working directory; starting a process or importing TensorFlow or Keras fails the test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("a process was started"))
    monkeypatch.setattr("multiprocessing.process.BaseProcess.start", lambda _: pytest.fail("a process was started"))
    for module in ("tensorflow", "keras"):
        monkeypatch.setitem(sys.modules, module, None)
    return tmp_path


def hpdash(*arguments: str) -> Result:
    """Run a command in this process; check that it takes little time and memory and raises no exception."""
    tracemalloc.start()
    start = time.monotonic()
    result = CliRunner().invoke(cli.main, arguments, prog_name="hpdash")
    seconds, peak = time.monotonic() - start, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert isinstance(result.exception, SystemExit | None), result.exception
    assert seconds < SECONDS
    assert peak < BYTES
    return result


def says(result: Result, told: str) -> None:
    """Check that a command was refused with a line that starts with `told`, in which `…` stands for any text."""
    assert (result.exit_code, result.stdout) == (2, "")
    pattern = ".*".join(map(re.escape, told.split("…")))
    assert re.search(f"(?m)^{pattern}", result.stderr), result.stderr
    assert "Traceback" not in result.stderr


# The content of bad.toml, and the line of the message that reports it
KINDS = {
    "syntax error": ("[data\n", "bad.toml: line 1, column 6: expected TOML, found "),
    "duplicate key": (
        GOOD + "hidden = [[1]]\n",
        "bad.toml: line 13, column 15: expected TOML, found a key that is given twice",
    ),
    "table twice": (GOOD + "[data]\n", "bad.toml: line 13, column 6: expected TOML, found …twice"),
    "not UTF-8": (
        GOOD.encode() + b"# caf\xe9\n",
        "bad.toml: line 13: expected text in UTF-8, found byte 0xe9. Save the file as UTF-8.",
    ),
    "UTF-16": (GOOD.encode("utf-16"), "bad.toml: line 1: expected text in UTF-8, found UTF-16."),
    "UTF-16 without a mark": (GOOD.encode("utf-16-le"), "bad.toml: line 1, column 2: expected TOML, found "),
    "BOM twice": (b"\xef\xbb\xbf" * 2 + GOOD.encode(), "bad.toml: line 1, column 1: expected TOML, found "),
    "empty": ("", "bad.toml: expected a [data] table with a name, and [hparams] or [[trial]] tables, found an empty"),
    "comments only": ("# nothing\n\n# yet", "bad.toml: expected a [data] table …, found an empty file"),
    "lists 5,000 deep": (
        GOOD + "dropout = " + "[" * 5000 + "]" * 5000,
        "bad.toml: expected tables and lists at most 16 deep, found deeper ones",
    ),
    "inline tables 5,000 deep": ("x = " + "{a=" * 5000 + "1" + "}" * 5000, "bad.toml: expected …16 deep, found deeper"),
    "tables 5,000 deep": (
        f"{GOOD}[{'.'.join('a' * 5000)}]",
        "bad.toml: line 13: expected tables and lists at most 16 deep, found a key of more than 32 parts",
    ),
    "tables 20 deep": (f"{GOOD}[train.{'.'.join('a' * 20)}]", "bad.toml: train.a.a.a: expected …16 deep, found deeper"),
    "5,000 digits": (f"{GOOD}[log]\nhistograms = {'9' * 5000}\n", "bad.toml: expected TOML, found an integer of thous"),
    "20 digits": (
        f"{GOOD}[log]\nhistograms = {'9' * 20}\n",
        "bad.toml: log.histograms: expected …, found an integer beyond 64 bits",
    ),
    "inf": (GOOD + "l2 = [inf]\n", "bad.toml: hparams.l2[0]: expected …a finite number…, found float inf"),
    "nan": (GOOD + "l2 = [0, nan]\n", "bad.toml: hparams.l2[1]: expected …a finite number…, found float nan"),
    "date": (GOOD + "l2 = [1979-05-27]\n", "bad.toml: hparams.l2[0]: expected …, found date 1979-05-27"),
    "mixed list": (
        GOOD + 'activation = ["relu", 1]\n',
        "bad.toml: hparams.activation[1]: expected one of relu, …, found 1",
    ),
    "unknown key": (
        GOOD + "[log]\nhistogram = 1\n",
        "bad.toml: log.histogram: expected a key of [log], found an unknown one. Did you mean 'histograms'?",
    ),
    "key of another table": (
        GOOD + "[log]\nepochs = 1\n",
        "bad.toml: log.epochs: expected a key of [log], found an unknown one. It belongs in [train].",
    ),
    "unknown table": (
        GOOD + "[logs]\n",
        "bad.toml: logs: expected a table of a sweep file, found an unknown one. Did you mean 'log'?",
    ),
    "missing tables": (
        "[sweep]\n",
        "bad.toml: hparams: expected a table [hparams], or [[trial]] tables, found neither",
    ),
    "missing data": ("[hparams]\nl2 = [0]\n", "bad.toml: data.name: expected one of mnist, …, found nothing"),
    "wrong container": ("data = 'digits'\n[hparams]\nl2 = [0]\n", "bad.toml: data: expected a table [data], found 'd"),
    "list of tables": (GOOD + "[[log]]\n", "bad.toml: log: expected a table [log], found [{}]"),
    "control character": (GOOD + "l2 = [0]\x1b[31m\n", "bad.toml: line 13, column 9: expected TOML, found "),
    "control character in a key": (GOOD + '"\\u001b[31m" = [0]\n', "bad.toml: hparams.'\\x1b[31m': expected a key of"),
    "NUL": (GOOD.encode() + bytes(4096), "bad.toml: line 13, column 1: expected TOML, found "),
    "JSON": (
        '{\n  "data": {"name": "digits"}\n}',
        "bad.toml: line 1, column 1: expected TOML, found …. This looks like JSON; TOML has [tables]",
    ),
    "YAML": (
        "data:\n  name: digits\n",
        "bad.toml: line 1, column 5: expected TOML, found …. This looks like YAML; TOML has [tables]",
    ),
    "empty key": (GOOD + "'' = [1]\n", "bad.toml: hparams.'': expected a key of …, found an unknown one"),
    "slashed key": (GOOD + "'../../x' = [1]\n", "bad.toml: hparams.'../../x': expected a key of …, found an unkn"),
    "100 MB": (None, "bad.toml: expected a sweep file of at most 1 MiB, found a larger one"),
    "thousands of keys": (
        "".join(f"epoch_{number} = 1\n" for number in range(10_000)),
        "bad.toml: epoch_0: expected a table of a sweep file, found an unknown one.",
    ),
    "a megabyte of lines": ("\n" * 1_000_000 + "x", "bad.toml: end of document: expected TOML, found "),
}


@pytest.mark.parametrize(("content", "told"), KINDS.values(), ids=KINDS.keys())
def test_a_bad_file_is_refused(folder: Path, content: str | bytes | None, told: str) -> None:
    """Whatever is wrong with a file, `hpdash sweep` says where and how before it does anything."""
    with (folder / "bad.toml").open("wb") as file:
        if content is None:
            file.truncate(100_000_000)
        else:
            file.write(content if isinstance(content, bytes) else content.encode())
    says(hpdash("sweep", "bad.toml"), told)
    assert list(folder.iterdir()) == [folder / "bad.toml"]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_file_is_refused(folder: Path, command: list[str]) -> None:
    """For a missing file the message says so and suggests the nearest name; for a folder it says that it is one."""
    (folder / "sweeps").mkdir()
    (folder / "sweeps" / "quickstart.toml").touch()
    missing = "sweeps/quikstart.toml: expected a sweep file, found no such file. Did you mean 'quickstart.toml'?"
    says(hpdash(*command, "sweeps/quikstart.toml"), missing)
    says(hpdash(*command, "sweeps"), "sweeps: expected a sweep file, found a folder. There is sweeps/quickstart.toml.")
    assert sorted(path.name for path in folder.rglob("*")) == ["quickstart.toml", "sweeps"]


def test_every_fault_is_told_at_once(folder: Path) -> None:
    """A file with several errors gets one line for each error, the same from every command."""
    (folder / "bad.toml").write_text(GOOD.replace("adam", "adan").replace("stddev", "std").replace("0.5", "1"))
    told = {hpdash(*command, "bad.toml").stderr for command in COMMANDS}
    assert [line.split(": ")[1] for line in told.pop().splitlines()] == [
        "model.kernel_initializer", "train.optimizer", "hparams.dropout.max",
    ]  # fmt: skip
    assert told == set()


TOLD_BY_A_PROCESS = ["lists 5,000 deep", "5,000 digits", "100 MB", "UTF-16", "unknown key"]


@pytest.mark.parametrize("kind", TOLD_BY_A_PROCESS)
def test_a_real_command_refuses_too(tmp_path: Path, kind: str) -> None:
    """`hpdash sweep` in a separate process exits with 2, without a traceback and without loading TensorFlow."""
    content, told = KINDS[kind]
    with (tmp_path / "bad.toml").open("wb") as file:
        file.write(content.encode() if isinstance(content, str) else content or bytes(100_000_000))
    command = [sys.executable, "-c", DRIVER, "sweep", "bad.toml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, "")  # 99 if it has loaded TensorFlow
    assert done.stderr.startswith(told.partition("…")[0])
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["bad.toml"]


edits = st.tuples(st.integers(0, len(GOOD)), st.integers(0, 12), st.binary(max_size=4) | st.sampled_from(GOOD.split()))


@given(st.lists(edits, min_size=1, max_size=4))
@settings(max_examples=150, deadline=None)
def test_random_changes_of_a_good_file(tmp_path_factory: pytest.TempPathFactory, changes: list[tuple]) -> None:
    """After any cut and insertion of bytes, a file is either accepted or refused with exit code 2."""
    data = GOOD.encode()
    for place, length, new in changes:
        data = data[:place] + (new if isinstance(new, bytes) else new.encode()) + data[place + length :]
    path = tmp_path_factory.getbasetemp() / "changed.toml"
    path.write_bytes(data)
    result = hpdash("check", str(path))
    assert result.exit_code in (0, 2)
    assert bool(result.stderr) == (result.exit_code == 2)
    assert all(line.startswith(f"{path}: ") for line in result.stderr.splitlines())


# Row 19: a line of [hparams] or a table, and the line of the message that reports it
WRONG = {
    "string for a number": ("l2 = ['0.1']", "hparams.l2[0]: expected a number of at least 0, found '0.1'"),
    "true for a number": ("l2 = [true]", "hparams.l2[0]: expected a number of at least 0, found true"),
    "true for an integer": ("epochs = [true]", "hparams.epochs[0]: expected an integer of at least 1, found true"),
    "float for an integer": ("epochs = [1.0]", "hparams.epochs[0]: expected an integer of at least 1, found 1.0"),
    "integer for true": ("batchnorm_input = [1]", "hparams.batchnorm_input[0]: expected true or false, found 1"),
    "number for a word": ("activation = [1]", "hparams.activation[0]: expected one of relu, …, found 1"),
    "nearly a word": (
        "activation = ['Relu', 'tahn']",
        "hparams.activation[0]: expected one of relu, …, found 'Relu'. Did you mean 'relu'?",
    ),
    "list of strings": ("hidden = [['8']]", "hparams.hidden[0]: expected a list of integers of …, found ['8']"),
    "number for a list": ("hidden = [8]", "hparams.hidden[0]: expected a list of integers of …, found 8"),
    "word for a list": ("l2 = 'all'", "hparams.l2: expected a list of values, or { min, max }, found 'all'"),
    "below its domain": ("l2 = [-0.1]", "hparams.l2[0]: expected a number of at least 0, found -0.1"),
    "above its domain": ("dropout = [1]", "hparams.dropout[0]: expected a number of at least 0 and below 1, found 1"),
    "min above max": ("l2 = { min = 2, max = 1, step = 1 }", "hparams.l2: expected min below max, found {…}"),
    "min is max": ("l2 = { min = 1, max = 1, step = 1 }", "hparams.l2: expected min below max, found {…}"),
    "log from 0": (
        "l2 = { min = 0, max = 1, scale = 'log' }",
        "hparams.l2: expected min above 0 on a log scale, found {…}",
    ),
    "log from below 0": (
        "learning_rate = { min = -1, max = 1, scale = 'log' }",
        "hparams.learning_rate.min: expected a number above 0, found -1",
    ),
    "another scale": (
        "l2 = { min = 0, max = 1, scale = 'lg' }",
        'hparams.l2: expected scale "linear" or "log", found {…}',
    ),
    "step of 0": ("l2 = { min = 0, max = 1, step = 0 }", "hparams.l2: expected a step above 0 and no longer than the"),
    "step of a word": ("l2 = { min = 0, max = 1, step = 'a' }", "hparams.l2: expected numbers as min, max and step"),
    "range of words": ("activation = { min = 'elu', max = 'tanh' }", "hparams.activation: expected numbers as min"),
    "half a range": ("l2 = { max = 1 }", "hparams.l2: expected a list of values, or { min, max }, found {'max': 1}"),
    "no values": ("l2 = []", "hparams.l2: expected a list of at least one value, found []"),
    "a value twice": ("l2 = [1, 0.5, 1.0]", "hparams.l2: expected values that differ, not 1.0 twice, found [1, 0.5, 1"),
    "a list twice": ("hidden = [[8], [8]]", "hparams.hidden: expected values that differ, not [8] twice, found [[8]"),
    "two words for one": ("batchnorm = [true, 'before']", "hparams.batchnorm: expected values that differ, not 'befor"),
    "a list in its table": (
        "l2 = [0, 1]\n[train]\nlearning_rate = [0.1, 0.2]",
        "train.learning_rate: expected a number above 0, found [0.1, 0.2]. …[hparams]",
    ),
}


@pytest.mark.parametrize(("line", "told"), WRONG.values(), ids=WRONG.keys())
def test_wrong_types_and_domains_are_refused(folder: Path, line: str, told: str) -> None:
    """A value of a wrong type or out of its domain is reported with its key, what is expected and the nearest name."""
    (folder / "bad.toml").write_text(f'[data]\nname = "digits"\n[hparams]\n{line}\n')
    says(hpdash("sweep", "bad.toml"), f"bad.toml: {told}")
    assert list(folder.iterdir()) == [folder / "bad.toml"]


def test_an_integer_widens_to_a_float(folder: Path) -> None:
    """An integer is accepted in place of a float, in a list, in a range and in a table."""
    (folder / "x.toml").write_text(
        '[data]\nname = "digits"\n[train]\nlearning_rate = 1\n'
        "[hparams]\nl2 = [0, 1]\ndropout = { min = 0, max = 0.5, step = 0.5 }\n"
    )
    shown = json.loads(hpdash("check", "x.toml", "--json").stdout)
    numbers = [shown["train"]["learning_rate"], *shown["hparams"][0]["domain"]["values"]]
    assert [repr(number) for number in numbers] == ["1.0", "0.0", "1.0"]
    assert shown["hparams"][1]["domain"]["kind"] == "float"


# Row 20: huge grids


def huge(factors: int, head: str = "", names: int = 10) -> str:
    """Write a sweep over a grid of names^factors points."""
    lines = "".join(f"k{index} = {list(range(names))}\n" for index in range(factors))
    return f'[sweep]\n{head}\n[data]\nname = "synthetic"\n[train]\nloop = "loops:learn"\nepochs = 1\n[hparams]\n{lines}'


@pytest.mark.parametrize(("factors", "shown"), [(9, "1000000000"), (400, "about 10^400")])
def test_a_huge_grid_is_counted_and_refused(folder: Path, factors: int, shown: str) -> None:
    """A grid of 10^9 or 10^400 points is counted exactly, and refused with its size and what to do."""
    (folder / "bad.toml").write_text(huge(factors))
    told = f"bad.toml: hparams: expected at most 100000 settings in a grid, found {shown}. Set [sweep] trials to try"
    for command in COMMANDS:
        says(hpdash(*command, "bad.toml"), told)
    assert Grid(parse_sweep(huge(factors), name="bad.toml", folder=folder)).count == 10**factors
    assert list(folder.iterdir()) == [folder / "bad.toml"]


@pytest.mark.parametrize("strategy", ["grid", "random"])
@pytest.mark.parametrize("factors", [9, 400])
def test_a_huge_grid_is_sampled_when_asked(folder: Path, factors: int, strategy: str) -> None:
    """With [sweep] trials, that many different settings of a huge grid are drawn, the same ones every time."""
    (folder / "some.toml").write_text(huge(factors, f'strategy = "{strategy}"'))
    arguments = ["some.toml", "--set", "sweep.trials=12", "--json"]
    assert json.loads(hpdash("check", *arguments).stdout)["trials"] == 12
    listed = [hpdash("sweep", "--dry-run", *arguments).stdout for _ in range(2)]
    assert listed[0] == listed[1]
    swept = [trial["swept"] for trial in json.loads(listed[0])["trials"]]
    assert len({tuple(each.values()) for each in swept}) == 12
    assert {len(each) for each in swept} == {factors}


def test_a_grid_of_many_small_conditions_is_counted(folder: Path) -> None:
    """200 names, each of which applies only for one value of another name, are counted exactly: 3^200 of 4^200."""
    source = huge(200, names=2) + "".join(
        f"c{index} = {{ values = [0, 1], when = {{ k{index} = 1 }} }}\n" for index in range(200)
    )
    sweep = parse_sweep(source, name="x", folder=folder, overrides=["sweep.trials=3"])
    assert Grid(sweep).count == 3**200
    assert strategy_for(sweep).count == 3


def test_a_few_of_a_huge_grid_are_trained(tmp_path: Path) -> None:
    """`hpdash sweep` trains the settings drawn from 10^400 points; run again, it does nothing."""
    (tmp_path / "loops.py").write_text("def learn(trial):\n    trial.report(1, loss=1.0, validation_accuracy=0.5)\n")
    (tmp_path / "some.toml").write_text(huge(400, "trials = 2"))
    command = [sys.executable, "-c", DRIVER, "sweep", "some.toml", "--workers", "1"]
    done = [
        subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False) for _ in "12"
    ]
    assert [each.returncode for each in done] == [0, 0], done[0].stderr
    assert "[2/2] 0001" in done[0].stderr
    assert done[1].stderr == ""
    assert len(list((tmp_path / "logs" / "some").glob("000*"))) == 2
