"""Split event files into records, check their checksums, and continue after damage."""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Callable, Iterator
from functools import lru_cache
from io import FileIO
from pathlib import Path

from google_crc32c import value as crc32c

from ..logs.tfrecord import HEAD, MASK, SUM, header_of
from ..runs import Damage

_CHUNK = 1 << 20
_LONGEST = 1 << 27  # bytes of a record that is read into memory; scalars and histograms are below 3 MB
_UPPER_HALF = bytes(4)  # the high bytes of the length of any record below 4 GiB
_NONZERO = re.compile(rb"[^\0]")
_stored_sum = struct.Struct("<I").unpack_from


def records(
    path: Path, file: FileIO, damage: list[Damage], skim: Callable[[bytes, int], int]
) -> Iterator[tuple[int, bytes]]:
    """Yield the offset and the data of each valid record, up to the size of the file at the start of the call.

    `skim` gets a piece of the file and the offset in it at which a record begins. It may check and read records itself,
    and returns the offset at which it stopped. Damage is added to `damage`, and reading continues at the next header
    whose checksum matches. At most 1 MiB and one record of the file are in memory; records that are longer than any
    with scalars or histograms are skipped.
    """
    size = os.fstat(file.fileno()).st_size
    base, data, at = 0, b"", 0  # `data` are the file's bytes from offset `base` on; a record begins at data[at]
    if not size:
        damage.append(Damage(path, 0, "the file is empty: nothing has been written yet, or its content was lost"))
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
            reason = f"a record of {length:,} bytes was skipped: the limit is {_LONGEST:,} bytes"
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
    skipped = f"{stop - start:,} bytes skipped"
    if is_whole:
        return f"the checksum of a record does not match; {skipped}"
    if stop < size:
        return f"no valid record here; {skipped}"
    if is_cut:
        return "the last record is incomplete: it is still being written, or the file was cut off"
    return f"no valid record from here to the end; {skipped}" if start else "not an event file: it has no valid record"


def _more(file: FileIO, size: int, position: int, missing: int) -> bytes:
    return file.read(max(0, min(size - position, max(missing, _CHUNK))))


@lru_cache(4096)
def _length(header: bytes) -> int:
    """Return the length in a record's header, -1 if the header is incomplete or its checksum does not match."""
    length = int.from_bytes(header[:8], "little")
    return length if header == header_of(length) else -1


def _next_header(file: FileIO, size: int, base: int, data: bytes, at: int) -> tuple[int, bytes, int]:
    """Return the (base, data, at) of the next header from `at` on, or of the end of the file if there is none."""
    while True:
        zeros = data.find(_UPPER_HALF, at + 4)
        while 0 <= zeros <= len(data) - 8:
            if _length(data[zeros - 4 : zeros + 8]) >= 0:
                return base, data, zeros - 4
            after = _NONZERO.search(data, zeros)  # skip a run of zeros at once
            zeros = data.find(_UPPER_HALF, max(zeros + 1, (after.start() if after else len(data)) - 7))
        kept = max(at, len(data) - HEAD + 1)
        base, data, at = base + kept, data[kept:], 0
        more = _more(file, size, base + len(data), _CHUNK)
        if not more:
            return size, b"", 0
        data += more
