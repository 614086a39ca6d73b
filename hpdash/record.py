"""`sweep.toml` and `sweep.json`: what a sweep's folder says of itself, and whether it is the same sweep again."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from . import disk, logdir
from .domains import Choice
from .errors import LogdirError, Problem, SpecError
from .experiment import Column, Discrete, Interval, Metric, Sheet
from .spec import Sweep
from .trial import Scalar, TrialSpec, shown

SCHEMA = 1
PACKAGES = ("hpdash", "tensorflow", "keras", "tensorboard", "numpy")
BEGINNING = (logdir.LOCK, logdir.SWEEP_TOML, logdir.SWEEP_JSON)  # what is written before a sweep is known by name
HARMLESS = ("sweep.description",)  # what may change between runs of one sweep


def check(folder: Path, sweep: Sweep) -> None:
    """Make sure that an existing folder is this sweep's, or what is left of a start that was cut off.

    Raises LogdirError where it holds something else or a newer schema, SpecError where the sweep has changed.
    """
    path = folder / logdir.SWEEP_JSON
    if not path.is_file():
        if all(name.name.removesuffix(".part") in BEGINNING for name in folder.iterdir()):
            return
        raise LogdirError(
            f"{folder}: expected a folder that hpdash made, found one without {logdir.SWEEP_JSON}. "
            "Give the sweep another name with --set sweep.name='\"…\"', or use another --logdir."
        )
    known = _read(path)
    if known.get("schema", 0) > SCHEMA:
        raise LogdirError(f"{path}: expected schema {SCHEMA}, found {known['schema']}. Update hpdash to go on with it.")
    before, now = dict(_flat(known["settings"])), dict(_flat(json.loads(json.dumps(sweep.to_json()))))
    changed = [key for key in sorted(before.keys() | now.keys()) if before.get(key) != now.get(key)]
    problems = [
        Problem(key, f"as before, {json.dumps(before.get(key))}", json.dumps(now.get(key)))
        for key in changed
        if key not in HARMLESS
    ]
    if problems:
        hint = f"{folder}: this is not the sweep it holds. Give the new one another [sweep] name, or undo:"
        raise SpecError([hint, *problems])


def _read(path: Path) -> dict[str, Any]:
    with disk.guarded(path):
        text = path.read_bytes()
    try:
        known = json.loads(text)
        dict(_flat(known["settings"]))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise LogdirError(f"{path}: expected a sweep's record, found damage ({error}). Move the folder away.") from None
    return known  # type: ignore[no-any-return]


def write(folder: Path, sweep: Sweep, specs: Sequence[TrialSpec], metrics: Sequence[str], synthetic: bool) -> None:
    """Write the sweep as given, and its normalised settings, versions and columns; once, at its first run."""
    path = folder / logdir.SWEEP_JSON
    if path.exists():
        return
    sheet = Sheet(columns(sweep, specs), tuple(table_metrics(sweep.objective, metrics)), sweep.description)
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
    seen: dict[str, dict[Scalar, None]] = {}
    for hyperparameter in sweep.hparams:
        if isinstance(hyperparameter.domain, Choice):
            values = (shown(value) for value in hyperparameter.domain.values)
            seen[hyperparameter.name] = {value: None for value in values if value is not None}
    swept = set(seen) | set(ranges) | {name for point in sweep.listed for name in point}
    for spec in specs:
        for name, value in spec.hparams.items():
            seen.setdefault(name, {})[value] = None
    return tuple(
        Column(name, name in swept, ranges.get(name) or Discrete(tuple(values)))
        for name, values in seen.items()
        if values
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


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
