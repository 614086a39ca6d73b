"""What the trials that failed, diverged or were pruned have in common, in sentences."""

from __future__ import annotations

from collections.abc import Sequence

from ...analysis.failures import patterns
from ...records import TrialState
from ...runs import Run
from .effects import bounds_label

_ENDS = {TrialState.FAILED: "failed", TrialState.DIVERGED: "diverged", TrialState.TIMED_OUT: "timed out"}


def pattern_sentences(runs: Sequence[Run]) -> list[str]:
    """Return a sentence for each value with which trials fail, diverge or are pruned more often than with others."""
    return [
        f"{each.name} = {bounds_label(each.low, each.high)}: {each.inside} of its {each.trials} trials"
        f" {_ENDS.get(each.state, 'were ' + str(each.state).replace('_', ' '))}, of the other {each.others}"
        f" {each.total - each.inside or 'none'}"
        for each in patterns(runs)
    ]
