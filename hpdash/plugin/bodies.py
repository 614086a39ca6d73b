"""Finished answers, kept as long as there is room: the same question about the same data is answered once."""

from __future__ import annotations

import gzip
from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock

_LEVEL = 1  # base64 of numbers hardly shrinks further, and the page waits


class Bodies:
    """The answers asked for last, compressed, of together at most so many bytes. Threads may share it."""

    def __init__(self, most: int = 64_000_000) -> None:
        self._most, self._size, self._lock = most, 0, Lock()
        self._kept: OrderedDict[Hashable, bytes] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], str]) -> bytes:
        """Return the gzipped text that a key stands for, made at its first use."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        body = gzip.compress(make().encode(), _LEVEL, mtime=0)
        with self._lock:
            self._size += len(body) - len(self._kept.pop(key, b""))
            self._kept[key] = body
            while self._size > self._most:
                self._size -= len(self._kept.popitem(last=False)[1])
        return body
