"""One attempt at a trial: what it writes, its last and best metrics, its checkpoints, and when it has to stop."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from difflib import get_close_matches
from typing import Any

import numpy as np

from ..data import Dataset, Scaling, Split
from ..errors import MetricError, Problem, TrialError
from ..histograms.histogram import Histogram
from ..logs import layout, outline, text_tab
from ..logs.checkpoint import Checkpointer
from ..logs.layout import VALIDATION_PREFIX
from ..logs.writer import RunWriter
from ..records import Progress, Reached, TrialSpec
from .host import Diverged, Host, Interrupted, Pruned

Array = np.ndarray[Any, np.dtype[Any]]
Loaded = tuple[Dataset, Split, Scaling]


class Attempt:
    """One attempt at a trial; `hpdash.Trial` gives training loops access to a part of it.

    `epoch` is the number of finished epochs. At the start it is above 0 only if the trial resumes from a checkpoint.
    `read` has the names of the keys whose values a custom training loop has read.
    """

    def __init__(
        self, spec: TrialSpec, loaded: Loaded, writer: RunWriter, host: Host, checkpointer: Checkpointer
    ) -> None:
        self.spec, self.host = spec, host
        self.dataset, self.split, self.scaling = loaded
        self._writer, self._checkpointer = writer, checkpointer
        self._save: Callable[[], Mapping[str, Any]] | None = None
        self.read: set[str] = set()
        kept = checkpointer.kept
        self.epoch: int = kept.epoch if kept else 0
        self.metrics: Mapping[str, float] = kept.metrics if kept else {}
        self.best: Mapping[str, float] = kept.best if kept else {}
        self.best_epoch: int | None = kept.best_epoch if kept else None

    @property
    def settings(self) -> Mapping[str, Mapping[str, Any]]:
        """The tables "data", "model", "train" and "log", with the values of all keys, defaults included."""
        return self.spec.settings

    @property
    def epochs(self) -> int:
        """How many epochs the trial is set to train."""
        return int(self.spec.settings["train"]["epochs"])

    def unread(self) -> list[str]:
        """Return the swept keys that a custom training loop has not read; these keys had no effect.

        Keys of [data] count as read because they change the data, and `loop` because it chooses the loop.
        """
        used = {*self.read, *self.spec.settings["data"], "loop"}
        return [name for name in self.spec.swept if name not in used]

    def scalar(self, tag: str, value: float, step: int) -> None:
        """Write one point of a series, as `Trial.scalar` says."""
        name = tag.removeprefix(VALIDATION_PREFIX)
        self._writer.scalar(name, float(value), step, validation=name != tag)

    def histogram(self, tag: str, values: Array, step: int) -> None:
        """Write a distribution, as `Trial.histogram` says."""
        histogram = Histogram.of(np.asarray(values))
        self._writer.histogram(tag, histogram, step)
        if histogram.nonfinite:
            self._writer.scalar(layout.nonfinite_tag(tag), histogram.nonfinite / np.size(values), step)

    def checkpoint(self, save: Callable[[], Mapping[str, Any]]) -> Mapping[str, Array] | None:
        """Make the trial resumable, as `Trial.checkpoint` says."""
        self._save = save
        if self._ask_if_pruned():  # the last attempt may have died after its checkpoint, before it ended as pruned
            raise Pruned
        return self._checkpointer.kept.arrays if self._checkpointer.kept else None

    def describe(self, model: Any) -> None:
        """Write the layers and the graph of a built Keras model, as `Trial.describe` says."""
        if self.epoch:
            return
        layers, graph = outline.layers_of(model), outline.graph_of(model)
        outline.write(self._writer.folder, layers)
        self._writer.text(layout.MODEL_TEXT, text_tab.model(layers))
        if graph is not None:
            self._writer.graph(graph)

    def keep_weights(self, source: Callable[[], Iterable[tuple[str, Array]]]) -> None:
        """Keep weights in the run folder, as `Trial.keep_weights` says."""
        self._checkpointer.keep_weights(source)

    def tick(self, fraction: float, phase: str = "training") -> None:
        """Report progress within an epoch, as `Trial.tick` says."""
        self._send_progress(fraction, phase)
        if self.host.stopping and not self._save:
            raise Interrupted

    def _send_progress(self, fraction: float, phase: str = "training") -> None:
        self.host.progress(Progress(self.spec.number, self.epoch, self.epochs, fraction, self.metrics, phase))

    def report(self, epoch: int, **metrics: float) -> None:
        """Finish an epoch, as `Trial.report` says."""
        self._check_epoch(epoch)
        named = {_metric_name(name): float(value) for name, value in metrics.items()}
        self.require(named)
        for name, value in named.items():
            base = name.removeprefix(VALIDATION_PREFIX)
            self._writer.scalar(layout.epoch_tag(base), value, epoch, validation=base != name)
        self.epoch, self.metrics = epoch, named
        self._keep_best()
        self._writer.flush()
        losses = [value for name, value in named.items() if name.removeprefix(VALIDATION_PREFIX) == "loss"]
        if not all(map(math.isfinite, losses)):
            raise Diverged
        if epoch < self.epochs:
            self._between_epochs(epoch)

    def _check_epoch(self, epoch: int) -> None:
        """Raise TrialError if a reported epoch is not after the last one, or if a rung between them is missing."""
        if epoch <= self.epoch:
            hint = "Start the loop at trial.epoch + 1. To train the trial from the start, sweep with --retry-failed."
            raise TrialError(f"report: expected an epoch after {self.epoch}, found {epoch}. {hint}")
        if left_out := [rung for rung in self.spec.rungs if self.epoch < rung < epoch]:
            expected = f"expected epoch {left_out[0]}, after which trials are compared for pruning"
            raise TrialError(f"report: {expected}, found epoch {epoch}. Report every epoch.")

    def _between_epochs(self, epoch: int) -> None:
        """Write a checkpoint if one is due or if the trial has to stop, and report the progress.

        Raises Pruned or Interrupted if the trial has to stop.
        """
        pruned = self._ask_if_pruned()
        stopping = self.host.stopping
        if self._save and (pruned or stopping or self._checkpointer.due(epoch)):
            self._checkpointer.keep(epoch, self.metrics, self.best, self.best_epoch, self._save())
        self._send_progress(0.0)
        if pruned:
            raise Pruned
        if stopping:
            raise Interrupted

    def _ask_if_pruned(self) -> bool:
        """Return whether the trial is pruned: at a rung, the driver decides; after any other epoch, it is not."""
        if self.epoch not in self.spec.rungs:
            return False
        return not self.host.ask_to_go_on(Reached(self.spec.number, self.epoch, self.metrics[self.spec.watch]))

    def _keep_best(self) -> None:
        objective, goal = self.spec.objective, self.spec.goal
        value, best = self.metrics[objective], self.best.get(objective)
        better = best is None or goal.better(value, best)
        if better and math.isfinite(value):
            self.best, self.best_epoch = self.metrics, self.epoch
            if self._checkpointer.weights:
                self._checkpointer.weights.after_best(self.epoch)

    def require(self, metrics: Collection[str]) -> None:
        """Raise MetricError unless `metrics` has the objective and, if the trial has rungs, the watched metric."""
        asked = {"sweep.objective": self.spec.objective} | ({"prune.watch": self.spec.watch} if self.spec.rungs else {})
        for key, metric in asked.items():
            if not metrics:
                hint = "trial.report was called without metrics. Give them as keywords, such as loss=0.5."
                raise MetricError(str(Problem(key, "a reported metric", metric, hint)))
            if metric not in metrics:
                near = get_close_matches(metric, metrics, n=1)
                hint = f"Did you mean {near[0]!r}?" if near else ""
                raise MetricError(str(Problem(key, f"one of {', '.join(metrics)}", metric, hint)))

    def write_best(self) -> None:
        """Write the best epoch and its metrics as extra scalars; without a best epoch, write nothing.

        These are the validation metrics if the objective is one of them, otherwise the training metrics. The learning
        rate is left out. Extra scalars are needed because TensorBoard's HParams table shows the last value of a scalar.
        """
        if self.best_epoch is None:
            return
        prefix = VALIDATION_PREFIX if self.spec.objective.startswith(VALIDATION_PREFIX) else ""
        for name, value in self.best.items():
            if name.startswith(VALIDATION_PREFIX) == bool(prefix) and name != layout.LEARNING_RATE:
                self._writer.scalar(layout.best_tag(name.removeprefix(prefix)), value, self.epoch)
        self._writer.scalar(layout.BEST_EPOCH, float(self.best_epoch), self.epoch)


def _metric_name(keyword: str) -> str:
    for prefix in ("validation_", "val_"):
        if keyword.startswith(prefix):
            return VALIDATION_PREFIX + keyword.removeprefix(prefix)
    return keyword
