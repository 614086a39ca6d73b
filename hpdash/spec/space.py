"""[hparams] and [[trial]]: which names may be swept, over which values, and when they apply."""

from __future__ import annotations

import keyword
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..records import KERAS_LOOP
from .domains import Choice, Domain, FloatRange, IntRange, identity
from .faults import Faults, Key, found, nearest
from .file_keys import FILE_KEYS, SWEEPABLE, FileKey, table_of
from .keys import MLP
from .synonyms import synonym_hint
from .text import Document

_RANGE = ("min", "max", "scale", "step", "when")
_LIST = ("values", "when")
_LISTED = 20  # most names in a hint
_NAMES, _VALUES = 1000, 10_000  # most names in [hparams], most values of each: more is a mistake, and takes seconds
_EXPECTED = "a list of values, or { min, max }"


@dataclass(frozen=True, slots=True)
class Hyperparameter:
    """A swept key: its table, its domain, and the values of other keys with which it applies (empty: with all)."""

    name: str
    table: str
    domain: Domain
    when: Mapping[str, tuple[Any, ...]]

    def to_json(self) -> dict[str, Any]:
        """Return the hyperparameter as JSON values."""
        when = {name: list(values) for name, values in self.when.items()}
        return {"name": self.name, "table": self.table, "domain": self.domain.to_json(), "when": when}


@dataclass(frozen=True, slots=True)
class Names:
    """The keys that a file may fix or sweep; `free` if it may also use other names, as keywords of custom code."""

    file_keys: Mapping[str, FileKey]
    free: bool

    def check(self, name: str, value: Any, key: Key, faults: Faults) -> Any:
        """Return a value of `name` in its normalised form; if it is invalid, add a fault at `key` and return None."""
        file_key = self.file_keys.get(name)
        if file_key is None or value is None:
            return value
        try:
            return file_key.check(value)
        except ValueError as error:
            swept = isinstance(value, list) and key == (file_key.table, name) and "list" not in str(error)
            hint = "To sweep several values, put them in [hparams]." if swept else nearest(value, file_key.options)
            faults.add(key, str(error), found(value), hint)
            return None

    def knows(self, name: str, key: Key, faults: Faults) -> bool:
        """Return whether a file may use a name; if not, add a fault at `key`."""
        if name in self.file_keys:
            return True
        if not self.free:
            faults.add(key, "a key of [model], [train] or [data]", "an unknown one", hint_at(name, self.file_keys))
        elif not name.isidentifier() or keyword.iskeyword(name):
            faults.add(key, "a name that can be a keyword argument in Python", found(name))
        else:
            return True
        return False


def hint_at(name: str, options: Mapping[str, Any]) -> str:
    """Return a hint at what an unknown key may have meant; empty if there is none."""
    tables = [table for table, keys in FILE_KEYS.items() if name in keys]
    if tables and name not in options:
        return f"It belongs in {' or '.join(f'[{table}]' for table in tables)}."
    if hint := synonym_hint(name):
        return hint
    return nearest(name, options) or (f"Known: {', '.join(options)}." if len(options) <= _LISTED else "")


def names_of(document: Document) -> Names:
    """Return the names that a file may use, which depend on its builders and loops, fixed or swept."""
    builders, loops = _mentioned(document, "builder"), _mentioned(document, "loop")
    mlp = MLP in builders if builders else _trains_keras(document, loops)
    file_keys = {name: key for name, key in SWEEPABLE.items() if mlp or key.table != "model" or name == "builder"}
    return Names(file_keys, free=bool(set(loops) - {KERAS_LOOP}) or not mlp)


def _trains_keras(document: Document, loops: list[Any]) -> bool:
    """Return whether some trial has no custom training loop: its loop is "none", or none is set for it."""
    fixed, swept = document["train"].get("loop"), document["hparams"].get("loop")
    conditional = isinstance(swept, dict) and "when" in swept
    unset = (swept is None or conditional) and fixed is None
    if document["trial"]:
        unset = any("loop" not in trial for trial in document["trial"]) and fixed is None
    return unset or KERAS_LOOP in loops


def _mentioned(document: Document, name: str) -> list[Any]:
    swept = document["hparams"].get(name, [])
    swept = swept.get("values", []) if isinstance(swept, dict) else swept
    values = [document[table_of(name)].get(name), *(swept if isinstance(swept, list) else [])]
    values += [trial.get(name) for trial in document["trial"]]
    return [value for value in values if isinstance(value, str)]


def domains(document: Document, names: Names, faults: Faults) -> dict[str, Domain]:
    """Read the domain of each name in [hparams]; a name with a fault is left out."""
    domains = {}
    if len(document["hparams"]) > _NAMES:
        faults.fail(("hparams",), f"at most {_NAMES} names", str(len(document["hparams"])))
    for name, raw in document["hparams"].items():
        key: Key = ("hparams", name)
        domain = _domain(name, raw, key, names, faults) if names.knows(name, key, faults) else None
        if domain is not None:
            domains[name] = domain
    return domains


def listed(document: Document, names: Names, faults: Faults) -> tuple[dict[str, Any], ...]:
    """Read the [[trial]] tables."""
    trials: list[dict[str, Any]] = []
    seen = set()
    for index, table in enumerate(document["trial"]):
        keys: dict[str, Key] = {name: ("trial", index, name) for name in table}
        known = {name: value for name, value in table.items() if names.knows(name, keys[name], faults)}
        trials.append({name: names.check(name, value, keys[name], faults) for name, value in known.items()})
        if (point := identity(trials[-1])) in seen:
            hint = "To train it with several seeds, set [sweep] repeats."
            faults.add(("trial", index), "a trial that differs from the ones before", "the same settings again", hint)
        seen.add(point)
    return tuple(trials)


def choices(trials: tuple[Mapping[str, Any], ...]) -> dict[str, Domain]:
    """Return a domain for each name that listed trials set: the list of its values, in order of appearance."""
    values: dict[str, dict[Any, Any]] = {}
    for name, value in (pair for trial in trials for pair in trial.items()):
        values.setdefault(name, {}).setdefault(identity(value), value)
    return {name: Choice(tuple(items.values())) for name, items in values.items()}


def _domain(name: str, raw: Any, key: Key, names: Names, faults: Faults) -> Domain | None:
    values = raw
    if isinstance(raw, dict):
        values = raw.get("values")
        known: tuple[str, ...] = _LIST if "values" in raw else _RANGE
        for odd in [part for part in raw if part not in known]:
            faults.add((*key, odd), f"one of {', '.join(known)}", "an unknown key", nearest(odd, known))
    if isinstance(values, list):
        return _choice(name, values, key, names, faults)
    if isinstance(raw, dict) and "min" in raw and "max" in raw:
        return _range(name, raw, key, names, faults)
    hint = "" if isinstance(raw, dict) else f"To use one value, set it in [{table_of(name)}]."
    faults.add(key, _EXPECTED, found(raw), hint)
    return None


def _choice(name: str, values: list[Any], key: Key, names: Names, faults: Faults) -> Domain | None:
    if len(values) > _VALUES:
        faults.add(key, f"a list of at most {_VALUES} values, or {{ min, max }}", f"{len(values)} values")
        return None
    checked = [names.check(name, value, (*key, index), faults) for index, value in enumerate(values)]
    if any(value is None for value in checked):
        return None
    if name not in names.file_keys and len({_kind(value) for value in checked}) > 1:
        faults.add(key, "values of one type", found(values))
        return None
    return _built(lambda: Choice(tuple(checked)), values, key, faults)


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    return "number" if isinstance(value, int | float) else "text"  # TensorBoard shows lists and tables as text


def _range(name: str, raw: dict[str, Any], key: Key, names: Names, faults: Faults) -> Domain | None:
    low, high = (names.check(name, raw[end], (*key, end), faults) for end in ("min", "max"))
    if low is None or high is None:
        return None
    scale, step = raw.get("scale", "linear"), raw.get("step")
    numbers = [value for value in (low, high, step) if value is not None]
    if any(_kind(value) != "number" for value in numbers):
        faults.add(key, "numbers as min, max and step, or a list of values", found(raw))
        return None
    if name not in names.file_keys and any(isinstance(value, float) for value in numbers):
        low, high = float(low), float(high)
    if isinstance(low, int) and isinstance(high, int) and not isinstance(step, float):
        return _built(lambda: IntRange(low, high, scale, step), raw, key, faults)
    if isinstance(low, int) or isinstance(high, int):
        faults.add(key, "min, max and step all integers, or all below 1 for a fraction", found(raw))
        return None
    return _built(lambda: FloatRange(low, high, scale, None if step is None else float(step)), raw, key, faults)


def _built(build: Callable[[], Domain], raw: Any, key: Key, faults: Faults) -> Domain | None:
    try:
        return build()
    except ValueError as error:
        faults.add(key, str(error), found(raw))
        return None
