"""What a page may ask: the arguments of a route, each checked, and the sentence about one that is wrong."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

_LONGEST = 60  # characters of what was asked that a sentence repeats
_PLACES = re.compile(r"(\d{1,9})(?:-(\d{1,9}))?")


class RefusedError(Exception):
    """Say in a sentence why a request is not answered; `status` is that of HTTP."""

    def __init__(self, sentence: str, status: int = 400) -> None:
        super().__init__(sentence)
        self.status = status


@dataclass(frozen=True, slots=True)
class Arguments:
    """The arguments of one request, by name each value that was given."""

    values: Mapping[str, Sequence[str]]

    @classmethod
    def of(cls, values: Mapping[str, Sequence[str]], known: Collection[str], repeatable: str = "") -> Self:
        """Check that no argument is unknown, and none but a repeatable one given twice."""
        for name, given in values.items():
            if name not in known:
                raise RefusedError(f"expected the arguments {', '.join(known) or '(none)'}, found {shorten(name)}.")
            if len(given) > 1 and name != repeatable:
                raise RefusedError(f"{name}: expected one value, found {len(given)}.")
        return cls(values)

    def all(self, name: str) -> list[str]:
        """Return every value of an argument, at least one."""
        given = list(dict.fromkeys(self.values.get(name, ())))
        if not given:
            raise RefusedError(f"{name}: expected a value, found none. Add {name}=… to the address.")
        return given

    def text(self, name: str, default: str) -> str:
        """Return an argument as it is."""
        return next(iter(self.values.get(name, ())), default)

    def integer(self, name: str, default: int, low: int, high: int) -> int:
        """Return a whole number from low to high."""
        text = self.text(name, str(default))
        if not re.fullmatch(r"\d{1,9}", text, re.ASCII) or not low <= int(text) <= high:
            raise RefusedError(f"{name}: expected a whole number from {low} to {high}, found {shorten(text)}.")
        return int(text)

    def share(self, name: str, default: float) -> float:
        """Return a number above 0, up to 1."""
        text = self.text(name, str(default))
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not 0 < number <= 1:
            raise RefusedError(f"{name}: expected a number above 0, up to 1, found {shorten(text)}.")
        return number

    def json(self, name: str) -> Any:
        """Return what an argument's JSON means."""
        text = self.text(name, "null")
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            raise RefusedError(f"{name}: expected JSON, found {shorten(text)}.") from None

    def places(self, name: str, count: int) -> frozenset[int] | None:
        """Return the places of a list like `0,3,5-9` in one of `count` things; None where the argument is not given."""
        if name not in self.values:
            return None
        places: set[int] = set()
        for part in filter(None, self.text(name, "").split(",")):
            match = _PLACES.fullmatch(part)
            first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, count)
            if not first <= last < count:
                raise RefusedError(f"{name}: expected places below {count} such as 0,3,5-9, found {shorten(part)}.")
            places.update(range(first, last + 1))
        return frozenset(places)


def shorten(value: object) -> str:
    """Quote what was found, of a long text its beginning."""
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text):,} characters)"
