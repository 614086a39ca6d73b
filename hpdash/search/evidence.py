"""What a search learns from: the settings there are and how they have done."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Evidence:
    """A setting and its score, the mean best objective of its replicates.

    The score is None while some have no result; NaN where none can be scored, because they failed; the worst there is,
    infinite, where one diverged. Where the setting was pruned, `epochs` says after how many, and the score is that of
    the last.
    """

    point: Mapping[str, Any]
    score: float | None = None
    epochs: int | None = None

    @property
    def is_scored(self) -> bool:
        """Whether there is a score to learn from."""
        return self.score is not None and not math.isnan(self.score)
