"""The framing of event files (TFRecord), and how to go on behind damage.

A record is its length (u64), the length's masked CRC-32C, that many bytes of data, and their masked CRC-32C
(TensorFlow, `core/lib/io/record_writer.h`).
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Callable, Iterator
from functools import lru_cache
from io import FileIO
from pathlib import Path

from google_crc32c import value as crc32c

from ..runs import Damage

HEAD, SUM = 12, 4  # bytes
MASK = 0xA282EAD8
_CHUNK = 1 << 20
_LONGEST = 1 << 27  # bytes of a record that are taken into memory; those of numbers are below 3 MB
_UPPER_HALF = bytes(4)  # of the length of any record below 4 GiB
_NONZERO = re.compile(rb"[^\0]")
_stored_sum = struct.Struct("<I").unpack_from


def records(
    path: Path, file: FileIO, damage: list[Damage], skim: Callable[[bytes, int], int]
) -> Iterator[tuple[int, bytes]]:
    """Yield each good record's offset and data, up to the file's size when this began; add what is bad to `damage`.

    `skim` gets a piece of the file and where in it a record begins; it may take records itself, after checking them,
    and returns where it has stopped. Damage costs what lies between its place and the next header whose checksum
    fits. Holds at most a megabyte and one record of the file, none that is longer than records of numbers can be.
    """
    size = os.fstat(file.fileno()).st_size
    base, data, at = 0, b"", 0  # `data` are the file's bytes from `base` on, and `at` is where in them a record begins
    if not size:
        damage.append(Damage(path, 0, "0 bytes: nothing written yet, or lost"))
    while base + (at := skim(data, at)) < size:
        length = _length(data[at : at + HEAD])
        end = at + HEAD + length
        if is_whole := length >= 0 and end + SUM <= len(data):
            body = data[at + HEAD : end]
            crc = crc32c(body)
            if ((crc >> 15 | crc << 17) + MASK) & 0xFFFFFFFF == _stored_sum(data, end)[0]:  # inline: the hot loop
                yield base + at, body
                at = end + SUM
                continue
        if length > _LONGEST and base + end + SUM <= size:
            reason = f"a record of {length:,} bytes, of which at most {_LONGEST:,} are read; left out"
            damage.append(Damage(path, base + at, reason))
            base, data, at = file.seek(base + end + SUM), b"", 0
            continue
        start, is_cut = base + at, not is_whole and (length >= 0 or len(data) - at < HEAD)
        if is_cut and base + end + SUM <= size and (more := _more(file, size, base + len(data), end + SUM - len(data))):
            base, data, at = start, data[at:] + more, 0
            continue
        base, data, at = _next_header(file, size, base, data, at + 1)
        damage.append(Damage(path, start, _reason(start, base + at, size, is_whole, is_cut)))


def _reason(start: int, stop: int, size: int, is_whole: bool, is_cut: bool) -> str:
    left_out = f"{stop - start:,} bytes left out"
    if is_whole:
        return f"a record's data do not fit their checksum; {left_out}"
    if stop < size:
        return f"no record begins here; {left_out}"
    if is_cut:
        return "truncated: still being written, or cut off"
    return f"no record from here on; {left_out}" if start else "not an event file: no record in it"


def _more(file: FileIO, size: int, position: int, missing: int) -> bytes:
    return file.read(max(0, min(size - position, max(missing, _CHUNK))))


@lru_cache(4096)
def _length(header: bytes) -> int:
    """Return the length that a record's header gives, -1 where it is cut or its checksum does not fit."""
    length = int.from_bytes(header[:8], "little")
    return length if header == header_of(length) else -1


def header_of(length: int) -> bytes:
    """Return the header of a record with so many bytes of data."""
    data = length.to_bytes(8, "little")
    crc: int = crc32c(data)
    return data + (((crc >> 15 | crc << 17) + MASK) & 0xFFFFFFFF).to_bytes(SUM, "little")


def _next_header(file: FileIO, size: int, base: int, data: bytes, at: int) -> tuple[int, bytes, int]:
    """Return where the next header from `at` on is, as (base, data, at): the end of the file where there is none."""
    while True:
        zeros = data.find(_UPPER_HALF, at + 4)
        while 0 <= zeros <= len(data) - 8:
            if _length(data[zeros - 4 : zeros + 8]) >= 0:
                return base, data, zeros - 4
            after = _NONZERO.search(data, zeros)  # through a run of zeros at once
            zeros = data.find(_UPPER_HALF, max(zeros + 1, (after.start() if after else len(data)) - 7))
        kept = max(at, len(data) - HEAD + 1)
        base, data, at = base + kept, data[kept:], 0
        more = _more(file, size, base + len(data), _CHUNK)
        if not more:
            return size, b"", 0
        data += more
