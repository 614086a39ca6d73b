"""Sweep -> trials: which settings are tried, in which order, with which seeds. One file a strategy."""

from .course import Course, trials
from .evidence import Evidence
from .strategies import LARGEST, is_adaptive, strategy_for
from .strategy import Strategy

__all__ = ["LARGEST", "Course", "Evidence", "Strategy", "is_adaptive", "strategy_for", "trials"]
