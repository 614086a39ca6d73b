"""What is known of a sweep's data and builders once they have been looked at; the sweep's folder keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

OPTIMIZER_KEYS = (
    "optimizer", "learning_rate", "momentum", "nesterov", "rho", "beta_1", "beta_2", "epsilon", "weight_decay",
    "clipnorm",
)  # fmt: skip
COMPILE_KEYS = (*OPTIMIZER_KEYS, "loss", "metrics")  # what reaches a model by being compiled
WHOLE = "_whole"  # of a [data] table: "standard" takes one mean and std of all features of a series


@dataclass(frozen=True, slots=True)
class BuilderUse:
    """The settings that a builder takes as parameters, and those that reach nothing because it compiles its model."""

    takes: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the inputs of a data set are.

    Attributes:
        scale: the scale for a file that names none.
        text: an example in words, such as "pictures of 12 x 12 x 3".
        group: what has a mean and a std of its own under scale = "standard": "channel", "feature", or "" for nothing.
        maximum: what scale = "unit" divides by, 0 for inputs that have no bound.
    """

    scale: str
    text: str
    group: str
    maximum: float = 0.0

    def scaled(self, scale: str) -> str:
        """Say what a scale does to the inputs."""
        if scale == "standard":
            return f"{self.text}, scaled by mean and std of {f'each {self.group}' if self.group else 'all values'}"
        return f"{self.text}, divided by {self.maximum:g}" if scale == "unit" else f"{self.text}, not scaled"


@dataclass(frozen=True, slots=True)
class Known:
    """What builders take, by reference, and what inputs are, by the name of their data set.

    `is_old` says that a version of hpdash began the sweep that did not look: the sweep goes on as that version had it.
    """

    builders: Mapping[str, BuilderUse] = field(default_factory=dict)
    inputs: Mapping[str, Inputs] = field(default_factory=dict)
    is_old: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the one JSON form."""
        return {
            "builders": {name: {"takes": use.takes, "unused": use.unused} for name, use in self.builders.items()},
            "inputs": {name: asdict(each) for name, each in self.inputs.items()},
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any] | None) -> Self:
        """Read the JSON form back, None from a version that had none; KeyError, TypeError or AttributeError else."""
        if data is None:
            return cls(is_old=True)
        uses = {name: BuilderUse(tuple(use["takes"]), tuple(use["unused"])) for name, use in data["builders"].items()}
        return cls(
            uses,
            {
                name: Inputs(str(each["scale"]), str(each["text"]), str(each["group"]), float(each["maximum"]))
                for name, each in data["inputs"].items()
            },
        )


NOTHING, OLD = Known(), Known(is_old=True)
