"""Tables of keys that record which keys are read: a hyperparameter that is never read has no effect."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


class RecordingDict(dict[str, Any]):
    """A dict that adds each key that is looked up to the set `read`; iterating over the dict adds all keys."""

    def __init__(self, values: Mapping[str, Any], read: set[str]) -> None:
        super().__init__(values)
        self._read = read

    def __getitem__(self, name: str) -> Any:
        """Return a value and record its key."""
        self._read.add(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        """Return a value, or the default if it is absent, and record its key."""
        self._read.add(name)
        return super().get(name, default)

    def __iter__(self) -> Iterator[str]:
        """Iterate over all keys and record them. Because it is overridden, `**` and `dict()` record them too."""
        self._read.update(super().keys())
        return super().__iter__()

    def keys(self) -> Any:
        """Return all keys and record them."""
        self._read.update(super().keys())
        return super().keys()

    def values(self) -> Any:
        """Return all values and record all keys."""
        self._read.update(super().keys())
        return super().values()

    def items(self) -> Any:
        """Return all pairs and record all keys."""
        self._read.update(super().keys())
        return super().items()
