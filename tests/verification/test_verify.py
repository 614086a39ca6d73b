"""Tests of `hpdash verify`: it reports every damage, and nothing else.

Each finding says where the damage is, what is lost and what to do.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import google_crc32c
import pytest
from click.testing import CliRunner, Result
from driven import drive, snapshot, states, trial_folder, until
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sweep_files import made_sweep
from tensorboard.compat.proto import summary_pb2

import hpdash
from hpdash import Options, run_sweep
from hpdash.cli import main
from hpdash.errors import LogdirError
from hpdash.journal.journal import Journal, lock
from hpdash.logs import hparams_record, layout
from hpdash.logs.writer import EventFile, RunWriter
from hpdash.reader.framing import records
from hpdash.records import TrialResult, TrialState
from hpdash.verification import Finding, find_damage
from hpdash.verification.findings import spans

LOOP = """
import time
from pathlib import Path

HERE = Path(__file__).parent

def train(trial):
    for epoch in range(1, trial.epochs + 1):
        trial.histogram("net/kernel", [1.0, 2.0, trial.hparams["learning_rate"]], epoch)
        trial.histogram("net/bias", [1.0, 2.0, 3.0], epoch)
        trial.report(epoch, loss=1 / epoch, validation_accuracy=epoch / 10)
        while (HERE / "wait").exists() and trial.number == 1:
            (HERE / "waits").touch()
            time.sleep(0.05)
    if trial.number == 3:
        raise RuntimeError("no more")
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run a sweep of four trials, the last of which fails at its end; return the sweep's folder."""
    folder = tmp_path_factory.mktemp("made")
    run_sweep(write_sweep(folder, 0.1, 0.2, 0.3, 0.4), folder / "logs", Options(workers=1))
    return folder / "logs" / "own"


def write_sweep(folder: Path, *rates: float) -> Path:
    """Write a sweep with a trial per learning rate, and its loop; return the sweep file."""
    tables = {"train": {"epochs": 10}, "hparams": {"learning_rate": rates}}
    return made_sweep(folder, loop="loops:train", source=LOOP, **tables)


@pytest.fixture
def own(made: Path, tmp_path: Path) -> Path:
    """Return a copy of the sweep's folder that a test can damage."""
    return Path(shutil.copytree(made, tmp_path / "logs" / "own"))


def found(path: Path) -> list[Finding]:
    """Return the findings of verify."""
    return list(hpdash.verify(path).checked.findings)


def command(*arguments: object) -> Result:
    """Run `hpdash verify`."""
    return CliRunner().invoke(main, ["verify", *map(str, arguments)], catch_exceptions=False)


def events(own: Path, number: int, *below: str) -> Path:
    """Return the event file of a trial's folder, or of the folder `below` it."""
    (file,) = layout.event_files(trial_folder(own, number).joinpath(*below))
    return file


def offsets(file: Path) -> list[int]:
    """Return the offset of each record of an event file, and the file's size."""
    with file.open("rb", buffering=0) as opened:
        return [at for at, _ in records(file, opened, [], lambda _, at: at)] + [file.stat().st_size]


def record_file(own: Path) -> Path:
    """Return the event file of the sweep's HParams experiment record."""
    ((file,),) = (layout.event_files(folder) for folder in layout.hparams_record_folders(own))
    return file


def flip(file: Path, at: int) -> None:
    """Change one byte of a file."""
    data = bytearray(file.read_bytes())
    data[at] ^= 0x55
    file.write_bytes(data)


def cut(file: Path, size: int) -> None:
    """Cut a file to a size; a negative size counts from the end."""
    file.write_bytes(file.read_bytes()[:size])


def lines(own: Path, change: Callable[[list[bytes]], list[bytes]]) -> None:
    """Change the lines of the journal."""
    journal = own / layout.JOURNAL
    journal.write_bytes(b"".join(change(journal.read_bytes().splitlines(keepends=True))))


def line(fields: dict[str, Any]) -> bytes:
    """Return a journal line with these fields and their checksum."""
    body = json.dumps({"attempt": 1, **fields}, sort_keys=True, separators=(",", ":")).encode()
    return body[:-1] + b',"crc":"%08x"}\n' % google_crc32c.value(body)


def replaced(number: int, *by: bytes) -> Callable[[list[bytes]], list[bytes]]:
    """Return a function that replaces a line, counted from 1, by other lines."""
    return lambda all_: [*all_[: number - 1], *by, *all_[number:]]


def misspelled(number: int) -> Callable[[list[bytes]], list[bytes]]:
    """Return a function that spoils a line, counted from 1."""
    return lambda all_: [*all_[: number - 1], all_[number - 1].replace(b'"attempt":1', b'"attempt":2'), *all_[number:]]


# Intact sweeps


def test_nothing_is_found_where_nothing_is_wrong(own: Path) -> None:
    """An intact sweep has no findings, even if one of its trials failed. verify exits with 0 and writes nothing."""
    before = snapshot(own.parent)
    result = command(own.parent)
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        f"{own.parent}: no damage; 4 runs, 8 event files, {hpdash.verify(own).checked.bytes / 1e6:.1f} MB read"
    ]
    assert snapshot(own.parent) == before


def test_the_readers_cache_is_left_alone(own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """verify neither reads nor writes the reader's cache: only the bytes on the disk count."""
    monkeypatch.setenv("HPDASH_CACHE", str(tmp_path / "cache"))
    assert found(own) == []
    assert not (tmp_path / "cache").exists()


# Damaged sweeps

Harm = Callable[[Path], object]


def middle(own: Path, number: int) -> None:
    """Flip a byte in the middle of a trial's event file, in the histogram of `net/kernel` at step 6."""
    file = events(own, number)
    starts = offsets(file)
    (at,) = (start for start, end in pairwise(starts) if is_kernel(file, start, end))
    flip(file, at + 40)


def is_kernel(file: Path, start: int, end: int) -> bool:
    """Return whether a record is that of `net/kernel` at step 6."""
    body = file.read_bytes()[start + 12 : end - 4]
    return b"net/kernel" in body and body[9:11] == b"\x10\x06"


def rename_folder(own: Path) -> None:
    """Give a trial's folder another trial's number."""
    folder = trial_folder(own, 2)
    folder.rename(folder.with_name(folder.name.replace("0002", "0007")))


def copy_folder(own: Path) -> None:
    """Copy a trial's folder to a name with the same number."""
    shutil.copytree(trial_folder(own, 2), own / "0002-x=1")


def newer(own: Path) -> None:
    """Give the sweep's record a schema version of the future."""
    path = own / layout.SWEEP_JSON
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema": 99}))


def die(own: Path) -> None:
    """Write the journal of a driver that died while it ran the failed trial again."""
    with Journal.open(own / layout.JOURNAL) as journal:
        journal.append(3, TrialState.RUNNING, 2)


def interrupt(own: Path) -> None:
    """Write the journal of a second attempt of the failed trial that was interrupted."""
    with Journal.open(own / layout.JOURNAL) as journal:
        journal.append(3, TrialState.INTERRUPTED, 2, TrialResult(TrialState.INTERRUPTED))


def finish(own: Path) -> None:
    """Write the journal of a second attempt of the failed trial that finished."""
    with Journal.open(own / layout.JOURNAL) as journal:
        journal.append(3, TrialState.FINISHED, 2, TrialResult(TrialState.FINISHED, 10))


def as_pipe(path: Path) -> None:
    """Replace a file by a pipe, on which a reader would block."""
    path.unlink()
    os.mkfifo(path)


@dataclass(frozen=True)
class Told:
    """An expected finding: the start of its path's name, words from its texts, and its severity."""

    path: str
    what: str
    affected: str
    advice: str
    severity: str = "damage"


RESULT_STANDS = "result is in the journal"
TABLE = [
    pytest.param(
        lambda own: middle(own, 1),
        Told("events", "checksum of a record", "step 6 of `net/kernel`; TensorBoard shows nothing", "hpdash show"),
        id="byte-of-a-histogram",
    ),
    pytest.param(
        lambda own: middle(own, 3),
        Told("events", "checksum of a record", "step 6 of `net/kernel`", "hpdash sweep FILE --retry-failed"),
        id="byte-of-a-failed-trial",
    ),
    pytest.param(
        lambda own: cut(events(own, 1), offsets(events(own, 1))[18] + 20),
        Told("events", "incomplete", "steps 6 to 10 of `epoch_loss`, `net/bias` and `net/kernel`; its best", "backup"),
        id="truncated-in-training",
    ),
    pytest.param(
        lambda own: cut(events(own, 1, "validation"), -7),
        Told("events", "incomplete", "step 10 of `validation/epoch_accuracy`", RESULT_STANDS),
        id="truncated-in-validation",
    ),
    pytest.param(
        lambda own: cut(events(own, 1, "validation"), 0),
        Told("events", "the file is empty", "steps 1 to 10 of `validation/epoch_accuracy`", RESULT_STANDS),
        id="empty",
    ),
    pytest.param(
        lambda own: flip(events(own, 0), offsets(events(own, 0))[1] + 30),
        Told("events", "checksum", "its hyperparameters in TensorBoard", RESULT_STANDS),
        id="session-start",
    ),
    pytest.param(
        lambda own: flip(events(own, 0), -9),
        Told("events", "checksum", "the end of its session: TensorBoard shows it as running", RESULT_STANDS),
        id="session-end",
    ),
    pytest.param(
        lambda own: (trial_folder(own, 0) / "my-tfevents.txt").write_text("what I think of it"),
        Told("my-tfevents.txt", "not an event file", "nothing known to be missing", 'does not contain "tfevents"'),
        id="foreign-file",
    ),
    pytest.param(
        lambda own: events(own, 1, "validation").unlink(),
        Told("0001-learning_rate=0.2", "logs are missing", "steps 1 to 10 of `validation/", RESULT_STANDS),
        id="file-gone",
    ),
    pytest.param(
        lambda own: cut(events(own, 1), offsets(events(own, 1))[-2]),
        Told("0001-learning_rate=0.2", "cut between two records", "the end of its session", RESULT_STANDS),
        id="cut-before-the-session-ends",
    ),
    pytest.param(
        lambda own: cut(events(own, 1), offsets(events(own, 1))[21]),
        Told("0001-learning_rate=0.2", "cut between two records", "steps 7 to 10 of `epoch_loss`; its", RESULT_STANDS),
        id="cut-between-records",
    ),
    pytest.param(
        lambda own: [events(own, 1).unlink(), events(own, 1, "validation").unlink()],
        Told("0001-learning_rate=0.2", "its event files are gone", "all series", "Restore a backup"),
        id="all-files-gone",
    ),
    pytest.param(
        lambda own: shutil.rmtree(trial_folder(own, 1)),
        Told("0001…", "finished, but its run folder is gone", "all series", "Restore a backup"),
        id="folder-gone",
    ),
    pytest.param(
        copy_folder,
        Told("own", "2 folders of trial 2: 0002-learning_rate=0.3, 0002-x=1", "same trial number", "Move away"),
        id="two-folders",
    ),
    pytest.param(
        lambda own: shutil.copytree(trial_folder(own, 2), own / "0009-x=1"),
        Told("0009-x=1", "the journal does not know", "no result", "trials 0 to 3: move the folder away"),
        id="orphan-beyond-the-sweep",
    ),
    pytest.param(
        lambda own: lines(own, lambda all_: all_[:-2]),
        Told("0003-learning_rate=0.4", "the journal does not know", "trial is unknown", "hpdash sweep FILE"),
        id="orphan-of-the-sweep",
    ),
    pytest.param(
        die,
        Told("0003-learning_rate=0.4", "no driver holds the sweep", "its last checkpoint", "sweep FILE"),
        id="driver-died",
    ),
    pytest.param(
        lambda own: lines(own, misspelled(2)),
        Told("journal.jsonl", "checksum", "trial 0: it counts as running (line 1), so", "hpdash sweep FILE"),
        id="line-that-ends-a-trial",
    ),
    pytest.param(
        lambda own: lines(own, misspelled(1)),
        Told("journal.jsonl", "checksum does not match", "nothing: other lines have", "Nothing has to be done"),
        id="line-that-begins-a-trial",
    ),
    pytest.param(
        lambda own: lines(own, replaced(3, b"\0\xff\0\n")),
        Told("journal.jsonl", "not a complete line", "unknown trials", "hpdash sweep FILE"),
        id="line-of-nobody-knows-whom",
    ),
    pytest.param(
        lambda own: [finish(own), lines(own, replaced(3, b"\0\xff\0\n"))],
        Told("journal.jsonl", "not a complete line", "nothing: other lines have", "Nothing has to be done"),
        id="line-of-whomsoever-when-all-are-done",
    ),
    pytest.param(
        lambda own: lines(own, lambda all_: [*all_[:2], all_[2][:-1] + b"x" + all_[3], *all_[4:]]),
        Told("journal.jsonl", "", "nothing: its records are intact", "Nothing has to be done"),
        id="end-of-a-line",
    ),
    pytest.param(
        lambda own: lines(own, lambda all_: [*all_, line({"seq": 9, "state": "dreaming"})]),
        Told("journal.jsonl", "line 9: written by a newer hpdash", "nothing", "Update hpdash", "note"),
        id="line-of-a-newer-version",
    ),
    pytest.param(
        lambda own: lines(own, lambda all_: [*all_, b'{"attempt":2,"sta']),
        Told("journal.jsonl", "torn: not a complete line", "unknown trials", "hpdash sweep FILE"),
        id="torn-journal",
    ),
    pytest.param(
        lambda own: lines(own, replaced(1)),
        Told("journal.jsonl", "record 1 missing before this line", "from the other lines", "Restore a backup"),
        id="line-gone",
    ),
    pytest.param(
        lambda own: lines(own, lambda all_: [*all_, *all_[2:4]]),
        Told("journal.jsonl", "lines 9 to 10: sequence numbers", "the last line of each", "restore a backup"),
        id="lines-twice",
    ),
    pytest.param(
        lambda own: (own / layout.JOURNAL).unlink(),
        Told("journal.jsonl", "no usable journal (no such file)", "finished ones too", "Restore a backup"),
        id="journal-gone",
    ),
    pytest.param(
        lambda own: cut(own / layout.JOURNAL, 0),
        Told("journal.jsonl", "no usable journal (0 bytes)", "finished ones too", "Restore a backup"),
        id="journal-empty",
    ),
    pytest.param(
        lambda own: as_pipe(own / layout.JOURNAL),
        Told("journal.jsonl", "not a plain file", "finished ones too", "Restore a backup"),
        id="journal-is-a-pipe",
    ),
    pytest.param(
        lambda own: (own / "journal.jsonl.damaged-1").write_text("x"),
        Told("journal.jsonl.damaged-1", "the original of a journal", "nothing", "Delete it", "note"),
        id="kept-original",
    ),
    pytest.param(
        lambda own: cut(own / layout.SWEEP_JSON, 99),
        Told("sweep.json", "not a valid sweep.json (JSONDecodeError", "cannot continue", "another --logdir"),
        id="record-cut",
    ),
    pytest.param(
        lambda own: (own / layout.SWEEP_JSON).write_text("[" * 9999),
        Told("sweep.json", "not a valid sweep.json (RecursionError", "cannot continue", "another --logdir"),
        id="record-nested",
    ),
    pytest.param(
        lambda own: (own / layout.SWEEP_JSON).unlink(),
        Told("sweep.json", "No such file", "cannot continue", "another --logdir"),
        id="record-gone",
    ),
    pytest.param(
        newer, Told("sweep.json", "newer hpdash (schema 99", "nothing", "Update hpdash", "note"), id="record-newer"
    ),
    pytest.param(
        lambda own: (own / layout.SWEEP_TOML).write_bytes(b"\xff"),
        Told("sweep.toml", "UnicodeDecodeError", "`hpdash show`", "Copy the sweep file here"),
        id="source-damaged",
    ),
    pytest.param(
        lambda own: as_pipe(own / layout.SWEEP_TOML),
        Told("sweep.toml", "not a plain file", "`hpdash show`", "Copy the sweep file here"),
        id="source-is-a-pipe",
    ),
    pytest.param(
        lambda own: (own / "sweep.json.part").write_text("{"),
        Told("sweep.json.part", "unfinished: the process that wrote it died", "nothing", "can be deleted", "note"),
        id="leftover",
    ),
    pytest.param(
        lambda own: (trial_folder(own, 0) / "checkpoint.npz").write_bytes(b"not an archive"),
        Told("checkpoint.npz", "", "the trial is done", "Delete it", "note"),
        id="checkpoint-of-a-finished-trial",
    ),
    pytest.param(
        lambda own: [interrupt(own), (trial_folder(own, 3) / "checkpoint.npz").write_bytes(b"PK\3\4")],
        Told("checkpoint.npz", "", "the epochs the trial has trained", "starts over"),
        id="checkpoint",
    ),
    pytest.param(
        lambda own: shutil.rmtree(trial_folder(own, 3)),
        Told("0003…", "failed, but its run folder is gone", "all series", "hpdash sweep FILE --retry-failed"),
        id="folder-of-a-failed-trial-gone",
    ),
    pytest.param(
        lambda own: cut(events(own, 3), offsets(events(own, 3))[-2]),
        Told("0003-learning_rate=0.4", "failed, but some of its logs", "the end of its session", "--retry-failed"),
        id="cut-before-a-failed-session-ends",
    ),
    pytest.param(
        lambda own: cut(record_file(own), offsets(record_file(own))[1]),
        Told("hparams-", "empty HParams", "TensorBoard's HParams table", "Delete the folder hparams-"),
        id="experiment-record-cut",
    ),
    pytest.param(
        lambda own: flip(record_file(own), 60),
        Told("events", "checksum", "TensorBoard's HParams table", "Delete the folder hparams-"),
        id="experiment-record",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("harm", "told"), TABLE)
def test_each_damage_is_told_once_with_what_it_costs_and_what_helps(own: Path, harm: Harm, told: Told) -> None:
    """Each damage gives one finding, which names the file, what is wrong, what is lost and the next step."""
    harm(own)
    (finding,) = found(own.parent)
    name = finding.path.name
    assert name.startswith(layout.EVENT_FILE if told.path == "events" else told.path)
    assert told.what in finding.what
    assert told.affected in finding.affected
    assert told.advice in finding.advice
    assert finding.severity == told.severity
    assert command(own.parent).exit_code == int(told.severity == "damage")


def test_no_change_of_an_event_file_or_the_journal_stays_unseen(made: Path, tmp_path_factory: Any) -> None:
    """Any changed byte and any cut in an event file or the journal is reported as damage and never raises an error."""
    folder = tmp_path_factory.mktemp("any") / "own"
    shutil.copytree(made, folder)
    files = [*sorted(folder.rglob(f"{layout.EVENT_FILE}*")), folder / layout.JOURNAL]

    @settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.differing_executors])
    @given(data=st.data())
    def holds(data: st.DataObject) -> None:
        file = data.draw(st.sampled_from(files))
        before = file.read_bytes()
        at = data.draw(st.integers(0, len(before) - 1))
        byte = data.draw(st.sampled_from([b"", b"\0", b"\n", b"\xff", b"x" * 99]))
        after = before[:at] + byte + (before[at + 1 :] if byte else b"")
        file.write_bytes(after)
        try:
            assert hpdash.verify(folder).is_damaged == (after not in (before, before.rstrip(b"\n")))
        finally:
            file.write_bytes(before)

    holds()


@pytest.mark.parametrize("name", [layout.SWEEP_JSON, layout.SWEEP_TOML, layout.LOCK, "0000*/checkpoint.npz"])
@given(bytes_=st.binary(max_size=40) | st.sampled_from([b"{}", b"[]", b"null", b'{"schema":"x"}', b'{"schema":1}']))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_bytes_make_it_fail(made: Path, name: str, bytes_: bytes, tmp_path: Path) -> None:
    """verify never fails, whatever bytes a sweep's record, sweep file, lock or checkpoint contains.

    It reports findings only on the changed file.
    """
    folder = tmp_path / "own"
    if not folder.exists():
        shutil.copytree(made, folder)
    pattern, _, leaf = name.rpartition("/")
    path = (next(folder.glob(pattern)) if pattern else folder) / leaf
    path.write_bytes(bytes_)
    assert {finding.path for finding in found(folder)} <= {path}


# Sweeps that a driver is writing


def test_what_a_driver_writes_at_this_moment_is_not_damaged(own: Path) -> None:
    """Incomplete files are no findings while a driver holds the sweep.

    This holds for the torn end of the journal and of a running trial's event file, and for a trial that has just
    started. A byte changed in the middle is still a finding, and so is the torn end of a finished trial's file.
    """
    die(own)
    cut(events(own, 3), -5)
    lines(own, lambda all_: [*all_, b'{"attempt":1,"se'])
    shutil.copytree(trial_folder(own, 2), own / "0005-x=1")
    cut(events(own, 5), 0)
    (own / "sweep.json.part").touch()
    assert len(found(own)) == 6
    with lock(own):
        assert found(own) == []
        middle(own, 3)
        cut(events(own, 2, "validation"), -5)
        affected = {finding.run: (finding.affected, finding.advice) for finding in found(own)}
    assert set(affected) == {trial_folder(own, 2).name, trial_folder(own, 3).name}
    assert "step 10 of `validation/epoch_accuracy`" in affected[trial_folder(own, 2).name][0]
    assert "until its driver has ended" in affected[trial_folder(own, 3).name][1]


ASKING = """
import sys
from pathlib import Path
from hpdash.reader.sweeps import is_held
print(is_held(Path(sys.argv[1])), flush=True)
while True:
    is_held(Path(sys.argv[1]))
"""


def test_a_driver_is_never_refused_because_somebody_looks(tmp_path: Path) -> None:
    """A driver can always take a sweep's lock, even if another process keeps checking whether it is held."""
    with lock(tmp_path):
        pass
    program = [sys.executable, "-c", ASKING, str(tmp_path / layout.LOCK)]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as asking:
        try:
            assert asking.stdout is not None
            assert asking.stdout.readline() == "False\n"
            for _ in range(100):
                with lock(tmp_path):
                    pass
        finally:
            asking.kill()


def test_looking_makes_no_lock(own: Path) -> None:
    """If there is no lock file, the sweep is not held, and verify does not create the file."""
    (own / layout.LOCK).unlink()
    die(own)
    (finding,) = found(own)
    assert finding.what.startswith("running")
    assert "no driver holds the sweep" in finding.what
    assert not (own / layout.LOCK).exists()


# The advice


def test_a_killed_driver_is_told_and_the_advice_mends_it(tmp_path: Path) -> None:
    """A running driver is no damage, but a killed one is. Running the sweep again, as verify advises, repairs it."""
    path = write_sweep(tmp_path, 0.1, 0.2)
    (tmp_path / "wait").touch()
    with drive(path, "--workers", "1") as driver:
        try:
            until((tmp_path / "waits").exists, 60)
            own = tmp_path / "logs" / "own"
            until(lambda: states(own).get(1) is TrialState.RUNNING, 10)
            assert command(own.parent).exit_code == 0
        finally:
            driver.kill()
    result = command(own.parent)
    assert result.exit_code == 1
    assert "no driver holds the sweep" in result.stdout
    assert "`hpdash sweep FILE` continues" in result.stdout
    (tmp_path / "wait").unlink()
    run_sweep(path, tmp_path / "logs", Options(workers=1))
    assert command(own.parent).exit_code == 0


def test_the_recipe_it_names_is_there(own: Path) -> None:
    """`hpdash show` of a damaged run prints a sweep file, as verify says."""
    middle(own, 1)
    (finding,) = found(own)
    assert f"hpdash show {trial_folder(own, 1)}` prints a sweep file" in finding.advice
    shown = CliRunner().invoke(main, ["show", str(trial_folder(own, 1))])
    assert "[[trial]]" in shown.stdout


# The folder that is checked


@pytest.mark.parametrize(
    ("below", "run", "runs"),
    [
        pytest.param(".", "own/0001-learning_rate=0.2", 4, id="root"),
        pytest.param("own", "0001-learning_rate=0.2", 4, id="sweep"),
        pytest.param("own/0001-learning_rate=0.2", ".", 1, id="run"),
    ],
)
def test_damage_is_found_from_wherever_one_looks(own: Path, below: str, run: str, runs: int) -> None:
    """The logs root, the sweep's folder and the run's folder give the same finding.

    The run's folder counts as one run.
    """
    middle(own, 1)
    checked = hpdash.verify(own.parent / below).checked
    (finding,) = checked.findings
    assert (finding.run, finding.path.name, checked.runs) == (run, events(own, 1).name, runs)
    assert "step 6 of `net/kernel`" in finding.affected
    assert RESULT_STANDS in finding.advice


def test_logs_of_others_are_looked_at(tmp_path: Path) -> None:
    """verify reports damage in runs that hpdash did not write. A malformed value in an intact file is a note."""
    with RunWriter(tmp_path / "[/b]") as run:
        for step in range(5):
            run.scalar("epoch_loss", 1.0, step)
            run.scalar("epoch_accuracy", 1.0, step)
    file = EventFile(tmp_path / "odd")
    file.add(summary_pb2.Summary.Value(tag="x", metadata=scalars(), tensor={"dtype": 7, "string_val": [b"x"]}), 1)
    file.close()
    (broken,) = layout.event_files(tmp_path / "[/b]")
    flip(broken, offsets(broken)[4] + 40)
    damage, note = found(tmp_path)
    assert (damage.run, damage.sweep, damage.severity) == ("[/b]", None, "damage")
    assert "step 1 of `epoch_accuracy`" in damage.affected
    assert (note.run, note.severity) == ("odd", "note")
    assert "  [/b]\n" in command(tmp_path).stdout


def scalars() -> summary_pb2.SummaryMetadata:
    """Return the metadata of a scalar."""
    made = summary_pb2.SummaryMetadata()
    made.plugin_data.plugin_name = "scalars"
    return made


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.write_text("")], ids=["nothing", "a-file"])
def test_where_no_folder_is_it_ends_with_4(tmp_path: Path, make: Callable[[Path], object]) -> None:
    """A path that is not a folder is refused with exit code 4, the code for errors of the environment."""
    make(tmp_path / "x")
    result = command(tmp_path / "x")
    assert result.exit_code == 4
    assert "expected a folder of logs" in result.stderr
    with pytest.raises(LogdirError):
        hpdash.verify(tmp_path / "x")


def test_an_empty_folder_has_no_damage(tmp_path: Path) -> None:
    """An empty folder has no damage, nor has a sweep that was killed before its record was written."""
    (tmp_path / "own").mkdir()
    for name in (layout.LOCK, layout.SWEEP_TOML):
        (tmp_path / "own" / name).touch()
    assert found(tmp_path) == []


# The output


def test_the_text_has_what_the_json_has(own: Path) -> None:
    """Text and JSON have the same findings, grouped by sweep and run. The text ends with a summary line."""
    for harm in (
        lambda: middle(own, 1),
        lambda: cut(events(own, 2, "validation"), 9),
        lambda: lines(own, misspelled(1)),
    ):
        harm()
    (own / "journal.jsonl.damaged-1").touch()
    told = json.loads(command(own.parent, "--json").stdout)
    assert (told["damaged"], told["runs"], told["sweeps"], told["event_files"]) == (True, 4, 1, 8)
    assert [(each["severity"], each["line"], bool(each["offset"])) for each in told["findings"]] == [
        ("damage", 1, False), ("note", None, False), ("damage", None, True), ("damage", None, False),
    ]  # fmt: skip
    text = command(own.parent).stdout.splitlines()
    assert [line for line in text if not line.startswith("    ")][:3] == ["own", *text[1:2], *text[4:5]]
    for each in told["findings"]:
        for words in ("what", "affected", "advice"):
            assert any(each[words] in line for line in text)
    assert "damage in 3 files or folders: in 2 of 4 runs" in text[-1]
    assert "in 1 of 1 sweep; 1 note; 4 runs" in text[-1]


def test_a_sweep_that_was_copied_is_said_until_its_record_is_written_again(tmp_path: Path) -> None:
    """A copied sweep is a note until its HParams experiment record is written again.

    Until then, TensorBoard's HParams page would show the values of only one sweep. `hpdash board` and the next sweep
    write the record again.
    """
    kept = Path(__file__).parents[1] / "faults" / "kept" / "schema-1" / "logs"
    for name in ("own", "digits_mlp"):
        shutil.copytree(kept / name, tmp_path / "logs" / name)
    hparams_record.update_records(tmp_path / "logs")
    assert [finding for finding in find_damage(tmp_path / "logs").findings if "copied" in finding.what] == []
    shutil.copytree(tmp_path / "logs" / "own", tmp_path / "others" / "own")
    (finding,) = [finding for finding in find_damage(tmp_path / "others").findings if "copied" in finding.what]
    assert (finding.sweep, finding.is_damage, "hpdash board" in finding.advice) == ("own", False, True)
    hparams_record.update_records(tmp_path / "others")
    assert [finding for finding in find_damage(tmp_path / "others").findings if "copied" in finding.what] == []


def test_numbers_that_are_not_spelled_out_are_counted() -> None:
    """After the first ranges, the numbers are counted, not the ranges."""
    assert spans([*range(1, 4), 10, 20, 30, 40, *range(50, 60)], "step").endswith("and 10 more")
