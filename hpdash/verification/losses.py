"""Find the steps that are missing in a run's series, by comparing the series with each other and with the result."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

from ..logs import layout
from ..logs.layout import VALIDATION_PREFIX
from ..reader.events import Contents
from ..reader.folders import merged
from ..reader.sessions import HParamsSession
from ..records import TrialResult
from .findings import spans

Parts = Sequence[tuple[str, Contents]]  # (role, contents of all its files) for each folder of a run
Lost = Mapping[
    str, list[range]
]  # missing steps by series, `validation/<tag>` for validation; they may be too many for memory
_NAMED = 4  # maximum number of series named in a sentence


def missing_at_end(parts: Parts, result: TrialResult) -> dict[str, list[range]]:
    """Return the epochs that are missing at the end of the series of a result's metrics.

    A complete series ends at the last epoch of the result.
    """
    steps = _steps(parts)
    ends = {name: steps.get(name, [0])[-1] for name in _reported(result)}
    return {name: [range(end + 1, result.epochs + 1)] for name, end in ends.items() if end < result.epochs}


def missing_of_program(parts: Parts, result: TrialResult) -> dict[str, list[range]]:
    """Return the steps that are missing in the scalars of a program's result.

    A program may log at any steps. So a scalar is only known to be incomplete if it is gone, or, for the objective,
    which is the first of the result's metrics, if it ends before the last step.
    """
    steps = _steps(parts)
    ends = {tag: 0 if tag not in steps else result.epochs for tag in result.metrics}
    for objective in list(result.metrics)[:1]:
        ends[objective] = steps.get(objective, [0])[-1]
    return {tag: [range(end + 1, result.epochs + 1)] for tag, end in ends.items() if end < result.epochs}


def missing_steps(parts: Parts, result: TrialResult | None, places: int) -> dict[str, list[range]]:
    """Return the steps that are missing in the series of a run; `places` is the number of damaged places.

    All metrics are written together at each epoch, and all histograms together too. So a step that only some of them
    have is missing in the others. A step that all of them lack shows as a gap between steps that are otherwise regular.
    If there are more gaps than damaged places, the run was logged with gaps, and they do not count.
    """
    steps, end = _steps(parts), result.epochs if result else 0
    histograms = merged((role, contents.histograms) for role, contents in parts)
    metrics = {name: own for name, own in steps.items() if name.removeprefix(VALIDATION_PREFIX).startswith(_EPOCH)}
    metrics |= {name: [] for name in (_reported(result) if result else ()) if name not in steps}
    weights = {name: own.tolist() for name, own in histograms.items()}
    return {**_gaps(metrics, end, places), **_gaps(weights, end if _is_regular(weights) else 0, places)}


_EPOCH = layout.epoch_tag("")


def _steps(parts: Parts) -> dict[str, list[int]]:
    return {
        name: series.steps.tolist()
        for name, series in merged((role, contents.scalars) for role, contents in parts).items()
    }


def _reported(result: TrialResult) -> Iterator[str]:
    """Yield the names of the series that hold a result's metrics."""
    for metric in result.metrics:
        base = metric.removeprefix(VALIDATION_PREFIX)
        yield f"{VALIDATION_PREFIX if base != metric else ''}{layout.epoch_tag(base)}"


def _is_regular(steps: Mapping[str, Sequence[int]]) -> bool:
    """Return whether any series has more than one step; histograms may be logged only once."""
    return any(len(own) > 1 for own in steps.values())


def _gaps(steps: Mapping[str, Sequence[int]], end: int, places: int) -> dict[str, list[range]]:
    known = {step for own in steps.values() for step in own}
    gaps = _between(sorted(known), end, places)
    missing = {name: [*gaps, *(range(step, step + 1) for step in known.difference(own))] for name, own in steps.items()}
    return {name: _merged(sorted(lost, key=lambda each: each.start)) for name, lost in missing.items() if lost}


def _merged(ranges: Iterable[range]) -> list[range]:
    """Join adjacent ranges of step 1, so that equal losses give equal lists."""
    found: list[range] = []
    for each in ranges:
        if found and found[-1].step == each.step == 1 and found[-1].stop == each.start:
            found[-1] = range(found[-1].start, each.stop)
        else:
            found.append(each)
    return found


def _between(steps: Sequence[int], end: int, places: int) -> list[range]:
    """Return the steps that are missing from these increasing steps, up to `end`.

    The most frequent distance between steps is the usual one. A larger distance is a gap, unless there are more gaps
    than `places`.
    """
    between = Counter(later - before for before, later in pairwise(steps))
    usual = between.most_common(1)[0][0] if between else 1
    gaps = [(before, later) for before, later in pairwise(steps) if later - before > usual]
    if len(gaps) > places:
        gaps = []
    found = [range(before + usual, later, usual) for before, later in gaps]
    if end > (last := max(steps, default=0)):
        found += [range(last + usual, end, usual), range(end, end + 1)]
    return [each for each in found if each]


def describe_missing_steps(lost: Lost) -> str:
    """Return which steps of which series are lost, as text; series that lack the same steps are named together."""
    together: dict[tuple[range, ...], list[str]] = {}
    for name, steps in sorted(lost.items()):
        together.setdefault(tuple(steps), []).append(name)
    return "; ".join(f"{spans(steps, 'step')} of {_names(names)}" for steps, names in together.items())


def _names(names: Sequence[str]) -> str:
    most = _NAMED if len(names) > _NAMED + 1 else len(names)
    texts = [f"`{name}`" for name in names[:most]] + [f"{len(names) - most} more"] * (len(names) > most)
    return " and ".join([", ".join(texts[:-1]), texts[-1]]) if texts[1:] else texts[0]


def missing_hparams(
    session: HParamsSession, tags: Iterable[str], result: TrialResult | None, is_ended: bool
) -> Iterator[str]:
    """Yield what is missing of a session in TensorBoard: its hyperparameters, its best values, its end."""
    if session.hparams is None:
        yield "its hyperparameters in TensorBoard"
    has_best = result is not None and result.state.is_result and result.best_epoch is not None
    if has_best and is_ended and layout.BEST_EPOCH not in set(tags):
        yield "its best values in TensorBoard's HParams table"
    if is_ended and session.status is None:
        yield "the end of its session: TensorBoard shows it as running"
