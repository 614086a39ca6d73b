"""Early stopping and learning rate schedules of a Keras trial: Keras' own callbacks, called between epochs.

Their state is saved in checkpoints, so that a resumed trial stops and decays as it would have without interruption.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from ..goal import Goal
from ..records import CALLBACK_PREFIX

_STATE = ("wait", "best", "best_epoch", "stopped_epoch", "cooldown_counter")

Array = np.ndarray[Any, np.dtype[Any]]


class BetweenEpochs:
    """The callbacks of one trial, from its resolved [train] table; `rate` is the initial learning rate."""

    def __init__(self, train: Mapping[str, Any], objective: str, goal: Goal, rate: float) -> None:
        self._callbacks = callbacks_for(train, objective, goal, rate)

    stateless: tuple[str, ...] = ()  # none: each of these callbacks has a state

    def state(self) -> dict[str, Array]:
        """Return the state of the callbacks for a checkpoint: numbers by name, NaN in place of None."""
        return {
            f"{CALLBACK_PREFIX}{place}/{name}": np.array(
                math.nan if (value := getattr(each, name)) is None else value, float
            )
            for place, each in enumerate(self._callbacks)
            for name in _STATE
            if hasattr(each, name)
        }

    def callbacks(self, kept: Mapping[str, Array]) -> list[keras.callbacks.Callback]:
        """Return the callbacks to train with; `kept` are the arrays of the checkpoint that the trial resumes from."""
        state = {name: value for name, value in kept.items() if name.startswith(CALLBACK_PREFIX)}
        return [*self._callbacks, Resumed(self._callbacks, state)] if state else self._callbacks


def callbacks_for(train: Mapping[str, Any], objective: str, goal: Goal, rate: float) -> list[keras.callbacks.Callback]:
    """Return the callbacks that a resolved [train] table asks for; `rate` is the initial learning rate."""
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
    """Return a function from the epoch e, from 0, to the learning rate.

    With r the initial rate, d `decay` and n `decay_epochs`: r d^e ("exponential"), r d^(e div n) ("step"), or half a
    cosine from r to `min_learning_rate` ("cosine").
    """
    decay, epochs, least = train["decay"], train["epochs"], train["min_learning_rate"]
    if train["schedule"] == "exponential":
        return lambda epoch: float(rate * decay**epoch)
    if train["schedule"] == "step":
        return lambda epoch: float(rate * decay ** (epoch // train["decay_epochs"]))
    return lambda epoch: float(least + (rate - least) * (1 + math.cos(math.pi * epoch / epochs)) / 2)


class Resumed(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Restore the state of the callbacks before this one in the list, after they have reset it when training begins."""

    def __init__(self, callbacks: Sequence[keras.callbacks.Callback], state: Mapping[str, Array]) -> None:
        super().__init__()
        self._callbacks, self._state = callbacks, state

    def on_train_begin(self, logs: Any = None) -> None:
        """Restore the state; a trial that had already stopped early does not train again."""
        for name, value in self._state.items():
            place, attribute = name.removeprefix(CALLBACK_PREFIX).split("/")
            number = None if np.isnan(value) else float(value) if attribute == "best" else int(value)
            setattr(self._callbacks[int(place)], attribute, number)
        self.model.stop_training = any(getattr(each, "stopped_epoch", 0) > 0 for each in self._callbacks)
