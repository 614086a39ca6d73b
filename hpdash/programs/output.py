"""The file with what a program prints: bounded, so that a program that prints without end cannot fill the disk."""

from __future__ import annotations

from pathlib import Path

_TAIL = 2**14  # bytes that are kept in memory
LIMIT = 2**20  # bytes; if there are more, the older half is left out


class BoundedFile:
    """A file to which a program's output is appended, and which keeps at most about `LIMIT` bytes: the last ones."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("ab", buffering=0)
        self._size = self._file.tell()
        self._left_out = 0
        self._last = b""  # the last bytes, in case the program deletes the file

    def write(self, data: bytes) -> None:
        """Append bytes, and leave out old ones if the file gets too long."""
        self._last = (self._last + data)[-_TAIL:]
        if self._size + len(data) <= LIMIT:
            self._file.write(data)
            self._size += len(data)
            return
        before = self._path.read_bytes() if self._path.exists() else b""
        kept = (before + data)[-LIMIT // 2 :]
        kept = kept.partition(b"\n")[2] or kept
        self._left_out += self._size + len(data) - len(kept)
        head = b"... about %d bytes left out ...\n" % self._left_out
        self._file.close()
        part = self._path.with_name(f"{self._path.name}.part")
        part.write_bytes(head + kept)
        part.replace(self._path)
        self._file = self._path.open("ab", buffering=0)
        self._size = len(head) + len(kept)

    def close(self) -> None:
        """Close the file; if the program has deleted it or its folder, write its last bytes again."""
        self._file.close()
        if not self._path.exists() and self._path.parent.parent.is_dir():
            self._path.parent.mkdir(exist_ok=True)
            self._path.write_bytes(self._last)
