"""`hpdash export`: every trial, or every point of every series, as rows for other programs: CSV, JSON or Parquet.

The table of trials has one row for each run. A run's fields have their own names; other columns have a prefix, so that
names do not clash: `hparams.<name>`, `last.<tag>`, `best.<tag>` and `best_step.<tag>`. A run has the last two for a tag
if its goal is known and one of its values is finite. The goal is known from the sweep's objective, or from the tag's
name. Tags such as `best/accuracy` never have the two columns, because their values are best values already.

Values are exact. In CSV, texts are quoted and numbers are not. An absent value is an empty text (`""`) in CSV, and null
in JSON and Parquet. NaN and the infinities are the texts "NaN", "Infinity" and "-Infinity" in CSV and JSON, and numbers
in Parquet. Texts are not changed: if a spreadsheet takes a text that begins with `=` for a formula, import the column
as text.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import Any

from ..analysis.objective import goal_of, objective_of
from ..analysis.rows import FIELDS, by_sweep, field_of
from ..errors import Problem, SpecError
from ..goal import Goal
from ..logs import layout
from ..records import Scalar
from ..runs import Run
from ..views.text import json_text

WHAT = ("trials", "series")
_PREFIXES = ("hparams.", "last.", "best.", "best_step.")
SERIES = ("run", "id", "sweep", "trial", "tag", "step", "wall_time", "value")


@dataclass(frozen=True, slots=True)
class Export:
    """A table for export; None means that a run does not have the value."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Scalar | None, ...], ...]

    def to_csv(self) -> str:
        """Return the rows as CSV with a header."""
        text = StringIO()
        writer = csv.writer(text, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows([_spelled(value) for value in row] for row in self.rows)
        return text.getvalue()

    def to_json(self) -> list[dict[str, Any]]:
        """Return one object for each row."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]

    def to_parquet(self) -> bytes:
        """Return the rows as a Parquet file, in which all values of a column have one type.

        In a column of integers and floats, the integers become floats. In any other column of several types, all
        values become texts. Raises SpecError if pyarrow is not installed.
        """
        try:
            import pyarrow as pa  # noqa: PLC0415  an optional dependency
            from pyarrow import parquet  # noqa: PLC0415
        except ImportError:
            raise SpecError(['Parquet needs pyarrow: pip install "hpdash[parquet]"']) from None
        columns = zip(*self.rows, strict=True) if self.rows else ((),) * len(self.columns)
        table = pa.table([pa.array(_alike(column)) for column in columns], names=list(self.columns))
        sink = pa.BufferOutputStream()
        parquet.write_table(table, sink)
        return bytes(sink.getvalue())

    def encoded(self, form: str) -> bytes:
        """Return the rows as "csv", "json" or "parquet"; text is UTF-8, with lone surrogates escaped."""
        if form == "parquet":
            return self.to_parquet()
        text = self.to_csv() if form == "csv" else f"{json_text(self.to_json())}\n"
        return text.encode(errors="backslashreplace")


def _spelled(value: Scalar | None) -> Scalar | None:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def _alike(values: Iterable[Scalar | None]) -> list[Scalar | None]:
    """Return values of one type: integers among floats become floats, any other mixture becomes text."""
    values = list(values)
    kinds = {type(value) for value in values if value is not None}
    if kinds == {int, float}:
        return [None if value is None else float(value) for value in values]
    return values if len(kinds) < 2 else [None if value is None else str(value) for value in values]


def export_runs(runs: Sequence[Run], what: str = "trials") -> Export:
    """Return a row for each run ("trials") or for each point of each scalar ("series").

    `wall_time` is in unix seconds. Raises SpecError for another `what`.
    """
    if what not in WHAT:
        raise SpecError([Problem("what", " or ".join(WHAT), repr(what))])
    return _trials(runs) if what == "trials" else Export(SERIES, tuple(_points(runs)))


def _trials(runs: Sequence[Run]) -> Export:
    objectives = {sweep: objective_of(own) for sweep, own in by_sweep(runs).items()}
    rows: list[dict[str, Scalar | None]] = []
    for run in runs:
        objective = objectives[run.sweep]
        rows.append({
            **{name: field_of(run, name, objective) for name in FIELDS},
            "objective": objective.name if objective else None,
            "goal": objective.goal if objective else None,
            "started": run.started,
            **_result(run),
            **{f"hparams.{name}": run.hparams[name] for name in sorted(run.hparams)},
            **dict(_metrics(run, {objective.tag: objective.goal} if objective else {})),
        })  # fmt: skip
    columns = list(dict.fromkeys(name for row in rows for name in row)) or list(FIELDS)
    columns.sort(key=lambda name: next((place for place, start in enumerate(_PREFIXES) if name.startswith(start)), -1))
    return Export(tuple(columns), tuple(tuple(row.get(name) for name in columns) for row in rows))


def _result(run: Run) -> dict[str, Scalar | None]:
    of_model = ("weights_sha256", "parameters", "trainable_parameters", "loss_function")
    names = (*of_model, "xla", "xla_reason", "reused_graph", "traceback")
    return {name: getattr(run.result, name, None) for name in names}


def _metrics(run: Run, goals: dict[str, Goal]) -> Iterator[tuple[str, Scalar]]:
    for tag in sorted(run.scalars):
        series = run.scalars[tag]
        if not len(series.values):
            continue
        yield f"last.{tag}", series.last
        goal = None if tag.startswith(layout.best_tag("")) else goals.get(tag) or goal_of(tag)
        found = series.best(goal) if goal else None
        if found:
            yield from ((f"best.{tag}", found[0]), (f"best_step.{tag}", found[1]))


def _points(runs: Sequence[Run]) -> Iterator[tuple[Scalar | None, ...]]:
    for run in runs:
        for tag in sorted(run.scalars):
            series = run.scalars[tag]
            points = zip(series.steps.tolist(), series.times.tolist(), series.values.tolist(), strict=True)
            yield from ((run.name, run.id, run.sweep, run.number, tag, *point) for point in points)
