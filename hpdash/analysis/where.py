"""`--where`: select the runs for which a condition holds. `conditions` describes the language."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import NoReturn

from ..conditions import Absent, Condition, ConditionError, holds, parse
from ..errors import Problem, SpecError
from ..records import Scalar
from ..runs import Run
from .objective import metric_name, tag_of
from .rows import FIELDS, NICKNAMES, hparam, value_of

_SHOWN = 60  # characters of a long condition that an error shows on each side of the fault


@dataclass(frozen=True)
class RunNames:
    """The names that runs have: hyperparameters, the fields of every run, and metrics (their last values)."""

    runs: Sequence[Run]
    _known: dict[str, bool] = field(default_factory=dict, repr=False)

    def is_name(self, word: str) -> bool:
        """Return whether any run has a word as a name; without runs, every word is a name."""
        if word not in self._known:
            self._known[word] = not self.runs or known(word, self.runs)
        return self._known[word]

    def takes(self, name: str, text: str) -> bool:
        """Return whether `text`, which is compared with `name`, is a text value.

        It is one if a run has it as the value of `name`, or if no run has a name `text`.
        """
        return not self.is_name(text) or any(value_of(run, name) == text for run in self.runs)

    def is_boolean(self, name: str) -> bool:
        """Return whether a run has true or false as the value of a name."""
        return any(isinstance(value_of(run, name), bool) for run in self.runs)

    def unknown(self, word: str) -> tuple[str, str, str]:
        """Return the parts of an error about a word that is no name."""
        return unknown(word, self.runs)


def select(runs: Sequence[Run], text: str | None) -> list[Run]:
    """Return the runs for which a condition holds, or all of them if `text` is None.

    Raises SpecError if the condition is invalid, has a name that none of the runs has, or cannot be computed for a run.
    """
    if text is None:
        return list(runs)
    try:
        condition = parse(text, RunNames(runs))
    except ConditionError as error:
        _fail(text, error)
    return [run for run in runs if _matches(condition, run)]


def _matches(condition: Condition, run: Run) -> bool:
    def lookup(name: str) -> Scalar:
        value = value_of(run, name)
        if value is None:
            raise Absent
        return value

    try:
        return bool(holds(condition.test, lookup))
    except (TypeError, ValueError, LookupError, ArithmeticError) as error:
        values = ", ".join(f"{name} = {value_of(run, name)!r}" for name in sorted(condition.names))
        expected = "a condition that can be computed for every run"
        raise SpecError([Problem("--where", expected, f"{error}, for {run.id} with {values}")]) from None


def known(name: str, runs: Sequence[Run]) -> bool:
    """Return whether a name is a field of every run, or a hyperparameter or a metric of any of the runs."""
    return name in FIELDS or any(hparam(run, name) is not None or tag_of(run, name) for run in runs)


def unknown(name: str, runs: Sequence[Run]) -> tuple[str, str, str]:
    """Return the parts of an error about a name that no run has: what was expected, what was found, and a hint.

    The hint is the nearest name, or the list of fields if no name is near.
    """
    short = (nickname for nickname in NICKNAMES if known(nickname, runs))
    names = dict.fromkeys((*FIELDS, *short, *(name for run in runs for name in (*run.hparams, *run.scalars))))
    options = {option.lower(): option for option in (*names, *map(metric_name, names)) if option != name}
    near = get_close_matches(name.lower()[:100], options, n=1)
    hint = f"Did you mean {options[near[0]]!r}?" if near else f"Fields of every run: {', '.join(FIELDS)}."
    return "a hyperparameter, a metric or a field of the runs", repr(name), hint


def _fail(text: str, error: ConditionError) -> NoReturn:
    """Raise SpecError with an excerpt of the condition and a caret below the fault."""
    first = max(0, error.at - _SHOWN)
    line = "".join(char if char.isprintable() else " " for char in text[first : error.at + _SHOWN])
    problem = Problem("--where", error.expected, error.found, error.hint)
    raise SpecError([problem, f"  {line}\n  {' ' * (error.at - first)}^"]) from None
