"""What hpdash has found out about a sweep's data and builders by examining them; `sweep.json` stores it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

OPTIMIZER_KEYS = (
    "optimizer", "learning_rate", "momentum", "nesterov", "rho", "beta_1", "beta_2", "epsilon", "weight_decay",
    "clipnorm",
)  # fmt: skip
COMPILE_KEYS = (*OPTIMIZER_KEYS, "loss", "metrics")  # keys that are used to compile a model
# A key that hpdash adds to the [data] table of a trial, never in a sweep file. If it is true, scale = "standard" uses
# one mean and std for all features of a series, as in older versions.
WHOLE = "_whole"


@dataclass(frozen=True, slots=True)
class BuilderUse:
    """How a user's builder uses the keys of a sweep file.

    `takes` are the keys that the builder has as parameters. `unused` are keys without any effect, because the builder
    compiles its model itself.
    """

    takes: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the inputs of a data set are.

    Attributes:
        scale: the default of the key `data.scale`.
        text: an example in words, such as "pictures of 12 x 12 x 3".
        group: what has its own mean and std under scale = "standard": "channel", "feature", or "" for all values.
        maximum: the divisor under scale = "unit"; 0 if the inputs have no known maximum.
        has_validation: whether the data set has a validation set of its own.
        is_nested: whether there are several inputs.
    """

    scale: str
    text: str
    group: str
    maximum: float = 0.0
    has_validation: bool = False
    is_nested: bool = False

    def scaled(self, scale: str) -> str:
        """Return a description of the inputs under a scale, such as "pictures of 28 x 28, divided by 255"."""
        own = ", with a validation set" if self.has_validation else ""
        if scale == "standard":
            return f"{self.text}, scaled by mean and std of {f'each {self.group}' if self.group else 'all values'}{own}"
        divisor = f"{self.maximum:g}" if self.maximum else "their maximum"
        return f"{self.text}, divided by {divisor}{own}" if scale == "unit" else f"{self.text}, not scaled{own}"


@dataclass(frozen=True, slots=True)
class SweepFacts:
    """What is known of a sweep's builders and data.

    `builders` has the use of each custom builder, by its reference `module:function`. `inputs` has the inputs of each
    data set, by its name. `is_from_old_version` says that the sweep was started by an older version of hpdash, which
    examined neither. Such a sweep continues as that version would run it.
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
        """Read the JSON form. None means that an older version wrote none; then `is_from_old_version` is true.

        Raises KeyError, TypeError, ValueError or AttributeError if the form is invalid.
        """
        if data is None:
            return cls(is_from_old_version=True)
        uses = {name: BuilderUse(tuple(use["takes"]), tuple(use["unused"])) for name, use in data["builders"].items()}
        return cls(
            uses,
            {
                name: Inputs(
                    str(each["scale"]),
                    str(each["text"]),
                    str(each["group"]),
                    float(each["maximum"]),
                    bool(each.get("has_validation", False)),
                    bool(each.get("is_nested", False)),
                )
                for name, each in data["inputs"].items()
            },
        )


NOT_EXAMINED, FROM_OLD_VERSION = SweepFacts(), SweepFacts(is_from_old_version=True)
