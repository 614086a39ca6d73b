"""What is known of a sweep's data and builders after they have been examined; `sweep.json` stores it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

OPTIMIZER_KEYS = (
    "optimizer", "learning_rate", "momentum", "nesterov", "rho", "beta_1", "beta_2", "epsilon", "weight_decay",
    "clipnorm",
)  # fmt: skip
COMPILE_KEYS = (*OPTIMIZER_KEYS, "loss", "metrics")  # settings that reach a model when it is compiled
WHOLE = "_whole"  # key of a [data] table: "standard" uses one mean and std for all features of a series


@dataclass(frozen=True, slots=True)
class BuilderUse:
    """How a user's builder uses the settings.

    `takes` are the settings that it has as parameters. `unused` have no effect, because it compiles its model itself.
    """

    takes: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the inputs of a data set are.

    Attributes:
        scale: the default, for a sweep file that names no scale.
        text: an example in words, such as "pictures of 12 x 12 x 3".
        group: what has its own mean and std under scale = "standard": "channel", "feature", or "" for all values.
        maximum: the divisor of scale = "unit", 0 for inputs that have no bound.
    """

    scale: str
    text: str
    group: str
    maximum: float = 0.0

    def scaled(self, scale: str) -> str:
        """Return a description of the inputs under a scale, such as "pictures of 28 x 28, divided by 255"."""
        if scale == "standard":
            return f"{self.text}, scaled by mean and std of {f'each {self.group}' if self.group else 'all values'}"
        return f"{self.text}, divided by {self.maximum:g}" if scale == "unit" else f"{self.text}, not scaled"


@dataclass(frozen=True, slots=True)
class SweepFacts:
    """What each builder (`module:function`) takes, and what the inputs of each data set are, by its name.

    `is_from_old_version` says that an older version of hpdash, which examined neither, started the sweep. The sweep
    then goes on as that version would run it.
    """

    builders: Mapping[str, BuilderUse] = field(default_factory=dict)
    inputs: Mapping[str, Inputs] = field(default_factory=dict)
    is_from_old_version: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "builders": {name: {"takes": use.takes, "unused": use.unused} for name, use in self.builders.items()},
            "inputs": {name: asdict(each) for name, each in self.inputs.items()},
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any] | None) -> Self:
        """Read the JSON form; None stands for a version that wrote none, and gives `is_from_old_version`.

        Raises KeyError, TypeError, ValueError or AttributeError if the form is invalid.
        """
        if data is None:
            return cls(is_from_old_version=True)
        uses = {name: BuilderUse(tuple(use["takes"]), tuple(use["unused"])) for name, use in data["builders"].items()}
        return cls(
            uses,
            {
                name: Inputs(str(each["scale"]), str(each["text"]), str(each["group"]), float(each["maximum"]))
                for name, each in data["inputs"].items()
            },
        )


NOT_EXAMINED, FROM_OLD_VERSION = SweepFacts(), SweepFacts(is_from_old_version=True)
