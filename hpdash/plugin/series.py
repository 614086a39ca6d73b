"""Read and check the histograms of one tag in many runs; describe in sentences what is damaged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .catalogue import Catalogue
from .rows import Floats, Indices, Rows
from .source import Source

_WIDTH = 32  # histograms get empty buckets up to a multiple of this number, so that most have the same length
_BLOCK = 262_144  # buckets computed at once: 2 MiB of float64 stay in a core's cache
_MOST_BUCKETS = 100_000  # of a histogram, as `_LARGEST` in reader/values.py
_TOGETHER = 64  # runs that may be read in another order, so that a request can ask for several of them
_MOST_DAMAGE = 50  # sentences about damage in an answer
_FAULTS = (
    "",
    "expected finite edges, found NaN or infinity",
    "expected adjacent buckets, found gaps, overlaps or NaN between them",  # as in reader/values.py
    "expected edges that increase, found some that decrease",
    "expected finite counts of at least 0, found negative or non-finite ones",
)


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """All steps of some runs, one row per step: the index of the run in the catalogue, the step and the histogram.

    The rows of a run are together, and their steps increase.
    """

    runs: Indices
    steps: NDArray[np.int64]
    rows: Rows

    def starts(self) -> Indices:
        """Return for each row the index of the first row of its run."""
        begins = np.r_[True, self.runs[1:] != self.runs[:-1]]
        first: Indices = np.flatnonzero(begins)[begins.cumsum() - 1]
        return first

    def parts(self) -> Iterator[tuple[int, slice]]:
        """Yield each run's index in the catalogue and the slice of its rows."""
        bounds = np.flatnonzero(np.r_[True, self.runs[1:] != self.runs[:-1], True]).tolist()
        for start, end in pairwise(bounds):
            yield int(self.runs[start]), slice(start, end)


@dataclass(slots=True)
class Histograms:
    """The histograms of one tag in several runs, as far as they were read.

    `left_out` has the indices of the runs that were not read because there was no room. `damage_count` is the number of
    damaged histograms; a run whose data cannot be read counts as one. `damage` has a sentence for each of the first
    `_MOST_DAMAGE`.
    """

    batches: list[Batch] = field(default_factory=list)
    left_out: list[int] = field(default_factory=list)
    damage: list[str] = field(default_factory=list)
    damage_count: int = 0

    @property
    def count(self) -> int:
        """The number of histograms."""
        return sum(len(batch.rows) for batch in self.batches)

    def steps(self) -> NDArray[np.int64]:
        """Return every step that at least one run has, in order."""
        return np.unique(np.concatenate([np.zeros(0, np.int64), *(batch.steps for batch in self.batches)]))

    def add_damage(self, sentence: str) -> None:
        """Count a damaged histogram, and keep the sentence about it if it is among the first `_MOST_DAMAGE`."""
        self.damage_count += 1
        if self.damage_count <= _MOST_DAMAGE:
            self.damage.append(sentence)

    def sentences(self) -> list[str]:
        """Return the sentences about damage; the last one counts those that were not kept."""
        more = self.damage_count - len(self.damage)
        return self.damage + [f"and {more:,} more histograms that cannot be read"] * (more > 0)


def read_histograms(source: Source, catalogue: Catalogue, tag: str, places: Sequence[int], most: int) -> Histograms:
    """Read a tag of the runs at some indices of the catalogue, about `most` histograms in all.

    If there is no room, whole runs are left out, but never steps.
    """
    found = Histograms()
    parts = _parts(catalogue.tags[tag], places)
    order = [place for _, own in parts for place in own]
    place_of = {catalogue.runs[place].name: place for place in order}
    pending: dict[int, list[tuple[int, int, NDArray[Any]]]] = {}
    count = 0
    for name, data in _read(source, catalogue, parts):
        place = place_of[name]
        if count >= most:
            found.left_out = order[order.index(place) :]  # an earlier run that was not returned has no data
            break
        if isinstance(data, str):
            found.add_damage(f"{name}: expected histograms, found {data}")
            continue
        tables = _tables(name, data, found)
        count += len(tables)
        longest = max((len(table) for table in tables.values()), default=0)
        width = max(1, -(-longest // _WIDTH)) * _WIDTH
        waiting = pending.setdefault(width, [])
        waiting += ((place, step, tables[step]) for step in sorted(tables))
        if len(waiting) * width >= _BLOCK:
            found.batches += _batch(catalogue, pending.pop(width), width, found)
    for width, waiting in pending.items():
        found.batches += _batch(catalogue, waiting, width, found)
    return found


def _parts(own_tag: Mapping[int, str], places: Sequence[int]) -> list[tuple[str, list[int]]]:
    """Return runs by the names under which they have logged a tag: each name with the indices of some of its runs.

    The order of the runs is kept but for `_TOGETHER` of them, so that the first ones are read first.
    """
    parts: list[tuple[str, list[int]]] = []
    for start in range(0, len(places), _TOGETHER):
        by_own_tag: dict[str, list[int]] = {}
        for place in places[start : start + _TOGETHER]:
            by_own_tag.setdefault(own_tag[place], []).append(place)
        parts += by_own_tag.items()
    return parts


def _read(
    source: Source, catalogue: Catalogue, parts: Sequence[tuple[str, Sequence[int]]]
) -> Iterator[tuple[str, Any]]:
    """Yield the name and the data of each run, in the order of `parts`; runs without data are left out."""
    for own, places in parts:
        yield from source.histograms(own, [catalogue.runs[place].name for place in places])


def _tables(name: str, data: Sequence[Any], found: Histograms) -> dict[int, NDArray[Any]]:
    """Return the tables [buckets, 3] of left, right and count by step; the last of several at one step counts.

    Malformed tables are left out and reported to `found`.
    """
    tables = {}
    for datum in data:
        table = datum.numpy
        if table.ndim == 2 and table.shape[1] == 3 and table.dtype.kind in "iuf" and len(table) <= _MOST_BUCKETS:
            tables[int(datum.step)] = table
        else:
            expected = f"numbers [buckets, 3] (left, right, count), at most {_MOST_BUCKETS:,} buckets"
            what = f"expected {expected}, found {table.dtype} {list(table.shape)}"
            found.add_damage(f"{name}, step {datum.step}: {what}")
    return tables


def _batch(
    catalogue: Catalogue, waiting: Sequence[tuple[int, int, NDArray[Any]]], width: int, found: Histograms
) -> list[Batch]:
    """Return one batch of the histograms that can be read, none if there are none; report the others to `found`."""
    if not waiting:
        return []
    stack = _stack([table for _, _, table in waiting], width)
    edges, fault = _checked(stack)
    runs, steps = np.array([run for run, _, _ in waiting]), np.array([step for _, step, _ in waiting], np.int64)
    for row in np.flatnonzero(fault):
        found.add_damage(f"{catalogue.runs[runs[row]].name}, step {steps[row]}: {_FAULTS[fault[row]]}")
    good = fault == 0
    return [Batch(runs[good], steps[good], Rows(edges[good], stack[good, :, 2]))] if good.any() else []


def _stack(tables: Sequence[NDArray[Any]], width: int) -> Floats:
    """Stack tables into [n, width, 3]; shorter ones get empty buckets of width 0 at their end."""
    stack = np.zeros((len(tables), width, 3))
    for row, table in zip(stack, tables, strict=True):
        row[: len(table)] = table
        if 0 < len(table) < width:
            row[len(table) :, :2] = table[-1, 1]
    return stack


def _checked(stack: Floats) -> tuple[Floats, NDArray[np.int8]]:
    """Return the edges [n, k+1], and for each row the index of its fault in `_FAULTS`, 0 for none.

    PyTorch's first edge is the least value, and its last edge the greatest. The edges of empty buckets beside them may
    lie further out. Such an edge is moved: to the first edge if only empty buckets are left of it, to the last edge if
    only empty buckets are right of it.
    """
    edges = np.concatenate([stack[:, :, 0], stack[:, -1:, 1]], axis=1)
    counts = stack[:, :, 2]
    with np.errstate(over="ignore", invalid="ignore"):
        cumulated = np.concatenate([np.zeros((len(stack), 1)), np.cumsum(counts, axis=1)], axis=1)
        total = cumulated[:, -1:]
        joined = (stack[:, 1:, 0] == stack[:, :-1, 1]).all(axis=1)
        edges = np.where((cumulated == 0) & (total > 0), np.maximum(edges, edges[:, :1]), edges)
        edges = np.where((cumulated == total) & (total > 0), np.minimum(edges, edges[:, -1:]), edges)
        conditions = [
            ~np.isfinite(edges).all(axis=1),
            ~joined,
            (edges[:, 1:] < edges[:, :-1]).any(axis=1),
            ~((counts >= 0).all(axis=1) & np.isfinite(total[:, 0])),
        ]
    return edges, np.select(conditions, [1, 2, 3, 4], 0).astype(np.int8)
