"""[[require]]: conditions that every setting of a sweep must meet, in the language of `hpdash.conditions`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..conditions import Absent, Condition, ConditionError, holds, parse
from ..records import shown
from .faults import Faults, Key, found, nearest
from .space import Names, hint_at
from .text import Document

LONGEST = 400  # most characters of a condition
EXAMPLE = '"product(hidden) <= 100_000"'
EXPECTED = f"a condition such as {EXAMPLE}"


@dataclass(frozen=True, slots=True)
class Requirement:
    """A condition on the values of keys: `product(hidden) <= 100_000`, `dropout == 0 or batchnorm == "none"`.

    A comparison with a key that does not apply to a setting, such as the momentum of sgd with adam, is neither true nor
    false. A condition that depends on such comparisons alone holds. An initialiser's table is compared as the text that
    TensorBoard shows.
    """

    text: str
    condition: Condition = field(compare=False, repr=False)

    @property
    def names(self) -> frozenset[str]:
        """The keys that the condition refers to."""
        return self.condition.names

    def holds(self, settings: Mapping[str, Any]) -> bool:
        """Return whether it holds for values, given by key. Raises ValueError if it cannot be computed for them."""

        def lookup(name: str) -> Any:
            value = settings[name]
            if value is None:
                raise Absent
            return shown(value) if isinstance(value, Mapping) else value

        try:
            return holds(self.condition.test, lookup, strict=True) is not False
        except (TypeError, ArithmeticError, ValueError, LookupError) as error:
            values = ", ".join(f"{name} = {found(settings.get(name))}" for name in sorted(self.names))
            raise ValueError(f"{error} with {values}") from None


@dataclass(frozen=True, slots=True)
class _Vocabulary:
    """The keys that conditions can use; `values` has the values of each, none for a range."""

    values: Mapping[str, Sequence[Any]]
    names: Names

    def is_name(self, word: str) -> bool:
        return word in self.values

    def takes(self, name: str, text: str) -> bool:
        return any(shown(value) == text for value in self.values[name])

    def is_boolean(self, name: str) -> bool:
        values = self.values[name]
        return bool(values) and all(isinstance(value, bool) for value in values)

    def unknown(self, word: str) -> tuple[str, str, str]:
        if word in self.names.file_keys:
            return "keys that are fixed or swept", f"{word}, which is neither", ""
        return (
            "a key that is fixed or swept, or a value of the key on the other side",
            repr(word),
            nearest(word, self._texts) or hint_at(word, self.values),
        )

    @property
    def _texts(self) -> list[str]:
        return [value for values in self.values.values() for value in values if isinstance(value, str)]


def requirements(
    document: Document, names: Names, values: Mapping[str, Sequence[Any]], faults: Faults
) -> tuple[Requirement, ...]:
    """Read the [[require]] tables. `values` has the keys that are fixed or swept, each with its known values."""
    read = []
    for index, table in enumerate(document["require"]):
        key: Key = ("require", index, "that")
        for odd in (name for name in table if name != "that"):
            hint = f"For example: that = {EXAMPLE}."
            faults.add(("require", index, odd), 'only the key "that"', "an unknown one", hint)
        text = table.get("that")
        if not isinstance(text, str):
            faults.add(key, EXPECTED, "nothing" if text is None else found(text))
        elif len(text) > LONGEST:
            faults.add(key, f"at most {LONGEST} characters", str(len(text)))
        elif condition := _parsed(text, key, _Vocabulary(values, names), faults):
            read.append(Requirement(text, condition))
    return tuple(read)


def _parsed(text: str, key: Key, vocabulary: _Vocabulary, faults: Faults) -> Condition | None:
    try:
        condition = parse(text, vocabulary)
    except ConditionError as error:
        faults.add(key, error.expected, f"{error.found} at character {error.at + 1} of {found(text)}", error.hint)
        return None
    if not condition.names:
        faults.add(key, "a condition that names a key", "one without any")
        return None
    return condition
