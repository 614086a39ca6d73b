"""Read records without parsing them: records of one tag differ only in wall time, step and value.

A `Layout` has the bytes that the records of a tag have in common. A training loop writes the same tags at every step. A
`Stride` has the layouts of these tags, in their order, and reads the records of all of them at once.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import itemgetter, ne

from google_crc32c import value as crc32c

from ..logs.tfrecord import HEAD, MASK, SUM, header_of

_MOST_ALIKE = 64  # most layouts of one size that are compared with a record
_LONGEST = 256  # most records of a stride
_MOST_STRIDES = 4  # most strides that are kept for one layout and step width
_MOST_PLACES = 1024  # most combinations of layout and step width for which strides are kept
_LONGEST_STEP = 20  # most bytes of a wall time and a step
_FIELDS = 7  # values unpacked from each record of a stride
_WALL_TIME, _STEP = b"\x09", 0x10  # the protobuf keys before an event's wall time and before its step
_BEFORE_STEP = 10  # bytes: the wall time (a float64) and the two keys


class Layout:
    """The bytes of one tag's records after the step: `head`, the value and `tail`.

    The head has the tag and the sizes of all parts, the tail has the metadata. The value is a float32, or a histogram's
    table of float64; it begins at `start` and has `width` bytes. All three together have `size` bytes. `successor` is
    the layout of the record that last followed a record of this one.
    """

    __slots__ = ("head", "is_scalar", "plugin", "size", "start", "successor", "tag", "tail", "width")

    def __init__(self, tag: str, plugin: str | None, head: bytes, width: int, tail: bytes) -> None:
        self.tag, self.plugin, self.head, self.width, self.tail = tag, plugin, head, width, tail
        self.start, self.size, self.is_scalar = len(head), len(head) + width + len(tail), width == 4
        self.successor: Layout | None = None

    def cycle(self) -> list[Layout]:
        """Return the layouts that follow, up to where they repeat; empty if they do not repeat within `_LONGEST`."""
        found: dict[Layout, None] = {}
        following = self.successor
        while following is not None and following not in found and len(found) < _LONGEST:
            found[following] = None
            following = following.successor
        return list(found) if following is self.successor else []


@dataclass(slots=True)
class Taken:
    """What a stride has read: the steps, and for each step and each layout in turn, one wall time and one number.

    `end` is the offset after the last record that was read. The number of a histogram is its first edge.
    """

    end: int
    steps: list[int] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    numbers: list[float] = field(default_factory=list)


class Stride:
    """Reads, all at once, the records that a training loop writes at every step, one per layout.

    `step_width` is the number of bytes of the step. The records of a step are read only if all of this holds: sizes,
    tags and metadata are as in the layouts, checksums match, all records have the same step, steps increase, and the
    numbers (of a histogram its first edge) are finite.
    """

    def __init__(self, layouts: Sequence[Layout], step_width: int) -> None:
        self.layouts, self.size = layouts, 0
        form, bodies = "<", []
        for layout in layouts:  # the `_FIELDS` values: header, wall time, step, head, value, tail, checksum
            value = "f" if layout.is_scalar else f"d{layout.width - 8}x"
            form += f"{HEAD + 1}sd{1 + step_width}s{len(layout.head)}s{value}{len(layout.tail)}sI"
            start, length = self.size + HEAD, _BEFORE_STEP + step_width + layout.size
            bodies.append(slice(start, start + length))
            self.size = start + length + SUM
        self._unpack, self._bodies = struct.Struct(form).unpack, itemgetter(*bodies, slice(0))
        self._expected = (
            tuple(header_of(_BEFORE_STEP + step_width + layout.size) + _WALL_TIME for layout in layouts),
            tuple(layout.head for layout in layouts),
            tuple(layout.tail for layout in layouts),
        )

    def take(self, data: bytes, at: int) -> Taken:
        """Read the records of consecutive steps in `data` from `at` on, as long as they match the layouts."""
        taken, last = Taken(at), -math.inf
        while taken.end + self.size <= len(data):
            block = data[taken.end : taken.end + self.size]
            fields = self._unpack(block)
            numbers, encoded_steps = fields[4::_FIELDS], fields[2::_FIELDS]
            step = _varint(encoded_steps[0], 1)[0]
            if (
                step <= last
                or encoded_steps[0][0] != _STEP
                or encoded_steps.count(encoded_steps[0]) < len(encoded_steps)
                or (fields[::_FIELDS], fields[3::_FIELDS], fields[5::_FIELDS]) != self._expected
                or not all(map(math.isfinite, numbers))
                or any(map(ne, self._sums(block), fields[6::_FIELDS]))
            ):
                break
            taken.steps.append(step)
            taken.times += fields[1::_FIELDS]
            taken.numbers += numbers
            taken.end += self.size
            last = step
        return taken

    def _sums(self, block: bytes) -> list[int]:
        sums = map(crc32c, self._bodies(block))
        return [((crc >> 15 | crc << 17) + MASK) & 0xFFFFFFFF for crc in sums]  # `masked`, inline: the hot loop


class Layouts:
    """The layouts seen so far, in one or several files, and the strides that they form.

    `unknown` is used as the layout of every record whose layout is not known.
    """

    def __init__(self) -> None:
        self.unknown = Layout("", None, b"", 0, b"")
        self._by_size: dict[int, list[Layout]] = {}
        self._strides: dict[tuple[Layout, int], list[Stride]] = {}

    def find(self, body: bytes, at: int) -> Layout | None:
        """Return the layout of a record whose step ends at `at`, None if it is not known."""
        for layout in self._by_size.get(len(body) - at, ()):
            if body.startswith(layout.head, at) and body.endswith(layout.tail):
                return layout
        return None

    def learn(self, tag: str, plugin: str | None, body: bytes, at: int, value: bytes) -> None:
        """Learn the layout of a parsed record if the bytes of its `value` occur after `at`, and nowhere else."""
        start = body.find(value, at)
        if start < at or body.count(value) > 1:
            return
        layout = Layout(tag, plugin, body[at:start], len(value), body[start + len(value) :])
        alike = self._by_size.setdefault(layout.size, [])
        alike[:] = [layout, *(one for one in alike if (one.head, one.tail) != (layout.head, layout.tail))][:_MOST_ALIKE]

    def strides(self, layout: Layout, data: bytes, at: int) -> tuple[Stride, Taken] | None:
        """Find the first stride that fits the records after a record of a layout, and read them.

        Return the stride and the values that were read with it; None if no stride fits.
        """
        step_width = step_of(data[at + HEAD : at + HEAD + _LONGEST_STEP])[1] - _BEFORE_STEP
        if step_width < 1:
            return None
        if len(self._strides) > _MOST_PLACES:
            self._strides.clear()
        known = self._strides.setdefault((layout, step_width), [])
        for stride in known:
            if stride.size <= len(data) - at and (taken := stride.take(data, at)).steps:
                return stride, taken
        cycle = layout.cycle()
        if not cycle or any(stride.layouts == cycle for stride in known):
            return None
        stride = Stride(cycle, step_width)
        # the longest first: a stride may be the beginning of a longer one
        known[:] = sorted([stride, *known][:_MOST_STRIDES], key=lambda one: -one.size)
        return (stride, taken) if (taken := stride.take(data, at)).steps else None


def step_of(body: bytes) -> tuple[int, int]:
    """Return an event's step and the offset of what follows the step. The event must begin with its wall time."""
    if len(body) > 11 and body[9] == _STEP and body[10] < 128:
        return body[10], 11
    return _varint(body, 10) if len(body) > 9 and body[9] == _STEP else (0, 9)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Return a signed protobuf varint and the offset of its end; 0 and the end of the data if it is incomplete."""
    number = shift = 0
    for place in range(at, min(at + 10, len(data))):
        number |= (data[place] & 127) << shift
        shift += 7
        if data[place] < 128:
            return number - (number >> 63 << 64), place + 1
    return 0, len(data)
