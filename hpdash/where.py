"""The small language of `--where`: `batchnorm=before and not (learning_rate < 0.01 or status in (failed, killed))`.

A comparison is a name, one of `= == != < <= > >=` and a value, or `in` or `not in` and values in parentheses; `and`,
`or`, `not` in any case, and parentheses join them. Names and values that are odd stand in `"…"`, `'…'` or backticks.
A name is what `analysis.folds.value_of` knows: a hyperparameter, a field of every run, a metric (its last value).
A comparison with something that a run does not have is false, `!=` and `not in` too; `not x = 1` is then true.
Nothing is evaluated as code.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from operator import ge, gt, le, lt
from typing import Any, NoReturn

from .analysis.folds import FIELDS, NICKNAMES, hparam, value_of
from .analysis.objective import named, tag_of
from .errors import Problem, SpecError
from .runs import Run
from .trial import Scalar

DEEPEST = 100  # parentheses and nots in each other
_SHOWN = 60  # characters of a long condition that an error shows around its place
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
    """A value as it was written; in quotes it is a text, whatever it looks like."""

    text: str
    quoted: bool

    @property
    def number(self) -> float | None:
        """The number it spells, None where it spells none."""
        try:
            return None if self.quoted else float(self.text)
        except ValueError:
            return None

    def equals(self, value: Scalar) -> bool:
        """Compare as a number with numbers, as true or false with booleans, else by the text that tables show."""
        if isinstance(value, bool):
            return self.text.lower() == str(value).lower()
        if isinstance(value, str):
            return self.text == value
        number = math.nan if self.number is None else self.number
        same = number == value or (math.isnan(value) and self.text.lower() == "nan")
        return same or self.text == (f"{value:.6g}" if isinstance(value, float) else str(value))

    def compares(self, value: Scalar, order: Callable[[Any, Any], bool]) -> bool:
        """Order numbers by size and texts by their characters; nothing else has an order."""
        if isinstance(value, str):
            return order(value, self.text)
        return not isinstance(value, bool) and self.number is not None and order(value, self.number)


@dataclass(frozen=True, slots=True)
class Comparison:
    """A name against values; `at` is where the name stands in the text."""

    name: str
    operator: str
    values: tuple[Literal, ...]
    at: int

    def matches(self, run: Run) -> bool:
        """Say whether it holds for a run."""
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
    """Parts joined by "and" or "or", or the one part that "not" turns round."""

    word: str
    parts: tuple[Comparison | Joined, ...]

    def matches(self, run: Run) -> bool:
        """Say whether it holds for a run."""
        holds = (part.matches(run) for part in self.parts)
        return any(holds) if self.word == "or" else all(holds) != (self.word == "not")

    def comparisons(self) -> Iterator[Comparison]:
        """Yield every comparison inside."""
        for part in self.parts:
            yield from part.comparisons()


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition on runs, and the text it was written as."""

    text: str
    tree: Comparison | Joined

    def matches(self, run: Run) -> bool:
        """Say whether it holds for a run."""
        return self.tree.matches(run)

    def check(self, runs: Sequence[Run]) -> None:
        """Raise SpecError where it names something that none of the runs has, with the nearest name."""
        for comparison in self.tree.comparisons():
            if runs and not known(comparison.name, runs):
                _fail(self.text, comparison.at, *unknown(comparison.name, runs))


def select(runs: Sequence[Run], text: str | None) -> list[Run]:
    """Return the runs that a condition holds for, all of them without one; raise SpecError where it is none."""
    if text is None:
        return list(runs)
    condition = parse(text)
    condition.check(runs)
    return [run for run in runs if condition.matches(run)]


def known(name: str, runs: Sequence[Run]) -> bool:
    """Say whether a name means something for some run."""
    return name in FIELDS or any(hparam(run, name) is not None or tag_of(run, name) for run in runs)


def unknown(name: str, runs: Sequence[Run]) -> tuple[str, str, str]:
    """Return what is expected instead of a name that no run has, what was found, and the nearest name."""
    short = (nickname for nickname in NICKNAMES if known(nickname, runs))
    names = dict.fromkeys((*FIELDS, *short, *(name for run in runs for name in (*run.hparams, *run.scalars))))
    options = {option.lower(): option for option in (*names, *map(named, names)) if option != name}
    near = get_close_matches(name.lower()[:100], options, n=1)
    hint = f"Did you mean {options[near[0]]!r}?" if near else f"Fields of every run: {', '.join(FIELDS)}."
    return "a hyperparameter, a metric or a field of the runs", repr(name), hint


def parse(text: str) -> Condition:
    """Read a condition; raise SpecError with the place where it stops being one."""
    parser = _Parser(text)
    tree = parser.either(0)
    if parser.token.kind != "end":
        parser.fail("`and`, `or` or the end", "Put odd names and values in quotes.")
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
            self.fail(f"parentheses and nots at most {DEEPEST} deep")
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
            self.fail("`in`" if negated else f"an operator, {_OPERATORS}")
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
            hint = "A quote needs its second one." if text[at] in "\"'`" else ""
            _fail(text, at, "a name, a value or an operator", repr(text[at]), hint)
        kind, at = match.lastgroup, match.end()
        found = match[kind]
        yield _Token(kind, found[1:-1] if kind == "quoted" else found, match.start(kind))
        if kind == "end":
            return


def _fail(text: str, at: int, expected: str, found: str, hint: str = "") -> NoReturn:
    """Raise SpecError with a line of the condition and a caret under the place."""
    first = max(0, at - _SHOWN)
    line = "".join(char if char.isprintable() else " " for char in text[first : at + _SHOWN])
    raise SpecError([Problem("--where", expected, found, hint), f"  {line}\n  {' ' * (at - first)}^"])
