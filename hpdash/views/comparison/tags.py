"""Find the tags that a short name means: `accuracy` means `epoch_accuracy` and `validation/epoch_accuracy`."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from ...errors import Problem, SpecError
from ...logs import layout
from ...logs.layout import VALIDATION_PREFIX
from ...runs import Run

MOST_NAMED = 6


def scalar_tags(runs: Sequence[Run], name: str) -> list[str]:
    """Return the scalar tags that a name means, training before validation; empty if no run has such a scalar.

    A name without `validation/` means both the training and the validation tag. `accuracy` means `epoch_accuracy`
    unless a run has a tag `accuracy`.
    """
    known = {tag for run in runs for tag in run.scalars}
    base = name.removeprefix(VALIDATION_PREFIX)
    parts = [VALIDATION_PREFIX] if base != name else ["", VALIDATION_PREFIX]
    for spelled in (base, layout.epoch_tag(base)):
        found = [part + spelled for part in parts if part + spelled in known]
        if found:
            return found
    return []


def unknown(runs: Sequence[Run], name: str) -> SpecError:
    """Return the error for a tag that no run has; it names the tags that are most similar."""
    known = sorted({tag for run in runs for tag in (*run.scalars, *run.histograms)})
    holding = [tag for tag in known if name.lower() in tag.lower()]
    near = list(dict.fromkeys([*holding, *get_close_matches(name, known, n=MOST_NAMED, cutoff=0.5)])) or known
    more = ", …" if len(near) > MOST_NAMED else ""
    empty = "No run has any tag: are these event files?" if runs else "No run is selected: check LOGDIR and --where."
    hint = f"There is {', '.join(near[:MOST_NAMED])}{more}." if near else empty
    return SpecError([Problem("--tag", "a scalar or a histogram that a run has", name, hint)])
