"""The journal's lines: trials' transitions and rungs, proposed settings, looks at the test set; all with a checksum.

A line is `{…,"crc":"8 hex digits"}` in JSON with sorted keys; the CRC-32C is of the same line without "crc".
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

from .looks import Look, check_count
from .trial import TrialResult, TrialState

LOOK, PROPOSAL, RUNG = b'{"look":', b'{"after":', b'{"epoch":'  # what the lines begin with that are no transitions
_COUNTS = frozenset(("seq", "trial", "attempt", "epoch", "setting", "after"))
_RESULT_COUNTS = frozenset(("epochs", "best_epoch", "kept_epoch", "parameters", "trainable_parameters"))
_RESULT_TEXTS = frozenset(("weights_sha256", "kept_sha256", "loss_function", "xla_reason", "error", "traceback"))
_LINE = re.compile(rb'(\{.*),"crc":"([0-9a-f]{8})"\}', re.DOTALL)
_BEGIN = rb'\{"(?:after|attempt|epoch|look)":'
_WITHIN = re.compile(_BEGIN + rb"(?:(?!" + _BEGIN + rb').)*?,"crc":"[0-9a-f]{8}"\}', re.DOTALL)


class NewerError(ValueError):
    """Say that a record is whole and its checksum right, but this version of hpdash cannot read it."""


@dataclass(frozen=True, slots=True)
class Record:
    """One transition: the `seq`-th of its sweep, from 1; `attempt` counts from 1; `time` is in unix seconds."""

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
        """Read a line without its newline; ValueError says what is wrong with it, NewerError where nothing is."""
        body = _body(line)
        try:
            fields = _fields(body)
            result = TrialResult.from_json(_result(fields.pop("result"))) if "result" in fields else None
            return cls(**{**fields, "state": TrialState(fields["state"]), "result": result})
        except (AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
            raise NewerError(f"not a record of this version ({error})") from error


@dataclass(frozen=True, slots=True)
class Looked:
    """A look at the test set: the `seq`-th line of its sweep; `time` is in unix seconds."""

    seq: int
    time: float
    look: Look

    def to_line(self) -> bytes:
        """Return the journal's line for this look, with its newline."""
        return _line({"seq": self.seq, "time": self.time, "look": _finite(self.look.to_json())})

    @classmethod
    def from_line(cls, line: bytes) -> Self:
        """Read a line without its newline; ValueError says what is wrong with it, NewerError where nothing is."""
        body = _body(line)
        try:
            fields = _fields(body)
            return cls(**{**fields, "look": Look.from_json(fields["look"])})
        except (AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
            raise NewerError(f"not a record of this version ({error})") from error


@dataclass(frozen=True, slots=True)
class Proposed:
    """A setting that a search proposed: the `seq`-th line of its sweep; `time` is in unix seconds.

    `after` is the last line before it, up to which the journal had the results that the proposal rests on.
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
        """Read a line without its newline; ValueError says what is wrong with it, NewerError where nothing is."""
        body = _body(line)
        try:
            fields = _fields(body)
            return cls(**{**fields, "point": dict(fields["point"])})
        except (AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
            raise NewerError(f"not a record of this version ({error})") from error


@dataclass(frozen=True, slots=True)
class Rung:
    """An epoch after which a trial was compared: the `seq`-th line of its sweep; `time` is in unix seconds.

    `value` is the metric that pruning watches; `goes_on` says whether it went on at once. One that did not is pruned,
    and may be promoted later.
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
        """Read a line without its newline; ValueError says what is wrong with it, NewerError where nothing is."""
        body = _body(line)
        try:
            fields = _fields(body)
            return cls(**{**fields, "value": float(fields["value"]), "goes_on": bool(fields["goes_on"])})
        except (AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
            raise NewerError(f"not a record of this version ({error})") from error


Entry = Record | Rung | Proposed | Looked
_KINDS: Mapping[bytes, type[Entry]] = {LOOK: Looked, PROPOSAL: Proposed, RUNG: Rung}


def read_line(line: bytes) -> Entry:
    """Read a line without its newline; ValueError says what is wrong with it, NewerError where nothing is."""
    kind = next((kind for begin, kind in _KINDS.items() if line.startswith(begin)), Record)
    return kind.from_line(line)


def read_within(line: bytes) -> Iterator[Entry]:
    """Yield the whole records in a bad line: two, where what is damaged is the end of the line between them."""
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
    """Spell NaN and the infinities as strings, which JSON has no numbers for."""
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return json.dumps(value)  # NaN, Infinity or -Infinity
    return value


def _fields(body: bytes) -> dict[str, Any]:
    """Read a line's fields, the numbers that every kind of line has checked; ValueError or TypeError else."""
    fields: dict[str, Any] = json.loads(body)
    for name in _COUNTS & fields.keys():
        check_count(name, fields[name])
    if isinstance(fields["time"], bool) or not isinstance(fields["time"], int | float):
        raise TypeError("time is no number")
    return fields


def _result(result: Mapping[str, Any]) -> dict[str, Any]:
    """Check the values of a trial's result; ValueError or TypeError where one is of another kind."""
    for name in _RESULT_COUNTS & result.keys():
        if result[name] is not None:
            check_count(name, result[name])
    for name in _RESULT_TEXTS & result.keys():
        if not isinstance(result[name], str | None):
            raise TypeError(f"{name} is no text")
    numbers = {key: {name: float(value) for name, value in result[key].items()} for key in ("metrics", "best")}
    return {**result, **numbers, "seconds": float(result["seconds"])}
