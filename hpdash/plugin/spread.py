"""The answer of `spread`: how far apart the runs of each group are and how much each moves, tag by tag."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..analysis.folds import sort_key
from ..analysis.spread import Group, Pair, Trace, baseline, measure
from ..analysis.verdict import verdicts
from ..histogram import Histogram, mixture, shared_edges
from ..runs import HistogramSeries
from ..trial import Scalar
from .arguments import RefusedError, shorten
from .catalogue import Catalogue
from .distributions import runs_with, sampled
from .rows import Rows
from .series import Batch, read_histograms
from .source import Source

MOST_TAGS = 64  # in a question
MOST_READ = 400_000  # histograms of a tag
MOST_HISTOGRAMS = 12_000  # measured for an answer, all of its tags together: a few seconds
_FEWEST_RUNS = 4  # of a group that are measured in any case
_EXACT = 16  # members up to which the reference is their exact mixture
_FINE = 512  # bins of it beyond

Value = Scalar | None
Groups = Mapping[Value, Sequence[int]]


def spread_impl(
    source: Source, catalogue: Catalogue, tags: Sequence[str], by: str = "", keep: object = None,
    places: frozenset[int] | None = None, reference: tuple[Value] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Return the spread of each tag, of the runs at some places (None: all) that have the kept values.

    `reference` is the value of the group that others are read against, by default the baseline's. RefusedError where
    a name or a value is none of the catalogue's.
    """
    if len(tags) > MOST_TAGS:
        raise RefusedError(f"tag: expected at most {MOST_TAGS}, found {len(tags)}.")
    wanted = _wanted(catalogue, keep)
    groups = _groups(catalogue, [place for place in wanted if places is None or place in places], by)
    if reference and by and reference[0] not in _values(catalogue, by):
        raise RefusedError(f"reference: expected a value of {shorten(by)}, found {shorten(reference[0])}.")
    chosen = reference[0] if reference else _baseline(groups)
    room = MOST_HISTOGRAMS // max(len(tags), 1)
    return {
        "by": by,
        "reference": chosen,
        "version": catalogue.version,
        "tags": [_tag(source, catalogue, tag, by, groups, chosen, room) for tag in tags],
    }


def _wanted(catalogue: Catalogue, keep: object) -> list[int]:
    """Return the places of the runs that have the kept values."""
    kept = {} if keep is None else keep
    if not isinstance(kept, dict) or not all(isinstance(values, list) for values in kept.values()):
        raise RefusedError(f'keep: expected {{"name": [values]}}, found {shorten(keep)}.')
    for name, values in kept.items():
        _values(catalogue, name)
        if not all(value is None or isinstance(value, Scalar) for value in values):
            raise RefusedError(f"keep: expected values of {shorten(name)}, found {shorten(values)}.")
    runs = enumerate(catalogue.runs)
    return [place for place, run in runs if all(run.hparams.get(name) in values for name, values in kept.items())]


def _values(catalogue: Catalogue, name: str) -> tuple[Value, ...]:
    for each in catalogue.hparams:
        if each.name == name:
            return each.values
    known = ", ".join(each.name for each in catalogue.hparams if each.differs) or "none, no run has any"
    raise RefusedError(f"expected a hyperparameter ({shorten(known)}), found {shorten(name)}.")


def _groups(catalogue: Catalogue, places: Sequence[int], by: str) -> Groups:
    """Group runs by a hyperparameter's value, in order; by no name all are one group."""
    if by:
        _values(catalogue, by)
    groups: dict[Value, list[int]] = {}
    for place in places:
        groups.setdefault(catalogue.runs[place].hparams.get(by) if by else None, []).append(place)
    return {value: groups[value] for value in sorted(groups, key=sort_key)}


def _baseline(groups: Groups) -> Value:
    return baseline(measure(dict.fromkeys(groups, ())).groups).value if groups else None


def _tag(
    source: Source, catalogue: Catalogue, tag: str, by: str, groups: Groups, reference: Value, room: int
) -> dict[str, Any]:
    having = {*runs_with(catalogue, tag)}.intersection(place for places in groups.values() for place in places)
    found = read_histograms(source, catalogue, tag, sorted(having), MOST_READ)
    series = {place: Series.of(batch, rows) for batch in found.batches for place, rows in batch.parts()}
    present = {value: [place for place in places if place in series] for value, places in groups.items()}
    own, notes = _measured(catalogue, present, series, room)
    chosen = {place: series[place].histograms() for places in own.values() for place in places}
    spread = measure({value: [chosen[place] for place in places] for value, places in own.items()})
    against = next((group for group in spread.groups if group.value == reference), None)
    if not against and own:
        notes.append(f"no run of the reference has {tag}")
    if own and not spread.steps:
        notes.append(_no_common_step(sum(map(len, own.values())), sampled(source, found) is not None))
    notes += found.sentences()
    return {
        "tag": tag,
        "steps": spread.steps,
        "logged": len({step for each in series.values() for step in each.steps.tolist()}),
        "start": spread.start,
        "groups": [_group(group, own[group.value]) for group in spread.groups],
        "to_reference": _to_reference(series, [chosen[p] for p in own.get(reference, ())], chosen, spread.steps),
        "verdicts": verdicts(spread, tag, by, against) if by and own else [],
        "note": "; ".join(notes),
    }


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """A run's histograms of a tag: a row a step."""

    steps: NDArray[np.int64]
    rows: Rows

    @classmethod
    def of(cls, batch: Batch, part: slice) -> Self:
        """Take a run out of a batch."""
        return cls(batch.steps[part], batch.rows.take(np.arange(part.start, part.stop)))

    def histograms(self) -> HistogramSeries:
        """Return them as analysis.spread takes them."""
        return HistogramSeries(self.steps, tuple(map(Histogram, self.rows.edges, self.rows.counts)))

    def at(self, steps: Sequence[int]) -> Rows:
        """Return the rows of some of its steps."""
        return self.rows.take(self.steps.searchsorted(steps))


def _measured(
    catalogue: Catalogue, groups: Groups, series: Mapping[int, Series], room: int
) -> tuple[dict[Value, list[int]], list[str]]:
    """Return the runs to measure, the same share of each group where there is no room for all, and what to say of it.

    Which ones is decided by a digest of their names: the first ones would be alike.
    """
    own = {value: list(places) for value, places in groups.items() if places}
    count = sum(len(series[place].steps) for places in own.values() for place in places)
    if count <= room:
        return own, []
    some = {}
    for value, places in own.items():
        drawn = sorted(places, key=lambda place: hashlib.sha1(ascii(catalogue.runs[place].name).encode()).digest())
        some[value] = sorted(drawn[: max(_FEWEST_RUNS, len(places) * room // count)])
    runs, everything = (sum(map(len, each.values())) for each in (some, own))
    return some, [f"measured on {runs:,} of {everything:,} runs, drawn from each group: filter runs or show fewer tags"]


def _no_common_step(runs: int, is_sample: bool) -> str:
    why = f"no step is common to all {runs} runs"
    hint = "TensorBoard keeps a sample of each run's steps: start it with --samples_per_plugin=histograms=1000000"
    return f"{why}: {hint}" if is_sample else f"{why}: filter runs"


def _to_reference(
    series: Mapping[int, Series], members: Sequence[HistogramSeries], runs: Iterable[int], steps: Sequence[int]
) -> list[dict[str, Any]]:
    """Return each run's distance, at each step, to the mean distribution of the reference group's members."""
    if not members or not steps:
        return []
    means = [_mean([member.histograms[member.steps.searchsorted(step)] for member in members]) for step in steps]
    target = Rows(np.array([mean.edges for mean in means]), np.array([mean.counts for mean in means]))
    return [{"run": run, "raw": _plain(series[run].at(steps).distances(target).tolist())} for run in sorted(runs)]


def _mean(histograms: Sequence[Histogram]) -> Histogram:
    return mixture(histograms, None if len(histograms) <= _EXACT else shared_edges(histograms, _FINE, 1.0))


def _group(group: Group, places: Sequence[int]) -> dict[str, Any]:
    traces = {"spread": group.spread, "change": group.change, "drift": group.drift}
    return {"value": group.value, "runs": places, **{name: _trace(trace) for name, trace in traces.items()}}


def _trace(trace: Trace) -> dict[str, Any]:
    pairs = {"initial": _pair(trace.initial), "mean": _pair(trace.mean)}
    return {"steps": trace.steps, "raw": _plain(trace.raw), "scaled": _plain(trace.scaled), **pairs}


def _pair(pair: Pair | None) -> list[float | None] | None:
    return None if pair is None else _plain([pair.raw, pair.scaled])


def _plain(numbers: Iterable[float]) -> list[float | None]:
    """Return numbers as JSON has them: what is not finite is nothing."""
    return [number if math.isfinite(number) else None for number in numbers]
