"""A sweep file that trains one trial of a sweep again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import SpecError
from ..logs import layout
from ..records import COMMAND, STEPS, TABLES, TrialSpec, program_of, shown
from ..runs import Run
from .sweep_json import SweepRecord


def recipe(run: Run, about: SweepRecord) -> str | None:
    """Return a sweep file whose only trial has a run's settings and seed, and so trains to the same bits.

    `about` is the record in the sweep's folder. The file is parsed before it is returned: its trial must have the
    hyperparameters and the seed that the run logged. Return None if it does not, or if the record is damaged.
    """
    made = _made(run, about)
    return made and made[0]


def spec_of(run: Run, about: SweepRecord) -> TrialSpec | None:
    """Return a run's trial as it was trained, but with another number; None if it cannot be reconstructed."""
    made = _made(run, about)
    return made and made[1]


def _made(run: Run, about: SweepRecord) -> tuple[str, TrialSpec] | None:
    from ..search import trials  # noqa: PLC0415  the sweep file's checks take a tenth of a second to import
    from ..spec import parse_sweep  # noqa: PLC0415

    try:
        text = _write(run, about)
        (spec,) = trials(replace(parse_sweep(text, name="again", folder=Path()), known=about.known))
    except (SpecError, LookupError, TypeError, AttributeError, ValueError):
        return None
    return (text, spec) if spec.hparams == dict(run.hparams) and spec.seed == run.seed else None


def _write(run: Run, about: SweepRecord) -> str:
    from ..spec import FILE_KEYS  # noqa: PLC0415
    from ..spec.file_keys import table_of  # noqa: PLC0415
    from ..spec.text import to_toml  # noqa: PLC0415

    settings = about.settings
    use = about.known.builders.get(str(run.hparams.get("builder")))
    takes = use.takes if use else ()  # written even if default: the builder's own default may differ
    exact = {name: _exact(name, run.hparams[name], settings) for name in sorted(run.hparams)}
    point = {name: exact[name] for name in run.swept if name in exact}
    head = {"name": layout.add_suffix(str(settings["name"]), f"-{run.number:04d}"), "seed": run.seed}
    document = {"sweep": {**head, "objective": settings["objective"], "goal": settings["goal"]}}
    for table in (*TABLES, "log"):
        values = settings["log"] if table == "log" else exact
        names = dict.fromkeys((*settings[table], *(name for name in values if table_of(name) == table)))
        defaults = {name: file_key.default for name, file_key in FILE_KEYS[table].items()}
        used = (name for name in names if name in values and name not in point)
        document[table] = {name: values[name] for name in used if values[name] != defaults.get(name) or name in takes}
    if (command := program_of(settings["train"])) is not None:
        document["train"] = {COMMAND: command} | {name: exact[name] for name in (STEPS,) if name in exact}
    if not point:  # no swept hyperparameter applies to this trial, but a [[trial]] has to set something
        point = {"epochs": document["train"].pop("epochs", exact["epochs"])}
    toml = to_toml({name: table for name, table in document.items() if table})
    return toml + "\n[" + to_toml({"trial": point}).replace("]\n", "]]\n", 1)


def _exact(name: str, value: Any, settings: Mapping[str, Any]) -> Any:
    """Return a logged hyperparameter as a sweep file needs it: event files have numbers as floats, lists as text.

    This is the value in the sweep's file that is logged in this form, else a number of the type of its range.
    """
    for candidate in _candidates(name, settings):
        text = shown(candidate)
        if text == value and isinstance(text, bool) == isinstance(value, bool):
            return candidate
    kinds = [each["domain"].get("kind") for each in settings["hparams"] if each["name"] == name]
    return int(value) if "int" in kinds else float(value) if "float" in kinds else value


def _candidates(name: str, settings: Mapping[str, Any]) -> Iterator[Any]:
    for each in settings["hparams"]:
        if each["name"] == name:
            yield from each["domain"].get("values", ())
    yield from (trial[name] for trial in settings["trial"] if name in trial)
    yield from (settings[table][name] for table in TABLES if name in settings[table])
