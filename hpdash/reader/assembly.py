"""What the files of a run say, put together with what its sweep says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import logdir
from ..histogram import Histogram
from ..runs import HistogramSeries, Run, Series
from ..trial import Scalar
from .events import Contents
from .folders import merged
from .sessions import Session
from .sweeps import Sweep
from .values import with_nonfinite


def joined(files: Sequence[Contents]) -> Contents:
    """Join what the files of one folder hold, in their order: what comes later supersedes what it repeats."""
    if len(files) == 1:
        return files[0]
    scalars: dict[str, Series] = {}
    steps: dict[str, NDArray[np.int64]] = {}
    kept: dict[str, list[Histogram]] = {}
    session = Session()
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
    began = next((file.began for file in files if file.began is not None), None)
    return Contents(scalars, steps, session, began, tuple(each for file in files for each in file.damage), kept)


def _after(before: Series, later: Series) -> Series:
    left = np.searchsorted(before.steps, later.steps[0])
    return Series(
        np.concatenate((before.steps[:left], later.steps)),
        np.concatenate((before.values[:left], later.values)),
        np.concatenate((before.times[:left], later.times)),
    )


def run_of(name: str, folder: Path, parts: Sequence[tuple[str, Contents]], sweep: Sweep | None) -> Run | None:
    """Make a run of what its parts hold; None where that is nothing but an HParams experiment record."""
    session = Session()
    for _, contents in parts:
        session = session.joined(contents.session)
    scalars = merged((role, contents.scalars) for role, contents in parts)
    steps = merged((role, contents.histograms) for role, contents in parts)
    is_bare = session.hparams is None and not scalars and not steps
    if session.has_experiment and is_bare:
        return None
    facts: dict[str, Any] = {"status": session.status, "group": session.group, "started": session.started}
    hparams = session.hparams
    if sweep and (parsed := logdir.parse_run_name(folder.name)):
        number, pairs = parsed
        facts |= sweep.facts(number)
        hparams = hparams if hparams is not None else _named(pairs)
    if facts["started"] is None:
        facts["started"] = next((contents.began for _, contents in parts if contents.began is not None), None)
    damage = tuple(each for _, contents in parts for each in contents.damage)
    counts = {tag: len(each) for tag, each in steps.items()}
    return Run(name, folder, hparams or {}, scalars, counts, damage=damage, **facts)


def _named(pairs: Mapping[str, str]) -> dict[str, Scalar]:
    """Read the hyperparameters in a run's name: the seed is none of them."""
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


def runs_without_folders(sweep: Sweep, prefix: str, found: Sequence[Run]) -> Iterator[Run]:
    """Yield a run for each trial that the journal knows and that left no folder."""
    numbers = {run.number for run in found if run.sweep == sweep.name}
    for number in sorted(sweep.latest.keys() - numbers):
        yield Run(f"{prefix}{number:04d}", sweep.folder, **sweep.facts(number))


def histograms_of(parts: Sequence[tuple[str, Contents]]) -> dict[str, HistogramSeries]:
    """Return the histograms that a run's parts have kept, with the share of non-finite values hpdash logs beside."""
    return merged(
        (role, {tag: _histograms(contents, tag, histograms) for tag, histograms in contents.kept.items()})
        for role, contents in parts
    )


def _histograms(contents: Contents, tag: str, histograms: Sequence[Histogram]) -> HistogramSeries:
    steps = contents.histograms[tag]
    if shares := contents.scalars.get(logdir.nonfinite_tag(tag)):
        share = dict(zip(shares.steps.tolist(), shares.values.tolist(), strict=True))
        pairs = zip(steps.tolist(), histograms, strict=True)
        histograms = [with_nonfinite(each, share[step]) if step in share else each for step, each in pairs]
    return HistogramSeries(steps, tuple(histograms))
