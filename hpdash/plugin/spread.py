"""The answer of the route `spread`: for each tag, how far apart the runs of a group are and how much they change."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..analysis.rows import sort_key
from ..analysis.spread import Pair, SpreadGroup, Trace, baseline, measure
from ..analysis.verdict import verdicts
from ..histograms.histogram import Histogram, mixture, shared_edges
from ..records import Scalar
from ..runs import HistogramSeries
from .arguments import RefusedError, shorten
from .catalogue import Catalogue
from .distributions import runs_with, sampled
from .rows import Rows
from .series import Batch, read_histograms
from .source import Source

MOST_TAGS = 64  # per request
MOST_READ = 400_000  # histograms read per tag
MOST_HISTOGRAMS = 12_000  # measured per response, over all its tags; takes a few seconds
_FEWEST_RUNS = 4  # measured in each group, even if that exceeds MOST_HISTOGRAMS
_EXACT = 16  # the mean distribution of up to this many runs is computed exactly
_FINE = 512  # bins of the mean distribution of more runs

Value = Scalar | None
Groups = Mapping[Value, Sequence[int]]


def spread_impl(
    source: Source, catalogue: Catalogue, tags: Sequence[str], by: str = "", keep: object = None,
    places: frozenset[int] | None = None, reference: tuple[Value] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Return the spread of each tag over some runs, in groups, as JSON values.

    Args:
        source: the experiment to read from.
        catalogue: the runs, hyperparameters and tags of the experiment.
        tags: at most `MOST_TAGS` tags.
        by: the hyperparameter to group runs by; empty for one group.
        keep: {"name": [values]}, the values that a run must have; None for no condition.
        places: the indices in the catalogue of the runs to use; None for all.
        reference: the value of the group that others are compared with, in a tuple; None for the baseline.

    Raises RefusedError if an argument is invalid, or if a name or a value is not in the catalogue.
    """
    if len(tags) > MOST_TAGS:
        raise RefusedError(f"tag: at most {MOST_TAGS} tags per request, found {len(tags)}.")
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
    """Return the indices of the runs that have the kept values; raises RefusedError if `keep` is invalid."""
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
    differing = [each.name for each in catalogue.hparams if each.differs]
    known = shorten(differing) if differing else "none"
    raise RefusedError(f"no hyperparameter is called {shorten(name)}. Those that differ between runs: {known}.")


def _groups(catalogue: Catalogue, places: Sequence[int], by: str) -> Groups:
    """Return the indices of runs by a hyperparameter's value, in order; if `by` is empty, all are one group."""
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
    series = {place: RunRows.of(batch, rows) for batch in found.batches for place, rows in batch.parts()}
    present = {value: [place for place in places if place in series] for value, places in groups.items()}
    own, notes = _measured(catalogue, present, series, room)
    chosen = {place: series[place].histograms() for places in own.values() for place in places}
    spread = measure({value: [chosen[place] for place in places] for value, places in own.items()})
    against = next((group for group in spread.groups if group.value == reference), None)
    if not against and own:
        notes.append(f"no run of the reference group has {tag}")
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
class RunRows:
    """The histograms of one tag in one run: one row per step."""

    steps: NDArray[np.int64]
    rows: Rows

    @classmethod
    def of(cls, batch: Batch, part: slice) -> Self:
        """Return the run that has these rows of a batch."""
        return cls(batch.steps[part], batch.rows.take(np.arange(part.start, part.stop)))

    def histograms(self) -> HistogramSeries:
        """Return the rows as histograms."""
        return HistogramSeries(self.steps, tuple(map(Histogram, self.rows.edges, self.rows.counts)))

    def at(self, steps: Sequence[int]) -> Rows:
        """Return the rows of some of the run's steps."""
        return self.rows.take(self.steps.searchsorted(steps))


def _measured(
    catalogue: Catalogue, groups: Groups, series: Mapping[int, RunRows], room: int
) -> tuple[dict[Value, list[int]], list[str]]:
    """Return the runs to measure in each group, and notes for the user.

    If there are more than `room` histograms, the same share of each group is measured. Runs are chosen by a digest of
    their names, because the first runs of a group have similar hyperparameters.
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
    measured = f"measured on {runs:,} of {everything:,} runs, a sample of each group"
    return some, [f"{measured}; to measure more, filter the runs or show fewer tags"]


def _no_common_step(runs: int, is_sample: bool) -> str:
    what = f"the {runs} runs have no step in common"
    why = "TensorBoard keeps only a sample of each run's steps"
    hint = "to keep all, restart it with --samples_per_plugin=histograms=1000000"
    return f"{what}; {why}: {hint}" if is_sample else f"{what}: filter the runs"


def _to_reference(
    series: Mapping[int, RunRows], members: Sequence[HistogramSeries], runs: Iterable[int], steps: Sequence[int]
) -> list[dict[str, Any]]:
    """Return the distance of each run, at each step, to the mean distribution of the reference group's `members`."""
    if not members or not steps:
        return []
    means = [_mean([member.histograms[member.steps.searchsorted(step)] for member in members]) for step in steps]
    target = Rows(np.array([mean.edges for mean in means]), np.array([mean.counts for mean in means]))
    return [{"run": run, "raw": _plain(series[run].at(steps).distances(target).tolist())} for run in sorted(runs)]


def _mean(histograms: Sequence[Histogram]) -> Histogram:
    return mixture(histograms, None if len(histograms) <= _EXACT else shared_edges(histograms, _FINE, 1.0))


def _group(group: SpreadGroup, places: Sequence[int]) -> dict[str, Any]:
    traces = {"spread": group.spread, "change": group.change, "drift": group.drift}
    return {"value": group.value, "runs": places, **{name: _trace(trace) for name, trace in traces.items()}}


def _trace(trace: Trace) -> dict[str, Any]:
    pairs = {"initial": _pair(trace.initial), "mean": _pair(trace.mean)}
    return {"steps": trace.steps, "raw": _plain(trace.raw), "scaled": _plain(trace.scaled), **pairs}


def _pair(pair: Pair | None) -> list[float | None] | None:
    return None if pair is None else _plain([pair.raw, pair.scaled])


def _plain(numbers: Iterable[float]) -> list[float | None]:
    """Return numbers as JSON values: NaN and infinities become None."""
    return [number if math.isfinite(number) else None for number in numbers]
