"""The first of a strategy's candidates that meets every [[require]]."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any

from ..errors import Problem, SpecError
from ..spec import Sweep

TRIES = 10_000  # candidates in a row, none of which is allowed, before a strategy gives up


def first_allowed(
    sweep: Sweep,
    candidates: Iterable[dict[str, Any]],
    is_new: Callable[[Mapping[str, Any]], bool] = lambda _: True,
) -> dict[str, Any]:
    """Return the first candidate that is new and meets the sweep's requirements; SpecError after `TRIES` of them."""
    for point in islice(candidates, TRIES):
        if is_new(point) and sweep.allows(point):
            return point
    what = "settings that meet every [[require]]" if sweep.requirements else "settings that differ"
    hint = "Ask for fewer [sweep] trials, or require less."
    raise SpecError([Problem(f"{sweep.where}: sweep.trials", f"enough {what}", f"none in {TRIES:,} draws", hint)])
