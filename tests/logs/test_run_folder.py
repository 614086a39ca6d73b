"""Tests of run folders: cutting at a checkpoint, setting attempts aside, ending the session of a dead attempt."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2

from hpdash.errors import LogdirError
from hpdash.histograms.histogram import Histogram
from hpdash.logs import checkpoint, layout
from hpdash.logs.checkpoint import Checkpoint
from hpdash.logs.run_folder import end_session, prepare, set_aside
from hpdash.logs.writer import RunWriter


def session_status(file: Path) -> int:
    """Return the status of the session end that is the last record of an event file."""
    value = list(EventFileLoader(str(file)).Load())[-1].summary.value[0]
    assert value.tag == metadata.SESSION_END_INFO_TAG
    data = plugin_data_pb2.HParamsPluginData.FromString(value.metadata.plugin_data.content)
    return int(data.session_end_info.status)


def test_a_driver_ends_the_session_of_a_dead_worker(tmp_path: Path) -> None:
    """A driver ends a dead worker's session in a new file, so that a torn record of the worker does not hide it."""
    run = RunWriter(tmp_path)
    run.start({"units": 64}, "mnist/0001")
    torn = layout.event_files(tmp_path)[0]
    before = torn.read_bytes()
    end_session(tmp_path, success=False)
    first, second = layout.event_files(tmp_path)
    assert (first, first.read_bytes()) == (torn, before)
    assert session_status(second) == api_pb2.STATUS_FAILURE
    run.close()


def test_earlier_attempts_are_kept_out_of_tensorboards_sight(tmp_path: Path) -> None:
    """Event files of an earlier attempt move to `attempts/<n>`, where TensorBoard does not find them.

    Their bytes do not change, and files that hpdash did not write stay where they are.
    """
    with RunWriter(tmp_path) as run:
        run.scalar("a", 1.0, 1)
        run.scalar("a", 2.0, 1, validation=True)
    foreign = tmp_path / "mine.tfevents"
    foreign.write_bytes(b"")
    before = {path.read_bytes() for path in tmp_path.rglob(f"{layout.EVENT_FILE}*")}
    set_aside(tmp_path, 1)
    set_aside(tmp_path, 1)
    aside = tmp_path / "attempts" / "1"
    assert list(tmp_path.rglob("*tfevents*")) == [foreign]
    assert {path.read_bytes() for path in aside.rglob(f"{layout.SET_ASIDE}*")} == before
    assert [path.name for path in aside.iterdir() if path.is_dir()] == ["validation"]


def events(run_folder: Path, steps: range, validation: bool = True) -> dict[str, int]:
    """Write event files with one scalar per step; return the size of each file in bytes."""
    with RunWriter(run_folder) as writer:
        for step in steps:
            writer.scalar("epoch_loss", step, step)
            if validation:
                writer.scalar("epoch_loss", step, step, validation=True)
        return writer.sync()


def test_event_files_are_cut_where_the_checkpoint_was(tmp_path: Path) -> None:
    """Event files are cut back to the sizes recorded in the checkpoint.

    Later records are removed, files started later are set aside, and a second call changes nothing.
    """
    marks = events(tmp_path, range(1, 3))
    with RunWriter(tmp_path) as writer:
        writer.histogram("a/b", Histogram.of(np.arange(3.0)), 3)
    longer = tmp_path / next(iter(marks))
    longer.write_bytes(longer.read_bytes() + b"torn")
    end_session(tmp_path, success=False)
    checkpoint.write(tmp_path, Checkpoint(2, {}, {}, None, 0.0, marks))
    for _ in range(2):
        assert prepare(tmp_path, 1, resume=True) == (2, "")
        assert layout.event_sizes(tmp_path) == marks
        assert len(list((tmp_path / layout.ATTEMPTS / "1").iterdir())) == 2


@pytest.mark.parametrize("hurt", ["checkpoint", "events", "gone"])
def test_what_cannot_be_gone_on_from_starts_over(tmp_path: Path, hurt: str) -> None:
    """A trial starts over if its checkpoint is damaged or its event files are shorter than recorded.

    The fault is reported, and the attempt is set aside.
    """
    marks = events(tmp_path, range(1, 3))
    checkpoint.write(tmp_path, Checkpoint(2, {}, {}, None, 0.0, marks))
    if hurt == "checkpoint":
        (tmp_path / layout.CHECKPOINT).write_bytes(b"PK")
    for name in marks:
        if hurt == "events":
            (tmp_path / name).write_bytes(b"")
        elif hurt == "gone":
            (tmp_path / name).unlink()
    epoch, trouble = prepare(tmp_path, 1, resume=True)
    assert epoch == 0
    assert trouble.endswith("the trial starts over")
    assert layout.event_sizes(tmp_path) == {}
    assert not (tmp_path / layout.CHECKPOINT).exists()


def test_starting_over_takes_no_checkpoint(tmp_path: Path) -> None:
    """Starting a trial over deletes its checkpoint; a missing run folder is no error."""
    checkpoint.write(tmp_path, Checkpoint(2, {}, {}, None, 0.0, events(tmp_path, range(1, 3))))
    assert prepare(tmp_path, 1, resume=False) == (0, "")
    assert not (tmp_path / layout.CHECKPOINT).exists()
    assert prepare(tmp_path / "none", 1, resume=True) == (0, "")


def test_ending_a_session_on_a_refusing_disk_is_a_logdir_error(tmp_path: Path) -> None:
    """A disk error raises a LogdirError."""
    (tmp_path / "file").write_text("")
    with pytest.raises(LogdirError):
        end_session(tmp_path / "file" / "run", success=True)
