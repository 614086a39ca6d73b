"""What a `Spread` answers, in a sentence: are a group's runs more alike, and does training move them less."""

from __future__ import annotations

import math

from ..trial import Scalar
from .spread import Contrast, Group, Ratio, Spread, baseline, contrast

TIE = 0.05  # a ratio this close to 1 is no difference: a distance of 64 buckets is within 3 % mostly
_ALIKE = ("more alike", "about as alike", "less alike")
_MOVE = ("less", "about as much", "more")


def verdicts(spread: Spread, tag: str, by: str, reference: Group | None = None) -> list[str]:
    """Return a sentence for each group against one of them, by default the `baseline`, on both distances in both units.

    Where nothing can be compared, one sentence that says why.
    """
    training = sum(step > 0 for step in spread.steps)
    if len(spread.groups) < 2:
        return [f"{tag}: nothing to compare, there is {len(spread.groups) or 'no'} group by {by}"]
    if not training:
        runs = sum(group.runs for group in spread.groups)
        return [f"{tag}: nothing to compare, no step after 0 is common to all {runs} runs"]
    against = baseline(spread.groups) if reference is None else reference
    return [
        f"{tag}, {by}={_spelled(group.value)} against {_spelled(against.value)}: {_answer(contrast(group, against))}; "
        f"{group.runs} and {against.runs} runs, {training} of {spread.logged} steps in common"
        for group in spread.groups
        if group is not against
    ]


def _answer(found: Contrast) -> str:
    said = []
    if found.spread:
        said.append("are " + _clause(found.spread, _ALIKE, "spread"))
    if found.change:
        said.append("change " + _clause(found.change, _MOVE, "per step"))
    return f"the runs {' and '.join(said)}" if said else "nothing to compare, it takes two runs a group or two steps"


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
