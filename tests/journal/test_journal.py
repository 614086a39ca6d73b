"""Tests of the journal and of the lock, with processes that are really killed.

Some journals are torn, damaged or on a full disk.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import google_crc32c
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpdash.errors import LockedError, LogdirError
from hpdash.journal.entries import EvaluationEntry, Proposal, RungDecision, Transition, from_line, to_line
from hpdash.journal.journal import Journal, JournalContent, lock, read_journal
from hpdash.logs import layout
from hpdash.records import TrialResult, TrialState

numbers = st.floats(allow_nan=False) | st.just(float("inf")) | st.integers(-9, 9)
metrics = st.dictionaries(st.text(), numbers, max_size=3)
texts = st.none() | st.text() | st.sampled_from(["NaN", '"', "\n", "\ud800", "Infinity"])
results = st.builds(
    TrialResult,
    st.sampled_from(TrialState),
    epochs=st.integers(0, 2**62),
    metrics=metrics,
    best=metrics,
    best_epoch=st.none() | st.integers(0, 2**62),
    seconds=numbers,
    weights_sha256=texts,
    xla=st.none() | st.booleans(),
    error=texts,
    traceback=texts,
)
records = st.builds(
    Transition,
    st.integers(1, 2**62),
    st.integers(0, 2**62),
    st.sampled_from(TrialState),
    st.integers(1, 2**62),
    st.floats(0, 1e10),
    st.none() | results,
)


@given(records)
def test_record_round_trip(record: Transition) -> None:
    """Any record can be read back from its line, which is one line of valid JSON."""
    line = to_line(record)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert from_line(line[:-1]) == record
    json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def test_nan_survives() -> None:
    """A diverged trial's NaN is read back as NaN, and its error text "NaN" as text."""
    result = TrialResult(TrialState.DIVERGED, metrics={"loss": float("nan")}, error="NaN")
    read = from_line(to_line(Transition(1, 0, TrialState.DIVERGED, 1, 0.0, result))[:-1])
    assert isinstance(read, Transition)
    back = read.result
    assert back is not None
    assert back.metrics["loss"] != back.metrics["loss"]
    assert back.error == "NaN"


def test_the_checksum_is_of_the_sorted_compact_json() -> None:
    """A line's "crc" is the CRC-32C of its JSON without the key "crc", so that other tools can check it."""
    line = json.loads(to_line(Transition(7, 3, TrialState.RUNNING, 1, 12.5)))
    crc = line.pop("crc")
    body = json.dumps(line, sort_keys=True, separators=(",", ":")).encode()
    assert line == {"seq": 7, "trial": 3, "state": "running", "attempt": 1, "time": 12.5, "kind": "state"}
    assert crc == f"{google_crc32c.value(body):08x}"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of a journal that does not exist yet."""
    return tmp_path / layout.JOURNAL


def write(path: Path, trials: int = 3) -> list[Transition]:
    """Write a journal of finished trials; return its records."""
    with Journal.open(path) as journal:
        return [
            journal.append(trial, TrialState.FINISHED, 1, TrialResult(TrialState.FINISHED, metrics={"loss": 0.5}))
            for trial in range(trials)
        ]


def test_a_journal_goes_on_where_it_ended(path: Path) -> None:
    """A reopened journal has the last record of each trial, counts attempts, and continues the numbers without gaps."""
    with Journal.open(path) as journal:
        assert (journal.latest, journal.attempts(0)) == ({}, 0)
        journal.append(0, TrialState.RUNNING, 1)
        journal.append(0, TrialState.KILLED, 1, TrialResult(TrialState.KILLED))
        running = journal.append(0, TrialState.RUNNING, 2)
    with Journal.open(path) as journal:
        assert journal.latest == {0: running}
        assert (journal.attempts(0), journal.attempts(1), journal.warnings) == (2, 0, [])
        assert journal.append(1, TrialState.RUNNING, 1).seq == 4
    assert [record.seq for record in read_journal(path).transitions] == [1, 2, 3, 4]
    assert len(path.read_bytes().splitlines()) == 4


def test_torn_at_every_byte_of_the_last_line(path: Path) -> None:
    """Wherever the last line is torn, the whole lines stay, the original is kept, and the journal continues cleanly."""
    done = write(path)
    data = path.read_bytes()
    start = data.rindex(b"\n", 0, -1) + 1
    for end in range(start, len(data)):
        path.write_bytes(data[:end])
        kept = path.with_name(f"{layout.JOURNAL}.damaged-1")
        kept.unlink(missing_ok=True)
        torn = start < end < len(data) - 1  # a line that lacks only its newline is whole
        assert len(read_journal(path).warnings) == torn
        assert path.read_bytes() == data[:end]
        with Journal.open(path) as journal:
            assert len(journal.latest) == (3 if end == len(data) - 1 else 2)
            assert len(journal.warnings) == 2 * torn
            journal.append(9, TrialState.RUNNING, 1)
        assert kept.exists() == torn
        assert not torn or kept.read_bytes() == data[:end]
        replay = read_journal(path)
        assert (replay.warnings, replay.transitions[:2]) == ((), tuple(done[:2]))
        assert replay.latest[9].seq == len(replay.transitions)


@pytest.mark.parametrize("tail", [b"\0", b"\0" * 4096, b"{", b'{"seq":4}', b"\xff"], ids=repr)
def test_what_a_crash_left_at_the_end_is_cut_off(path: Path, tail: bytes) -> None:
    """NULs or garbage after the last line cost no record, and each damaged state is kept under its own name."""
    done = write(path)
    data = path.read_bytes()
    for number in (1, 2):
        path.write_bytes(data + tail)
        with Journal.open(path) as journal:
            assert journal.latest == {record.trial: record for record in done}
            assert str(len(data)) in journal.warnings[-1]
        assert path.read_bytes() == data
        assert path.with_name(f"{layout.JOURNAL}.damaged-{number}").read_bytes() == data + tail


def test_a_flipped_byte_costs_its_line_only(path: Path) -> None:
    """Whichever byte of the middle line is changed, the other lines are read, and a warning names the line."""
    done = write(path)
    data = path.read_bytes()
    first, second, _ = data.splitlines(keepends=True)
    for at in range(len(first), len(first) + len(second) - 1):
        damaged = bytearray(data)
        damaged[at] ^= 0x01
        if damaged[at] == ord("\n"):
            continue
        path.write_bytes(damaged)
        replay = read_journal(path)
        assert replay.transitions == (done[0], done[2])
        (warning,) = replay.warnings
        assert "line 2" in warning
    with Journal.open(path) as journal:
        assert journal.append(5, TrialState.RUNNING, 1).seq == 4
    assert path.read_bytes().startswith(damaged)


def test_a_flipped_newline_costs_nothing(path: Path) -> None:
    """If the end of a line is damaged, the records before and after it are read, and a warning names the line."""
    done = write(path)
    data = path.read_bytes()
    for at in (place for place, byte in enumerate(data[:-1]) if byte == ord("\n")):
        path.write_bytes(data[:at] + b"\x0b" + data[at + 1 :])
        replay = read_journal(path)
        assert replay.transitions == tuple(done)
        assert "2 complete lines" in replay.warnings[0]


@given(st.binary(max_size=200))
def test_any_bytes_are_read_without_a_traceback(data: bytes) -> None:
    """A file that is not a journal gives warnings, not errors."""
    *lines, tail = data.split(b"\n")
    replay = JournalContent.of(data, "journal.jsonl")
    assert len(replay.transitions) + len(replay.warnings) == len(lines) + bool(tail)


OLD_LINES = {  # of schema 1, whose lines have no "kind"
    b'{"attempt":2,"seq":11,"state":"running","time":1795945518.088258,"trial":2,"crc":"0bc3277f"}': Transition,
    b'{"epoch":2,"goes_on":false,"seq":6,"time":1795945500.091902,"trial":2,"value":0.5807999968528748,'
    b'"crc":"afca5e88"}': RungDecision,
    b'{"after":4,"point":{"q":0.7819949714466929},"seq":5,"setting":1,"time":1795957614.362732,'
    b'"crc":"6d2fd3f5"}': Proposal,
    b'{"look":{"data":"digits","ensemble":null,"examples":360,"goal":"max","number":1,'
    b'"objective":"validation/accuracy","scores":[{"epoch":3,"sha256":"53927e6c","test":{"accuracy":0.75},"trial":2,'
    b'"validation":0.7549999952316284}]},"seq":7,"time":1795957906.6268303,"crc":"1c00ce74"}': EvaluationEntry,
}


@pytest.mark.parametrize(("line", "kind"), OLD_LINES.items(), ids=lambda each: getattr(each, "__name__", ""))
def test_lines_of_schema_1_are_read(line: bytes, kind: type) -> None:
    """A line without "kind" is read as the kind that its keys tell, and written again it has its kind."""
    entry = from_line(line)
    assert isinstance(entry, kind)
    assert from_line(to_line(entry)[:-1]) == entry
    assert b'"kind":"' in to_line(entry)


def crc_line(body: str) -> bytes:
    """Return a line: the body with its correct checksum."""
    return body.encode()[:-1] + b',"crc":"%08x"}' % google_crc32c.value(body.encode())


@pytest.mark.parametrize(
    "body",
    [
        '{"seq":1}',
        '{"seq":1,"kind":"dream","trial":0,"state":"running","attempt":1,"time":0}',
        '{"seq":1,"trial":0,"state":"dreaming","attempt":1,"time":0}',
        '{"seq":1,"trial":0,"state":"running","attempt":1,"time":0,"more":1}',
        '{"seq":1,"trial":0,"state":"failed","attempt":1,"time":0,"result":3}',
        '{"seq":1,"trial":0,"state":"failed","attempt":1,"time":0,"result":{"metrics":{"a":"b"}}}',
        '{"seq":1,"trial":0,"state":"failed","attempt":1,"time":0,"result":'
        '{"state":"failed","epochs":null,"metrics":{},"best":{},"seconds":0}}',
        "{" + "[" * 100_000 + "}",
    ],
    ids=lambda body: body[-30:],
)
def test_a_record_of_another_version_is_refused(body: str) -> None:
    """A line with a correct checksum that this version cannot read raises ValueError, never another error."""
    with pytest.raises(ValueError, match=r"."):
        from_line(crc_line(body))


def test_empty_and_missing(path: Path) -> None:
    """An empty or missing journal has no records, and reading creates no file."""
    assert read_journal(path).transitions == ()
    assert not path.exists()
    path.write_bytes(b"")
    with Journal.open(path) as journal:
        assert (journal.latest, journal.warnings) == ({}, [])


def test_a_journal_that_cannot_be_opened_is_a_logdir_error(tmp_path: Path) -> None:
    """If a journal cannot be opened, the error names the path, the cause and the bytes free."""
    for action in (Journal.open, read_journal):
        with pytest.raises(LogdirError, match=r"Is a directory.*[\d,]+ bytes free"):
            action(tmp_path)


FULL_DISK = """
import resource, sys
from pathlib import Path
from hpdash.errors import LogdirError
from hpdash.journal.journal import Journal
from hpdash.records import TrialState
path = Path(sys.argv[1])
journal = Journal.open(path)
journal.append(0, TrialState.RUNNING, 1)
size = path.stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 10, resource.RLIM_INFINITY))
try:
    journal.append(1, TrialState.RUNNING, 1)
except LogdirError as error:
    assert str(path) in str(error) and "bytes free" in str(error)
    assert path.stat().st_size == size and list(journal.latest) == [0]
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert journal.append(1, TrialState.RUNNING, 1).seq == 2
    sys.exit(0)
sys.exit(2)
"""


def test_a_line_that_does_not_fit_leaves_no_trace(path: Path) -> None:
    """If only part of a line fits on the disk, that part is cut off again, and later lines are whole."""
    done = subprocess.run([sys.executable, "-c", FULL_DISK, path], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    replay = read_journal(path)
    assert ([record.trial for record in replay.transitions], replay.warnings) == ([0, 1], ())


HOLDER = """
import sys, time
from pathlib import Path
from hpdash.journal.journal import lock
with lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_the_lock_dies_with_its_owner(tmp_path: Path) -> None:
    """A second driver is refused at once with the holder's name; after kill -9 of the holder, the lock is free."""
    with subprocess.Popen([sys.executable, "-c", HOLDER, tmp_path], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        for _ in range(2):  # a refusal does not delete the holder's name
            with pytest.raises(LockedError, match=f"process {holder.pid} on ") as caught, lock(tmp_path):
                pass
        assert caught.value.exit_code == 3
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
        with lock(tmp_path), pytest.raises(LockedError, match=f"process {os.getpid()} on "), lock(tmp_path):
            pass
    with lock(tmp_path):
        pass


def test_a_lock_that_cannot_be_made_is_a_logdir_error(tmp_path: Path) -> None:
    """If the sweep's folder does not exist, the error names it and does not claim that somebody holds the lock."""
    with pytest.raises(LogdirError, match="No such file") as caught, lock(tmp_path / "gone"):
        pass
    assert not isinstance(caught.value, LockedError)
