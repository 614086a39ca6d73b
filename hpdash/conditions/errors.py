"""The error of an invalid condition."""

from __future__ import annotations


class ConditionError(Exception):
    """Raised for a fault at the index `at` of a condition's text, with what was expected and found, and a hint."""

    def __init__(self, at: int, expected: str, found: str, hint: str = "") -> None:
        super().__init__(f"expected {expected}, found {found}")
        self.at, self.expected, self.found, self.hint = at, expected, found, hint
