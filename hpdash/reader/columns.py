"""Collect the values of one tag while a file is read, with increasing steps.

A value replaces the values of its tag at the same step and at later ones, as in TensorBoard's data server. So a run
that was started again has each step once.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..histograms.histogram import Histogram
from ..runs import Series


class TagColumn:
    """The values of one tag: numbers and wall times of a scalar, or steps of a histogram.

    `histograms` are the histograms themselves, if they are kept; `last` is the last step.
    """

    __slots__ = ("_numbers", "_steps", "_times", "histograms", "last")

    def __init__(self) -> None:
        self._steps, self._numbers, self._times = array("q"), array("d"), array("d")
        self.histograms: list[Histogram] = []
        self.last = -(2**63) - 1  # before every step

    def add(self, step: int, number: float, time: float) -> None:
        """Add a value of a scalar; `time` is its wall time."""
        self._begin(step)
        self._numbers.append(number)
        self._times.append(time)

    def count(self, step: int, kept: Histogram | None = None) -> None:
        """Add a histogram's step, and the histogram itself if it is kept."""
        self._begin(step)
        if kept:
            self.histograms.append(kept)

    def extend(self, steps: Sequence[int], numbers: Sequence[float] = (), times: Sequence[float] = ()) -> None:
        """Add values of a scalar or, without `numbers`, steps of a histogram: at least one, in increasing order."""
        self._begin(steps[0])
        self._steps.extend(steps[1:])
        self._numbers.extend(numbers)
        self._times.extend(times)
        self.last = steps[-1]

    def _begin(self, step: int) -> None:
        if step <= self.last:
            while self._steps and self._steps[-1] >= step:
                for values in (self._steps, self._numbers, self._times, self.histograms):
                    if values:
                        values.pop()
        self._steps.append(step)
        self.last = step

    @property
    def steps(self) -> NDArray[np.int64]:
        """The steps at which there is a value: int64 [n]."""
        return np.frombuffer(self._steps, np.int64)

    @property
    def series(self) -> Series:
        """The values of a scalar, with steps and wall times."""
        return Series(self.steps, np.frombuffer(self._numbers), np.frombuffer(self._times))
