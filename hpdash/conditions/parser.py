"""Parse a condition into a tree, and decide which of its words are names and which are texts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NoReturn, Protocol

from .errors import ConditionError
from .evaluation import FUNCTIONS
from .tokens import Token, parse_number, tokens
from .tree import Arithmetic, Call, Element, Items, Joined, Literal, Name, Negative, Operand, Relation, Test, names

DEEPEST = 30  # levels of nested parentheses, brackets, signs and nots
_OPERATORS = "=, !=, <, <=, >, >=, in or not in"


class Vocabulary(Protocol):
    """What a caller knows of names and their values."""

    def is_name(self, word: str) -> bool:
        """Return whether a word is a name."""

    def takes(self, name: str, text: str) -> bool:
        """Return whether a text without quotes can be a value of a name."""

    def is_boolean(self, name: str) -> bool:
        """Return whether the values of a name are true and false, so that it can stand alone."""

    def unknown(self, word: str) -> tuple[str, str, str]:
        """Return what was expected instead of an unknown word, what was found, and a hint."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A parsed condition, and its text."""

    text: str
    test: Test

    @property
    def names(self) -> frozenset[str]:
        """Every name in the condition."""
        return frozenset(names(self.test))


def parse(text: str, vocabulary: Vocabulary) -> Condition:
    """Parse a condition; raises ConditionError if it is invalid or has an unknown name."""
    parser = _Parser(text, vocabulary)
    return Condition(text, parser.whole())


@dataclass(frozen=True, slots=True)
class _Word:
    """A word, or a text in quotes, before the parser has decided whether it is a name."""

    token: Token


_Part = Test | Operand | _Word


class _Parser:
    def __init__(self, text: str, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._tokens = tokens(text, vocabulary.is_name)
        self._token = next(self._tokens)
        self._depth = 0

    def whole(self) -> Test:
        """Parse all of the text."""
        test = self._test(self._any_of())
        if self._token.kind != "end":
            self._fail("`and`, `or` or the end", "Quote names and values that contain spaces or special characters.")
        return test

    def _any_of(self) -> _Part:
        return self._joined("or", self._all_of)

    def _all_of(self) -> _Part:
        return self._joined("and", self._negated)

    def _joined(self, word: str, parse_part: Callable[[], _Part]) -> _Part:
        """Parse parts with a word between them."""
        part = parse_part()
        if not self._token.says(word):
            return part
        parts = [self._test(part)]
        while self._token.says(word):
            self._take()
            parts.append(self._test(parse_part()))
        return Joined(word, tuple(parts))

    def _negated(self) -> _Part:
        if not self._token.says("not"):
            return self._comparison()
        self._take()
        with self._nested():
            return Joined("not", (self._test(self._negated()),))

    def _test(self, part: _Part) -> Test:
        """Return a part as a condition; a name alone is one if its values are true and false."""
        if isinstance(part, Relation | Joined):
            return part
        if isinstance(part, _Word):
            part = self._name(part)
        if isinstance(part, Name) and self._vocabulary.is_boolean(part.name):
            return part
        self._fail(f"an operator ({_OPERATORS})")

    def _comparison(self) -> _Part:
        parts, signs = [self._sum()], []
        while sign := self._operator():
            signs.append(sign)
            parts.append(self._container() if sign.endswith("in") else self._sum())
        if not signs:
            return parts[0]
        return Relation(tuple(self._sides(parts)), tuple(signs))

    def _container(self) -> _Part:
        """Parse what follows `in`: a list, or something that has a list as its value."""
        if self._token.kind in ("number", "text"):
            self._fail("a list such as (a, b)")
        return self._list() if self._token.says("(") else self._sum()

    def _operator(self) -> str:
        """Take an operator; return an empty string if none follows."""
        if self._token.kind == "operator":
            return self._take().text.replace("==", "=")
        is_negated = self._token.says("not")
        if is_negated:
            self._take()
        if not self._token.says("in"):
            if is_negated:
                self._fail("`in`")
            return ""
        self._take()
        return "not in" if is_negated else "in"

    def _sides(self, parts: list[_Part]) -> Iterator[Operand]:
        """Yield the sides of a comparison; a word is a text if the name on its left takes this value."""
        for index, part in enumerate(parts):
            neighbour = parts[index - 1] if index else parts[1]
            yield self._side(part, self._known_name(neighbour), is_first=not index)

    def _known_name(self, part: _Part) -> str | None:
        text = part.token.text if isinstance(part, _Word) else None
        return text if text is not None and self._vocabulary.is_name(text) else None

    def _side(self, part: _Part, neighbour: str | None, is_first: bool) -> Operand:
        """Return a side of a comparison; `neighbour` is the name before it; for the first side, after it."""
        if isinstance(part, Items):
            return Items(tuple(self._side(each, neighbour, is_first=False) for each in part.parts))
        if not isinstance(part, _Word):
            return self._operand(part)
        token, vocabulary = part.token, self._vocabulary
        if token.kind == "text" and not (is_first and vocabulary.is_name(token.text)):
            if is_first and neighbour is None:
                self._unknown(token)
            return Literal(token.text, token.text)
        if not is_first and neighbour is not None and vocabulary.takes(neighbour, token.text):
            return Literal(token.text, token.text)
        return self._name(part)

    def _operand(self, part: _Part) -> Operand:
        """Return a part of arithmetic, of a list or of a comparison, in which a word is a name."""
        if isinstance(part, _Word):
            return Literal(part.token.text, part.token.text) if part.token.kind == "text" else self._name(part)
        if isinstance(part, Relation | Joined):
            hint = "A condition cannot be a part of arithmetic, nor a side of a comparison."
            raise ConditionError(self._token.at, "a name or a value", "a condition", hint)
        if isinstance(part, Items):
            return Items(tuple(self._operand(each) for each in part.parts))
        return part

    def _name(self, word: _Word) -> Name | Literal:
        text = word.token.text
        if self._vocabulary.is_name(text):
            return Name(text)
        if word.token.kind == "word" and text.lower() in ("true", "false"):
            return Literal(text.lower() == "true", text)
        self._unknown(word.token)

    def _unknown(self, token: Token) -> NoReturn:
        raise ConditionError(token.at, *self._vocabulary.unknown(token.text))

    def _sum(self) -> _Part:
        return self._arithmetic(("+", "-"), lambda: self._arithmetic(("*", "/", "//", "%"), self._signed))

    def _arithmetic(self, signs: tuple[str, ...], parse_part: Callable[[], _Part]) -> _Part:
        part = parse_part()
        while self._token.says(*signs):
            left, sign = self._operand(part), self._take().text
            part = Arithmetic(left, sign, self._operand(parse_part()))
        return part

    def _signed(self) -> _Part:
        if not self._token.says("-"):
            return self._element()
        self._take()
        with self._nested():
            return Negative(self._operand(self._signed()))

    def _element(self) -> _Part:
        part = self._atom()
        while self._token.says("["):
            self._take()
            with self._nested():
                part = Element(self._operand(part), self._operand(self._sum()))
            self._expect("]")
        return part

    def _atom(self) -> _Part:
        token = self._token
        if token.says("("):
            return self._group()
        if token.says("["):
            return self._list()
        if token.kind == "number":
            self._take()
            return Literal(parse_number(token.text), token.text)
        if token.kind not in ("word", "name", "text"):
            self._fail("a name or a value")
        self._take()
        return self._call(token) if token.kind == "word" and self._token.says("(") else _Word(token)

    def _call(self, function: Token) -> Call:
        if function.text not in FUNCTIONS:
            raise ConditionError(function.at, f"one of the functions {', '.join(FUNCTIONS)}", repr(function.text))
        self._take()
        with self._nested():
            argument = self._operand(self._sum())
        self._expect(")")
        return Call(function.text, argument)

    def _group(self) -> _Part:
        """Parse what is in parentheses: a list if it has a comma, otherwise a condition or a value."""
        self._take()
        with self._nested():
            part = self._any_of()
            is_list = self._token.says(",")
            parts = [part, *self._further(")")]
        self._expect(")")
        return Items(tuple(parts)) if is_list else part  # type: ignore[arg-type]  # words are resolved later

    def _list(self) -> _Part:
        """Parse a list in brackets, or after `in` in parentheses."""
        end = ")" if self._take().text == "(" else "]"
        with self._nested():
            parts = [self._sum(), *self._further(end)]
        self._expect(end)
        return Items(tuple(parts))  # type: ignore[arg-type]  # words are resolved later

    def _further(self, end: str) -> Iterator[_Part]:
        """Parse the rest of a list; a comma may follow its last value."""
        while self._token.says(","):
            self._take()
            if not self._token.says(end):
                yield self._sum()

    @contextmanager
    def _nested(self) -> Iterator[None]:
        self._depth += 1
        if self._depth > DEEPEST:
            self._fail(f"at most {DEEPEST} levels of parentheses, brackets, signs and `not`")
        yield
        self._depth -= 1

    def _expect(self, mark: str) -> None:
        if not self._token.says(mark):
            self._fail(f"`{mark}`")
        self._take()

    def _fail(self, expected: str, hint: str = "") -> NoReturn:
        found = "the end" if self._token.kind == "end" else repr(self._token.text[:60])
        raise ConditionError(self._token.at, expected, found, hint)

    def _take(self) -> Token:
        taken, self._token = self._token, next(self._tokens, self._token)
        return taken
