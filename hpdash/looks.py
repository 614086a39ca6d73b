"""A look at a test set, as the journal keeps it: which trials were selected on validation, and how they did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

LARGEST = 2**63  # of a count


@dataclass(frozen=True, slots=True)
class Score:
    """One trial's kept weights on the test set.

    `epoch` is the one they were kept after, `sha256` their digest, `validation` the sweep's objective with them;
    `test` has `loss` and the metrics on the test set.
    """

    trial: int
    epoch: int
    sha256: str
    validation: float
    test: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Look:
    """One opening of a sweep's test set: the `number`-th that another selection asked for, from 1.

    `data` is the data set's name, of whose test set `examples` were looked at. `scores` are the selected trials, the
    best on validation first; `ensemble` what the mean of their outputs scores, where there is more than one.
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
        """What was selected: each trial with its weights' digest."""
        return tuple((score.trial, score.sha256) for score in self.scores)

    @property
    def gain(self) -> dict[str, float]:
        """By how much the ensemble's metrics exceed those of the trial that is best on validation."""
        alone = self.scores[0].test
        return {name: value - alone[name] for name, value in (self.ensemble or {}).items() if name in alone}

    def to_json(self) -> dict[str, Any]:
        """Return the one JSON form."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read the JSON form back, numbers that JSON has no numbers for too; LookupError and such where it is none."""
        for name in ("number", "examples"):
            check_count(name, data[name])
        for name in ("data", "objective", "goal"):
            _check_text(name, data[name])
        scores = tuple(_score(each) for each in data["scores"])
        if not scores:
            raise ValueError("no scores")
        ensemble = data.get("ensemble")
        return cls(**{**data, "scores": scores, "ensemble": _floats(ensemble) if ensemble else None})


def _score(each: Mapping[str, Any]) -> Score:
    for name in ("trial", "epoch"):
        check_count(name, each[name])
    _check_text("sha256", each["sha256"])
    return Score(**{**each, "validation": float(each["validation"]), "test": _floats(each["test"])})


def _check_text(name: str, value: Any) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{name} is no text")


def check_count(name: str, value: Any) -> None:
    """Raise ValueError unless a number that a file gives is one that can count something."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < LARGEST:
        raise ValueError(f"{name} is no count")


def _floats(values: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in values.items()}
