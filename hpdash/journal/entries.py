"""The lines of the journal: trials' changes of state, their rungs, proposed settings, evaluations on the test set.

A line is `{…,"crc":"8 hex digits"}` in JSON with sorted keys. The CRC-32C is computed from the same line without "crc".
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self

import google_crc32c

from ..records import TrialResult, TrialState
from ..testset import Look, check_count

LOOK, PROPOSAL, RUNG = b'{"look":', b'{"after":', b'{"epoch":'  # how lines begin that are no `Record`
_COUNTS = frozenset(("seq", "trial", "attempt", "epoch", "setting", "after"))
_RESULT_COUNTS = frozenset(("epochs", "best_epoch", "kept_epoch", "parameters", "trainable_parameters"))
_RESULT_TEXTS = frozenset(("weights_sha256", "kept_sha256", "loss_function", "xla_reason", "error", "traceback"))
_LINE = re.compile(rb'(\{.*),"crc":"([0-9a-f]{8})"\}', re.DOTALL)
_BEGIN = rb'\{"(?:after|attempt|epoch|look)":'
_WITHIN = re.compile(_BEGIN + rb"(?:(?!" + _BEGIN + rb').)*?,"crc":"[0-9a-f]{8}"\}', re.DOTALL)


class NewerError(ValueError):
    """Say that a line is complete and its checksum right, but this version of hpdash cannot read it."""


@dataclass(frozen=True, slots=True)
class Record:
    """A change of a trial's state.

    `seq` numbers the lines of a sweep's journal, from 1. `attempt` counts from 1. `time` is in unix seconds.
    """

    seq: int
    trial: int
    state: TrialState
    attempt: int
    time: float
    result: TrialResult | None = None

    def to_line(self) -> bytes:
        """Return the journal's line for this record, with its newline."""
        fields: dict[str, Any] = {name: getattr(self, name) for name in ("seq", "trial", "state", "attempt", "time")}
        if self.result is not None:
            fields["result"] = _finite(self.result.to_json())
        return _line(fields)

    @classmethod
    def from_line(cls, line: bytes) -> Self:
        """Read a line without its newline; raise ValueError if it is damaged, NewerError if its version is newer."""
        body = _body(line)
        try:
            fields = _fields(body)
            result = TrialResult.from_json(_result(fields.pop("result"))) if "result" in fields else None
            return cls(**{**fields, "state": TrialState(fields["state"]), "result": result})
        except (AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
            raise NewerError(f"not a record of this version ({error})") from error


@dataclass(frozen=True, slots=True)
class Looked:
    """An evaluation on the test set; `seq` numbers the journal's lines from 1, `time` is in unix seconds."""

    seq: int
    time: float
    look: Look

    def to_line(self) -> bytes:
        """Return the journal's line for this evaluation, with its newline."""
        return _line({"seq": self.seq, "time": self.time, "look": _finite(self.look.to_json())})

    @classmethod
    def from_line(cls, line: bytes) -> Self:
        """Read a line without its newline; raise ValueError if it is damaged, NewerError if its version is newer."""
        body = _body(line)
        try:
            fields = _fields(body)
            return cls(**{**fields, "look": Look.from_json(fields["look"])})
        except (AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
            raise NewerError(f"not a record of this version ({error})") from error


@dataclass(frozen=True, slots=True)
class Proposed:
    """A setting that a search proposed; `seq` numbers the journal's lines from 1, `time` is in unix seconds.

    `setting` is its index in the sweep, `point` its hyperparameters. `after` is the `seq` of the last line before it:
    the proposal is based on the results up to that line.
    """

    seq: int
    time: float
    setting: int
    point: Mapping[str, Any]
    after: int

    def to_line(self) -> bytes:
        """Return the journal's line for this proposal, with its newline."""
        return _line({name: getattr(self, name) for name in self.__dataclass_fields__})

    @classmethod
    def from_line(cls, line: bytes) -> Self:
        """Read a line without its newline; raise ValueError if it is damaged, NewerError if its version is newer."""
        body = _body(line)
        try:
            fields = _fields(body)
            return cls(**{**fields, "point": dict(fields["point"])})
        except (AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
            raise NewerError(f"not a record of this version ({error})") from error


@dataclass(frozen=True, slots=True)
class Rung:
    """A decision on a trial after an epoch; `seq` numbers the journal's lines from 1, `time` is in unix seconds.

    `value` is the trial's value of the metric that pruning watches. `goes_on` is False if the trial was pruned;
    a pruned trial may be promoted later.
    """

    seq: int
    time: float
    trial: int
    epoch: int
    value: float
    goes_on: bool

    def to_line(self) -> bytes:
        """Return the journal's line for this rung, with its newline."""
        return _line(_finite({name: getattr(self, name) for name in self.__dataclass_fields__}))

    @classmethod
    def from_line(cls, line: bytes) -> Self:
        """Read a line without its newline; raise ValueError if it is damaged, NewerError if its version is newer."""
        body = _body(line)
        try:
            fields = _fields(body)
            return cls(**{**fields, "value": float(fields["value"]), "goes_on": bool(fields["goes_on"])})
        except (AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
            raise NewerError(f"not a record of this version ({error})") from error


Entry = Record | Rung | Proposed | Looked
_KINDS: Mapping[bytes, type[Entry]] = {LOOK: Looked, PROPOSAL: Proposed, RUNG: Rung}


def read_line(line: bytes) -> Entry:
    """Read a line without its newline; raise ValueError if it is damaged, NewerError if its version is newer."""
    kind = next((kind for begin, kind in _KINDS.items() if line.startswith(begin)), Record)
    return kind.from_line(line)


def read_within(line: bytes) -> Iterator[Entry]:
    """Yield the intact records inside a damaged line: both, if only the newline between two lines is damaged."""
    for match in _WITHIN.finditer(line):
        with suppress(ValueError):
            yield read_line(match[0])


def _line(fields: Mapping[str, Any]) -> bytes:
    body = json.dumps(fields, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
    return body[:-1] + b',"crc":"%08x"}\n' % google_crc32c.value(body)


def _body(line: bytes) -> bytes:
    match = _LINE.fullmatch(line)
    if match is None:
        raise ValueError("not a whole record")
    body = match[1] + b"}"
    if google_crc32c.value(body) != int(match[2], 16):
        raise ValueError("its checksum does not match")
    return body


def _finite(value: Any) -> Any:
    """Replace NaN and the infinities by strings, at any depth, because JSON has no numbers for them."""
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return json.dumps(value)  # NaN, Infinity or -Infinity
    return value


def _fields(body: bytes) -> dict[str, Any]:
    """Return a line's fields, with counts and time checked; raise ValueError, TypeError or KeyError if one is wrong."""
    fields: dict[str, Any] = json.loads(body)
    for name in _COUNTS & fields.keys():
        check_count(name, fields[name])
    if isinstance(fields["time"], bool) or not isinstance(fields["time"], int | float):
        raise TypeError("time is not a number")
    return fields


def _result(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return a trial's result with its values checked; raise ValueError or TypeError if one is of a wrong type."""
    for name in _RESULT_COUNTS & result.keys():
        if result[name] is not None:
            check_count(name, result[name])
    for name in _RESULT_TEXTS & result.keys():
        if not isinstance(result[name], str | None):
            raise TypeError(f"{name} is not a string")
    numbers = {key: {name: float(value) for name, value in result[key].items()} for key in ("metrics", "best")}
    return {**result, **numbers, "seconds": float(result["seconds"])}
