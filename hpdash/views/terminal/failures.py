"""Why trials failed, and what those that failed, diverged or were pruned have in common, in sentences."""

from __future__ import annotations

from collections.abc import Sequence

from ...analysis.failures import STATES, patterns
from ...records import TrialState
from ...runs import Run
from .effects import bounds_label

_REASONS = 3  # different reasons that are given
_LONGEST = 160  # characters of a reason
_ENDS = {TrialState.FAILED: "failed", TrialState.DIVERGED: "diverged", TrialState.TIMED_OUT: "timed out"}


def pattern_sentences(runs: Sequence[Run]) -> list[str]:
    """Return a sentence for each value with which trials fail, diverge or are pruned more often than with others."""
    return [
        f"{each.name} = {bounds_label(each.low, each.high)}: {each.inside} of its {each.trials} trials"
        f" {_end(each.state)}, of the other {each.others}"
        f" {each.total - each.inside or 'none'}"
        for each in patterns(runs)
    ]


def reason_sentences(runs: Sequence[Run]) -> list[str]:
    """Return a sentence for each different reason why trials failed, the most frequent first: the error's first line.

    The sentence names the first trial with the reason. If there are more than `_REASONS`, the last one counts the rest.
    """
    found: dict[tuple[TrialState, str], list[Run]] = {}
    for run in runs:
        if run.status in STATES and run.status is not TrialState.PRUNED and run.result and run.result.error:
            line = run.result.error.strip().partition("\n")[0]
            found.setdefault((TrialState(run.status), line), []).append(run)
    ordered = sorted(found.items(), key=lambda item: -len(item[1]))
    said = [
        f"{len(own)} {'trial' if len(own) == 1 else 'trials'} {_end(state)}: {_shortened(line)} ({own[0].id})"
        for (state, line), own in ordered[:_REASONS]
    ]
    more = len(ordered) - _REASONS
    return said + [f"and {more:,} other {'reason' if more == 1 else 'reasons'}: see the trials' rows"] * (more > 0)


def _end(state: TrialState) -> str:
    return _ENDS.get(state, "were " + str(state).replace("_", " "))


def _shortened(line: str) -> str:
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"
