"""The language of `--where`: `batchnorm=before and not (learning_rate < 0.01 or status in (failed, killed))`.

A comparison is a name, one of `= == != < <= > >=` and a value; or a name, `in` or `not in`, and values in parentheses.
Comparisons are combined with `and`, `or`, `not` (in any case) and parentheses. Names and values with spaces or special
characters are quoted with `"…"`, `'…'` or backticks. A name is what `value_of` accepts: a hyperparameter, a field of
every run, or a metric (its last value). If a run has no value of that name, the comparison is false, also with `!=` and
`not in`; `not x = 1` is then true. Nothing is evaluated as code.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from operator import ge, gt, le, lt
from typing import Any, NoReturn

from ..errors import Problem, SpecError
from ..records import Scalar
from ..runs import Run
from .objective import named, tag_of
from .rows import FIELDS, NICKNAMES, hparam, value_of

DEEPEST = 100  # levels of nested parentheses and nots
_SHOWN = 60  # characters of a long condition that an error shows on each side of the fault
_TOKEN = re.compile(
    r"""\s*(?: (?P<quoted>"[^"]*"|'[^']*'|`[^`]*`) | (?P<operator>==|!=|<=|>=|[=<>]) | (?P<mark>[(),])
    | (?P<word>[^\s"'`=!<>(),]+) | (?P<end>\Z) )""",
    re.VERBOSE,
)
_ORDER: dict[str, Callable[[Any, Any], bool]] = {"<": lt, "<=": le, ">": gt, ">=": ge}
_OPERATORS = "=, !=, <, <=, >, >=, in or not in"


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    at: int

    def says(self, *words: str) -> bool:
        return self.kind != "quoted" and self.text.lower() in words


@dataclass(frozen=True, slots=True)
class Literal:
    """A value as written in a condition; a quoted value is text, even if it looks like a number."""

    text: str
    quoted: bool

    @property
    def number(self) -> float | None:
        """The value as a number; None if it is quoted or not a number."""
        try:
            return None if self.quoted else float(self.text)
        except ValueError:
            return None

    def equals(self, value: Scalar) -> bool:
        """Return whether a run's value equals this one.

        A string is compared as text, a boolean with "true" and "false" in any case. A number is compared as a number,
        or with the text that tables show for it (six significant digits).
        """
        if isinstance(value, bool):
            return self.text.lower() == str(value).lower()
        if isinstance(value, str):
            return self.text == value
        number = math.nan if self.number is None else self.number
        same = number == value or (math.isnan(value) and self.text.lower() == "nan")
        return same or self.text == (f"{value:.6g}" if isinstance(value, float) else str(value))

    def compares(self, value: Scalar, order: Callable[[Any, Any], bool]) -> bool:
        """Return whether `order` holds between a run's value and this one.

        Strings are ordered by their characters, numbers by size. The result is false for a boolean, and for a number if
        this value is not a number.
        """
        if isinstance(value, str):
            return order(value, self.text)
        return not isinstance(value, bool) and self.number is not None and order(value, self.number)


@dataclass(frozen=True, slots=True)
class Comparison:
    """A comparison of a name with values; `at` is the index of the name in the condition's text."""

    name: str
    operator: str
    values: tuple[Literal, ...]
    at: int

    def matches(self, run: Run) -> bool:
        """Return whether the comparison holds for a run."""
        value = value_of(run, self.name)
        if value is None:
            return False
        if self.operator in _ORDER:
            return self.values[0].compares(value, _ORDER[self.operator])
        return any(literal.equals(value) for literal in self.values) == (self.operator in ("=", "in"))

    def comparisons(self) -> Iterator[Comparison]:
        """Yield itself."""
        yield self


@dataclass(frozen=True, slots=True)
class Joined:
    """Parts combined by "and" or "or", or one part negated by "not"; `word` says which."""

    word: str
    parts: tuple[Comparison | Joined, ...]

    def matches(self, run: Run) -> bool:
        """Return whether the combination holds for a run."""
        holds = (part.matches(run) for part in self.parts)
        return any(holds) if self.word == "or" else all(holds) != (self.word == "not")

    def comparisons(self) -> Iterator[Comparison]:
        """Yield every comparison in the parts."""
        for part in self.parts:
            yield from part.comparisons()


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition on runs, parsed, and its text."""

    text: str
    tree: Comparison | Joined

    def matches(self, run: Run) -> bool:
        """Return whether the condition holds for a run."""
        return self.tree.matches(run)

    def check(self, runs: Sequence[Run]) -> None:
        """Raise SpecError, with the nearest name, if the condition has a name that none of the runs has."""
        for comparison in self.tree.comparisons():
            if runs and not known(comparison.name, runs):
                _fail(self.text, comparison.at, *unknown(comparison.name, runs))


def select(runs: Sequence[Run], text: str | None) -> list[Run]:
    """Return the runs for which a condition holds, or all of them if `text` is None.

    Raises SpecError if the condition is invalid, or has a name that none of the runs has.
    """
    if text is None:
        return list(runs)
    condition = parse(text)
    condition.check(runs)
    return [run for run in runs if condition.matches(run)]


def known(name: str, runs: Sequence[Run]) -> bool:
    """Return whether a name is a field of every run, or a hyperparameter or a metric of any of the runs."""
    return name in FIELDS or any(hparam(run, name) is not None or tag_of(run, name) for run in runs)


def unknown(name: str, runs: Sequence[Run]) -> tuple[str, str, str]:
    """Return the parts of an error about a name that no run has: what was expected, what was found, and a hint.

    The hint is the nearest name, or the list of fields if no name is near.
    """
    short = (nickname for nickname in NICKNAMES if known(nickname, runs))
    names = dict.fromkeys((*FIELDS, *short, *(name for run in runs for name in (*run.hparams, *run.scalars))))
    options = {option.lower(): option for option in (*names, *map(named, names)) if option != name}
    near = get_close_matches(name.lower()[:100], options, n=1)
    hint = f"Did you mean {options[near[0]]!r}?" if near else f"Fields of every run: {', '.join(FIELDS)}."
    return "a hyperparameter, a metric or a field of the runs", repr(name), hint


def parse(text: str) -> Condition:
    """Parse a condition. Raises SpecError, with the position of the fault, if it is invalid."""
    parser = _Parser(text)
    tree = parser.either(0)
    if parser.token.kind != "end":
        parser.fail("`and`, `or` or the end", "Quote names and values that contain spaces or special characters.")
    return Condition(text, tree)


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _tokens(text)
        self.token = next(self._tokens)

    def fail(self, expected: str, hint: str = "") -> NoReturn:
        found = "the end" if self.token.kind == "end" else repr(self.token.text[:_SHOWN])
        _fail(self._text, self.token.at, expected, found, hint)

    def either(self, depth: int) -> Comparison | Joined:
        return self._joined("or", self._both, depth)

    def _both(self, depth: int) -> Comparison | Joined:
        return self._joined("and", self._part, depth)

    def _joined(self, word: str, part: Callable[[int], Comparison | Joined], depth: int) -> Comparison | Joined:
        parts = [part(depth)]
        while self.token.says(word):
            self._take()
            parts.append(part(depth))
        return Joined(word, tuple(parts)) if parts[1:] else parts[0]

    def _part(self, depth: int) -> Comparison | Joined:
        if depth > DEEPEST:
            self.fail(f"at most {DEEPEST} levels of parentheses and `not`")
        if self.token.says("not"):
            self._take()
            return Joined("not", (self._part(depth + 1),))
        if self.token.says("("):
            self._take()
            inner = self.either(depth + 1)
            self._expect(")")
            return inner
        return self._comparison()

    def _comparison(self) -> Comparison:
        name = self._value("a name")
        operator = self._operator()
        if not operator.endswith("in"):
            return Comparison(name.text, operator, (_literal(self._value("a value")),), name.at)
        self._expect("(")
        values = [_literal(self._value("a value"))]
        while self.token.says(","):
            self._take()
            values.append(_literal(self._value("a value")))
        self._expect(")")
        return Comparison(name.text, operator, tuple(values), name.at)

    def _operator(self) -> str:
        if self.token.kind == "operator":
            return self._take().text.replace("==", "=")
        negated = self.token.says("not")
        if negated:
            self._take()
        if not self.token.says("in"):
            self.fail("`in`" if negated else f"an operator ({_OPERATORS})")
        self._take()
        return "not in" if negated else "in"

    def _value(self, what: str) -> _Token:
        if self.token.kind not in ("word", "quoted") or self.token.says("and", "or", "not", "in"):
            self.fail(what)
        return self._take()

    def _expect(self, mark: str) -> None:
        if not self.token.says(mark):
            self.fail(f"`{mark}`")
        self._take()

    def _take(self) -> _Token:
        taken, self.token = self.token, next(self._tokens, self.token)
        return taken


def _literal(token: _Token) -> Literal:
    return Literal(token.text, token.kind == "quoted")


def _tokens(text: str) -> Iterator[_Token]:
    at = 0
    while True:
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            at += len(text[at:]) - len(text[at:].lstrip())
            hint = "The quote is not closed." if text[at] in "\"'`" else ""
            _fail(text, at, "a name, a value or an operator", repr(text[at]), hint)
        kind, at = match.lastgroup, match.end()
        found = match[kind]
        yield _Token(kind, found[1:-1] if kind == "quoted" else found, match.start(kind))
        if kind == "end":
            return


def _fail(text: str, at: int, expected: str, found: str, hint: str = "") -> NoReturn:
    """Raise SpecError with an excerpt of the condition and a caret below the character at index `at`."""
    first = max(0, at - _SHOWN)
    line = "".join(char if char.isprintable() else " " for char in text[first : at + _SHOWN])
    raise SpecError([Problem("--where", expected, found, hint), f"  {line}\n  {' ' * (at - first)}^"])
