"""Check how keys depend on others: `when` tables, and keys that only some optimisers or activations use."""

from __future__ import annotations

import graphlib
import json
from collections.abc import Mapping
from typing import Any

from .defaults import resolve
from .dependent import DEPENDENT
from .domains import Choice, Domain, identity
from .faults import Faults, Key, found, nearest
from .file_keys import table_of
from .space import Names
from .text import Document

Tables = Mapping[str, Mapping[str, Any]]
When = dict[str, tuple[Any, ...]]


def when_tables(
    document: Document, domains: Mapping[str, Domain], names: Names, given: Tables, faults: Faults
) -> dict[str, When]:
    """Read the `when` table of each hyperparameter.

    A condition may refer to a hyperparameter with a list of values, or to a fixed key.
    """
    whens: dict[str, When] = {name: {} for name in domains}
    fixed = resolve(given)
    for name, raw in document["hparams"].items():
        when = raw.get("when") if isinstance(raw, dict) else None
        if when is None or name not in domains:
            continue
        if not isinstance(when, dict) or not when:
            faults.add(("hparams", name, "when"), 'a table such as { optimizer = "sgd" }', found(when))
            continue
        for parent, value in when.items():
            key = ("hparams", name, "when", parent)
            if parent not in document["hparams"] and not _check_parent(parent, key, names, fixed, faults):
                continue
            values = value if isinstance(value, list) else [value]
            whens[name][parent] = tuple(names.check(parent, item, key, faults) for item in values)
            _check_domain(domains.get(parent), values, whens[name][parent], key, faults)
    _check_cycles(whens, faults)
    return whens


def _check_parent(parent: str, key: Key, names: Names, fixed: Tables, faults: Faults) -> bool:
    """Return whether the key that a condition refers to is known and has a fixed value; add a fault if not."""
    if not names.knows(parent, key, faults):
        return False
    if parent not in fixed[table_of(parent)]:
        faults.add(key, "a key that is fixed or swept", "one that is neither", nearest(parent, names.file_keys))
        return False
    return True


def _check_domain(domain: Domain | None, raw: list[Any], values: tuple[Any, ...], key: Key, faults: Faults) -> None:
    if not values:
        faults.add(key, "a value or a list of values", found(raw))
    if domain is None or None in values:
        return
    if not isinstance(domain, Choice):
        faults.add(key, "a hyperparameter with a list of values", "one with a range")
        return
    swept = {identity(value) for value in domain.values}
    for value in values:
        if identity(value) not in swept:
            faults.add(key, f"one of the swept values {found(list(domain.values))}", found(value))


def _check_cycles(whens: Mapping[str, When], faults: Faults) -> None:
    try:
        graphlib.TopologicalSorter(whens).prepare()
    except graphlib.CycleError as error:
        cycle = error.args[1]
        faults.add(("hparams", cycle[0], "when"), "conditions that do not form a cycle", " -> ".join(cycle[:10]))


def check_swept(document: Document, overridden: set[Key], faults: Faults) -> None:
    """Report keys that are both fixed and swept; `overridden` are the keys that --set has fixed."""
    for name in document["hparams"]:
        key = (table_of(name), name)
        if name in document[key[0]]:
            value, hint = document[key[0]][name], "It is swept in [hparams]: remove it here."
            if key in overridden:
                hint = f"To sweep only this value, use --set 'hparams.{name}={json.dumps([value])}'."
            faults.add(key, "a key that is not swept", found(value), hint)


def check_dependent(
    domains: Mapping[str, Domain],
    whens: Mapping[str, When],
    trials: tuple[Mapping[str, Any], ...],
    given: Tables,
    *,
    names: Names,
    faults: Faults,
) -> None:
    """Report keys that have no effect because of the value of another key, the decider.

    A swept key is reported if its conditions allow a value of the decider with which it has no effect. A fixed key is
    reported if it has no effect with any value of the decider. A key of a [[trial]] table is reported if it has no
    effect in that trial.
    """
    fixed = resolve(given)
    for name, (decider, defaults) in DEPENDENT.items():
        if name not in names.file_keys or decider not in names.file_keys or faults.has_fault_in(decider):
            continue
        base = fixed[table_of(decider)].get(decider)
        domain, expected = domains.get(decider), f"{decider} {' or '.join(defaults)} for this key"
        current = domain.values if isinstance(domain, Choice) else (base, *(trial.get(decider) for trial in trials))
        applies = [value for value in current if value in defaults]
        if name in domains:
            asked = [when[decider] for when in _all_conditions(name, whens) if decider in when]
            idle = [value for value in current if value not in defaults and all(value in values for values in asked)]
            if idle:
                hint = f"Add when = {{ {decider} = {json.dumps(applies)} }}." if applies else "Leave it out."
                faults.add(("hparams", name), expected, found(idle), hint)
        elif name in given[table_of(name)] and not applies:
            faults.add((table_of(name), name), expected, found(list(current)), "Leave it out.")
        for index, trial in enumerate(trials):
            if name in trial and trial.get(decider, base) not in defaults:
                faults.add(("trial", index, name), expected, found(trial.get(decider, base)), "Leave it out.")


def _all_conditions(name: str, whens: Mapping[str, When]) -> list[When]:
    """Return the conditions of a name, of the names that these refer to, and so on."""
    names = [name]
    for known in names:
        names += [parent for parent in whens.get(known, {}) if parent not in names]
    return [whens.get(known, {}) for known in names]
