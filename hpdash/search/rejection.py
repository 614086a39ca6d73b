"""Find the first of a strategy's candidates that meets every [[require]]."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any

from ..errors import Problem, SpecError
from ..spec import Sweep

TRIES = 10_000  # candidates to check before a strategy gives up


def first_allowed(
    sweep: Sweep,
    candidates: Iterable[dict[str, Any]],
    is_new: Callable[[Mapping[str, Any]], bool] = lambda _: True,
) -> dict[str, Any]:
    """Return the first candidate that is new and meets the sweep's requirements.

    Raises SpecError if there is none among the first `TRIES` candidates.
    """
    for point in islice(candidates, TRIES):
        if is_new(point) and sweep.allows(point):
            return point
    what = "settings that meet every [[require]]" if sweep.requirements else "settings that differ from earlier ones"
    hint = "Set fewer [sweep] trials, or relax a [[require]]." if sweep.requirements else "Set fewer [sweep] trials."
    raise SpecError([Problem(f"{sweep.where}: sweep.trials", f"more {what}", f"none among {TRIES:,} candidates", hint)])
