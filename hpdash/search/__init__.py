"""From a sweep to its trials: which settings are tried, in which order, with which seeds. One module per strategy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .evidence import Evidence
from .strategies import MOST_TRIALS, is_adaptive, strategy_for
from .strategy import Strategy

if TYPE_CHECKING:
    from .schedule import Schedule, trials

__all__ = ["MOST_TRIALS", "Evidence", "Schedule", "Strategy", "is_adaptive", "strategy_for", "trials"]


def __getattr__(name: str) -> Any:
    """Import `schedule` on first use: counting a sweep's settings needs neither a journal nor pruners."""
    if name not in ("Schedule", "trials"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import schedule  # noqa: PLC0415

    return getattr(schedule, name)
