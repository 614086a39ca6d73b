"""Whether two settings differ significantly: by more than replicates with different seeds do."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from itertools import chain

ALIKE = 0.05  # two settings whose p-value is at least this do not differ significantly


def welch(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Return the two-sided p-value of Welch's t-test (1947) that two samples have the same mean.

    None if either sample has fewer than two values. If neither varies, 1 if they are equal, else 0.
    """
    if len(first) < 2 or len(second) < 2:
        return None
    if statistics.pvariance(first) == statistics.pvariance(second) == 0:
        return float(first[0] == second[0])
    from scipy.stats import ttest_ind_from_stats  # noqa: PLC0415  takes half a second

    samples = ((statistics.fmean(each), statistics.stdev(each), len(each)) for each in (first, second))
    return float(ttest_ind_from_stats(*chain.from_iterable(samples), equal_var=False).pvalue)
