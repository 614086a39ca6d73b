"""TFRecord, the format of event files.

A record consists of the length of its data (u64), the masked CRC-32C of the length, the data, and their masked CRC-32C.
All numbers are little-endian (TensorFlow, `core/lib/io/record_writer.h`).
"""

from __future__ import annotations

from google_crc32c import value as crc32c

HEAD, SUM = 12, 4  # bytes of a record's header and of its last checksum
MASK = 0xA282EAD8


def masked(crc: int) -> int:
    """Return the masked form of a CRC-32C: rotated right by 15 bits, plus a constant."""
    return ((crc >> 15 | crc << 17) + MASK) & 0xFFFFFFFF


def header_of(length: int) -> bytes:
    """Return the header of a record with `length` bytes of data."""
    data = length.to_bytes(8, "little")
    return data + masked(crc32c(data)).to_bytes(SUM, "little")


def record_of(data: bytes) -> bytes:
    """Return data as a whole record."""
    return header_of(len(data)) + data + masked(crc32c(data)).to_bytes(SUM, "little")
