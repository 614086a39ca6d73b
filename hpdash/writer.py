"""The only place that writes event files: records, scalars, histograms, HParams sessions, in TensorBoard's protos.

Nothing here imports TensorFlow. The protos' use follows TensorBoard's `plugins/{scalar,histogram,hparams}`.
"""

from __future__ import annotations

import os
import re
import socket
import struct
import time
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Self

import google_crc32c
import numpy as np
from tensorboard.compat.proto import event_pb2, summary_pb2, tensor_pb2, tensor_shape_pb2, types_pb2
from tensorboard.plugins.histogram import metadata as histogram_metadata
from tensorboard.plugins.hparams import api_pb2, plugin_data_pb2
from tensorboard.plugins.hparams import metadata as hparams_metadata
from tensorboard.plugins.scalar import metadata as scalar_metadata
from tensorboard.plugins.text import metadata as text_metadata

from . import disk, logdir
from .histogram import Histogram
from .trial import Scalar

_MOST_WAITING = 2**20  # bytes that wait in memory for a flush

_SCALAR = scalar_metadata.create_summary_metadata(display_name="", description="")
_HISTOGRAM = histogram_metadata.create_summary_metadata(display_name="", description="")
_TEXT = text_metadata.create_summary_metadata(display_name="", description="")


class EventFile:
    """One new event file in a folder, sorted after those that are there; errors of the disk are LogdirErrors.

    What the disk refuses is dropped, so that the file ends with a whole record: readers see nothing behind a torn one.
    """

    def __init__(self, folder: Path) -> None:
        with disk.guarded(folder):
            folder.mkdir(exist_ok=True)  # but not its run's or sweep's: moved away meanwhile, they are not made anew
            self.path = _next_path(folder)
            self._file = self.path.open("xb", buffering=0)
        self._waiting = bytearray(_record(_version()))
        self._written = 0

    @property
    def offset(self) -> int:
        """The bytes added so far; all of them are in the file after a flush."""
        return self._written + len(self._waiting)

    def add(self, value: summary_pb2.Summary.Value, step: int) -> None:
        """Add one value at a step; it may wait in memory for the next flush."""
        self.add_event(_event(value, step))

    def add_event(self, event: event_pb2.Event) -> None:
        """Add an event of any kind; it may wait in memory for the next flush."""
        self._waiting += _record(event)
        if len(self._waiting) > _MOST_WAITING:
            self.flush()

    def flush(self) -> None:
        """Hand everything added to the operating system, where readers see it."""
        waiting, self._waiting = bytes(self._waiting), bytearray()
        with disk.guarded(self.path):
            disk.append(self._file.fileno(), waiting)
        self._written += len(waiting)

    def sync(self) -> None:
        """Flush, and put the file on the disk."""
        self.flush()
        with disk.guarded(self.path):
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Flush and close the file."""
        try:
            self.flush()
        finally:
            self._file.close()


class RunWriter:
    """A run and, from its first value on, its `validation` sub-run; the one writer of that folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with disk.guarded(folder):
            folder.mkdir(parents=True, exist_ok=True)
        self._training = EventFile(folder)
        self._training.flush()  # a file of no bytes would look damaged
        self._validation: EventFile | None = None
        self._ended = False

    def scalar(self, tag: str, value: float, step: int, validation: bool = False) -> None:
        """Add a number as `tf.summary.scalar` does, in float32."""
        file = self._validation_file() if validation else self._training
        file.add(_scalar(tag, value), step)

    def histogram(self, tag: str, histogram: Histogram, step: int) -> None:
        """Add a histogram as `tf.summary.histogram` does: float64 [k, 3] of left edge, right edge, count."""
        table = np.column_stack((histogram.edges[:-1], histogram.edges[1:], histogram.counts))
        tensor = _tensor(table.astype("<f8"), types_pb2.DT_DOUBLE)
        self._training.add(summary_pb2.Summary.Value(tag=tag, metadata=_HISTOGRAM, tensor=tensor), step)

    def text(self, tag: str, markdown: str) -> None:
        """Add a text for TensorBoard's Text tab, at step 0."""
        self._training.add(summary_pb2.Summary.Value(tag=tag, metadata=_TEXT, tensor=_string(markdown)), 0)

    def graph(self, definition: bytes) -> None:
        """Add the run's graph, a serialized GraphDef, for TensorBoard's Graphs tab."""
        self._training.add_event(event_pb2.Event(wall_time=time.time(), graph_def=definition))

    def start(self, hparams: Mapping[str, Scalar], group: str) -> None:
        """Open the run's HParams session in a session group, at once visible, so that running trials show."""
        info = plugin_data_pb2.SessionStartInfo(group_name=group, start_time_secs=time.time())
        for name, value in hparams.items():
            match value:
                case bool():
                    info.hparams[name].bool_value = value
                case int() | float():
                    info.hparams[name].number_value = value
                case str():
                    info.hparams[name].string_value = value
                case _:
                    raise TypeError(f"hyperparameter {name}: expected a bool, a number or a string, found {value!r}")
        self._training.add(_hparams(hparams_metadata.SESSION_START_INFO_TAG, session_start_info=info), 0)
        self.flush()

    def end(self, success: bool) -> None:
        """End the session; once, because TensorBoard keeps the first end it sees: a second call is a RuntimeError."""
        if self._ended:
            raise RuntimeError(f"{self.folder}: the session has ended already")
        self._ended = True
        self._training.add(_session_end(success), 0)
        self.flush()

    def flush(self) -> None:
        """Make everything added visible to readers."""
        for file in self._files():
            file.flush()

    def sync(self) -> dict[str, int]:
        """Put everything added on the disk; return the bytes of the run's event files, earlier ones' too, by name."""
        for file in self._files():
            file.sync()
        for folder in (self.folder.parent, *(file.path.parent for file in self._files())):
            disk.sync(folder)
        return logdir.event_sizes(self.folder)

    def close(self) -> None:
        """Flush and close; the session stays open where `end` was not called."""
        for file in self._files():
            file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _files(self) -> list[EventFile]:
        return [file for file in (self._training, self._validation) if file]

    def _validation_file(self) -> EventFile:
        if self._validation is None:
            self._validation = EventFile(self.folder / logdir.VALIDATION)
        return self._validation


def end_session(folder: Path, success: bool) -> None:
    """End the session of a run whose own writer is dead, in a new file: its last record may be torn."""
    with closing(EventFile(folder)) as file:
        file.add(_session_end(success), 0)


def add_scalars(folder: Path, values: Mapping[str, float], step: int) -> None:
    """Add numbers to a run that is done, in a new file that is on the disk when this returns."""
    with closing(EventFile(folder)) as file:
        for tag, value in values.items():
            file.add(_scalar(tag, value), step)
        file.sync()
    with disk.guarded(folder):
        disk.sync(folder)


def write_experiment(folder: Path, experiment: api_pb2.Experiment) -> None:
    """Write an HParams experiment record into a folder so that readers find all of it or nothing."""
    value = _hparams(hparams_metadata.EXPERIMENT_TAG, experiment=experiment)
    with disk.guarded(folder):
        folder.mkdir(exist_ok=True)
        part = folder / "experiment.part"  # a name TensorBoard does not read
        disk.write_new(part, _record(_version()) + _record(_event(value, 0)), mode="wb")
        part.replace(_next_path(folder))
        disk.sync(folder)


def set_aside(run: Path, attempt: int, keep: Iterable[str] = ()) -> None:
    """Move an attempt's event files, but those to keep, to `attempts/<attempt>` under names TensorBoard does not read.

    Interrupted, it can be called again. Files that hpdash did not name stay where they are.
    """
    with disk.guarded(run):
        names = logdir.event_sizes(run).keys() - set(keep)
    for name in sorted(names):
        aside = run / logdir.ATTEMPTS / str(attempt) / name
        with disk.guarded(run / name):
            aside.parent.mkdir(parents=True, exist_ok=True)
            (run / name).rename(aside.with_name(aside.name.replace(logdir.EVENT_FILE, logdir.SET_ASIDE, 1)))


def _next_path(folder: Path) -> Path:
    """Name an event file that sorts after all others of a folder, though the clock may have been set back.

    TensorBoard reads a folder's files in the order of their names and drops what comes late.
    """
    files = logdir.event_files(folder)
    stamps = [int(match[1]) for file in files if (match := re.match(rf"{logdir.EVENT_FILE}\.(\d+)\.", file.name))]
    second = max([int(time.time()), *(stamp + 1 for stamp in stamps)])
    return folder / f"{logdir.EVENT_FILE}.{second:010d}.{socket.gethostname()}.{os.getpid()}.{len(files)}"


def _version() -> event_pb2.Event:
    return event_pb2.Event(wall_time=time.time(), file_version="brain.Event:2")


def _event(value: summary_pb2.Summary.Value, step: int) -> event_pb2.Event:
    return event_pb2.Event(wall_time=time.time(), step=step, summary=summary_pb2.Summary(value=[value]))


def _record(event: event_pb2.Event) -> bytes:
    """Frame an event as a TFRecord: length, its checksum, data, their checksum."""
    data: bytes = event.SerializeToString()
    length = struct.pack("<Q", len(data))
    return length + _masked_crc(length) + data + _masked_crc(data)


def _masked_crc(data: bytes) -> bytes:
    crc = google_crc32c.value(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def _tensor(array: np.ndarray[Any, Any], dtype: int) -> tensor_pb2.TensorProto:
    shape = tensor_shape_pb2.TensorShapeProto(
        dim=[tensor_shape_pb2.TensorShapeProto.Dim(size=size) for size in array.shape]
    )
    return tensor_pb2.TensorProto(dtype=dtype, tensor_shape=shape, tensor_content=array.tobytes())


def _string(text: str) -> tensor_pb2.TensorProto:
    content = text.encode(errors="replace")  # half a character, which JSON can name, has no UTF-8
    return tensor_pb2.TensorProto(
        dtype=types_pb2.DT_STRING, tensor_shape=tensor_shape_pb2.TensorShapeProto(), string_val=[content]
    )


def _scalar(tag: str, value: float) -> summary_pb2.Summary.Value:
    with np.errstate(over="ignore"):  # too great for float32 is shown as infinite
        tensor = _tensor(np.asarray(value, "<f4"), types_pb2.DT_FLOAT)
    return summary_pb2.Summary.Value(tag=tag, metadata=_SCALAR, tensor=tensor)


def _session_end(success: bool) -> summary_pb2.Summary.Value:
    status = api_pb2.STATUS_SUCCESS if success else api_pb2.STATUS_FAILURE
    info = plugin_data_pb2.SessionEndInfo(status=status, end_time_secs=time.time())
    return _hparams(hparams_metadata.SESSION_END_INFO_TAG, session_end_info=info)


def _hparams(tag: str, **content: Any) -> summary_pb2.Summary.Value:
    metadata = hparams_metadata.create_summary_metadata(plugin_data_pb2.HParamsPluginData(**content))
    return summary_pb2.Summary.Value(tag=tag, metadata=metadata, tensor=hparams_metadata.NULL_TENSOR)
