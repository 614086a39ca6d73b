"""Read from TensorBoard's data provider, for one request about one experiment; no other module does so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc  # type: ignore[import-untyped]
import numpy as np
from tensorboard.data import provider
from tensorboard.errors import PublicError

from ..runs import Series

HISTOGRAMS, SCALARS, HPARAMS = "histograms", "scalars", "hparams"  # names of the TensorBoard plugins that own the data

UNAVAILABLE = (grpc.RpcError, PublicError)  # what a provider raises if it cannot answer

_ALL = 2**31 - 1  # points to return at most: all of them, no downsampling
_RUNS_PER_CALL = 64  # runs read in one call; gRPC limits the response to 256 MiB
_KEPT = {"GrpcDataProvider": 100, "MultiplexerDataProvider": 500}  # default number of steps per histogram

TagListing = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Source:
    """One experiment of a data provider. `hints` has the values of `--samples_per_plugin`, by plugin."""

    provider: Any
    context: Any
    experiment: str
    hints: Mapping[str, int] = field(default_factory=dict)

    @property
    def kept(self) -> int | None:
        """How many steps of a histogram TensorBoard keeps; None if it keeps all, or if the number is unknown."""
        default = _KEPT.get(type(self.provider).__name__)
        return self.hints.get(HISTOGRAMS, default) or None

    def listing(self, plugin: str) -> TagListing:
        """Return the tags of a plugin with their metadata: {run: {tag: metadata}}."""
        listing: TagListing = self.provider.list_tensors(
            self.context, experiment_id=self.experiment, plugin_name=plugin
        )
        return listing

    def histograms(self, tag: str, runs: Sequence[str]) -> Iterator[tuple[str, list[Any] | str]]:
        """Yield each run that has a tag, with its data, or with a text that says why they cannot be read."""
        for start in range(0, len(runs), _RUNS_PER_CALL):
            yield from self._histograms(tag, runs[start : start + _RUNS_PER_CALL])

    def scalars(self, tag: str, runs: Sequence[str]) -> dict[str, dict[int, float]]:
        """Return {run: {step: value}} of a scalar, for the runs that have it."""
        found = self.provider.read_scalars(
            self.context, experiment_id=self.experiment, plugin_name=SCALARS, downsample=_ALL,
            run_tag_filter=provider.RunTagFilter(runs=runs, tags=[tag]),
        )  # fmt: skip
        return {run: {datum.step: float(datum.value) for datum in tags[tag]} for run, tags in found.items() if tags}

    def scalar_listing(self) -> TagListing:
        """Return the scalars with their metadata: {run: {tag: metadata}}."""
        listing: TagListing = self.provider.list_scalars(
            self.context, experiment_id=self.experiment, plugin_name=SCALARS
        )
        return listing

    def series(self, runs: Sequence[str]) -> Iterator[tuple[str, dict[str, Series]]]:
        """Yield each of some runs that has scalars, with all of them by tag."""
        for start in range(0, len(runs), _RUNS_PER_CALL):
            found = self.provider.read_scalars(
                self.context, experiment_id=self.experiment, plugin_name=SCALARS, downsample=_ALL,
                run_tag_filter=provider.RunTagFilter(runs=runs[start : start + _RUNS_PER_CALL]),
            )  # fmt: skip
            yield from ((run, {tag: _series(data) for tag, data in tags.items()}) for run, tags in found.items())

    def _histograms(self, tag: str, runs: Sequence[str]) -> Iterator[tuple[str, list[Any] | str]]:
        """Read some runs in one call. If it fails, read each half separately, so that only broken runs are lost."""
        try:
            found = self.provider.read_tensors(
                self.context, experiment_id=self.experiment, plugin_name=HISTOGRAMS, downsample=_ALL,
                run_tag_filter=provider.RunTagFilter(runs=runs, tags=[tag]),
            )  # fmt: skip
        except (ArithmeticError, LookupError, TypeError, ValueError, grpc.RpcError) as error:
            if _is_gone(error):
                raise
            if len(runs) == 1:
                yield runs[0], f"unreadable data ({error})"
                return
            middle = len(runs) // 2
            yield from self._histograms(tag, runs[:middle])
            yield from self._histograms(tag, runs[middle:])
            return
        yield from ((run, found[run][tag]) for run in runs if tag in found.get(run, {}))


def _series(data: Sequence[Any]) -> Series:
    """Return the points of a scalar; of several points at one step, the last counts."""
    points = {datum.step: datum for datum in data}
    ordered = [points[step] for step in sorted(points)]
    values, times = (np.array([getattr(datum, name) for datum in ordered], float) for name in ("value", "wall_time"))
    return Series(np.array(sorted(points), np.int64), values, times)


def _is_gone(error: Exception) -> bool:
    """Return whether the data server failed, rather than the data. RESOURCE_EXHAUSTED: the response was too large."""
    return isinstance(error, grpc.RpcError) and error.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED
