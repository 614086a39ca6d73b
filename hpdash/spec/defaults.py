"""The defaults of the keys that a sweep file leaves out; some depend on the values of other keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..records import COMMAND, STEPS, own_loop, program_of
from .dependent import DEPENDENT
from .file_keys import FILE_KEYS, table_of
from .keys import IMAGES, MLP


def resolve(given: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the tables "data", "model", "train" and "log" with the defaults filled in.

    With a custom builder or loop, [model] has only what was given. A key that does not apply is None. If trials are
    programs, hpdash's own keys do not apply, and the tables have only the hyperparameters, the command and the steps.
    """
    if program_of(given["train"]) is not None:
        return {**{table: dict(values) for table, values in given.items()}, "train": _of_program(given["train"])}
    builder = given["model"].get("builder", None if own_loop(given["train"]) else MLP)
    tables = {table: {key.name: key.default for key in FILE_KEYS[table].values()} for table in given}
    if builder != MLP:
        tables["model"] = {}
    for table, values in given.items():
        tables[table].update(values)
    tables["model"]["builder"] = builder
    if tables["data"]["scale"] is None:
        tables["data"]["scale"] = "unit" if tables["data"]["name"] in IMAGES else "none"
    for name, (decider, defaults) in DEPENDENT.items():
        values = tables[table_of(name)]
        if name in FILE_KEYS["model"] and builder != MLP:
            continue
        default = defaults.get(values[decider])
        values[name] = default if values[name] is None or values[decider] not in defaults else values[name]
    return tables


def _of_program(train: Mapping[str, Any]) -> dict[str, Any]:
    return {COMMAND: list(train[COMMAND]), STEPS: train.get(STEPS)}
