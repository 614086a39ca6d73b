"""Tests of the event files, read back by TensorBoard and by a parser of the TFRecord format."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from pathlib import Path

import google_crc32c
import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto import event_pb2, graph_pb2, node_def_pb2
from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2
from tensorboard.util import tensor_util

from hpdash.errors import LogdirError
from hpdash.histograms.histogram import Histogram
from hpdash.logs import layout
from hpdash.logs.writer import EventFile, RunWriter, write_hparams_record


def read(path: Path) -> list[event_pb2.Event]:
    """Parse an event file by the definition of the TFRecord format, and check both checksums of each record."""
    data, events = path.read_bytes(), []
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        assert data[8:12] == masked(data[:8])
        body, sum_ = data[12 : 12 + length], data[12 + length : 16 + length]
        assert len(body) == length
        assert sum_ == masked(body)
        events.append(event_pb2.Event.FromString(body))
        data = data[16 + length :]
    return events


def masked(data: bytes) -> bytes:
    """Return the CRC-32C of the data, masked as in TFRecord files."""
    crc: int = google_crc32c.value(data)
    return (((crc >> 15) + (crc << 17 & 0xFFFFFFFF) + 0xA282EAD8) % 2**32).to_bytes(4, "little")


def read_run(folder: Path) -> list[event_pb2.Event]:
    """Parse all event files of a run, in order."""
    return [event for path in layout.event_files(folder) for event in read(path)]


def hparams_data(folder: Path) -> list[plugin_data_pb2.HParamsPluginData]:
    """Return what a run has logged for the HParams plugin."""
    values = [event.summary.value[0] for event in read_run(folder) if event.HasField("summary")]
    return [
        plugin_data_pb2.HParamsPluginData.FromString(value.metadata.plugin_data.content)
        for value in values
        if value.metadata.plugin_data.plugin_name == metadata.PLUGIN_NAME
    ]


def test_tensorboard_reads_scalars_and_histograms_back(tmp_path: Path) -> None:
    """TensorBoard reads back each tag, step and value: scalars as float32, histograms in the shape [k, 3]."""
    with RunWriter(tmp_path / "run") as run:
        for step, value in enumerate([0.1, 2.5, float("nan"), 1e300], 1):
            run.scalar("epoch_loss", value, step)
        run.scalar("epoch_loss", 7, 1, validation=True)
        run.histogram("hidden_1/kernel", Histogram.of(np.array([0.0, 1.0, 4.0]), buckets=2), 0)
    training = EventAccumulator(str(tmp_path / "run")).Reload()
    validation = EventAccumulator(str(tmp_path / "run" / "validation")).Reload()
    scalars = [(e.step, tensor_util.make_ndarray(e.tensor_proto)) for e in training.Tensors("epoch_loss")]
    assert [step for step, _ in scalars] == [1, 2, 3, 4]
    assert all(value.dtype == np.float32 and value.shape == () for _, value in scalars)
    np.testing.assert_array_equal([value for _, value in scalars], np.array([0.1, 2.5, np.nan, np.inf], np.float32))
    (only,) = validation.Tensors("epoch_loss")
    assert tensor_util.make_ndarray(only.tensor_proto) == 7
    (histogram,) = training.Tensors("hidden_1/kernel")
    table = tensor_util.make_ndarray(histogram.tensor_proto)
    assert (histogram.step, table.dtype, table.tolist()) == (0, np.float64, [[0, 2, 2], [2, 4, 1]])
    assert training.SummaryMetadata("epoch_loss").plugin_data.plugin_name == "scalars"
    assert training.SummaryMetadata("hidden_1/kernel").plugin_data.plugin_name == "histograms"


def test_tensorboard_reads_texts_and_a_graph_back(tmp_path: Path) -> None:
    """TensorBoard reads back a text and the run's graph.

    The text is one string at step 0 for the Text tab; characters that UTF-8 cannot encode are replaced.
    """
    graph = graph_pb2.GraphDef(node=[node_def_pb2.NodeDef(name="hidden_1", op="Dense")])
    with RunWriter(tmp_path) as run:
        run.text("settings", "| ä | \ud800 |")
        run.graph(graph.SerializeToString())
    found = EventAccumulator(str(tmp_path)).Reload()
    (text,) = found.Tensors("settings")
    assert (text.step, tensor_util.make_ndarray(text.tensor_proto).item().decode()) == (0, "| ä | ? |")
    assert found.SummaryMetadata("settings").plugin_data.plugin_name == "text"
    assert found.Graph() == graph


def test_event_file_is_framed_and_offset_counts_its_bytes(tmp_path: Path) -> None:
    """A file starts with the version record, has only whole records, and its offset after a flush is its size."""
    file = EventFile(tmp_path)
    run = RunWriter(tmp_path / "run")
    run.scalar("a", 1.0, 3)
    run.flush()
    file.flush()
    assert file.offset == file.path.stat().st_size
    file.close()
    run.close()
    assert [event.file_version for event in read(file.path)] == ["brain.Event:2"]
    version, event = read_run(tmp_path / "run")
    assert (version.file_version, event.step, event.summary.value[0].tag) == ("brain.Event:2", 3, "a")
    assert 0 <= event.wall_time - version.wall_time < 60
    assert not (tmp_path / "run" / "validation").exists()


def test_files_of_a_folder_sort_as_they_were_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A later file sorts after earlier ones even if the clock was set back, and never reuses their names."""
    made = []
    for now in (2_000_000_000.0, 1_000_000_000.0, 1_000_000_000.0):
        monkeypatch.setattr("time.time", lambda now=now: now)
        file = EventFile(tmp_path)
        file.close()
        made.append(file.path)
    assert made == layout.event_files(tmp_path)
    assert len(set(made)) == 3


def test_session_start_is_visible_at_once(tmp_path: Path) -> None:
    """A session's hyperparameters, each with its own type, are in the file before the trial trains."""
    run = RunWriter(tmp_path)
    run.start({"batchnorm": True, "units": 64, "rate": 0.5, "activation": "relu"}, "mnist/0001")
    (data,) = hparams_data(tmp_path)
    start = data.session_start_info
    values = {name: (value.WhichOneof("kind"), value) for name, value in start.hparams.items()}
    kinds = {name: (kind, getattr(value, kind)) for name, (kind, value) in values.items()}
    assert start.group_name == "mnist/0001"
    assert start.start_time_secs > 1e9
    assert kinds == {
        "batchnorm": ("bool_value", True),
        "units": ("number_value", 64.0),
        "rate": ("number_value", 0.5),
        "activation": ("string_value", "relu"),
    }
    run.close()


@pytest.mark.parametrize("value", [None, [512, 256], {"name": "zeros"}], ids=str)
def test_session_refuses_other_types(tmp_path: Path, value: object) -> None:
    """A value that TensorBoard cannot show as a hyperparameter raises a TypeError that names the hyperparameter."""
    with RunWriter(tmp_path) as run, pytest.raises(TypeError, match="hidden"):
        run.start({"hidden": value}, "mnist/0001")  # type: ignore[dict-item]


@pytest.mark.parametrize(("success", "status"), [(True, api_pb2.STATUS_SUCCESS), (False, api_pb2.STATUS_FAILURE)])
def test_session_ends_once(tmp_path: Path, success: bool, status: int) -> None:
    """A session's end has the right status, is in the file at once, and cannot be written twice."""
    with RunWriter(tmp_path) as run:
        run.end(success)
        assert [data.session_end_info.status for data in hparams_data(tmp_path)] == [status]
        with pytest.raises(RuntimeError, match="ended already"):
            run.end(success)
    assert len(hparams_data(tmp_path)) == 1


def test_experiment_record_is_read_by_the_hparams_plugin(tmp_path: Path) -> None:
    """An experiment record has the tag and content that the HParams plugin expects, in a folder with no other file."""
    record = api_pb2.Experiment(description="d", hparam_infos=[api_pb2.HParamInfo(name="units")])
    write_hparams_record(tmp_path / "hparams-1", record)
    (path,) = (tmp_path / "hparams-1").iterdir()
    value = read(path)[-1].summary.value[0]
    assert value.tag == metadata.EXPERIMENT_TAG
    assert metadata.parse_experiment_plugin_data(value.metadata.plugin_data.content) == record


@pytest.mark.parametrize("action", [EventFile, RunWriter])
def test_a_refusing_disk_is_a_logdir_error(tmp_path: Path, action: object) -> None:
    """A disk error raises a LogdirError with the path, the cause and the free space; its exit code is 4."""
    (tmp_path / "file").write_text("")
    with pytest.raises(LogdirError, match=r"file/run.*Not a directory.*[\d,]+ bytes free") as caught:
        action(tmp_path / "file" / "run")  # type: ignore[operator]
    assert caught.value.exit_code == 4


FULL_DISK = """
import resource, sys
from pathlib import Path
from hpdash.errors import LogdirError
from hpdash.logs.writer import RunWriter
run = RunWriter(Path(sys.argv[1]))
run.scalar("a", 1.0, 1)
run.flush()
resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200))
try:
    for step in range(10):
        run.scalar("a", 1.0, step)
    run.flush()
except LogdirError as error:
    sys.exit(0 if "tfevents" in str(error) else 2)
"""


def test_a_write_that_fails_is_told_at_the_flush(tmp_path: Path) -> None:
    """A flush that fails raises a LogdirError that names the event file, so that no value is lost silently."""
    done = subprocess.run([sys.executable, "-c", FULL_DISK, tmp_path], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_imports_no_tensorflow() -> None:
    """Writing event files does not import TensorFlow or Keras."""
    code = (
        "import sys, json; import hpdash.histograms.histogram, hpdash.logs.writer, hpdash.logs.hparams_record;"
        "import hpdash.journal.journal;"
        "print(json.dumps([m for m in sys.modules if m.split('.')[0] in ('tensorflow', 'keras')]))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert json.loads(done.stdout) == []
