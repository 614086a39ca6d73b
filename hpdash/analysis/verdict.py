"""Describe a `Spread` in sentences, which compare each group of runs with a reference group.

A sentence says whether the runs of the group are more alike, and whether each of them changes less from step to step.
"""

from __future__ import annotations

import math

from ..records import Scalar
from .spread import Contrast, Ratio, Spread, SpreadGroup, baseline, contrast

# A ratio of distances from 1 / (1 + TIE) to 1 + TIE counts as no difference: the error of a distance between histograms
# of 64 buckets is mostly at most 3 %
TIE = 0.05
_ALIKE = ("more alike", "about as alike", "less alike")
_MOVE = ("less", "about as much", "more")


def verdicts(spread: Spread, tag: str, by: str, reference: SpreadGroup | None = None) -> list[str]:
    """Return a sentence for each group but `reference`: how its spread and its change compare with the reference's.

    Both are compared twice, as `Pair` has them: in weight units, and divided by a standard deviation. `reference` is
    one of the groups, by default the `baseline`. If nothing can be compared, return one sentence that says why.
    """
    training = sum(step > 0 for step in spread.steps)
    if len(spread.groups) < 2:
        why = f"{by} has only one value" if spread.groups else "there are no runs"
        return [f"{tag}: nothing to compare: {why}"]
    if not training:
        runs = sum(group.runs for group in spread.groups)
        return [f"{tag}: nothing to compare: no step after 0 is common to all {runs} runs"]
    against = baseline(spread.groups) if reference is None else reference
    return [
        f"{tag}, {by}={_spelled(group.value)} against {_spelled(against.value)}: {_answer(contrast(group, against))}; "
        f"{group.runs} and {against.runs} runs, {training} of {spread.logged} steps in common"
        for group in spread.groups
        if group is not against
    ]


def _answer(found: Contrast) -> str:
    parts = []
    if found.spread:
        parts.append("are " + _clause(found.spread, _ALIKE, "spread"))
    if found.change:
        parts.append("change " + _clause(found.change, _MOVE, "per step"))
    too_little = "too little to compare: two runs in each group, or two common steps after step 0, are needed"
    return f"the runs {' and '.join(parts)}" if parts else too_little


def _clause(found: Ratio, words: tuple[str, str, str], what: str) -> str:
    raw, scaled = _word(found.ratio.raw, words), _word(found.ratio.scaled, words)
    own = f"{what} {_numbers(found.own.raw, found.reference.raw, found.ratio.raw)}"
    if math.isnan(found.ratio.scaled):
        return f"{raw} ({own})"
    by_std = _numbers(found.own.scaled, found.reference.scaled, found.ratio.scaled)
    if raw == scaled:
        return f"{raw} ({own}; divided by std {by_std})"
    return f"{raw} ({own}) but {scaled} divided by std ({by_std})"


def _word(ratio: float, words: tuple[str, str, str]) -> str:
    return words[1 + (ratio > 1 + TIE) - (ratio < 1 / (1 + TIE))]


def _numbers(own: float, reference: float, ratio: float) -> str:
    times = f" = {ratio:.2f}x" if 0.01 <= ratio < 1000 else f" = {ratio:.1e}x" if math.isfinite(ratio) else ""
    return f"{own:.3g} against {reference:.3g}{times}"


def _spelled(value: Scalar | None) -> str:
    if value is None:
        return "unset"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
