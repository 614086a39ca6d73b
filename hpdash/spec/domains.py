"""The domain of a hyperparameter: a list of values or a range, its size, and how values are drawn from it."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any, Literal

Scale = Literal["linear", "log"]


def identity(value: Any) -> Any:
    """Return a hashable value that is equal for equal JSON values, but different for true and 1."""
    if isinstance(value, Mapping):
        return frozenset((key, identity(item)) for key, item in value.items())
    if isinstance(value, list | tuple):
        return tuple(identity(item) for item in value)
    return (isinstance(value, bool), value)


@dataclass(frozen=True, slots=True)
class Choice:
    """A list of JSON values, none of them twice.

    Raises ValueError if it is empty or has a value twice; the message says what was expected.
    """

    values: tuple[Any, ...]

    def __post_init__(self) -> None:
        if not self.values:
            raise ValueError("a list of at least one value")
        seen = set()
        for value in self.values:
            if identity(value) in seen:
                raise ValueError(f"values that differ, not {value!r} twice")
            seen.add(identity(value))

    @property
    def size(self) -> int:
        """How many values there are."""
        return len(self.values)

    def value(self, index: int) -> Any:
        """Return the value at an index from 0 to size - 1."""
        return self.values[index]

    def index(self, value: Any) -> int:
        """Return a value's index; raise ValueError if it is not in the list."""
        return [identity(each) for each in self.values].index(identity(value))

    def sample(self, rng: random.Random) -> Any:
        """Draw a value; all values are equally likely."""
        return self.values[rng.randrange(self.size)]

    def at(self, share: float) -> Any:
        """Return the value at a position in the list: `share` is 0 at the start and below 1 at the end."""
        return self.values[int(share * self.size)]

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form, which `from_json` reads."""
        return {"type": "discrete", "values": list(self.values)}


@dataclass(frozen=True, slots=True)
class FloatRange:
    """The floats from `min` to `max`, both included; with `step` only min, min + step and so on.

    On a log scale, all orders of magnitude are equally likely. Raises ValueError if the range is invalid; the message
    says what was expected.
    """

    min: float
    max: float
    scale: Scale = "linear"
    step: float | None = None

    def __post_init__(self) -> None:
        _check_range(self)

    @property
    def size(self) -> int | None:
        """How many values there are, None without a step; counted in exact decimals: 0 to 0.3 by 0.1 has 4."""
        if self.step is None:
            return None
        return int((_exact(self.max) - _exact(self.min)) // _exact(self.step)) + 1

    def value(self, index: int) -> float:
        """Return the value at an index from 0 to size - 1; raise ValueError if the range has no step."""
        if self.step is None:
            raise ValueError("a range with a step")
        return float(_exact(self.min) + index * _exact(self.step))

    def index(self, value: float) -> int:
        """Return a value's index; raise ValueError if the range does not have the value, or has no step."""
        return _index(self, value)

    def sample(self, rng: random.Random) -> float:
        """Draw a value, uniformly on the scale."""
        return self.at(rng.random()) if self.size is None else self.value(rng.randrange(self.size))

    def at(self, share: float) -> float:
        """Return the value at a position in the range, on its scale: `share` is 0 at `min` and below 1 at `max`."""
        if self.size is not None:
            return self.value(int(share * self.size))
        if self.scale == "log":
            drawn = math.exp(math.log(self.min) * (1 - share) + math.log(self.max) * share)
        else:
            drawn = self.min * (1 - share) + self.max * share
        return min(max(drawn, self.min), self.max)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form, which `from_json` reads."""
        return {"type": "interval", "kind": "float", **asdict(self)}


@dataclass(frozen=True, slots=True)
class IntRange:
    """The integers from `min` to `max`, both included; with `step` only min, min + step and so on.

    On a log scale, k is drawn with a probability proportional to log((k + 1) / k), and values have no index.
    Raises ValueError if the range is invalid; the message says what was expected.
    """

    min: int
    max: int
    scale: Scale = "linear"
    step: int | None = None

    def __post_init__(self) -> None:
        _check_range(self)

    @property
    def size(self) -> int | None:
        """How many values there are; None on a log scale, where an even grid would ignore the scale."""
        return None if self.scale == "log" else (self.max - self.min) // (self.step or 1) + 1

    def value(self, index: int) -> int:
        """Return the value at an index from 0 to size - 1; raise ValueError on a log scale."""
        if self.scale == "log":
            raise ValueError("a range on a linear scale")
        return self.min + index * (self.step or 1)

    def index(self, value: int) -> int:
        """Return a value's index; raise ValueError if the range does not have the value, or on a log scale."""
        return _index(self, value)

    def sample(self, rng: random.Random) -> int:
        """Draw a value, uniformly on the scale."""
        return self.at(rng.random()) if self.size is None else self.value(rng.randrange(self.size))

    def at(self, share: float) -> int:
        """Return the value at a position in the range, on its scale: `share` is 0 at `min` and below 1 at `max`."""
        if self.size is not None:
            return self.value(int(share * self.size))
        drawn = math.exp(math.log(self.min) * (1 - share) + math.log(self.max + 1) * share)
        return min(max(int(drawn), self.min), self.max)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form, which `from_json` reads."""
        return {"type": "interval", "kind": "int", **asdict(self)}


Domain = Choice | FloatRange | IntRange


def from_json(data: Mapping[str, Any]) -> Domain:
    """Return the domain that a JSON form describes."""
    if data["type"] == "discrete":
        return Choice(tuple(data["values"]))
    kind = IntRange if data["kind"] == "int" else FloatRange
    return kind(data["min"], data["max"], data.get("scale", "linear"), data.get("step"))


def _index(domain: FloatRange | IntRange, value: float) -> int:
    index = round((_exact(value) - _exact(domain.min)) / _exact(domain.step or 1))
    if not 0 <= index < (domain.size or 0) or domain.value(index) != value:
        raise ValueError(f"one of its values, not {value!r}")
    return index


def _exact(value: float) -> Fraction:
    return Fraction(repr(value))  # the decimal as written, so that 3 * 0.1 is exactly 0.3


def _check_range(domain: FloatRange | IntRange) -> None:
    if not (math.isfinite(domain.min) and math.isfinite(domain.max)):
        raise ValueError("a range between two finite numbers")
    if domain.min >= domain.max:
        raise ValueError("min below max")
    if domain.scale not in ("linear", "log"):
        raise ValueError('scale "linear" or "log"')
    if domain.scale == "log" and domain.min <= 0:
        raise ValueError("min above 0 on a log scale")
    if domain.step is not None:
        if domain.scale == "log":
            raise ValueError("no step on a log scale")
        if not (0 < domain.step <= domain.max - domain.min):
            raise ValueError("a step above 0 and no longer than the range")
