"""The differences between two normalised sweep files, key by key, spelled as in a sweep file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from ..records import TABLES
from ..spec.dependent import DEPENDENT
from ..spec.faults import key_text
from ..spec.file_keys import FILE_KEYS, table_of
from ..spec.text import spelled

WIDTH = 40  # characters shown of a value
MOST = 30  # changes that are shown
_ABSENT = object()


@dataclass(frozen=True, slots=True)
class Change:
    """A key whose value has changed; `note` says what is hard to see in the two values."""

    key: str
    before: str
    now: str
    note: str = ""


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[Change]:
    """Compare two normalised sweep files (`Sweep.to_json`), written by any version of hpdash.

    A key that one of them lacks, because the version that wrote it did not know the key, has today's default.
    Raises LookupError, TypeError, ValueError or AttributeError if an argument is not a normalised sweep file.
    """
    old, new = dict(_flat(before)), dict(_flat(now))
    keys = (key for key in {**old, **new} if not _follows(key, old, new))
    found = (_change(key, old.get(key, _default(key)), new.get(key, _default(key))) for key in keys)
    return sorted(
        filter(None, [*found, _reordered(before, now)]), key=lambda change: not change.key.startswith("sweep")
    )


def _flat(settings: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield (key, value) with each key spelled as in a sweep file; [hparams] only if there are no [[trial]] tables."""
    for name, value in settings.items():
        if name == "hparams":
            yield from _swept(value) if not settings.get("trial") else ()
        elif name == "trial":
            yield from ((key_text((name, index)), dict(point)) for index, point in enumerate(value))
        elif name == "require":
            yield from ((key_text((name, index, "that")), text) for index, text in enumerate(value))
        elif isinstance(value, Mapping):
            yield from ((key_text((name, key)), item) for key, item in value.items())
        else:
            yield key_text(("sweep", name)), value


def _default(key: str) -> Any:
    """Return the value of a key that a record lacks: its default if every sweep has the key, else `_ABSENT`."""
    table, _, name = key.partition(".")
    file_key = FILE_KEYS.get(table, {}).get(name) if table in (*TABLES, "log", "sweep") else None
    return file_key.default if file_key else _ABSENT


def _follows(key: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Return whether a key had and has its default, and the default changed only because another key changed.

    An example is the learning rate, whose default depends on the optimiser.
    """
    table, _, name = key.partition(".")
    if name not in DEPENDENT or table != table_of(name):
        return False
    decider, defaults = DEPENDENT[name]
    decisive = key_text((table_of(decider), decider))
    values = [(settings.get(key), settings.get(decisive)) for settings in (old, new)]
    return values[0][1] != values[1][1] and all(
        isinstance(decided, str) and value == defaults.get(decided) for value, decided in values
    )


def _swept(hparams: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Any]]:
    for each in hparams:
        yield key_text(("hparams", each["name"])), _domain(each["domain"])
        if each["when"]:
            yield key_text(("hparams", each["name"], "when")), each["when"]


def _domain(domain: Mapping[str, Any]) -> Any:
    """Return a domain as [hparams] spells it."""
    if domain["type"] == "discrete":
        return domain["values"]
    ends = {name: domain[name] for name in ("min", "max")}
    rest = {name: domain[name] for name, usual in (("scale", "linear"), ("step", None)) if domain[name] != usual}
    return {**ends, **rest}


def _change(key: str, before: Any, now: Any) -> Change | None:
    if before is not _ABSENT and now is not _ABSENT and _same(before, now):
        return None
    note = ""
    if before is _ABSENT or now is _ABSENT:
        note = "added" if before is _ABSENT else "removed"
    elif key.startswith("hparams") and isinstance(before, list) and isinstance(now, list):
        note = _moved(before, now)
    return Change(key, *_cut(_text(before), _text(now)), note)


def _moved(before: Sequence[Any], now: Sequence[Any]) -> str:
    """Return in words which values of a list were added and removed."""
    parts = []
    for word, some, others in (("added", now, before), ("removed", before, now)):
        known = {_json(value) for value in others}
        if values := [spelled(value) for value in some if _json(value) not in known]:
            parts.append(f"{word} {_window(', '.join(values), 0)}")
    return "; ".join(parts) or "in another order"


def _reordered(before: Mapping[str, Any], now: Mapping[str, Any]) -> Change | None:
    """Return the change in the order of the swept names, None if it is the same; trials are numbered by this order."""
    old, new = ([each["name"] for each in settings["hparams"]] for settings in (before, now))
    if [name for name in old if name in new] == [name for name in new if name in old]:
        return None
    return Change("hparams", *_cut(", ".join(old), ", ".join(new)), "in another order")


def _same(before: Any, now: Any) -> bool:
    return _json(before) == _json(now)  # in JSON, true is not 1


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _text(value: Any) -> str:
    return "(none)" if value is None or value is _ABSENT else spelled(value)


def _cut(before: str, now: str) -> tuple[str, str]:
    """Shorten long texts to the part around their first difference."""
    start = 0
    if max(len(before), len(now)) > WIDTH:
        same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(before, now, strict=False)))
        start = max(0, same - WIDTH // 2)
    return _window(before, start), _window(now, start)


def _window(text: str, start: int) -> str:
    rest = f"…{text[start:]}" if start else text
    return rest if len(rest) <= WIDTH else f"{rest[: WIDTH - 1]}…"


def lines(found: Sequence[Change]) -> Iterator[str]:
    """Yield the lines of an aligned table of changes, the header first; at most `MOST` changes are shown."""
    shown = [Change("", "before", "now"), *found[:MOST]]
    key, before, now = (max(len(getattr(each, name)) for each in shown) for name in ("key", "before", "now"))
    for each in shown:
        yield f"  {each.key:{key}}  {each.before:{before}}  {each.now:{now}}  {each.note}".rstrip()
    if len(found) > MOST:
        yield f"  … and {len(found) - MOST:,} more"
