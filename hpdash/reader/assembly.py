"""Make runs: combine the contents of event files with what the sweep's folder records about each trial.

A run that no sweep made is called foreign.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..histograms.histogram import Histogram
from ..logs import layout
from ..records import Scalar
from ..runs import HistogramSeries, Run, Series
from .attribution import Sessions, hparams_of, parent_of
from .events import Contents
from .folders import merged
from .sessions import HParamsSession
from .sweeps import SweepState
from .values import with_nonfinite


def joined(files: Sequence[Contents]) -> Contents:
    """Join the contents of the event files of one folder, in their order.

    If several files have values of a tag, a later file takes over at its first step: the values that earlier files have
    for this step and later ones are dropped.
    """
    if len(files) == 1:
        return files[0]
    scalars: dict[str, Series] = {}
    steps: dict[str, NDArray[np.int64]] = {}
    kept: dict[str, list[Histogram]] = {}
    session = HParamsSession()
    for file in files:
        session = session.joined(file.session)
        for tag, series in file.scalars.items():
            scalars[tag] = _after(scalars[tag], series) if tag in scalars else series
        for tag, own in file.histograms.items():
            before = steps.get(tag, own[:0])
            left = np.searchsorted(before, own[0])
            steps[tag] = np.concatenate((before[:left], own))
            if tag in file.kept:
                kept[tag] = kept.get(tag, [])[:left] + file.kept[tag]
    first_time = next((file.first_time for file in files if file.first_time is not None), None)
    return Contents(scalars, steps, session, first_time, tuple(each for file in files for each in file.damage), kept)


def _after(before: Series, later: Series) -> Series:
    left = np.searchsorted(before.steps, later.steps[0])
    return Series(
        np.concatenate((before.steps[:left], later.steps)),
        np.concatenate((before.values[:left], later.values)),
        np.concatenate((before.times[:left], later.times)),
    )


def _session(parts: Sequence[tuple[str, Contents]]) -> HParamsSession:
    session = HParamsSession()
    for _, contents in parts:
        session = session.joined(contents.session)
    return session


def merge_hparams_runs(contents: dict[str, list[tuple[str, Contents]]], foreign: Collection[str]) -> None:
    """Merge each run that PyTorch's `add_hparams` wrote for a session into the run whose folder contains it.

    Such a run has hyperparameters but no histograms. It is directly below a run without hyperparameters, and no other
    run there has hyperparameters. Changes `contents`; `foreign` are the names of the foreign runs.
    """
    sessions = Sessions.of({name: _session(contents[name]) for name in foreign})
    for name in sorted(foreign):
        owner = sessions.whose(name)
        if owner is None or owner == name or parent_of(owner) != name or name not in contents:
            continue
        if not any(part.histograms for _, part in contents[owner]):
            contents[name] += contents.pop(owner)


def hparams_by_run(contents: Mapping[str, Sequence[tuple[str, Contents]]], foreign: Collection[str]) -> dict[str, Any]:
    """Return the hyperparameters of the runs named in `foreign`, from their sessions or from their names."""
    runs = sorted(foreign)
    hparams, _ = hparams_of(runs, Sessions.of({name: _session(parts) for name, parts in contents.items()}))
    return dict(zip(runs, hparams, strict=True))


def make_run(
    name: str,
    folder: Path,
    parts: Sequence[tuple[str, Contents]],
    sweep: SweepState | None,
    inherits: Mapping[str, Scalar] | None = None,
) -> Run | None:
    """Make a run from the contents of its parts; None if they hold nothing but an HParams experiment record.

    `inherits` are the hyperparameters to use if the run has no session of its own.
    """
    session = _session(parts)
    scalars = merged((role, contents.scalars) for role, contents in parts)
    steps = merged((role, contents.histograms) for role, contents in parts)
    is_bare = session.hparams is None and not scalars and not steps
    if session.has_experiment and is_bare:
        return None
    facts: dict[str, Any] = {"status": session.status, "group": session.group, "started": session.started}
    hparams = session.hparams if session.hparams is not None else inherits
    if sweep and (parsed := layout.parse_run_name(folder.name)):
        number, pairs = parsed
        facts |= sweep.facts(number)
        hparams = hparams if hparams is not None else _named(pairs)
    if facts["started"] is None:
        facts["started"] = next((contents.first_time for _, contents in parts if contents.first_time is not None), None)
    damage = tuple(each for _, contents in parts for each in contents.damage)
    counts = {tag: len(each) for tag, each in steps.items()}
    return Run(name, folder, hparams or {}, scalars, counts, damage=damage, **facts)


def _named(pairs: Mapping[str, str]) -> dict[str, Scalar]:
    """Return the hyperparameters in a run's name, without the seed."""
    return {name: _value(text) for name, text in pairs.items() if name != "seed"}


def _value(text: str) -> Scalar:
    if text in ("True", "False"):
        return text == "True"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def runs_without_folders(sweep: SweepState, prefix: str, found: Sequence[Run]) -> Iterator[Run]:
    """Yield a run for each trial that is in the journal but has no folder; `prefix` comes before its number."""
    numbers = {run.number for run in found if run.sweep == sweep.name}
    for number in sorted(sweep.latest.keys() - numbers):
        yield Run(f"{prefix}{number:04d}", sweep.folder, **sweep.facts(number))


def histograms_of(parts: Sequence[tuple[str, Contents]]) -> dict[str, HistogramSeries]:
    """Return the kept histograms of a run's parts, with their numbers of non-finite values.

    hpdash logs the share of these values as a scalar, because a histogram in an event file has no place for it.
    """
    return merged(
        (role, {tag: _histograms(contents, tag, histograms) for tag, histograms in contents.kept.items()})
        for role, contents in parts
    )


def _histograms(contents: Contents, tag: str, histograms: Sequence[Histogram]) -> HistogramSeries:
    steps = contents.histograms[tag]
    if shares := contents.scalars.get(layout.nonfinite_tag(tag)):
        share = dict(zip(shares.steps.tolist(), shares.values.tolist(), strict=True))
        pairs = zip(steps.tolist(), histograms, strict=True)
        histograms = [with_nonfinite(each, share[step]) if step in share else each for step, each in pairs]
    return HistogramSeries(steps, tuple(histograms))
