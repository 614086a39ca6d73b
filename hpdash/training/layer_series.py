"""Write what `[log] series` asks for: histograms and per-layer scalars of a Keras trial, at the epochs that are due.

If "gradients" is among the series, with L the loss of the probe batch and w a variable:
    gradients/<layer>/<variable>     the values of dL/dw
    gradient_norm/<layer>            the L2 norm of dL/dw over all of the layer's trainable variables
    gradient_norm/all                the same over all layers
    update_ratio/<layer>/<variable>  |w_e - w_(e-1)| / |w_(e-1)| over the last epoch, L2 norms; none if |w_(e-1)| = 0
The update ratio is that of a whole epoch. Karpathy's notes for CS231n ("Ratio of weights:updates") call 0.001 healthy,
but for one step, so the two cannot be compared.

If "activations" is among the series, for each layer with an activation, over the probe batch:
    activations/<layer>              the outputs
    dead_units/<layer>               for relu, the share of units that are 0 for every example
    saturated_units/<layer>          for sigmoid or tanh, the share of outputs near the ends of its range
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..logs import layout

if TYPE_CHECKING:
    from ..engine.engine import Engine
    from .attempt import Attempt

NEAR_END = 0.05  # share of a bounded activation's range: outputs this near to an end are saturated
RECTIFIERS = ("relu", "relu6")
RANGES = {"sigmoid": (0.0, 1.0), "hard_sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0), "hard_tanh": (-1.0, 1.0)}

Array = np.ndarray[Any, np.dtype[Any]]


class LayerSeries:
    """Write a trial's series. The engine must have the weights of the epoch for which `write` is called."""

    def __init__(self, trial: Attempt, engine: Engine) -> None:
        log = trial.settings["log"]
        self._trial, self._engine = trial, engine
        self._every, self._wanted = log["histograms"], log["series"]
        self._before: dict[str, Array] = {}

    def write(self, epoch: int) -> None:
        """Write the series that are due after `epoch` epochs: every `histograms` epochs from 0, and after the last."""
        if self._is_due(epoch, "weights"):
            for layer, variable, values in self._engine.weights():
                self._trial.histogram(layout.weight_tag(layer, variable), values, epoch)
        if self._is_due(epoch, "gradients"):
            self._write_gradients(epoch)
            self._write_updates(epoch)
        if self._is_due(epoch, "activations"):
            self._write_activations(epoch)

    def begin(self, epoch: int) -> None:
        """Copy the trainable weights after `epoch` epochs, if the update ratio of the next epoch is due."""
        due = epoch < self._trial.epochs and self._is_due(epoch + 1, "gradients")
        trained = self._engine.weights(trainable=True) if due else ()
        self._before = {layout.update_ratio_tag(layer, name): values.copy() for layer, name, values in trained}

    def _is_due(self, epoch: int, series: str) -> bool:
        every = self._every
        return bool(every) and series in self._wanted and (epoch % every == 0 or epoch == self._trial.epochs)

    def _write_gradients(self, epoch: int) -> None:
        norms: dict[str, float] = {}
        for layer, variable, values in self._engine.probe.gradients():
            self._trial.histogram(layout.gradient_tag(layer, variable), values, epoch)
            norms[layer] = math.hypot(norms.get(layer, 0.0), norm(values))
        for layer, length in norms.items():
            self._trial.scalar(layout.gradient_norm_tag(layer), length, epoch)
        if norms:
            self._trial.scalar(layout.gradient_norm_tag(), math.hypot(*norms.values()), epoch)

    def _write_updates(self, epoch: int) -> None:
        for layer, variable, values in self._engine.weights(trainable=True) if self._before else ():
            tag = layout.update_ratio_tag(layer, variable)
            before = self._before[tag]
            if length := norm(before):
                self._trial.scalar(tag, norm(values - before) / length, epoch)

    def _write_activations(self, epoch: int) -> None:
        for activation in self._engine.probe.activations():
            self._trial.histogram(layout.activation_tag(activation.layer), activation.outputs, epoch)
            if activation.function in RECTIFIERS:
                share = dead_units(activation.outputs)
                self._trial.scalar(layout.dead_units_tag(activation.layer), share, epoch)
            elif ends := RANGES.get(activation.function):
                share = saturated_units(activation.outputs, *ends)
                self._trial.scalar(layout.saturated_units_tag(activation.layer), share, epoch)


def norm(values: Array) -> float:
    """Return the L2 norm of an array of any shape, sqrt(sum(v^2)), in float64."""
    return math.sqrt(np.sum(np.square(values, dtype=np.float64)))  # the bits of a BLAS product depend on its threads


def dead_units(outputs: Array) -> float:
    """Return the share of units whose rectified outputs [n, units] are 0 for every example.

    Such a unit passes no gradient for any of the examples, so the batch cannot revive it ("dying ReLU"; Lu, Shin, Su
    and Karniadakis 2019, https://arxiv.org/abs/1903.06733). In a convolution, a unit is a channel over all positions.
    """
    return float(np.mean(np.all(outputs == 0, axis=0)))


def saturated_units(outputs: Array, low: float, high: float) -> float:
    """Return the share of outputs [n, units] near `low` or `high`, the ends of the activation's range.

    Near means at most 5 % of the range's width away. There the activation's slope is small, and so is the gradient that
    passes: at most 0.19 of its maximum for sigmoid and tanh. Rakitianskaia and Engelbrecht, "Measuring saturation in
    neural networks" (2015), measure outputs at the ends of the range; Glorot and Bengio (2010) observed them.
    """
    margin = NEAR_END * (high - low)
    return float(np.mean((outputs <= low + margin) | (outputs >= high - margin)))
