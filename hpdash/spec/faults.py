"""Faults of a sweep file: the key as TOML spells it, the value as a short text, and the nearest valid name."""

from __future__ import annotations

import difflib
import re
import reprlib
from collections.abc import Iterable
from typing import Any, NoReturn

from ..errors import Problem, SpecError

Key = tuple[str | int, ...]

_MOST = 100  # checking stops after so many: they probably have one cause, and finding near names takes time


class _Shown(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxstring, self.maxother = 4, 80, 80

    def repr_bool(self, value: bool, level: int) -> str:
        return str(value).lower()


def found(value: Any) -> str:
    """Return a value as a short text, with control characters escaped."""
    return _Shown().repr(value)


def key_text(key: Key) -> str:
    """Return a key's path as the file spells it: `hparams.activation[2]`; names that are not plain are quoted."""
    text = ""
    for part in key:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            plain = re.fullmatch(r"[A-Za-z0-9_-]+", part) and len(part) <= _Shown().maxstring
            text += ("." if text else "") + (part if plain else found(part))
    return text


def nearest(name: Any, options: Iterable[str]) -> str:
    """Return "Did you mean …?" with the nearest of the valid names, or an empty string if none is near."""
    text = str(name)[:100]
    matches = difflib.get_close_matches(text.lower(), list(options), n=1, cutoff=0.6)
    return f"Did you mean {matches[0]!r}?" if matches else ""


class Faults:
    """Collect the faults of one sweep file, and raise all of them at once."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._problems: list[Problem] = []
        self._keys: set[Key] = set()

    def add(self, key: Key | str, expected: str, found: str, hint: str = "") -> None:
        """Add a fault at a key. Raises SpecError with all faults if there are `_MOST`."""
        where = key if isinstance(key, str) else key_text(key)
        self._keys |= set() if isinstance(key, str) else {key}
        self._problems.append(Problem(f"{self._file}: {where}" if where else self._file, expected, found, hint))
        if len(self._problems) == _MOST:
            self.raise_any()

    def has_fault_at(self, key: Key) -> bool:
        """Return whether a key has a fault; other faults that follow from it need not be added."""
        return key in self._keys

    def has_fault_in(self, name: str) -> bool:
        """Return whether a key of this name has a fault, in any table."""
        return any(name in key for key in self._keys)

    def fail(self, key: Key | str, expected: str, found: str, hint: str = "") -> NoReturn:
        """Add a fault after which nothing else can be checked, and raise SpecError with all faults."""
        self.add(key, expected, found, hint)
        raise SpecError(self._problems)

    def raise_any(self) -> None:
        """Raise SpecError with all faults; do nothing if there are none."""
        if self._problems:
            raise SpecError(self._problems)
