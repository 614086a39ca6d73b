"""`hpdash.Trial`, the argument of a user's training loop: it provides settings and data, and accepts results."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..data import Scaling
from ..data.dataset import Examples
from ..nested import Nested, map_leaves
from ..records import Scalar
from .attempt import Array, Attempt
from .read_settings import RecordingDict


@dataclass(frozen=True, slots=True)
class TrialData:
    """The scaled data of a custom training loop, with one example a row.

    x is float32 [n, ...]. y has int32 labels [n], one-hot labels float32 [n, classes], or float32 targets [n, ...] for
    a regression. The weights are float32 sample weights, one an example, or None if the data have none. If there are
    several inputs or outputs, each of these is a tuple, a list or a dict of such arrays.
    """

    x_train: Nested
    y_train: Nested
    x_validation: Nested
    y_validation: Nested
    weight_train: Nested | None = None
    weight_validation: Nested | None = None


class Trial:
    """One trial, as a training loop uses it: it reads `settings`, `seed` and `data`, and calls `report`."""

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt

    @property
    def number(self) -> int:
        """The trial's number in its sweep, from 0."""
        return self._attempt.spec.number

    @property
    def seed(self) -> int:
        """The seed from which all random numbers of the trial should come."""
        return self._attempt.spec.seed

    @property
    def hparams(self) -> dict[str, Scalar]:
        """The values of all keys of [data], [model] and [train], as TensorBoard shows them: a list is a text."""
        return RecordingDict(self._attempt.spec.hparams, self._attempt.read)

    @property
    def settings(self) -> Mapping[str, Mapping[str, Any]]:
        """The tables "data", "model", "train" and "log", with the values of all keys, defaults included.

        A value has the type that it has in the sweep file: a list stays a list.
        """
        return {
            table: RecordingDict(values, self._attempt.read) for table, values in self._attempt.spec.settings.items()
        }

    @property
    def epoch(self) -> int:
        """The number of finished epochs; at the start above 0 only if the trial resumes from a checkpoint."""
        return self._attempt.epoch

    @property
    def epochs(self) -> int:
        """How many epochs the trial is set to train."""
        self._attempt.read.add("epochs")
        return int(self._attempt.spec.settings["train"]["epochs"])

    @property
    def classes(self) -> Any:
        """The number of classes, or None for a regression.

        If there are several outputs, this is a tuple, a list or a dict with such a value for each output.
        """
        return self._attempt.dataset.classes

    @cached_property
    def data(self) -> TrialData:
        """The training and the validation part, scaled as [data] says; created at the first access."""
        dataset, split, scaling = self._attempt.dataset, self._attempt.split, self._attempt.scaling
        train = _rows(dataset.train, split.train, scaling)
        held_out = _rows(split.held_out(dataset), split.validation, scaling)
        return TrialData(train.x, train.y, held_out.x, held_out.y, train.weight, held_out.weight)

    @property
    def should_stop(self) -> bool:
        """Whether the sweep stops.

        A loop need not check this, because `tick` and `report` end the trial. If a loop returns early when the sweep
        stops, the trial counts as interrupted, and runs again later.
        """
        return self._attempt.host.stopping

    def scalar(self, tag: str, value: float, step: int) -> None:
        """Write one point of a series; `step` is the number of epochs finished.

        A tag that starts with "validation/" is written without this prefix, to the `validation` folder of the run.
        """
        self._attempt.scalar(tag, value, step)

    def histogram(self, tag: str, values: Array, step: int) -> None:
        """Write the distribution of an array of any shape; step 0 is before training.

        NaN and infinite values are in no bucket; if there are any, their share is written as a scalar.
        """
        self._attempt.histogram(tag, values, step)

    def checkpoint(self, save: Callable[[], Mapping[str, Any]]) -> Mapping[str, Array] | None:
        """Make the trial resumable; return the state to resume from, or None if the trial starts from the beginning.

        `save` returns everything that training changes: arrays and numbers, by name. `report` calls it if a checkpoint
        is due by [log] checkpoint_epochs or checkpoint_minutes, if the sweep stops, and if the trial is pruned. A later
        attempt gets the last saved state here, as NumPy arrays; `epoch` is the number of epochs finished by then:

            kept = trial.checkpoint(lambda: {v.path: v.numpy() for v in variables})
            if kept is not None:
                for variable in variables:
                    variable.assign(kept[variable.path])
            for epoch in range(trial.epoch + 1, trial.epochs + 1): ...

        For Keras, `variables` are `model.variables + optimizer.variables`, once the optimiser is built. Nothing is
        pickled: convert other objects to arrays, and bytes with `np.frombuffer(content, np.uint8)`. A dtype that NumPy
        does not know, such as bfloat16, comes back as bytes; restore it with `view`. A resumed trial computes the same
        bits if `save` returns everything that the next epoch depends on: draw random numbers from (seed, epoch), or
        save the generator's state.
        """
        return self._attempt.checkpoint(save)

    def describe(self, model: Any) -> None:
        """Write the layers of a built Keras model, for `hpdash show` and the Text tab, and its graph.

        Call this once, before training. If TensorBoard cannot draw the model, the graph is left out. A trial that
        resumes from a checkpoint writes nothing, because its first attempt has written both.
        """
        self._attempt.describe(model)

    def keep_weights(self, source: Callable[[], Iterable[tuple[str, Array]]]) -> None:
        """Keep weights in the run folder, after the best or the last epoch, as [log] weights says.

        `source` returns the current weights: pairs of a name, usually `layer/variable`, and a NumPy array. It is called
        after each epoch that is the best so far, or once after the last epoch. Arrays of Python objects are refused,
        and so are the names "file" and "allow_pickle".
        """
        self._attempt.keep_weights(source)

    def tick(self, fraction: float, phase: str = "training") -> None:
        """Report that a share (0 to 1) of the current epoch is done. Raises Interrupted if the sweep stops.

        A trial with a `checkpoint` finishes its epoch first: then `report` raises.
        """
        self._attempt.tick(fraction, phase)

    def report(self, epoch: int, **metrics: float) -> None:
        """Finish an epoch (from 1) with its metrics: `loss=…, accuracy=…`, validation as `validation_accuracy=…`.

        Report every epoch. An epoch that is left out has no point in the series, and cannot be the best.

        Writes the metrics as `epoch_<metric>`, and keeps the last and the best. Ends the trial by raising Interrupted
        if the sweep stops, Pruned if other trials do better, Diverged if a loss is no longer finite. Raises MetricError
        if the objective or the metric that pruning watches is missing. Raises TrialError if the epoch was reported
        before, or if an epoch was left out after which trials are compared for pruning.
        """
        self._attempt.report(epoch, **metrics)


def _rows(examples: Examples, part: range, scaling: Scaling) -> Examples:
    """Return a part of some examples, with x scaled."""

    def scaled(x: Array, offset: Array, divisor: Array) -> Array:
        values = x[part.start : part.stop].astype(np.float32)
        values -= offset  # in place: no second copy of large data
        values /= divisor
        return values

    def own(array: Array) -> Array:
        return array[part.start : part.stop]

    weight = None if examples.weight is None else map_leaves(own, examples.weight)
    return Examples(
        map_leaves(scaled, examples.x, scaling.offset, scaling.divisor), map_leaves(own, examples.y), weight
    )
