"""Make short labels from the names of runs, and find hyperparameters in the names if none were logged."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import takewhile

from ..logs import layout
from ..records import Scalar

_PAIRS = re.compile(r"[,;&\s]+|-(?=[A-Za-z_][\w.]*=)")
_WORDS = re.compile(r"(?<!\d[eE])-")  # 1e-3 is one word
_KEY = re.compile(r"[A-Za-z_][\w.]*")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_LONGEST = 15  # decimal digits that a float64 keeps


def labels(runs: Sequence[str]) -> list[str]:
    """Return a short unique label for each run: its name without the first and last path parts that all names share.

    The name of an hpdash run is cut to its number if the labels are then still unique.
    """
    middles = _middles(runs)
    numbered = ["/".join(_number(part) for part in parts) for parts in middles]
    long = ["/".join(parts) for parts in middles]
    return next((short for short in (numbered, long) if len(set(short)) == len(runs)), list(runs))


def hyperparameters(runs: Sequence[str]) -> list[dict[str, Scalar]] | None:
    """Return the hyperparameters in the name of each run, None unless every name has some in the same form.

    There are two forms. In the first, pairs are anywhere in the path: `batchnorm=before,act=relu`. In the second, the
    part of the path that differs has names and values in turn, `act-relu-init-zero`, and all runs have the same names.
    Numbers are converted.
    """
    paired = [_paired(run) for run in runs]
    if all(paired):
        return paired
    worded = [_worded(parts) for parts in _middles(runs)]
    alike = all(worded) and len({tuple(pairs) for pairs in worded}) == 1
    return worded if alike and len(runs) > 1 else None


def _middles(runs: Sequence[str]) -> list[list[str]]:
    """Return the path parts of each name between those that all names share; at least one part is left."""
    parts = [run.split("/") for run in runs]
    most = min(map(len, parts), default=1) - 1
    lead = min(_common(parts), most)
    tail = min(_common([each[::-1] for each in parts]), most - lead)
    return [each[lead : len(each) - tail] for each in parts]


def _common(parts: Sequence[Sequence[str]]) -> int:
    """Return how many of the first parts are the same for all."""
    alike = (len(set(column)) == 1 for column in zip(*parts, strict=False))
    return sum(1 for _ in takewhile(bool, alike))


def _number(part: str) -> str:
    return part.partition("-")[0] if layout.parse_run_name(part) else part


def _paired(run: str) -> dict[str, Scalar]:
    found: dict[str, Scalar] = {}
    for part in run.split("/"):
        ours = layout.parse_run_name(part)
        pairs = ours[1].items() if ours else (piece.split("=", 1) for piece in _PAIRS.split(part) if "=" in piece)
        found |= {key: _value(value) for key, value in pairs if key and value}
    return found


def _worded(parts: Sequence[str]) -> dict[str, Scalar]:
    """Return hyperparameters from words that are names and values in turn; empty if a path part has another form."""
    found: dict[str, Scalar] = {}
    for part in parts:
        words = _WORDS.split(part)
        keys, values = words[::2], words[1::2]
        if len(words) % 2 or not all(map(_KEY.fullmatch, keys)) or not all(values) or len({*keys}) < len(keys):
            return {}
        found |= dict(zip(keys, map(_value, values), strict=True))
    return found


def _value(text: str) -> Scalar:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    if not _NUMBER.fullmatch(text) or len(text) > 2 * _LONGEST:
        return text
    number = float(text)
    if text.lstrip("+-").isdecimal():
        return int(text) if len(text) <= _LONGEST else text
    return number if abs(number) < 1e300 else text
