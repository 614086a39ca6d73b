"""What a search strategy learns from: the settings proposed so far, and their scores."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Evidence:
    """A setting and its score: the mean of the best objective values of its finished replicates.

    `score` is None while a replicate has no result, NaN if all replicates failed, and the worst possible value (an
    infinity) if one diverged. If the setting was pruned, `epochs` is the epoch after which it stopped, and `score` is
    the objective of that epoch.
    """

    point: Mapping[str, Any]
    score: float | None = None
    epochs: int | None = None

    @property
    def is_scored(self) -> bool:
        """Whether there is a score to learn from."""
        return self.score is not None and not math.isnan(self.score)
