"""`sweep.toml` and `sweep.json`: what a sweep's folder says of itself, and whether it is the same sweep again."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from itertools import chain
from pathlib import Path
from typing import Any

from . import disk, logdir
from .domains import Choice
from .errors import LogdirError, Problem, SpecError
from .experiment import Column, Discrete, Interval, Metric, Sheet
from .spec import Sweep
from .trial import Scalar, TrialSpec, caveats, shown

SCHEMA = 1
PACKAGES = ("hpdash", "tensorflow", "keras", "tensorboard", "numpy")
BEGINNING = (logdir.LOCK, logdir.SWEEP_TOML, logdir.SWEEP_JSON)  # what is written before a sweep is known by name
HARMLESS = ("sweep.description",)  # what may change between runs of one sweep


def check(folder: Path, sweep: Sweep) -> Mapping[str, Any]:
    """Make sure that an existing folder is this sweep's, or what is left of a start that was cut off.

    Returns what it says of itself, nothing for such a start. Raises LogdirError where it holds something else or a
    newer schema, SpecError where the sweep has changed.
    """
    path = folder / logdir.SWEEP_JSON
    if not path.is_file():
        with disk.guarded(folder):
            names = {name.name.removesuffix(".part") for name in folder.iterdir()}
        if names <= set(BEGINNING):
            return {}
        raise LogdirError(
            f"{folder}: expected a folder that hpdash made, found one without {logdir.SWEEP_JSON}. "
            "Give the sweep another name with --set sweep.name='\"…\"', or use another --logdir."
        )
    known = _read(path)
    before, now = dict(_flat(known["settings"])), dict(_flat(sweep.to_json()))
    problems = [
        Problem(key, f"as before, {before.get(key, 'nothing')}", now.get(key, "nothing"))
        for key in sorted((before.keys() | now.keys()) - set(HARMLESS))
        if before.get(key) != now.get(key)
    ]
    if problems:
        hint = f"{folder}: this is not the sweep it holds. Give the new one another [sweep] name, or undo:"
        raise SpecError([hint, *problems])
    return known


def _read(path: Path) -> dict[str, Any]:
    with disk.guarded(path):
        text = path.read_bytes()
    try:
        known = json.loads(text)
        newer = known["schema"] > SCHEMA
        if not newer:
            dict(_flat(known["settings"]))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise LogdirError(f"{path}: expected a sweep's record, found damage ({error}). Move the folder away.") from None
    if newer:
        raise LogdirError(f"{path}: expected schema {SCHEMA}, found {known['schema']}. Update hpdash to go on with it.")
    return known  # type: ignore[no-any-return]


def write(folder: Path, sweep: Sweep, specs: Sequence[TrialSpec], metrics: Sequence[str], synthetic: bool) -> None:
    """Write the sweep as given, and its normalised settings, versions and columns; once, at its first run."""
    path = folder / logdir.SWEEP_JSON
    if path.exists():
        return
    description = "; ".join(filter(None, [sweep.description, *caveats(specs, synthetic)]))
    sheet = Sheet(columns(sweep, specs), tuple(table_metrics(sweep.objective, metrics)), description)
    content = {
        "schema": SCHEMA,
        "name": sweep.name,
        "settings": sweep.to_json(),
        "trials": len(specs),
        "synthetic": synthetic,
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in PACKAGES}},
        **sheet.to_json(),
    }
    disk.write(folder / logdir.SWEEP_TOML, sweep.source.encode())
    disk.write(path, json.dumps(content, indent=1, ensure_ascii=False).encode())


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def columns(sweep: Sweep, specs: Sequence[TrialSpec]) -> tuple[Column, ...]:
    """Return a column for every setting a session logs, the swept ones with the domain the file gives."""
    ranges = {
        hyperparameter.name: Interval(hyperparameter.domain.min, hyperparameter.domain.max)
        for hyperparameter in sweep.hparams
        if not isinstance(hyperparameter.domain, Choice)
    }
    seen: dict[str, dict[tuple[type, Scalar], Scalar]] = {hyperparameter.name: {} for hyperparameter in sweep.hparams}
    given = (
        (hyperparameter.name, shown(value))
        for hyperparameter in sweep.hparams
        if isinstance(hyperparameter.domain, Choice)
        for value in hyperparameter.domain.values
    )
    swept = frozenset(seen)
    logged = [spec.hparams for spec in specs]
    for name, value in chain(given, *(hparams.items() for hparams in logged)):
        if value is not None:
            seen.setdefault(name, {})[type(value), value] = value  # True == 1 == 1.0
    return tuple(
        Column(
            name,
            name in swept,
            ranges.get(name) or Discrete(tuple(values.values())),
            everywhere=all(name in hparams for hparams in logged),
        )
        for name, values in seen.items()
        if values or name in ranges
    )


def table_metrics(objective: str, metrics: Sequence[str]) -> Iterator[Metric]:
    """Yield the metrics of TensorBoard's table: the objective's best first, then last values, then losses."""
    base = objective.removeprefix(f"{logdir.VALIDATION}/")
    names = dict.fromkeys((base, *metrics, "loss"))
    yield Metric(logdir.best_tag(base))
    yield Metric(logdir.BEST_EPOCH)
    for name in names:
        yield Metric(logdir.epoch_tag(name), logdir.VALIDATION)
        yield Metric(logdir.epoch_tag(name))


def _flat(settings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield each setting as a sweep file names it, with its value in JSON, where true is not 1."""
    for name, value in settings.items():
        if name == "hparams":
            yield name, json.dumps([hyperparameter["name"] for hyperparameter in value])  # their order numbers trials
            yield from ((f"hparams.{each['name']}", _json([each["domain"], each["when"]])) for each in value)
        elif name == "trial":
            yield from ((f"trial[{index}]", _json(point)) for index, point in enumerate(value))
        elif isinstance(value, Mapping):
            yield from ((f"{name}.{key}", _json(item)) for key, item in value.items())
        else:
            yield f"sweep.{name}", _json(value)


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
