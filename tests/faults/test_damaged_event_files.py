"""Tests of rows 9 and 10 in README.md: readers of a sweep whose event files are cut, damaged, empty or foreign.

The sweep is a real one. Readers return all whole records and report the file, the byte and the reason of the damage.
Nothing in the logs changes, and commands exit with 0.
"""

from __future__ import annotations

import json
import os
import shutil
import struct
import tracemalloc
from collections.abc import Callable
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from driven import snapshot, trial_folder
from sweep_files import made_sweep
from tensorboard.compat.proto import summary_pb2
from tensorboard.util.tensor_util import make_tensor_proto

from hpdash import Options, cli, read_runs, run_sweep
from hpdash.logs import layout
from hpdash.logs.tfrecord import HEAD, SUM, header_of
from hpdash.logs.writer import EventFile
from hpdash.runs import Run

LOOP = """
def learn(trial):
    for epoch in range(1, trial.epochs + 1):
        trial.histogram("net/kernel", [trial.seed, trial.hparams["rate"], epoch], epoch)
        trial.report(epoch, loss=1 / epoch, validation_accuracy=epoch / 10 + trial.hparams["rate"])
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run a sweep of two trials; return its logs root."""
    folder = tmp_path_factory.mktemp("ran")
    tables = {"train": {"epochs": 9}, "hparams": {"rate": [0.1, 0.2]}}
    path = made_sweep(folder, loop="loops:learn", source=LOOP, **tables)
    assert run_sweep(path, folder / "logs", Options(workers=1)).exit_code == 0
    return folder / "logs"


@pytest.fixture
def logs(ran: Path, tmp_path: Path) -> Path:
    """Copy the logs, so that a test can damage them."""
    return Path(shutil.copytree(ran, tmp_path / "logs"))


@pytest.fixture
def file(logs: Path) -> Path:
    """Return the event file of the first trial's training."""
    (found,) = layout.event_files(trial_folder(logs / "own", 0))
    return found


def hpdash(logs: Path, *arguments: str) -> Result:
    """Run a command that reads the logs; check that it exits with 0 and changes nothing in them."""
    before = snapshot(logs)
    result = CliRunner().invoke(cli.main, arguments)
    assert result.exit_code == 0, result.output
    assert snapshot(logs) == before
    return result


def ends(data: bytes) -> list[int]:
    """Return where each record of an event file ends."""
    found, at = [], 0
    while at < len(data):
        at += HEAD + struct.unpack_from("<Q", data, at)[0] + SUM
        found.append(at)
    return found


def held(run: Run) -> object:
    """Return the contents of a run's event files as values that can be compared."""
    series = {tag: (each.steps.tolist(), each.values.tolist()) for tag, each in run.scalars.items()}
    return run.hparams, series, dict(run.histograms)


def test_cut_at_every_byte_of_the_last_records(logs: Path, file: Path) -> None:
    """Wherever a file is cut, every whole record is read, the byte after them is named, and the other run is whole."""
    data = file.read_bytes()
    places = ends(data)
    other = held(read_runs(logs)[1])
    for begin, end in pairwise(places[-4:]):
        file.write_bytes(data[:begin])
        whole = read_runs(logs)[0]
        assert whole.damage == ()
        for cut in range(begin + 1, end):
            file.write_bytes(data[:cut])
            runs = read_runs(logs)
            assert held(runs[0]) == held(whole)
            (warning,) = runs.warnings
            assert warning.startswith(f"{file}, byte {begin:,}: ")
            assert "incomplete" in warning and "still being written" in warning and "cut off" in warning
            assert held(runs[1]) == other


def at_loss(change: Callable[[bytes, bytes], bytes]) -> Callable[[bytes], tuple[bytes, int]]:
    """Return a function that damages the record of the fifth epoch's loss.

    `change` gets the record and the bytes after it, and returns their replacement. The function returns the bytes of
    the damaged file and the position of the record.
    """

    def changed(data: bytes) -> tuple[bytes, int]:
        begin, end = [place for place in pairwise(ends(data)) if b"epoch_loss" in data[slice(*place)]][4]
        return data[:begin] + change(data[begin:end], data[end:]), begin

    return changed


def flipped(place: int) -> Callable[[bytes, bytes], bytes]:
    """Return a change that flips all bits in a byte of a record."""

    def flip(record: bytes, rest: bytes) -> bytes:
        changed = bytearray(record)
        changed[place] ^= 0xFF
        return bytes(changed) + rest

    return flip


ABSURD = header_of(2**60)
# How a training's event file is damaged, how many losses of nine epochs are left, and what the warning says
DAMAGE = {
    "cut in a record": (at_loss(lambda record, rest: record[:20]), 4, "incomplete"),
    "cut in a length": (at_loss(lambda record, rest: record[:5]), 4, "incomplete"),
    "a flipped byte of data": (at_loss(flipped(30)), 8, "checksum of a record does not match"),
    "a flipped byte of a length": (at_loss(flipped(2)), 8, "no valid record here"),
    "a flipped byte of a length's sum": (at_loss(flipped(9)), 8, "no valid record here"),
    "a flipped byte of a sum": (at_loss(flipped(-1)), 8, "checksum of a record does not match"),
    "a record lost to zeros": (at_loss(lambda record, rest: bytes(len(record)) + rest), 8, "no valid record here"),
    "a hole of zeros": (at_loss(lambda record, rest: bytes(4096) + record + rest), 9, "4,096 bytes skipped"),
    "written behind a torn one": (at_loss(lambda record, rest: record[:-9] + rest), 8, "bytes skipped"),
    "zeros at the end": (lambda data: (data + bytes(8192), len(data)), 9, "8,192 bytes skipped"),
    "an absurd length": (at_loss(lambda record, rest: ABSURD + record + rest), 9, "12 bytes skipped"),
    "an absurd length at the end": (lambda data: (data + ABSURD, len(data)), 9, "incomplete"),
    "0 bytes": (lambda data: (b"", 0), 0, "the file is empty"),
    "zeros alone": (lambda data: (bytes(len(data)), 0), 0, "not an event file"),
    "another kind of file": (lambda data: (b"\x89PNG\r\n\x1a\n" * 99, 0), 0, "not an event file"),
}


@pytest.mark.parametrize(("damage", "epochs", "reason"), DAMAGE.values(), ids=DAMAGE.keys())
def test_what_is_damaged_is_told_and_the_rest_is_read(
    logs: Path, file: Path, damage: Callable[[bytes], tuple[bytes, int]], epochs: int, reason: str
) -> None:
    """`read_runs`, `ls` and `show` give all whole records, and name the file, the byte and the reason of the damage."""
    data, place = damage(file.read_bytes())
    file.write_bytes(data)
    told = f"{file}, byte {place:,}: "
    tracemalloc.start()
    run, other = read_runs(logs)
    assert tracemalloc.get_traced_memory()[1] < 20e6
    tracemalloc.stop()
    assert len(run.scalars["epoch_loss"].steps if epochs else ()) == epochs
    assert len(run.scalars["validation/epoch_accuracy"].steps) == len(other.scalars["epoch_loss"].steps) == 9
    (warned,) = run.damage
    assert str(warned).startswith(told)
    assert reason in warned.reason
    listed, shown = hpdash(logs, "ls", str(logs)), hpdash(logs, "show", "own/0000", "--logdir", str(logs))
    assert listed.stderr == shown.stderr == f"{warned}\n"
    assert listed.stdout.count("finished") == 3
    assert "rate" in shown.stdout


def test_a_malformed_histogram_is_told_where_it_is_shown(logs: Path, file: Path) -> None:
    """`show` names and leaves out a histogram whose checksum is right but whose buckets are not adjacent."""
    with closing(EventFile(file.parent)) as more:
        for step, left in ((10, 1.0), (11, 1.0), (12, 7.0)):
            table = np.array([[0, 1, 2], [left, 8, 9]])
            value = summary_pb2.Summary.Value(tag="net/kernel", tensor=make_tensor_proto(table))
            value.metadata.plugin_data.plugin_name = "histograms"
            more.add(value, step)
    shown = hpdash(logs, "show", "own/0000", "--logdir", str(logs))
    assert shown.stderr.startswith(f"{more.path}, byte ")
    assert "'net/kernel', step 12: " in shown.stderr and "buckets must be adjacent" in shown.stderr
    assert "net/kernel" in shown.stdout


COMMANDS = [
    ["ls", "{logs}", "--json"],
    ["ls", "{logs}", "--where", "rate<1", "--sort", "-best"],
    ["show", "0", "--logdir", "{logs}", "--json"],
    ["compare", "{logs}", "--tag", "net/kernel", "--by", "rate"],
    ["compare", "{logs}", "--tag", "epoch_loss"],
    ["effects", "{logs}"],
    ["export", "{logs}", "--format", "json"],
    ["report", "{logs}", "-o", "{logs}/../report.html"],
]


@pytest.mark.parametrize("cut", [0, 1, 700], ids="cut at {}".format)
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command[:1] + command[2:]))
def test_every_reading_command_goes_on(logs: Path, file: Path, command: list[str], cut: int) -> None:
    """Every reading command warns on standard error, exits with 0 and prints what it can; JSON stays valid JSON."""
    file.write_bytes(file.read_bytes()[:cut])
    result = hpdash(logs, *(part.replace("{logs}", str(logs)) for part in command))
    assert str(file) in result.stderr
    assert result.stdout
    if "--json" in command or "json" in command:
        json.loads(result.stdout)


FOREIGN = {
    "notes": b"What I know of tfevents:\nthey are records.\n" * 50,
    "nothing": b"",
    "an archive": b"\x1f\x8b\x08\x00" + bytes(range(256)) * 64,
    "a journal": b'{"attempt":1,"seq":1,"crc":"00000000"}\n' * 99,
}


@pytest.mark.parametrize("place", ["", "own", "own/0000-rate=0.1", "own/0000-rate=0.1/validation", "elsewhere"])
@pytest.mark.parametrize("data", FOREIGN.values(), ids=FOREIGN.keys())
def test_a_foreign_file_is_told_and_costs_nothing(logs: Path, place: str, data: bytes) -> None:
    """A file that only has tfevents in its name is reported as no event file in any folder, and no run loses data."""
    before = [held(run) for run in read_runs(logs) if run.sweep]
    foreign = logs / place / "my tfevents.notes"
    foreign.parent.mkdir(exist_ok=True)
    foreign.write_bytes(data)
    listed = hpdash(logs, "ls", str(logs))
    assert listed.stderr.startswith(f"{foreign}, byte 0: ")
    assert len(listed.stderr.splitlines()) == 1
    assert listed.stdout.count("0001") == 1
    assert [held(run) for run in read_runs(logs) if run.sweep] == before


def test_what_is_no_file_is_not_opened(logs: Path) -> None:
    """A folder, a pipe and a broken link with tfevents in their names are ignored, and no command waits for them."""
    before = [held(run) for run in read_runs(logs)]
    folder = trial_folder(logs / "own", 0)
    (folder / "tfevents.folder").mkdir()
    os.mkfifo(folder / "tfevents.pipe")
    (folder / "tfevents.link").symlink_to(folder / "nowhere")
    listed = CliRunner().invoke(cli.main, ["ls", str(logs)])
    assert (listed.exit_code, listed.stderr) == (0, "")
    assert [held(run) for run in read_runs(logs)] == before


@pytest.mark.parametrize("length", [0, 190_000_000], ids=["zeros", "one record"])
def test_a_huge_file_is_read_in_little_memory(logs: Path, file: Path, length: int) -> None:
    """200 MB after the records (zeros, or one record of that length) are skipped and need little memory."""
    data = file.read_bytes()
    with file.open("ab") as opened:
        if length:
            opened.write(header_of(length))
        opened.truncate(len(data) + 200_000_000)
    tracemalloc.start()
    run = read_runs(logs)[0]
    assert tracemalloc.get_traced_memory()[1] < 20e6
    tracemalloc.stop()
    assert len(run.scalars["epoch_loss"].steps) == 9
    assert run.damage[0].offset == len(data)
