"""The parts of a parsed condition."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

Constant = bool | int | float | str


@dataclass(frozen=True, slots=True)
class Literal:
    """A value in a condition, and `text`, its spelling there.

    Tables round numbers, so a number also equals a literal that is spelled as tables show it: 1 / 3 equals `0.333333`.
    """

    value: Constant
    text: str


@dataclass(frozen=True, slots=True)
class Name:
    """The value of a name."""

    name: str


@dataclass(frozen=True, slots=True)
class Items:
    """A list of values."""

    parts: tuple[Operand, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """A function that is applied to a list."""

    function: str
    argument: Operand


@dataclass(frozen=True, slots=True)
class Element:
    """An element of a list, counted from 0, or from the end if the index is negative."""

    part: Operand
    index: Operand


@dataclass(frozen=True, slots=True)
class Negative:
    """A number with the opposite sign."""

    part: Operand


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """Two numbers combined by one of `+ - * / // %`."""

    left: Operand
    operator: str
    right: Operand


Operand = Literal | Name | Items | Call | Element | Negative | Arithmetic


@dataclass(frozen=True, slots=True)
class Relation:
    """Operands with an operator between neighbours: `=`, `!=`, `<`, `<=`, `>`, `>=`, `in` or `not in`."""

    operands: tuple[Operand, ...]
    operators: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Joined:
    """Conditions combined by "and" or "or", or one condition negated by "not"; `word` says which."""

    word: str
    parts: tuple[Test, ...]


Test = Relation | Joined | Name  # a name alone is a test of its boolean value


def names(part: Test | Operand) -> Iterator[str]:
    """Yield every name in a condition, from left to right."""
    match part:
        case Name(name):
            yield name
        case Joined(_, parts) | Relation(parts, _) | Items(parts):
            for each in parts:
                yield from names(each)
        case Call(_, inner) | Negative(inner):
            yield from names(inner)
        case Element(left, right) | Arithmetic(left, _, right):
            yield from names(left)
            yield from names(right)
