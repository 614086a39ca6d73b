"""Write event files: records, scalars, histograms, texts, graphs and HParams sessions, as TensorBoard's protos.

This module does not import TensorFlow. The protos are used as in TensorBoard's `plugins/{scalar,histogram,hparams}`.
"""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Self

import numpy as np
from tensorboard.compat.proto import event_pb2, summary_pb2, tensor_pb2, tensor_shape_pb2, types_pb2
from tensorboard.plugins.histogram import metadata as histogram_metadata
from tensorboard.plugins.hparams import api_pb2, plugin_data_pb2
from tensorboard.plugins.hparams import metadata as hparams_metadata
from tensorboard.plugins.scalar import metadata as scalar_metadata
from tensorboard.plugins.text import metadata as text_metadata

from ..histograms.histogram import Histogram
from ..records import Scalar
from ..system import disk
from . import layout
from .tfrecord import record_of

_MOST_WAITING = 2**20  # bytes in memory; the file is flushed if there are more

_SCALAR = scalar_metadata.create_summary_metadata(display_name="", description="")
_HISTOGRAM = histogram_metadata.create_summary_metadata(display_name="", description="")
_TEXT = text_metadata.create_summary_metadata(display_name="", description="")


class EventFile:
    """One new event file in a folder, whose name sorts after those of the existing ones.

    The name ends with `suffix`. With `early`, it sorts before those of files that other programs make from now on.
    If a write fails, its bytes are removed from the file, so that the file ends with a whole record: readers read
    nothing after an incomplete record. Methods raise LogdirError if the disk refuses.
    """

    def __init__(self, folder: Path, suffix: str = "", early: bool = False) -> None:
        with disk.guarded(folder):
            folder.mkdir(exist_ok=True)  # no parents: a run or sweep that was moved away must not come back
            self.path = _next_path(folder, suffix, early)
            self._file = self.path.open("xb", buffering=0)
        self._waiting = bytearray(_record(_version()))
        self._written = 0

    @property
    def offset(self) -> int:
        """The number of bytes added so far; all of them are in the file after a flush."""
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
        """Pass everything added to the operating system, so that readers see it."""
        waiting, self._waiting = bytes(self._waiting), bytearray()
        with disk.guarded(self.path):
            disk.append(self._file.fileno(), waiting)
        self._written += len(waiting)

    def sync(self) -> None:
        """Flush, and sync the file to the disk."""
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
    """Write the event files of a run and of its `validation` sub-run, which is made when its first value is added.

    A run folder may have only one writer at a time.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with disk.guarded(folder):
            folder.mkdir(parents=True, exist_ok=True)
        self._training = EventFile(folder)
        self._training.flush()  # an empty file would look damaged
        self._validation: EventFile | None = None
        self._ended = False

    def scalar(self, tag: str, value: float, step: int, validation: bool = False) -> None:
        """Add a number as `tf.summary.scalar` does, in float32; with `validation`, to the sub-run."""
        file = self._validation_file() if validation else self._training
        file.add(scalar_value(tag, value), step)

    def histogram(self, tag: str, histogram: Histogram, step: int) -> None:
        """Add a histogram as `tf.summary.histogram` does: float64 [k, 3] of left edge, right edge and count."""
        table = np.column_stack((histogram.edges[:-1], histogram.edges[1:], histogram.counts))
        tensor = _tensor(table.astype("<f8"), types_pb2.DT_DOUBLE)
        self._training.add(summary_pb2.Summary.Value(tag=tag, metadata=_HISTOGRAM, tensor=tensor), step)

    def text(self, tag: str, markdown: str) -> None:
        """Add a text for TensorBoard's Text tab, at step 0."""
        self._training.add(text_value(tag, markdown), 0)

    def graph(self, definition: bytes) -> None:
        """Add the run's graph, a serialized GraphDef, for TensorBoard's Graphs tab."""
        self._training.add_event(event_pb2.Event(wall_time=time.time(), graph_def=definition))

    def start(self, hparams: Mapping[str, Scalar], group: str) -> None:
        """Start the run's HParams session in the session group `group`, and flush, so that running trials are shown.

        Raises TypeError if a hyperparameter is not a boolean, a number or a string.
        """
        self._training.add(session_start(hparams, group), 0)
        self.flush()

    def end(self, success: bool) -> None:
        """End the HParams session, and flush.

        Raises RuntimeError at a second call, because TensorBoard keeps the first end that it reads.
        """
        if self._ended:
            raise RuntimeError(f"{self.folder}: the session has ended already")
        self._ended = True
        self._training.add(session_end(success), 0)
        self.flush()

    def flush(self) -> None:
        """Make everything added visible to readers."""
        for file in self._files():
            file.flush()

    def sync(self) -> dict[str, int]:
        """Sync everything added to the disk.

        Return the size in bytes of each of the run's event files, earlier ones included, by its path in the run folder.
        """
        for file in self._files():
            file.sync()
        for folder in (self.folder.parent, *(file.path.parent for file in self._files())):
            disk.sync(folder)
        return layout.event_sizes(self.folder)

    def close(self) -> None:
        """Flush and close; the session stays open if `end` was not called."""
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
            self._validation = EventFile(self.folder / layout.VALIDATION)
        return self._validation


def add_scalars(folder: Path, values: Mapping[str, float], step: int) -> None:
    """Add scalars to a run that is done, in a new file that is synced to the disk."""
    with closing(EventFile(folder)) as file:
        for tag, value in values.items():
            file.add(scalar_value(tag, value), step)
        file.sync()
    with disk.guarded(folder):
        disk.sync(folder)


def write_hparams_record(folder: Path, experiment: api_pb2.Experiment) -> None:
    """Write an HParams record into a folder, so that readers find either all of it or nothing."""
    value = _hparams(hparams_metadata.EXPERIMENT_TAG, experiment=experiment)
    with disk.guarded(folder):
        folder.mkdir(exist_ok=True)
        part = folder / "experiment.part"  # TensorBoard does not read a file of this name
        disk.write_new(part, _record(_version()) + _record(_event(value, 0)), mode="wb")
        part.replace(_next_path(folder))
        disk.sync(folder)


def _next_path(folder: Path, suffix: str = "", early: bool = False) -> Path:
    """Return a path for a new event file that sorts after all others in its folder, even if the clock was set back.

    TensorBoard reads a folder's files in the order of their names, and ignores a new file that sorts before one that it
    has read. With `early`, the name has the second before, because another program may make a file in this one.
    """
    files = layout.event_files(folder)
    stamps = [int(match[1]) for file in files if (match := re.match(rf"{layout.EVENT_FILE}\.(\d+)\.", file.name))]
    second = max([int(time.time()) - early, *(stamp + 1 for stamp in stamps)])
    return folder / f"{layout.EVENT_FILE}.{second:010d}.{socket.gethostname()}.{os.getpid()}.{len(files)}{suffix}"


def _version() -> event_pb2.Event:
    return event_pb2.Event(wall_time=time.time(), file_version="brain.Event:2")


def _event(value: summary_pb2.Summary.Value, step: int) -> event_pb2.Event:
    return event_pb2.Event(wall_time=time.time(), step=step, summary=summary_pb2.Summary(value=[value]))


def _record(event: event_pb2.Event) -> bytes:
    return record_of(event.SerializeToString())


def _tensor(array: np.ndarray[Any, Any], dtype: int) -> tensor_pb2.TensorProto:
    shape = tensor_shape_pb2.TensorShapeProto(
        dim=[tensor_shape_pb2.TensorShapeProto.Dim(size=size) for size in array.shape]
    )
    return tensor_pb2.TensorProto(dtype=dtype, tensor_shape=shape, tensor_content=array.tobytes())


def _string(text: str) -> tensor_pb2.TensorProto:
    content = text.encode(errors="replace")  # a lone surrogate, which JSON allows, has no UTF-8
    return tensor_pb2.TensorProto(
        dtype=types_pb2.DT_STRING, tensor_shape=tensor_shape_pb2.TensorShapeProto(), string_val=[content]
    )


def text_value(tag: str, markdown: str) -> summary_pb2.Summary.Value:
    """Return a text for TensorBoard's Text tab."""
    return summary_pb2.Summary.Value(tag=tag, metadata=_TEXT, tensor=_string(markdown))


def scalar_value(tag: str, value: float) -> summary_pb2.Summary.Value:
    """Return a scalar as `tf.summary.scalar` writes it, in float32."""
    with np.errstate(over="ignore"):  # values too large for float32 become infinite
        tensor = _tensor(np.asarray(value, "<f4"), types_pb2.DT_FLOAT)
    return summary_pb2.Summary.Value(tag=tag, metadata=_SCALAR, tensor=tensor)


def session_start(hparams: Mapping[str, Scalar], group: str) -> summary_pb2.Summary.Value:
    """Return the record that starts an HParams session now, in the session group `group`.

    Raises TypeError if a hyperparameter is not a boolean, a number or a string.
    """
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
    return _hparams(hparams_metadata.SESSION_START_INFO_TAG, session_start_info=info)


def session_end(success: bool) -> summary_pb2.Summary.Value:
    """Return the record that ends an HParams session now."""
    status = api_pb2.STATUS_SUCCESS if success else api_pb2.STATUS_FAILURE
    info = plugin_data_pb2.SessionEndInfo(status=status, end_time_secs=time.time())
    return _hparams(hparams_metadata.SESSION_END_INFO_TAG, session_end_info=info)


def _hparams(tag: str, **content: Any) -> summary_pb2.Summary.Value:
    metadata = hparams_metadata.create_summary_metadata(plugin_data_pb2.HParamsPluginData(**content))
    return summary_pb2.Summary.Value(tag=tag, metadata=metadata, tensor=hparams_metadata.NULL_TENSOR)
