"""Replace functions and data in a sweep that is given as a mapping by references, and keep what these stand for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..system.function_source import MODULE
from ..system.inline_functions import InlineFunction, importable_name, short_name
from ..system.user_functions import function_gone_error
from .faults import Faults, Key
from .file_keys import FILE_KEYS

FUNCTION_KEYS = ("builder", "loop", "callbacks", "name")  # the keys that take functions
DATA = f"{MODULE}:data"  # the reference that stands for data given in Python


@dataclass(frozen=True, slots=True, eq=False)
class Inline:
    """What a sweep was given in Python instead of names.

    Attributes:
        functions: the functions, by the references that stand for them, such as `__main__:build`.
        data: a data set as a data function may return it, by its reference; at most one.
    """

    functions: Mapping[str, InlineFunction] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)

    @property
    def modules(self) -> list[str]:
        """The names of the modules that the functions use."""
        return sorted({module for each in self.functions.values() for module in each.modules})

    @property
    def remarks(self) -> list[str]:
        """Sentences for the user about objects that functions use and whose changes cannot be noticed."""
        return [
            f"{reference} uses {', '.join(each.not_compared)}: hpdash cannot notice if these objects change"
            for reference, each in self.functions.items()
            if each.not_compared
        ]


NOTHING = Inline()
_remembered: dict[Path, Inline] = {}


def remember(folder: Path, inline: Inline) -> None:
    """Keep what a sweep was given in Python for as long as this process runs; `folder` is the sweep's."""
    _remembered[folder.resolve()] = inline


def remembered(folder: Path) -> Inline:
    """Return what the sweep of a folder was given in Python in this process."""
    return _remembered.get(folder.resolve(), NOTHING)


def check_given(references: Sequence[str], inline: Inline) -> None:
    """Raise SpecError if a reference stands for something that was given in Python, but not in this process."""
    for reference in references:
        if reference.partition(":")[0] == MODULE and reference not in {*inline.functions, *inline.data}:
            raise function_gone_error(reference)


def with_references(document: Mapping[str, Any], faults: Faults) -> tuple[dict[str, Any], Inline]:
    """Return a copy of a document with references for functions and data, and what these references stand for.

    A function that a module other than `__main__` has is replaced by its name there. The arrays in [data], such as
    `x_train`, are together the data set.
    """
    references = _References(faults)
    data: dict[str, Any] = {}
    tables = {name: _copied(table) for name, table in document.items()}
    table = tables.get("data")
    if isinstance(table, dict):
        data = _take_data(table, faults)
    for name, value in tables.items():
        for place, each in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if isinstance(each, dict):
                if "class_weight" in each:  # Keras' own have numbers as keys
                    each["class_weight"] = _with_text_keys(each["class_weight"])
                for key in [key for key in each if key in FUNCTION_KEYS]:
                    where: Key = (name, key) if place is None else (name, place, key)
                    each[key] = references.replace(each[key], where)
    return tables, Inline(references.functions, data)


def _copied(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    return [_copied(item) for item in value] if isinstance(value, list | tuple) else value


def _with_text_keys(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _with_text_keys(item) for key, item in value.items()}
    return [_with_text_keys(item) for item in value] if isinstance(value, list | tuple) else value


def _take_data(table: dict[str, Any], faults: Faults) -> dict[str, Any]:
    """Replace the data in a [data] table by a reference, and return them."""
    name = table.get("name")
    arrays = {key: value for key, value in table.items() if key not in FILE_KEYS["data"] and _is_data(value)}
    if not arrays and (isinstance(name, list) or not _is_data(name)):
        return {}
    if arrays and name is not None:
        hint = "Leave out one of them."
        faults.add(("data", "name"), "either a name or arrays", f"both: a name, and {', '.join(arrays)}", hint)
    for key in arrays:
        del table[key]
    table["name"] = DATA
    return {DATA: arrays or name}


def _is_data(value: Any) -> bool:
    """Return whether a value is an array, several, a `Dataset` or a pipeline, which has one of these attributes."""
    if hasattr(type(value), "__array__"):
        return getattr(value, "ndim", 1) >= 1
    marks = ("x_train", "element_spec", "num_batches")
    return isinstance(value, Mapping | list | tuple) or any(hasattr(type(value), mark) for mark in marks)


class _References:
    """The references that stand for functions; the same function always gets the same one."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._known: list[tuple[Callable[..., Any], str]] = []
        self.functions: dict[str, InlineFunction] = {}

    def replace(self, value: Any, key: Key) -> Any:
        """Return a value of a key with references in the place of functions, also in a list or a domain's table."""
        if isinstance(value, list | tuple):
            return [self.replace(item, (*key, place)) for place, item in enumerate(value)]
        if isinstance(value, Mapping):
            return {name: self.replace(item, (*key, name)) for name, item in value.items()}
        return self._reference(value, key) if callable(value) else value

    def _reference(self, function: Callable[..., Any], key: Key) -> str:
        if name := importable_name(function):
            return name
        for known, reference in self._known:
            if known is function:
                return reference
        base = reference = f"{MODULE}:{short_name(function)}"
        taken = {reference for _, reference in self._known}
        count = 1
        while reference in (*taken, DATA):
            count += 1
            reference = f"{base}_{count}"
        try:
            self.functions[reference] = InlineFunction.of(function)
        except ValueError as error:
            hint = "It refers to something that stays in this process: create that inside the function."
            self._faults.add(key, "a function that can be sent to workers", str(error), hint)
        self._known.append((function, reference))
        return reference
