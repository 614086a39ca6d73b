"""A cache of answers, so that equal requests about unchanged data are computed once."""

from __future__ import annotations

import gzip
from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock

_LEVEL = 1  # higher levels hardly shrink base64 of numbers, and the page waits


class AnswerCache:
    """The gzipped answers that were used last, at most `most` bytes in all. Threads may share one instance."""

    def __init__(self, most: int = 64_000_000) -> None:
        self._most, self._size, self._lock = most, 0, Lock()
        self._kept: OrderedDict[Hashable, bytes] = OrderedDict()

    def known(self, key: Hashable) -> str | None:
        """Return the text for a key if it is in the cache, else None."""
        with self._lock:
            body = self._kept.get(key)
        return None if body is None else gzip.decompress(body).decode()

    def get(self, key: Hashable, make: Callable[[], str]) -> bytes:
        """Return the gzipped text for a key; `make` is called only if the text is not in the cache."""
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
