"""The lines of the journal: trials' changes of state, their rungs, proposed settings, evaluations on the test set.

A line is `{…,"kind":…,…,"crc":"8 hex digits"}`: JSON with sorted keys, and "crc" after them. The CRC-32C is computed
from the same line without "crc". Lines of schema 1 have no "kind"; it follows from their keys.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import google_crc32c

from ..records import TrialResult, TrialState
from ..testset import Evaluation, check_count

STATE, RUNG, PROPOSAL, EVALUATION = "state", "rung", "proposal", "evaluation"  # the kinds of lines
_OLD_EVALUATION = "look"  # what schema 1 calls an evaluation
_OLD_KINDS = {"after": PROPOSAL, "epoch": RUNG, _OLD_EVALUATION: EVALUATION}  # by a key that only this kind has
_COUNTS = frozenset(("seq", "trial", "attempt", "epoch", "setting", "after"))
_RESULT_COUNTS = frozenset(("epochs", "best_epoch", "kept_epoch", "parameters", "trainable_parameters"))
_RESULT_TEXTS = frozenset(("weights_sha256", "kept_sha256", "loss_function", "xla_reason", "error", "traceback"))
_LINE = re.compile(rb'(\{.*),"crc":"([0-9a-f]{8})"\}', re.DOTALL)
# the start of a line, with the first of its sorted keys; `_WITHIN` finds whole lines inside a damaged one
_START = rb'\{"(?:after|attempt|epoch|evaluation|look)":'
_WITHIN = re.compile(_START + rb"(?:(?!" + _START + rb').)*?,"crc":"[0-9a-f]{8}"\}', re.DOTALL)
_KIND = re.compile(rb'"kind":"([a-z]+)"')
_FIRST_KEY = re.compile(rb'\{"([a-z]+)":')


class NewerError(ValueError):
    """Raised if a line is complete and its checksum matches, but this version of hpdash cannot read it."""


@dataclass(frozen=True, slots=True)
class Transition:
    """A change of a trial's state.

    `seq` numbers the lines of a sweep's journal, from 1. `attempt` counts from 1. `time` is in unix seconds.
    """

    seq: int
    trial: int
    state: TrialState
    attempt: int
    time: float
    result: TrialResult | None = None


@dataclass(frozen=True, slots=True)
class RungDecision:
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


@dataclass(frozen=True, slots=True)
class Proposal:
    """A setting that a search proposed; `seq` numbers the journal's lines from 1, `time` is in unix seconds.

    `setting` is its index in the sweep, `point` its hyperparameters. `after` is the `seq` of the last line before it:
    the proposal is based on the results up to that line.
    """

    seq: int
    time: float
    setting: int
    point: Mapping[str, Any]
    after: int


@dataclass(frozen=True, slots=True)
class EvaluationEntry:
    """An evaluation on the test set; `seq` numbers the journal's lines from 1, `time` is in unix seconds."""

    seq: int
    time: float
    evaluation: Evaluation


Entry = Transition | RungDecision | Proposal | EvaluationEntry
_KIND_OF: Mapping[type[Entry], str] = {
    Transition: STATE, RungDecision: RUNG, Proposal: PROPOSAL, EvaluationEntry: EVALUATION,
}  # fmt: skip


def to_line(entry: Entry) -> bytes:
    """Return the journal's line for an entry, with its newline."""
    fields: dict[str, Any] = {name: getattr(entry, name) for name in entry.__dataclass_fields__}
    if isinstance(entry, Transition):
        fields["result"] = None if entry.result is None else entry.result.to_json()
    elif isinstance(entry, EvaluationEntry):
        fields["evaluation"] = entry.evaluation.to_json()
    given = {name: _finite(value) for name, value in fields.items() if value is not None}
    return with_checksum({"kind": _KIND_OF[type(entry)], **given})


def with_checksum(fields: Mapping[str, Any]) -> bytes:
    """Return a line with these fields, which are JSON values, and their checksum; with its newline."""
    body = json.dumps(fields, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
    return body[:-1] + b',"crc":"%08x"}\n' % google_crc32c.value(body)


def from_line(line: bytes) -> Entry:
    """Read a line without its newline; raise ValueError if it is damaged, NewerError if its version is newer."""
    body = _body(line)
    try:
        fields = _fields(body)
        kind = fields.pop("kind", None) or next((_OLD_KINDS[key] for key in fields if key in _OLD_KINDS), STATE)
        return _READERS[kind](fields)
    except (AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise NewerError(f"not a line of this version ({error})") from error


def _transition(fields: dict[str, Any]) -> Transition:
    result = TrialResult.from_json(_result(fields.pop("result"))) if "result" in fields else None
    return Transition(**{**fields, "state": TrialState(fields["state"]), "result": result})


def _rung(fields: dict[str, Any]) -> RungDecision:
    return RungDecision(**{**fields, "value": float(fields["value"]), "goes_on": bool(fields["goes_on"])})


def _proposal(fields: dict[str, Any]) -> Proposal:
    return Proposal(**{**fields, "point": dict(fields["point"])})


def _evaluation(fields: dict[str, Any]) -> EvaluationEntry:
    evaluation = fields.pop(_OLD_EVALUATION if _OLD_EVALUATION in fields else EVALUATION)
    return EvaluationEntry(**fields, evaluation=Evaluation.from_json(evaluation))


_READERS: Mapping[str, Callable[[dict[str, Any]], Entry]] = {
    STATE: _transition, RUNG: _rung, PROPOSAL: _proposal, EVALUATION: _evaluation,
}  # fmt: skip


def kind_of(line: bytes) -> str:
    """Return the kind of a line that may be damaged; "state" if the kind cannot be recognised."""
    if match := _KIND.search(line):
        return match[1].decode()
    first = _FIRST_KEY.match(line)
    return _OLD_KINDS.get(first[1].decode(), STATE) if first else STATE


def read_within(line: bytes) -> Iterator[Entry]:
    """Yield the intact entries inside a damaged line: two if only the newline between two lines is damaged."""
    for match in _WITHIN.finditer(line):
        with suppress(ValueError):
            yield from_line(match[0])


def _body(line: bytes) -> bytes:
    match = _LINE.fullmatch(line)
    if match is None:
        raise ValueError("not a complete line")
    body = match[1] + b"}"
    if google_crc32c.value(body) != int(match[2], 16):
        raise ValueError("its checksum does not match")
    return body


def _finite(value: Any) -> Any:
    """Replace NaN and the infinities by strings, at any depth, because JSON has no numbers for them."""
    if isinstance(value, float):
        return value if math.isfinite(value) else json.dumps(value)  # NaN, Infinity or -Infinity
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return {key: _finite(item) for key, item in value.items()} if isinstance(value, Mapping) else value


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
        if result[name] is not None or name == "epochs":
            check_count(name, result[name])
    for name in _RESULT_TEXTS & result.keys():
        if not isinstance(result[name], str | None):
            raise TypeError(f"{name} is not a string")
    numbers = {key: {name: float(value) for name, value in result[key].items()} for key in ("metrics", "best")}
    return {**result, **numbers, "seconds": float(result["seconds"])}
