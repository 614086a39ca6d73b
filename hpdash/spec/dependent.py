"""Keys that apply only to some optimisers, schedules, activations or data sets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# For each key: the decider, which is the key that decides whether it applies, and its default for each value of the
# decider with which it applies
DEPENDENT: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "learning_rate": ("optimizer", {"sgd": 0.01, "rmsprop": 0.001, "adam": 0.001, "adamw": 0.001}),
    "momentum": ("optimizer", {"sgd": 0.0, "rmsprop": 0.0}),
    "nesterov": ("optimizer", {"sgd": False}),
    "rho": ("optimizer", {"rmsprop": 0.9}),
    "beta_1": ("optimizer", {"adam": 0.9, "adamw": 0.9}),
    "beta_2": ("optimizer", {"adam": 0.999, "adamw": 0.999}),
    "epsilon": ("optimizer", {"rmsprop": 1e-7, "adam": 1e-7, "adamw": 1e-7}),
    "weight_decay": ("optimizer", {"sgd": None, "rmsprop": None, "adam": None, "adamw": 0.004}),
    "decay": ("schedule", {"exponential": 0.95, "step": 0.1, "plateau": 0.1}),
    "decay_epochs": ("schedule", {"step": 10, "plateau": 5}),
    "min_learning_rate": ("schedule", {"cosine": 0.0, "plateau": 0.0}),
    "leaky_slope": ("activation", {"leaky_relu": 0.2}),
    "examples": ("name", {"synthetic": 2000}),
    "features": ("name", {"synthetic": 20}),
    "classes": ("name", {"synthetic": 4}),
}
