"""An evaluation on the test set, as the journal stores it: the trials selected on validation, and their results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

LARGEST = 2**63  # counts that are read from a file have to be below this


@dataclass(frozen=True, slots=True)
class Score:
    """The results of one trial's kept weights.

    `epoch` is the epoch after which the weights were kept, `sha256` is their digest. `validation` is the sweep's
    objective with these weights, `test` has `loss` and the metrics on the test set.
    """

    trial: int
    epoch: int
    sha256: str
    validation: float
    test: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One evaluation of selected trials on a sweep's test set.

    `number` counts the selections that were evaluated on this test set, from 1. `data` is the name of the data set,
    `examples` the number of test examples. `scores` are the selected trials, the best on validation first. `ensemble`
    has the metrics of the mean of their outputs, None for a single trial.
    """

    number: int
    data: str
    examples: int
    objective: str
    goal: str
    scores: tuple[Score, ...]
    ensemble: Mapping[str, float] | None = None

    @property
    def selection(self) -> tuple[tuple[int, str], ...]:
        """The selected trials, each with the digest of its weights."""
        return tuple((score.trial, score.sha256) for score in self.scores)

    @property
    def gain(self) -> dict[str, float]:
        """The ensemble's metrics minus those of the trial that is best on validation; empty without an ensemble."""
        alone = self.scores[0].test
        return {name: value - alone[name] for name, value in (self.ensemble or {}).items() if name in alone}

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read the JSON form, in which NaN and the infinities may be strings.

        Raises LookupError, TypeError, ValueError or AttributeError if the form is invalid.
        """
        for name in ("number", "examples"):
            check_count(name, data[name])
        for name in ("data", "objective", "goal"):
            _check_text(name, data[name])
        scores = tuple(_score(each) for each in data["scores"])
        if not scores:
            raise ValueError("scores must not be empty")
        ensemble = data.get("ensemble")
        return cls(**{**data, "scores": scores, "ensemble": _floats(ensemble) if ensemble else None})


def _score(each: Mapping[str, Any]) -> Score:
    for name in ("trial", "epoch"):
        check_count(name, each[name])
    _check_text("sha256", each["sha256"])
    return Score(**{**each, "validation": float(each["validation"]), "test": _floats(each["test"])})


def _check_text(name: str, value: Any) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a string")


def check_count(name: str, value: Any) -> None:
    """Raise ValueError unless a value read from a file is an integer from 0 to `LARGEST` - 1."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < LARGEST:
        raise ValueError(f"{name} must be an integer from 0 to 2**63 - 1")


def _floats(values: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in values.items()}
