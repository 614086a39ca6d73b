"""Read one event file in one pass: its scalars, the steps of its histograms, and its HParams session."""

from __future__ import annotations

import math
import struct
from collections.abc import Collection
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..histograms.histogram import Histogram
from ..runs import Damage, Series
from .columns import TagColumn
from .framing import records
from .layouts import Layout, Layouts, step_of
from .sessions import HParamsSession, parse_session
from .values import HPARAMS, MalformedError, decode, encoded_bytes

_float32 = struct.Struct("<f").unpack_from
_float64 = struct.Struct("<d").unpack_from


@dataclass(frozen=True, slots=True)
class Contents:
    """The contents of one event file.

    `histograms` has the steps of each histogram tag. `kept` has the histograms of the tags that were asked for, one per
    step. `first_time` is the wall time of the first event.
    """

    scalars: dict[str, Series] = field(default_factory=dict)
    histograms: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    session: HParamsSession = field(default_factory=HParamsSession)
    first_time: float | None = None
    damage: tuple[Damage, ...] = ()
    kept: dict[str, list[Histogram]] = field(default_factory=dict)


def read_file(path: Path, layouts: Layouts, tags: Collection[str] = ()) -> Contents:
    """Read an event file, with the histograms of `tags`; of other histograms, only the steps.

    Pass the same `layouts` for several files: what is learned from one helps with the next. The histograms of `tags`
    are checked completely. Of another histogram, often only the first edge is checked. If that edge is not finite, as
    TensorFlow writes it if a value was NaN, the whole histogram is checked.
    Damage, or a file that cannot be read, is reported in the result's `damage`.
    """
    return _Reading(path, layouts, tags).contents()


class _Reading:
    """A file that is being read."""

    def __init__(self, path: Path, layouts: Layouts, tags: Collection[str]) -> None:
        self.path, self.layouts, self.tags = path, layouts, tags
        self.scalars: dict[str, TagColumn] = {}
        self.histograms: dict[str, TagColumn] = {}
        self.session = HParamsSession()
        self.first_time: float | None = None
        self.damage: list[Damage] = []
        self.plugins: dict[str, str | None] = {}  # by tag, from its first metadata: later values may have no metadata
        self.last = layouts.unknown  # the layout of the last record

    def contents(self) -> Contents:
        """Read the file; records with a known layout are not parsed."""
        from tensorboard.compat.proto import event_pb2  # noqa: PLC0415  takes longer to import than a cached read

        try:
            with FileIO(self.path) as file:
                for offset, body in records(self.path, file, self.damage, self.skim):
                    if not self.take(body):
                        self.parse(offset, body, event_pb2.Event)
        except OSError as error:
            self.damage.append(Damage(self.path, 0, f"cannot be read: {error.strerror or error}"))
        scalars = {tag: column.series for tag, column in self.scalars.items()}
        steps = {tag: column.steps for tag, column in self.histograms.items()}
        kept = {tag: column.histograms for tag, column in self.histograms.items() if column.histograms}
        return Contents(scalars, steps, self.session, self.first_time, tuple(self.damage), kept)

    def column(self, layout: Layout) -> TagColumn:
        """Return the column of a layout's tag; create it if the tag is new in this file."""
        columns = self.scalars if layout.is_scalar else self.histograms
        if layout.tag not in columns:
            columns[layout.tag] = TagColumn()
            self.plugins.setdefault(layout.tag, layout.plugin)
        return columns[layout.tag]

    def skim(self, data: bytes, at: int) -> int:
        """Read the records from `at` on that form strides (see `layouts.Stride`); return the offset of their end."""
        if self.tags or not (found := self.layouts.strides(self.last, data, at)):
            return at
        stride, taken = found
        self.last, every = stride.layouts[-1], len(stride.layouts)
        for place, layout in enumerate(stride.layouts):
            if layout.is_scalar:
                self.column(layout).extend(taken.steps, taken.numbers[place::every], taken.times[place::every])
            else:
                self.column(layout).extend(taken.steps)
        return taken.end

    def take(self, body: bytes) -> bool:
        """Read a record if its layout is known; return whether it was read. If not, it must be parsed."""
        step, at = step_of(body)
        layout = self.layouts.find(body, at)
        before, self.last = self.last, layout or self.layouts.unknown
        if layout is None:
            return False
        before.successor = layout
        if layout.is_scalar:
            self.column(layout).add(step, _float32(body, at + layout.start)[0], _float64(body, 1)[0])
        elif layout.tag in self.tags or not -math.inf < _float64(body, at + layout.start)[0] < math.inf:
            return False
        else:
            self.column(layout).count(step)
        return True

    def parse(self, offset: int, body: bytes, parser: Any) -> None:
        """Read a record by parsing all of it; what is damaged is added to `damage`."""
        try:
            event = parser.FromString(body)
        except Exception as error:  # protobuf's DecodeError, whose module depends on the version
            self.damage.append(Damage(self.path, offset, f"this record is not a valid event ({error})"))
            return
        self.first_time = event.wall_time if self.first_time is None else self.first_time
        for value in event.summary.value:
            try:
                raw = self.value(event, value)
            except MalformedError as error:
                self.damage.append(Damage(self.path, offset, f"{value.tag!r}, step {event.step}: {error}"))
            else:
                if raw and len(event.summary.value) == 1:
                    self.layouts.learn(value.tag, self.plugins.get(value.tag), body, step_of(body)[1], raw)

    def value(self, event: Any, value: Any) -> bytes:
        """Read one value; return the bytes that hold it, empty if no layout can be learned from it."""
        tag, metadata = value.tag, value.metadata.plugin_data
        plugin = self.plugins.setdefault(tag, metadata.plugin_name) if metadata.plugin_name else self.plugins.get(tag)
        if plugin == HPARAMS:
            self.session = self.session.joined(parse_session(metadata.content))
            return b""
        decoded = decode(value, plugin)
        if isinstance(decoded, float):
            self.scalars.setdefault(tag, TagColumn()).add(event.step, decoded, event.wall_time)
        elif decoded is not None:
            self.histograms.setdefault(tag, TagColumn()).count(event.step, decoded if tag in self.tags else None)
        return b"" if decoded is None else encoded_bytes(value)
