"""The answer of the route `distributions`: every step of one tag in every run, on one axis, with statistics."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..logs import layout
from .arguments import RefusedError, shorten
from .best_runs import best_first
from .catalogue import Catalogue
from .rows import Floats, shared_edges
from .series import Batch, Histograms, read_histograms
from .source import Source

LEVELS = {"p1": 0.01, "p5": 0.05, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p95": 0.95, "p99": 0.99}
STATISTICS = ("mean", "std", "min", *LEVELS, "max", "near_zero", "from_start")
MOST_RUNS = 1_000  # in an answer of this route
MOST_BYTES = 24_000_000  # of densities in an answer
LEAST_BINS = 30  # an answer that is too large gets fewer bins, down to this many, and then fewer runs

_PEAK = np.iinfo(np.uint16).max


def distributions_impl(
    source: Source, catalogue: Catalogue, tag: str, bins: int = 60, clip: float = 0.999, contains: str = ""
) -> dict[str, Any]:
    """Return the densities and statistics of a tag in the runs whose names contain a text, whatever its case.

    An answer over `MOST_BYTES` gets fewer bins, down to `LEAST_BINS`, and then fewer runs, but never fewer steps. The
    runs with the best results are the last that are left out. Raises RefusedError if no run has the tag.
    """
    wanted = contains.casefold()
    places = [place for place in runs_with(catalogue, tag) if wanted in catalogue.runs[place].name.casefold()]
    places, metric = _best_first(source, catalogue, places)
    found = read_histograms(source, catalogue, tag, places[:MOST_RUNS], _most_histograms())
    bins = max(min(bins, MOST_BYTES // (2 * max(found.count, 1))), min(bins, LEAST_BINS))
    edges, steps = shared_edges([batch.rows for batch in found.batches], bins, clip), found.steps()
    shares = _nonfinite(source, catalogue, tag, found)
    inside = 0.0
    runs: list[dict[str, Any]] = []
    for batch in found.batches:
        densities = batch.rows.densities(edges)
        inside += float((densities @ np.diff(edges)).sum())
        runs += _runs(batch, densities, steps, shares)
    filled = sum(int((batch.rows.total > 0).sum()) for batch in found.batches)
    return {
        "tag": tag,
        "version": catalogue.version,
        "edges_f32": packed(edges, np.float32),
        "outside": max(1 - inside / filled, 0.0) if filled else 0.0,
        "steps": steps.tolist(),
        "runs": sorted(runs, key=lambda run: int(run["run"])),
        "statistics": STATISTICS,
        "sampled": sampled(source, found),
        "left_out": _left_out(len(places), len(places[MOST_RUNS:]), len(found.left_out), metric),
        "damage": found.sentences(),
    }


def _most_histograms() -> int:
    return MOST_BYTES // (2 * LEAST_BINS)


def _best_first(source: Source, catalogue: Catalogue, places: list[int]) -> tuple[list[int], str]:
    """Return runs (as indices), the best first if an answer may not hold all of them, and the metric for that."""
    if len(places) <= MOST_RUNS and source.kept is not None and len(places) * source.kept <= _most_histograms():
        return places, ""
    place_of = {catalogue.runs[place].name: place for place in places}
    names, metric = best_first(source, list(place_of))
    return [place_of[name] for name in names], metric


def runs_with(catalogue: Catalogue, tag: str) -> tuple[int, ...]:
    """Return the indices of the runs that have a tag; raises RefusedError if there are none."""
    if tag not in catalogue.tags:
        raise RefusedError(f"tag: no run has a histogram {shorten(tag)}. The route overview lists all tags.", 404)
    return tuple(catalogue.tags[tag])


def sampled(source: Source, found: Histograms) -> dict[str, int] | None:
    """Return how many steps of a run TensorBoard keeps, and of how many; None if it keeps all that were logged.

    TensorBoard reports neither number. How many steps it keeps follows from its flags or its defaults. A run with that
    many steps is assumed to have logged at regular steps from its first to its last kept step, with the greatest
    interval that fits all kept steps. So a dropped first step is not noticed, and the second number is too high for
    steps that were logged irregularly.
    """
    if source.kept is None:
        return None
    series = [batch.steps[rows] for batch in found.batches for _, rows in batch.parts()]
    logged = [_logged(steps) for steps in series if len(steps) >= source.kept]
    most = max(logged, default=0)
    return {"kept": source.kept, "of": most} if most > source.kept else None


def packed(array: NDArray[Any], kind: Any) -> str:
    """Return numbers in the encoding of http_api.md: base64, little-endian, in C order."""
    with np.errstate(over="ignore"):
        numbers = np.ascontiguousarray(array, np.dtype(kind).newbyteorder("<"))
    return base64.b64encode(numbers.tobytes()).decode("ascii")


def _runs(
    batch: Batch, densities: Floats, steps: NDArray[np.int64], nonfinite: dict[int, dict[int, float]]
) -> Iterator[dict[str, Any]]:
    statistics = _statistics(batch)
    for place, rows in batch.parts():
        own = densities[rows]
        unit = float(own.max()) / _PEAK or 1.0
        run = {
            "run": place,
            "at_i32": packed(steps.searchsorted(batch.steps[rows]), np.int32),
            "density_u16": packed((own / unit).round(), np.uint16),
            "unit": unit,
            "statistics_f32": packed(statistics[rows], np.float32),
            "values_f32": packed(batch.rows.total[rows], np.float32),
        }
        if shares := nonfinite.get(place):
            logged = [shares.get(step, 0.0) for step in batch.steps[rows].tolist()]
            run["nonfinite_f32"] = packed(np.array(logged), np.float32)
        yield run


def _statistics(batch: Batch) -> Floats:
    """Return the `STATISTICS` of each row, [n, 13]."""
    rows = batch.rows
    moments = [rows.mean(), rows.std(), rows.min()]
    ends = [rows.max(), rows.near_zero(), rows.distances(rows.take(batch.starts()))]
    return np.column_stack([*moments, rows.quantiles(list(LEVELS.values())), *ends])


def _nonfinite(source: Source, catalogue: Catalogue, tag: str, found: Histograms) -> dict[int, dict[int, float]]:
    """Return the share of NaN and infinite values that hpdash logged, by the index of the run and by step."""
    place_of = {catalogue.runs[place].name: place for batch in found.batches for place, _ in batch.parts()}
    shares = source.scalars(layout.nonfinite_tag(tag), list(place_of)) if place_of else {}
    return {place_of[run]: by_step for run, by_step in shares.items()}


def _logged(steps: NDArray[np.int64]) -> int:
    gaps = np.diff(steps)
    return int((steps[-1] - steps[0]) // np.gcd.reduce(gaps)) + 1 if gaps.size else len(steps)


def _left_out(asked: int, over: int, without_room: int, metric: str) -> dict[str, Any]:
    runs = over + without_room
    if not runs:
        return {"runs": 0, "reason": ""}
    most = f"{MOST_RUNS:,} runs" if over else f"{MOST_BYTES // 1_000_000} MB"
    chosen = f"those with the best {metric} are shown" if metric else "the first ones by name are shown"
    why = f"{runs:,} of {asked:,} runs are not shown, because an answer is limited to {most}; {chosen}"
    return {"runs": runs, "reason": f"{why}. Filter the runs by name to see others."}
