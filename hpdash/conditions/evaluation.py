"""Decide whether a condition holds for the values of its names."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

from ..records import shown
from .tokens import parse_number
from .tree import Arithmetic, Call, Element, Items, Joined, Literal, Name, Negative, Operand, Relation, Test

Value = Any  # a boolean, a number, a text or a list of these
Side = tuple[Value, str | None]  # the value of one side of a comparison, and its spelling if it is a literal
Lookup = Callable[[str], Value]  # the value of a name; raises Absent

FUNCTIONS: Mapping[str, Callable[[Any], Any]] = {
    "sum": sum, "product": math.prod, "min": min, "max": max, "len": len, "sorted": sorted,
}  # fmt: skip
_ARITHMETIC: Mapping[str, Callable[[Any, Any], Any]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul,
    "/": operator.truediv, "//": operator.floordiv, "%": operator.mod,
}  # fmt: skip
_ORDER: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


class Absent(Exception):
    """Raised by a lookup if a name has no value."""


def holds(test: Test, lookup: Lookup, strict: bool = False) -> bool | None:
    """Return whether a condition holds; with `strict`, None if that depends on names without a value.

    With `strict`, logic has three values (Kleene), and comparing values that have no order is an error. Without it, a
    comparison with a name without a value, or of values that have no order, is false. Raises TypeError, ValueError,
    LookupError or ArithmeticError if a part cannot be computed.
    """
    match test:
        case Joined("not", (part,)):
            value = holds(part, lookup, strict)
            return None if value is None else not value
        case Joined(word, parts):
            decides, undecided = word == "or", False
            for part in parts:
                value = holds(part, lookup, strict)
                if value is decides:
                    return decides
                undecided |= value is None
            return None if undecided else not decides
    try:
        return _truth(lookup(test.name)) if isinstance(test, Name) else _compare(test, lookup, strict)
    except Absent:
        return None if strict else False


def _truth(value: Value) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"expected true or false, found {value!r}")
    return value


def _compare(test: Relation, lookup: Lookup, strict: bool) -> bool:
    pairs = zip(test.operands, test.operators, test.operands[1:], strict=False)
    return all(_related(left, sign, right, lookup, strict) for left, sign, right in pairs)


def _related(left: Operand, sign: str, right: Operand, lookup: Lookup, strict: bool) -> bool:
    side = _side(left, lookup)
    if sign in ("in", "not in"):
        return any(_equal(side, member) for member in _members(right, lookup)) == (sign == "in")
    other = _side(right, lookup)
    if sign in ("=", "!="):
        return _equal(side, other) == (sign == "=")
    return _ordered(side, other, _ORDER[sign], strict)


def _side(part: Operand, lookup: Lookup) -> Side:
    return value_of(part, lookup), part.text if isinstance(part, Literal) else None


def _members(part: Operand, lookup: Lookup) -> list[Side]:
    if isinstance(part, Items):
        return [_side(each, lookup) for each in part.parts]
    return [(each, None) for each in _list(value_of(part, lookup))]


def _equal(left: Side, right: Side) -> bool:
    """Return whether two values are equal.

    A number also equals a literal that is spelled as tables show the number. A boolean equals the same boolean, and the
    text "true" or "false". Two lists are compared by their elements, any other values by their text.
    """
    (a, spelled_a), (b, spelled_b) = left, right
    if isinstance(a, bool) or isinstance(b, bool):
        return type(a) in (bool, str) and type(b) in (bool, str) and str(a).lower() == str(b).lower()
    if isinstance(a, int | float) and isinstance(b, int | float):
        return a == b or (math.isnan(a) and math.isnan(b)) or _in_tables(a) == spelled_b or _in_tables(b) == spelled_a
    if isinstance(a, list) and isinstance(b, list):
        return a == b
    return (spelled_a or _in_tables(a)) == (spelled_b or _in_tables(b))


def _in_tables(value: Value) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(shown(value))


def _ordered(left: Side, right: Side, order: Callable[[Any, Any], bool], strict: bool) -> bool:
    """Return whether two values are in an order: numbers by size, texts by their characters."""
    (a, spelled_a), (b, spelled_b) = left, right
    if not strict:
        if isinstance(a, bool) or isinstance(b, bool):
            return False
        if isinstance(a, str) != isinstance(b, str):  # with a text, compare a literal number by its spelling
            a, b = (a, spelled_b) if isinstance(a, str) else (spelled_a, b)
            if a is None or b is None:
                return False
    return order(a, b)


def value_of(part: Operand, lookup: Lookup) -> Value:
    """Return the value of an operand; raises Absent if it depends on a name without a value."""
    match part:
        case Literal(value):
            return value
        case Name(name):
            return lookup(name)
        case Items(parts):
            return [value_of(each, lookup) for each in parts]
        case Call(function, argument):
            return FUNCTIONS[function](_list(value_of(argument, lookup)))
        case Element(inner, index):
            return _list(value_of(inner, lookup))[value_of(index, lookup)]
        case Negative(inner):
            return -_number(value_of(inner, lookup))
        case Arithmetic(left, sign, right):
            return _ARITHMETIC[sign](_number(value_of(left, lookup)), _number(value_of(right, lookup)))


def _number(value: Value) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"expected a number, found {value!r}")
    return value


def _list(value: Value) -> Any:
    """Return a list, also one that is given as tables show it: "512-256"."""
    if isinstance(value, str):
        try:
            return [parse_number(text) for text in value.split("-")]
        except ValueError:
            pass
    if not isinstance(value, list):
        raise TypeError(f"expected a list, found {value!r}")
    return value
