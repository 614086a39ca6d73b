"""The keys of the sweep file by table and name: looks a key up, checks a value, gives the default."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from ..records import TABLES
from .dependent import DEPENDENT
from .tables import DataTable, LogTable, ModelTable, PruneTable, SweepTable, Table, TrainTable


@dataclass(frozen=True, slots=True)
class FileKey:
    """One key of a sweep file; `options` are the words that it takes, `default` is None if it has no default."""

    table: str
    name: str
    expected: str
    description: str
    default: Any
    options: tuple[str, ...]
    model: type[Table]

    def check(self, value: Any) -> Any:
        """Return a value in its normalised form. Raises ValueError, which says what was expected, if it is invalid."""
        probe = self.model.model_construct()
        try:
            setattr(probe, self.name, value)
        except ValidationError as error:
            own = error.errors()[0].get("ctx", {}).get("error")
            raise ValueError(str(own or "") or self.expected) from None
        return getattr(probe, self.name)

    @property
    def default_text(self) -> str:
        """The default as the reference of keys shows it; empty if there is none, or if the description gives it."""
        if self.name in DEPENDENT:
            by_value = {key: value for key, value in DEPENDENT[self.name][1].items() if value is not None}
            return ", ".join(f"{json.dumps(value)} ({key})" for key, value in by_value.items())
        return "" if self.default is None else json.dumps(self.default)


def _keys_of(table: str, model: type[Table]) -> dict[str, FileKey]:
    return {
        name: FileKey(
            table, name, field.title or "", field.description or "", field.default, tuple(field.examples or ()), model
        )
        for name, field in model.model_fields.items()
    }


_MODELS: Mapping[str, type[Table]] = {
    "sweep": SweepTable,
    "data": DataTable,
    "model": ModelTable,
    "train": TrainTable,
    "log": LogTable,
    "prune": PruneTable,
}
FILE_KEYS: Mapping[str, Mapping[str, FileKey]] = {table: _keys_of(table, model) for table, model in _MODELS.items()}
SWEEPABLE: Mapping[str, FileKey] = {name: key for table in TABLES for name, key in FILE_KEYS[table].items()}


def table_of(name: str) -> str:
    """Return the table of a key, "model" for any other name, which is a keyword argument of custom code."""
    return SWEEPABLE[name].table if name in SWEEPABLE else "model"
