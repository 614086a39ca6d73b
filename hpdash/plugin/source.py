"""What TensorBoard knows: the only place that asks its data provider, for one request about one experiment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc  # type: ignore[import-untyped]
from tensorboard.data import provider
from tensorboard.errors import PublicError

HISTOGRAMS, SCALARS, HPARAMS = "histograms", "scalars", "hparams"  # TensorBoard's plugins, by whom data are kept

UNAVAILABLE = (grpc.RpcError, PublicError)  # what a provider raises that has no answer

_ALL = 2**31 - 1  # points: as many as there are, never thinned
_TOGETHER = 64  # runs read in one call, whose answer gRPC bounds at 256 MiB
_KEPT = {"GrpcDataProvider": 100, "MultiplexerDataProvider": 500}  # steps of a histogram, unless a flag says otherwise

Listing = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Source:
    """An experiment as a data provider has it; `hints` is what `--samples_per_plugin` says."""

    provider: Any
    context: Any
    experiment: str
    hints: Mapping[str, int] = field(default_factory=dict)

    @property
    def kept(self) -> int | None:
        """How many steps of a histogram TensorBoard keeps, None where it keeps all or that is not known."""
        default = _KEPT.get(type(self.provider).__name__)
        return self.hints.get(HISTOGRAMS, default) or None

    def listing(self, plugin: str) -> Listing:
        """Return each run's tags of a plugin with their metadata."""
        listing: Listing = self.provider.list_tensors(self.context, experiment_id=self.experiment, plugin_name=plugin)
        return listing

    def histograms(self, tag: str, runs: Sequence[str]) -> Iterator[tuple[str, list[Any] | str]]:
        """Yield of each run that has a tag its data, or a sentence where they cannot be read."""
        for start in range(0, len(runs), _TOGETHER):
            yield from self._histograms(tag, runs[start : start + _TOGETHER])

    def scalars(self, tag: str, runs: Sequence[str]) -> dict[str, dict[int, float]]:
        """Return of each run that has a scalar its values by step."""
        found = self.provider.read_scalars(
            self.context, experiment_id=self.experiment, plugin_name=SCALARS, downsample=_ALL,
            run_tag_filter=provider.RunTagFilter(runs=runs, tags=[tag]),
        )  # fmt: skip
        return {run: {datum.step: float(datum.value) for datum in tags[tag]} for run, tags in found.items() if tags}

    def _histograms(self, tag: str, runs: Sequence[str]) -> Iterator[tuple[str, list[Any] | str]]:
        """Read some runs in one call: where that fails half of them, so that what is broken costs only itself."""
        try:
            found = self.provider.read_tensors(
                self.context, experiment_id=self.experiment, plugin_name=HISTOGRAMS, downsample=_ALL,
                run_tag_filter=provider.RunTagFilter(runs=runs, tags=[tag]),
            )  # fmt: skip
        except (ArithmeticError, LookupError, TypeError, ValueError, grpc.RpcError) as error:
            if _is_gone(error):
                raise
            if len(runs) == 1:
                yield runs[0], f"what cannot be read ({error})"
                return
            middle = len(runs) // 2
            yield from self._histograms(tag, runs[:middle])
            yield from self._histograms(tag, runs[middle:])
            return
        yield from ((run, found[run][tag]) for run in runs if tag in found.get(run, {}))


def _is_gone(error: Exception) -> bool:
    """Say whether it is the data server that is in trouble, and not the data."""
    return isinstance(error, grpc.RpcError) and error.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED
