"""Settings that remember which of them were read: what is swept and never read changes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


class Reads(dict[str, Any]):
    """A dict that adds to `read` each name that is looked up, and every name where all are gone through."""

    def __init__(self, values: Mapping[str, Any], read: set[str]) -> None:
        super().__init__(values)
        self._read = read

    def __getitem__(self, name: str) -> Any:
        """Look a name up."""
        self._read.add(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        """Look a name up, which may be absent."""
        self._read.add(name)
        return super().get(name, default)

    def __iter__(self) -> Iterator[str]:
        """Go through all names; also what makes `**` and `dict()` do so."""
        self._read.update(super().keys())
        return super().__iter__()

    def keys(self) -> Any:
        """Return all names."""
        self._read.update(super().keys())
        return super().keys()

    def values(self) -> Any:
        """Return all values."""
        self._read.update(super().keys())
        return super().values()

    def items(self) -> Any:
        """Return all pairs."""
        self._read.update(super().keys())
        return super().items()
