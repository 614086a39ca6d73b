"""What happens between a Keras trial's epochs: early stopping and learning rate schedules, by Keras' own callbacks.

Their state goes into checkpoints, so that a trial that goes on stops and decays where it would have.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from .goal import Goal
from .trial import BETWEEN

_STATE = ("wait", "best", "best_epoch", "stopped_epoch", "cooldown_counter")

Array = np.ndarray[Any, np.dtype[Any]]


class BetweenEpochs:
    """One trial's callbacks, by its resolved [train] table; `rate` is the learning rate that training begins with."""

    def __init__(self, train: Mapping[str, Any], objective: str, goal: Goal, rate: float) -> None:
        self._callbacks = callbacks_for(train, objective, goal, rate)

    def state(self) -> dict[str, Array]:
        """Return the numbers the callbacks go by, for a checkpoint; NaN is what has no value yet."""
        return {
            f"{BETWEEN}{place}/{name}": np.array(math.nan if (value := getattr(each, name)) is None else value, float)
            for place, each in enumerate(self._callbacks)
            for name in _STATE
            if hasattr(each, name)
        }

    def callbacks(self, kept: Mapping[str, Array]) -> list[keras.callbacks.Callback]:
        """Return the callbacks to train with, which go on from what a checkpoint has kept of them."""
        state = {name: value for name, value in kept.items() if name.startswith(BETWEEN)}
        return [*self._callbacks, Resumed(self._callbacks, state)] if state else self._callbacks


def callbacks_for(train: Mapping[str, Any], objective: str, goal: Goal, rate: float) -> list[keras.callbacks.Callback]:
    """Return the callbacks a resolved [train] table asks for; `rate` is the learning rate training begins with."""
    head, _, metric = objective.rpartition("/")
    watched: dict[str, Any] = {"monitor": f"val_{metric}" if head else metric, "mode": str(goal)}
    watched["min_delta"] = train["min_delta"] or 0.0
    found: list[keras.callbacks.Callback] = []
    if train["schedule"] == "plateau":
        decay = {"factor": train["decay"], "patience": train["decay_epochs"], "min_lr": train["min_learning_rate"]}
        found.append(keras.callbacks.ReduceLROnPlateau(**watched, **decay))
    elif train["schedule"]:
        found.append(keras.callbacks.LearningRateScheduler(schedule(train, rate)))
    if train["patience"]:
        found.append(keras.callbacks.EarlyStopping(**watched, patience=train["patience"]))
    return found


def schedule(train: Mapping[str, Any], rate: float) -> Callable[[int], float]:
    """Return the learning rate by epoch, from 0: r d^e, r d^(e div n), or half a cosine from r to its least."""
    decay, epochs, least = train["decay"], train["epochs"], train["min_learning_rate"]
    if train["schedule"] == "exponential":
        return lambda epoch: float(rate * decay**epoch)
    if train["schedule"] == "step":
        return lambda epoch: float(rate * decay ** (epoch // train["decay_epochs"]))
    return lambda epoch: float(least + (rate - least) * (1 + math.cos(math.pi * epoch / epochs)) / 2)


class Resumed(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Puts the state of callbacks before it in the list back when training begins, which has just reset it."""

    def __init__(self, callbacks: Sequence[keras.callbacks.Callback], state: Mapping[str, Array]) -> None:
        super().__init__()
        self._callbacks, self._state = callbacks, state

    def on_train_begin(self, logs: Any = None) -> None:
        """Put it back; a trial that had been stopped early trains no more."""
        for name, value in self._state.items():
            place, attribute = name.removeprefix(BETWEEN).split("/")
            number = None if np.isnan(value) else float(value) if attribute == "best" else int(value)
            setattr(self._callbacks[int(place)], attribute, number)
        self.model.stop_training = any(getattr(each, "stopped_epoch", 0) > 0 for each in self._callbacks)
