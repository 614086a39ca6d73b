"""Check the arguments of a request; an error says what was expected and what was found."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

_LONGEST = 60  # characters of an argument that a sentence quotes
_PLACES = re.compile(r"(\d{1,9})(?:-(\d{1,9}))?")


class RefusedError(Exception):
    """A request is refused: the message says why, `status` is the HTTP status."""

    def __init__(self, sentence: str, status: int = 400) -> None:
        super().__init__(sentence)
        self.status = status


@dataclass(frozen=True, slots=True)
class Arguments:
    """The arguments of one request: every value that was given, by name.

    Each method that reads a value raises RefusedError if the value is invalid.
    """

    values: Mapping[str, Sequence[str]]

    @classmethod
    def of(cls, values: Mapping[str, Sequence[str]], known: Collection[str], repeatable: str = "") -> Self:
        """Return the arguments after a check of their names.

        Raises RefusedError if a name is not in `known`, or if an argument other than `repeatable` is given twice.
        """
        for name, given in values.items():
            if name not in known:
                names = ", ".join(known) or "none"
                raise RefusedError(f"Unknown argument {shorten(name)}. The arguments of this route: {names}.")
            if len(given) > 1 and name != repeatable:
                raise RefusedError(f"{name}: expected one value, found {len(given)}.")
        return cls(values)

    def all(self, name: str) -> list[str]:
        """Return every distinct value of an argument, in the order given; raises RefusedError if there is none."""
        given = list(dict.fromkeys(self.values.get(name, ())))
        if not given:
            raise RefusedError(f"The argument {name} is missing. Add {name}=… to the URL.")
        return given

    def text(self, name: str, default: str) -> str:
        """Return the first value of an argument as it is, or the default."""
        return next(iter(self.values.get(name, ())), default)

    def integer(self, name: str, default: int, low: int, high: int) -> int:
        """Return an integer from `low` to `high`."""
        text = self.text(name, str(default))
        if not re.fullmatch(r"\d{1,9}", text, re.ASCII) or not low <= int(text) <= high:
            raise RefusedError(f"{name}: expected an integer from {low} to {high}, found {shorten(text)}.")
        return int(text)

    def share(self, name: str, default: float) -> float:
        """Return a number above 0 and up to 1."""
        text = self.text(name, str(default))
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not 0 < number <= 1:
            raise RefusedError(f"{name}: expected a number above 0 and at most 1, found {shorten(text)}.")
        return number

    def json(self, name: str) -> Any:
        """Return the JSON value of an argument, None if the argument is not given."""
        text = self.text(name, "null")
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            raise RefusedError(f"{name}: expected JSON, found {shorten(text)}.") from None

    def places(self, name: str, count: int) -> frozenset[int] | None:
        """Return the indices below `count` in a list such as `0,3,5-9`, None if the argument is not given."""
        if name not in self.values:
            return None
        places: set[int] = set()
        for part in filter(None, self.text(name, "").split(",")):
            match = _PLACES.fullmatch(part)
            first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, count)
            if not first <= last < count:
                raise RefusedError(f"{name}: expected indices below {count}, such as 0,3,5-9, found {shorten(part)}.")
            places.update(range(first, last + 1))
        return frozenset(places)


def shorten(value: object) -> str:
    """Return the repr of a value, cut off if it is long."""
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text):,} characters)"
