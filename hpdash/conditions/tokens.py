"""Split a condition into tokens. Which characters make a word depends on the names that are known."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from .errors import ConditionError

_TOKEN = re.compile(
    r"""\s*(?: (?P<quoted>"[^"]*"|'[^']*'|`[^`]*`) | (?P<operator>==|!=|<=|>=|[=<>]) | (?P<mark>[(),])
    | (?P<word>[^\s"'`=!<>(),]+) | (?P<end>\Z) )""",
    re.VERBOSE,
)
_PIECE = re.compile(r"//|[-+*/%\[\]]|(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][-+]?\d+)?(?![\w.])|[^-+*/%\[\]]+")
_SIGNS = frozenset(("+", "-", "*", "/", "//", "%"))
KEYWORDS = frozenset(("and", "or", "not", "in"))


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of a condition, which starts at the index `at`.

    `kind` is "text" (in quotes), "name" (in backticks), "operator", "sign" (of arithmetic), "mark" (a parenthesis, a
    bracket or a comma), "number", "word", "keyword" or "end".
    """

    kind: str
    text: str
    at: int

    def says(self, *words: str) -> bool:
        """Return whether the token is one of these words, marks or signs, outside quotes."""
        return self.kind in ("keyword", "mark", "sign") and self.text.lower() in words


def tokens(text: str, is_name: Callable[[str], bool]) -> Iterator[Token]:
    """Yield the tokens of a condition; the last one is the end. Raises ConditionError at a character that fits none.

    A word that is a name may contain signs and brackets ("validation/accuracy"). Another word may contain signs unless
    it is arithmetic: "a-b" is one word if "a" or "b" is not a name.
    """
    at, after_operand = 0, False
    while True:
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            at += len(text[at:]) - len(text[at:].lstrip())
            hint = "The quote is not closed." if text[at] in "\"'`" else ""
            raise ConditionError(at, "a name, a value or an operator", repr(text[at]), hint)
        kind, start, at = match.lastgroup, match.start(match.lastgroup), match.end()
        found = [Token(kind, match[kind], start)]
        if kind == "quoted":
            found = [Token("name" if match[kind][0] == "`" else "text", match[kind][1:-1], start)]
        elif kind == "word":
            found = _words(match[kind], start, is_name, after_operand)
        yield from found
        if kind == "end":
            return
        after_operand = found[-1].kind in ("text", "name", "number", "word") or found[-1].says(")", "]")


def _words(text: str, at: int, is_name: Callable[[str], bool], after_operand: bool) -> list[Token]:
    """Return the tokens of characters without a space: one word, one number, or the parts of arithmetic."""
    if text.lower() in KEYWORDS:
        return [Token("keyword", text, at)]
    if is_name(text):
        return [Token("word", text, at)]
    if _is_number(text) and not (after_operand and text[0] in "+-"):
        return [Token("number", text, at)]
    pieces = [_piece(match[0], at + match.start(), is_name) for match in _PIECE.finditer(text)]
    if not _is_arithmetic(pieces, after_operand, is_name):
        return _bracketed(text, at)
    return pieces


def _piece(text: str, at: int, is_name: Callable[[str], bool]) -> Token:
    if text in _SIGNS:
        return Token("sign", text, at)
    if text in ("[", "]"):
        return Token("mark", text, at)
    return Token("number" if _is_number(text) and not is_name(text) else "word", text, at)


def _is_arithmetic(pieces: list[Token], after_operand: bool, is_name: Callable[[str], bool]) -> bool:
    """Return whether pieces are arithmetic, or the start or end of it.

    "512-256" is a text, because lists are written so. "a-b" is a text if "a" or "b" is not a name.
    """
    if any(piece.kind == "word" and not is_name(piece.text) for piece in pieces):
        return False
    joins = pieces[0].kind == "sign" and (after_operand or len(pieces) == 1)
    is_open = pieces[-1].kind == "sign"
    return joins or is_open or any(piece.kind == "word" or piece.text in ("*", "//", "%") for piece in pieces)


def _bracketed(text: str, at: int) -> list[Token]:
    """Return the tokens of a word with brackets around or in it."""
    found = []
    for match in re.finditer(r"[\[\]]|[^\[\]]+", text):
        each, start = match[0], at + match.start()
        kind = "mark" if each in ("[", "]") else "number" if _is_number(each) else "word"
        found.append(Token(kind, each, start))
    return found


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def parse_number(text: str) -> int | float:
    """Return the number that a text spells, an int if it can. Raises ValueError if it is no number."""
    try:
        return int(text)
    except ValueError:
        return float(text)
