"""The HParams record of each sweep, for TensorBoard's HParams page. TensorBoard calls it the experiment.

TensorBoard uses one record for a whole logs root, so the record of each sweep describes all sweeps of the root. A
running TensorBoard reads a record only from a folder that is new to it, so the folder is named after the record's
digest.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from filelock import FileLock
from tensorboard.plugins.hparams import api_pb2

from ..records import Scalar
from ..system import disk
from . import layout
from .writer import write_hparams_record

_LOCK_SECONDS = 60.0  # seconds to wait for another driver that updates the same root; an update takes milliseconds


@dataclass(frozen=True, slots=True)
class Discrete:
    """The values that a hyperparameter takes, as sessions log them: at least one bool, finite number or string.

    Raises ValueError for any other values.
    """

    values: tuple[Scalar, ...]

    def __post_init__(self) -> None:
        if not self.values or not all(isinstance(v, str) or math.isfinite(v) for v in self.values):
            raise ValueError(f"expected bools, finite numbers or strings, found {self.values}")

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {"type": "discrete", "values": list(self.values)}


@dataclass(frozen=True, slots=True)
class Interval:
    """A range of numbers from `min` to `max`; a range of integers if both ends are integers.

    Raises ValueError if an end is not finite, or if min > max.
    """

    min: float
    max: float

    def __post_init__(self) -> None:
        if not -math.inf < self.min <= self.max < math.inf:
            raise ValueError(f"expected finite numbers min <= max, found {self.min} and {self.max}")

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        whole = isinstance(self.min, int) and isinstance(self.max, int)
        return {"type": "interval", "min": self.min, "max": self.max, "kind": "int" if whole else "float"}


@dataclass(frozen=True, slots=True)
class HParamsColumn:
    """A hyperparameter in TensorBoard's table.

    `swept` says whether a sweep varies it. `domain` is None if the domains of several sweeps have no union.
    `everywhere` says whether every trial has the hyperparameter; for example, trials with Adam have no `momentum`.
    """

    name: str
    swept: bool
    domain: Discrete | Interval | None
    everywhere: bool = True

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        domain = self.domain and self.domain.to_json()
        return {"name": self.name, "swept": self.swept, "domain": domain, "everywhere": self.everywhere}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read the JSON form; raises KeyError, TypeError, ValueError or OverflowError if it is invalid."""
        name, flags = data["name"], (data["swept"], data["everywhere"])
        if not isinstance(name, str) or not all(isinstance(flag, bool) for flag in flags):
            raise TypeError("the name of a column must be a string, and its flags must be booleans")
        return cls(name, flags[0], _domain(data["domain"]), flags[1])


def _domain(data: Mapping[str, Any] | None) -> Discrete | Interval | None:
    if data is None:
        return None
    if data["type"] != "discrete":
        return Interval(_number(data["min"]), _number(data["max"]))
    values = tuple(data["values"])
    if not all(isinstance(value, bool | int | float | str) for value in values):
        raise TypeError("the values of a domain must be booleans, numbers or strings")
    return Discrete(tuple(value if isinstance(value, bool | str) else _number(value) for value in values))


def _number(value: Any) -> int | float:
    """Return a number that a float64 of the record can hold; raises TypeError or OverflowError otherwise."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r} is not a number")
    float(value)
    return value


@dataclass(frozen=True, slots=True)
class Metric:
    """A scalar in TensorBoard's table: its tag, and as `group` the sub-run that has it, "" or "validation"."""

    tag: str
    group: str = ""

    def to_json(self) -> dict[str, str]:
        """Return the JSON form."""
        return {"tag": self.tag, "group": self.group}


@dataclass(frozen=True, slots=True)
class HParamsTable:
    """The columns and metrics that one sweep adds to TensorBoard's table; `sweep.json` contains the JSON form."""

    columns: tuple[HParamsColumn, ...]
    metrics: tuple[Metric, ...]
    description: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form: the keys "columns", "metrics" and "description"."""
        return {
            "columns": [column.to_json() for column in self.columns],
            "metrics": [metric.to_json() for metric in self.metrics],
            "description": self.description,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read the JSON form; raises KeyError, TypeError, ValueError or OverflowError if it is invalid."""
        columns = tuple(HParamsColumn.from_json(column) for column in data["columns"])
        metrics = tuple(Metric(metric["tag"], metric["group"]) for metric in data["metrics"])
        texts = [data["description"], *(text for metric in metrics for text in (metric.tag, metric.group))]
        if not all(isinstance(text, str) for text in texts):
            raise TypeError("the tag and group of each metric and the description must be strings")
        return cls(columns, metrics, data["description"])


def merge(all_columns: Sequence[Sequence[HParamsColumn]]) -> tuple[HParamsColumn, ...]:
    """Unite the columns of several sweeps by name, in the order in which the names first occur."""
    by_name: dict[str, list[HParamsColumn]] = {}
    for columns in all_columns:
        for column in columns:
            by_name.setdefault(column.name, []).append(column)
    return tuple(
        HParamsColumn(
            name,
            any(column.swept for column in columns),
            _union([column.domain for column in columns]),
            len(columns) == len(all_columns) and all(column.everywhere for column in columns),
        )
        for name, columns in by_name.items()
    )


def _union(domains: Sequence[Discrete | Interval | None]) -> Discrete | Interval | None:
    """Return the union of domains: discrete values if all are discrete, otherwise an interval.

    None if a domain is None, or if there is an interval and any string or bool.
    """
    known = [domain for domain in domains if domain is not None]
    if len(known) < len(domains):
        return None
    values = {(isinstance(v, bool), v): v for d in known if isinstance(d, Discrete) for v in d.values}  # True == 1
    intervals = [domain for domain in known if isinstance(domain, Interval)]
    numbers = [v for v in values.values() if not isinstance(v, bool | str)]
    if not intervals:
        texts = any(isinstance(v, str) for v in values.values())
        return Discrete(tuple(values.values() if texts else sorted(values.values(), key=float)))
    if len(numbers) < len(values):
        return None
    return Interval(min(numbers + [i.min for i in intervals]), max(numbers + [i.max for i in intervals]))


def experiment(own: HParamsTable, all_columns: Sequence[HParamsTable]) -> api_pb2.Experiment:
    """Build a sweep's record from the columns of all sweeps; `own` are those of the sweep itself.

    The hyperparameters that this sweep varies come first and are marked as differing. TensorBoard shows five columns:
    those marked as differing, then the others by name. Its Parallel Coordinates view leaves out every trial that lacks
    one of the five. So a hyperparameter that some trials of this sweep lack is not marked, and one that no sweep varies
    is listed only if every trial has it.
    """
    swept = [column.name for column in own.columns if column.swept and column.everywhere]
    merged = merge([each.columns for each in all_columns])
    listed = [column for column in merged if column.swept or column.everywhere]
    columns = sorted(listed, key=lambda column: column.name not in swept)
    metrics = dict.fromkeys(metric for each in all_columns for metric in each.metrics)
    return api_pb2.Experiment(
        description=own.description,
        hparam_infos=[_hparam_info(column, column.name in swept) for column in columns],
        metric_infos=[_metric_info(metric) for metric in metrics],
    )


def _hparam_info(column: HParamsColumn, differs: bool) -> api_pb2.HParamInfo:
    info = api_pb2.HParamInfo(name=column.name, type=_data_type(column.domain), differs=differs)
    match column.domain:
        case Discrete(values):
            # values of several types are not converted: TensorBoard's filters compare them with what sessions logged
            info.domain_discrete.extend(values)
        case Interval(low, high):
            info.domain_interval.min_value, info.domain_interval.max_value = low, high
    return info


def _data_type(domain: Discrete | Interval | None) -> api_pb2.DataType:
    match domain:
        case Interval():
            return api_pb2.DATA_TYPE_FLOAT64
        case Discrete(values) if all(isinstance(v, bool) for v in values):
            return api_pb2.DATA_TYPE_BOOL
        case Discrete(values) if not any(isinstance(v, bool | str) for v in values):
            return api_pb2.DATA_TYPE_FLOAT64
    return api_pb2.DATA_TYPE_STRING


def _metric_info(metric: Metric) -> api_pb2.MetricInfo:
    name = api_pb2.MetricName(tag=metric.tag, group=metric.group)
    return api_pb2.MetricInfo(name=name, display_name=f"{metric.group}/{metric.tag}" if metric.group else metric.tag)


def update_records(root: Path) -> list[str]:
    """Update the record of every sweep under a logs root; return a warning for each unreadable `sweep.json`.

    Writes nothing if nothing has changed. Several processes may do this at once, and may be killed at any point.
    Raises LogdirError if the disk refuses it, or if another process updates the same root for more than a minute.
    """
    lock = root / layout.ROOT_LOCK
    with disk.guarded(lock), FileLock(lock, timeout=_LOCK_SECONDS):
        all_columns, warnings = _all_columns(root)
        for sweep, own in all_columns.items():
            _replace(sweep, experiment(own, list(all_columns.values())))
    return warnings


def outdated_sweeps(root: Path) -> list[Path]:
    """Return the folders of sweeps whose record is out of date because a sweep was copied, moved or renamed."""
    all_columns, _ = _all_columns(root)
    every = list(all_columns.values())
    return [
        sweep for sweep, own in all_columns.items() if not layout.event_files(_folder(sweep, experiment(own, every)))
    ]


def _folder(sweep: Path, record: api_pb2.Experiment) -> Path:
    digest = hashlib.sha256(record.SerializeToString(deterministic=True)).hexdigest()[:12]
    return layout.hparams_record_folder(sweep, digest)


def _all_columns(root: Path) -> tuple[dict[Path, HParamsTable], list[str]]:
    all_columns, warnings = {}, []
    for path in sorted(root.glob(f"*/{layout.SWEEP_JSON}")):
        try:
            all_columns[path.parent] = HParamsTable.from_json(json.loads(path.read_bytes()))
        except (OSError, ValueError, LookupError, TypeError, ArithmeticError, RecursionError) as error:
            missing = "so TensorBoard's HParams record does not cover this sweep"
            warnings.append(f"{path} cannot be read, {missing}: {type(error).__name__}: {error}")
    return all_columns, warnings


def _replace(sweep: Path, record: api_pb2.Experiment) -> None:
    """Write a sweep's record unless it exists, then delete the records that it replaces."""
    folder = _folder(sweep, record)
    if not layout.event_files(folder):
        write_hparams_record(folder, record)
    for old in layout.hparams_record_folders(sweep):
        if old != folder and re.fullmatch(r"[0-9a-f]{12}", old.name.removeprefix(layout.HPARAMS_PREFIX)):
            with disk.guarded(old):
                shutil.rmtree(old)
