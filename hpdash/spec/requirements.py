"""[[require]]: conditions that every point of a sweep must meet: Python expressions, none of which runs as code."""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..records import shown
from .faults import Faults, Key, found
from .space import Names
from .text import Document

LONGEST = 400  # most characters of a condition
EXAMPLE = '"product(hidden) <= 100_000"'
EXPECTED = f"a condition such as {EXAMPLE}"
_COMPARE: Mapping[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne,
    ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge,
    ast.In: lambda value, values: value in values, ast.NotIn: lambda value, values: value not in values,
}  # fmt: skip
_ARITHMETIC: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul,
    ast.Div: operator.truediv, ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod,
}  # fmt: skip
_FUNCTIONS: Mapping[str, Callable[[Any], Any]] = {
    "sum": sum, "product": math.prod, "min": min, "max": max, "len": len, "sorted": sorted,
}  # fmt: skip
_ALONE = re.compile(r"(?<![=<>!])=(?!=)")
_WORDS: Mapping[str, bool] = {"true": True, "false": False}
_LANGUAGE = (
    "Conditions can use settings, numbers, strings, lists, comparisons, + - * / // %, and, or, not, in, "
    f"{', '.join(_FUNCTIONS)}."
)


class _Absent(Exception):
    """A condition refers to a setting that does not apply."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """A condition on settings: `product(hidden) <= 100_000`, `dropout == 0 or batchnorm == "none"`.

    `names` are the settings that it refers to. A comparison with a setting that does not apply to a point, such as the
    momentum of sgd with adam, is neither true nor false. A condition that depends on such comparisons alone holds
    (Kleene's three-valued logic). Lists are as in the file, an initialiser's table is the text that TensorBoard shows.
    """

    text: str
    names: frozenset[str]
    tree: ast.expr = field(compare=False, repr=False)

    def holds(self, settings: Mapping[str, Any]) -> bool:
        """Return whether it holds for settings, given by name. Raises ValueError if it cannot be computed for them."""
        try:
            holds = _value(self.tree, settings)
        except _Absent:
            return True
        except (TypeError, ArithmeticError, ValueError, LookupError) as error:
            values = ", ".join(f"{name} = {found(settings.get(name))}" for name in sorted(self.names))
            raise ValueError(f"{error} with {values}") from None
        return holds is None or bool(holds)


def requirements(document: Document, names: Names, known: Mapping[str, Any], faults: Faults) -> tuple[Requirement, ...]:
    """Read the [[require]] tables; the keys of `known` are the settings that are fixed or swept."""
    read = []
    for index, table in enumerate(document["require"]):
        key: Key = ("require", index, "that")
        for odd in (name for name in table if name != "that"):
            hint = f"For example: that = {EXAMPLE}."
            faults.add(("require", index, odd), 'only the key "that"', "an unknown one", hint)
        text = table.get("that")
        if not isinstance(text, str):
            faults.add(key, EXPECTED, "nothing" if text is None else found(text))
        elif (tree := _parse(text, key, faults)) is not None and _knows(tree, key, names, known, faults):
            read.append(Requirement(text, frozenset(_names(tree)), tree))
    return tuple(read)


def _parse(text: str, key: Key, faults: Faults) -> ast.expr | None:
    if len(text) > LONGEST:
        faults.add(key, f"at most {LONGEST} characters", str(len(text)))
        return None
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        faults.add(key, EXPECTED, found(text), "Use == to compare values." if _ALONE.search(text) else _LANGUAGE)
        return None
    odd = next((node for node in ast.walk(tree) if not _is_known(node)), None)
    if odd is not None:
        part = ast.get_source_segment(text.strip(), odd) or type(odd).__name__.lower()
        faults.add(key, EXPECTED, found(part), _LANGUAGE)
        return None
    return tree


def _is_known(node: ast.AST) -> bool:
    match node:
        case ast.Constant(value):
            return isinstance(value, bool | int | float | str)
        case ast.Call(ast.Name(name), [_], []):
            return name in _FUNCTIONS
        case ast.BinOp(_, sign, _):
            return type(sign) in _ARITHMETIC
        case ast.Compare(_, signs, _):
            return all(type(sign) in _COMPARE for sign in signs)
        case ast.UnaryOp(sign, _):
            return isinstance(sign, ast.Not | ast.USub)
    plain = ast.BoolOp | ast.Name | ast.List | ast.Tuple | ast.Subscript
    return isinstance(node, plain | ast.boolop | ast.cmpop | ast.operator | ast.unaryop | ast.expr_context)


def _names(tree: ast.expr) -> list[str]:
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    named = (node for node in ast.walk(tree) if isinstance(node, ast.Name) and id(node) not in called)
    return [node.id for node in named if node.id.lower() not in _WORDS]


def _knows(tree: ast.expr, key: Key, names: Names, known: Mapping[str, Any], faults: Faults) -> bool:
    asked = _names(tree)
    if not asked:
        faults.add(key, "a condition that names a setting", "one without any")
    unknown = [name for name in asked if name not in known]
    for name in unknown:
        if names.knows(name, key, faults):
            faults.add(key, "settings that are fixed or swept", f"{name}, which is neither")
    return bool(asked) and not unknown


def _value(node: ast.expr, settings: Mapping[str, Any]) -> Any:
    match node:
        case ast.Constant(value):
            return value
        case ast.Name(name):
            return _WORDS[name.lower()] if name.lower() in _WORDS else _setting(settings[name])
        case ast.List(items) | ast.Tuple(items):
            return [_value(item, settings) for item in items]
        case ast.BoolOp(sign, parts):
            decides = isinstance(sign, ast.Or)
            values = [_value(part, settings) for part in parts]
            known = [bool(value) for value in values if value is not None]
            return decides if decides in known else None if None in values else not decides
        case ast.UnaryOp(ast.Not(), part):
            return None if (value := _value(part, settings)) is None else not value
        case ast.UnaryOp(_, part):
            return -_number(_value(part, settings))
        case ast.BinOp(left, sign, right):
            return _ARITHMETIC[type(sign)](_number(_value(left, settings)), _number(_value(right, settings)))
        case ast.Call(ast.Name(name), [part], _):
            return _FUNCTIONS[name](_list(_value(part, settings)))
        case ast.Subscript(part, place):
            return _list(_value(part, settings))[_value(place, settings)]
        case ast.Compare():
            return _compare(node, settings)
    raise AssertionError(node)  # `_parse` refuses everything else


def _compare(node: ast.Compare, settings: Mapping[str, Any]) -> bool | None:
    try:
        values = [_value(part, settings) for part in (node.left, *node.comparators)]
    except _Absent:
        return None
    pairs = zip(node.ops, values, values[1:], strict=False)
    return all(_COMPARE[type(sign)](*pair) for sign, *pair in pairs)


def _setting(value: Any) -> Any:
    if value is None:
        raise _Absent
    return shown(value) if isinstance(value, Mapping) else value


def _number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"expected a number, found {found(value)}")
    return value


def _list(value: Any) -> Any:
    if not isinstance(value, list):
        raise TypeError(f"expected a list, found {found(value)}")
    return value
