"""What the trials that failed, diverged or were pruned have in common: values that they have more often than others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..records import Scalar, TrialState
from ..runs import Run
from .effects import RunGroup, group_runs, varied

SURE = 0.01  # p-value, corrected for the number of comparisons, below which a value is reported
STATES = (
    TrialState.FAILED,
    TrialState.DIVERGED,
    TrialState.KILLED,
    TrialState.TIMED_OUT,
    TrialState.PRUNED,
)


@dataclass(frozen=True, slots=True)
class Pattern:
    """A value of a hyperparameter, or its values from `low` to `high`, with which a state is more frequent.

    `inside` of the `trials` with this value are in the state, `total` of `others + trials` are. `p` is the p-value of
    Fisher's exact test (one-sided), multiplied by the number of comparisons (Bonferroni), at most 1.
    """

    state: TrialState
    name: str
    low: Scalar | None
    high: Scalar | None
    inside: int
    trials: int
    total: int
    others: int
    p: float


def patterns(runs: Sequence[Run]) -> list[Pattern]:
    """Return, for each state, the values at which it is significantly more frequent, the most significant first.

    A hyperparameter is reported with its most significant value only.
    """
    groups = {name: group_runs(runs, name) for name in varied(runs)}
    count = sum(len(parts) for parts in groups.values() if len(parts) > 1)
    count *= sum(any(run.status is state for run in runs) for state in STATES)
    found = []
    for state in STATES:
        total = sum(run.status is state for run in runs)
        if not 0 < total < len(runs):
            continue
        for name, parts in groups.items():
            best = min(_compared(state, name, parts, total, len(runs), count), key=lambda each: each.p, default=None)
            if best is not None and best.p < SURE:
                found.append(best)
    return sorted(found, key=lambda each: (STATES.index(each.state), each.p))


def _compared(
    state: TrialState, name: str, parts: Sequence[RunGroup], total: int, every: int, comparisons: int
) -> Iterator[Pattern]:
    from scipy.stats import hypergeom  # noqa: PLC0415  takes half a second

    for part in parts if len(parts) > 1 else ():
        inside, trials = sum(run.status is state for run in part.runs), len(part.runs)
        if inside:
            p = min(1.0, float(hypergeom.sf(inside - 1, every, total, trials)) * comparisons)
            yield Pattern(state, name, part.low, part.high, inside, trials, total, every - trials, p)
