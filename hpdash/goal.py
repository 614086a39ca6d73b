"""Whether less or more of a metric is better: what all that ranks, picks or prunes compares by."""

from __future__ import annotations

import math
from enum import StrEnum


class Goal(StrEnum):
    """The direction in which a metric improves, spelled as a sweep file spells it."""

    MIN = "min"
    MAX = "max"

    @property
    def sign(self) -> int:
        """The factor that makes the best value the smallest: 1 for "min", -1 for "max"."""
        return -1 if self is Goal.MAX else 1

    @property
    def worst(self) -> float:
        """The infinity that every value is better than."""
        return self.sign * math.inf

    def worth(self, value: float) -> float:
        """Return a number that grows as the value gets better; -inf for NaN."""
        return -math.inf if math.isnan(value) else -self.sign * value

    def better(self, value: float, other: float) -> bool:
        """Return whether a value is better than another; NaN is worse than every number."""
        return self.worth(value) > self.worth(other)
