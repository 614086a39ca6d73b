"""Turn a file, TOML text or a Python mapping into a document of JSON values; any invalid input becomes a fault."""

from __future__ import annotations

import json
import math
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, time
from pathlib import Path
from typing import Any

from .faults import Faults, Key, found, nearest

Document = dict[str, Any]

MOST_BYTES = 1 << 20  # most bytes of a sweep file; no more are read
DEEPEST = 16  # most levels of nested tables and lists
_PARTS = 32  # most parts of a dotted key: tomllib takes minutes for one of 100,000
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_PART = r"""(?:[A-Za-z0-9_-]++|"[^"\n]*"|'[^'\n]*')"""
_LONG_KEY = re.compile(rf"(?<![A-Za-z0-9_-]){_PART}(?:[ \t]*\.[ \t]*{_PART}){{{_PARTS}}}")
_WORD = re.compile(r"[^\s\[\]{}\"'#,=][^\[\]{}\"'#\n]*")
_AT = re.compile(r"(?s)(?P<what>.*) \((?:at )?(?P<where>.*)\)")
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


def read(path: Path, faults: Faults) -> str:
    """Return a sweep file's text, at most 1 MiB of UTF-8; a byte order mark is dropped.

    Raises SpecError if the file cannot be read.
    """
    try:
        if path.is_dir():
            faults.fail("", "a sweep file", "a folder", _file_hint(path))
        if not path.is_file():
            faults.fail("", "a sweep file", "no such file", _file_hint(path.parent, path.name))
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        faults.fail("", "a sweep file that can be read", getattr(error, "strerror", None) or str(error))
    if len(data) > MOST_BYTES:
        faults.fail("", "a sweep file of at most 1 MiB", "a larger one")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        what = "UTF-16" if data.startswith(_UTF16) else f"byte 0x{data[error.start]:02x}"
        line = data.count(b"\n", 0, error.start) + 1
        faults.fail(f"line {line}", "text in UTF-8", what, "Save the file as UTF-8.")


def _file_hint(folder: Path, name: str = "") -> str:
    files = sorted(path.name for path in folder.glob("*.toml"))[:1000] if folder.is_dir() else []
    return nearest(name, files) or (f"There is {folder / files[0]}." if files else "")


def parse(source: str | Mapping[str, Any], faults: Faults) -> Document:
    """Parse TOML text, or copy a mapping, into dicts, lists, strings, numbers and booleans.

    Raises SpecError if the text is not TOML or a value has no JSON form.
    """
    document = plain(_toml(source, faults) if isinstance(source, str) else source, faults)
    faults.raise_any()
    return dict(document)


def _toml(text: str, faults: Faults) -> Document:
    deep = f"tables and lists at most {DEEPEST} deep"
    if key := _LONG_KEY.search(text):
        line = text.count("\n", 0, key.start()) + 1
        faults.fail(f"line {line}", deep, f"a key of more than {_PARTS} parts")
    try:
        return tomllib.loads(text)
    except RecursionError:
        faults.fail("", deep, "deeper ones")
    except ValueError as error:  # TOMLDecodeError, or the error of int() for 5,000 digits
        match = _AT.fullmatch(str(error))
        what, where = (match["what"], match["where"]) if match else (str(error), "")
        faults.fail(where, "TOML", _said(what), _hint(text))


def _said(message: str) -> str:
    if message == "Cannot overwrite a value":
        return "a key that is given twice"
    if message.startswith("Exceeds the limit"):
        return "an integer of thousands of digits"
    return message.removeprefix("Found ")[:200]


def _hint(text: str) -> str:
    if re.match(r"[\s\[]*\{", text):
        return "This looks like JSON; TOML has [tables] of lines such as `epochs = 3`."
    if re.search(r"(?m)^[ \t]*(- |[\w-]+:(\s|$))", text):
        return "This looks like YAML; TOML has [tables] of lines such as `epochs = 3`."
    return ""


def plain(value: Any, faults: Faults, key: Key = ()) -> Any:
    """Return a copy of a value as JSON values; dates, huge integers, inf, nan and too deep nesting are faults."""
    if len(key) > DEEPEST:
        faults.add(key[:4], f"tables and lists at most {DEEPEST} deep", "deeper ones")
        return None
    if _is_plain(value):
        return value
    if isinstance(value, list | tuple):
        return [plain(item, faults, (*key, index)) for index, item in enumerate(value)]
    if isinstance(value, Mapping) and all(isinstance(name, str) and _is_plain(name) for name in value):
        return {name: plain(item, faults, (*key, name)) for name, item in value.items()}
    hint = "Only builder, loop, callbacks and the name of [data] take a function." if callable(value) else ""
    if hasattr(value, "__array__"):
        hint = "Only [data] takes arrays." if getattr(value, "ndim", 1) else "Turn it into a number of Python: .item()."
    faults.add(key, "a string, a boolean, a finite number, a list or a table", _kind(value), hint)
    return None


def _kind(value: Any) -> str:
    if isinstance(value, int):
        return "an integer beyond 64 bits"
    shown = str(value) if isinstance(value, date | time) else found(value)
    return f"{type(value).__name__} {shown}"


def _is_plain(value: Any) -> bool:
    match value:
        case bool():
            return True
        case int():
            return -(2**63) <= value < 2**63
        case float():
            return math.isfinite(value)
        case str():
            return re.search("[\ud800-\udfff]", value) is None  # a lone surrogate, as in an argument that is not UTF-8
    return False


def override(document: Document, assignments: Sequence[str], faults: Faults) -> set[Key]:
    """Apply assignments such as `train.epochs=3` to a document, in place; return their keys.

    A value is TOML; a bare word counts as a string.
    """
    keys: set[Key] = set()
    for assignment in assignments:
        parsed = _assignment(assignment)
        if parsed is None:
            hint = "For example: --set 'hparams.units=[64, 128]'."
            faults.add("--set", "key=value with a TOML value", found(assignment), hint)
            continue
        key, value = parsed
        table = document
        for part in key[:-1]:
            inner = table.setdefault(part, {})
            if not isinstance(inner, dict):
                inner = table[part] = {}
            table = inner
        table[key[-1]] = plain(value, faults, key)
        keys.add(key)
    return keys


def _assignment(assignment: str) -> tuple[tuple[str, ...], Any] | None:
    """Return the path and the value of an assignment, None if it is invalid.

    The value is first parsed as TOML; if this fails and it is a bare word, it is parsed as a string.
    """
    name, _, value = assignment.partition("=")
    for text in (assignment, f"{name} = {json.dumps(value.strip())}" if _WORD.fullmatch(value.strip()) else ""):
        try:
            parsed: Any = tomllib.loads(text)
            key = tomllib.loads(f"{name} = 0")
        except (ValueError, RecursionError):
            continue
        path: list[str] = []
        while isinstance(key, dict) and len(key) == len(parsed) == 1 and len(path) < DEEPEST:
            path.append(next(iter(key)))
            key, parsed = key[path[-1]], parsed[path[-1]]
            if key == 0:
                return tuple(path), parsed
    return None


def to_toml(document: Mapping[str, Any]) -> str:
    """Return a document of plain values as TOML text, with a section for each table."""
    text = "".join(_lines({name: item for name, item in document.items() if not isinstance(item, dict)}))
    for name, table in document.items():
        if isinstance(table, dict):
            text += f"\n[{_name(name)}]\n" + "".join(_lines(table))
    return text.lstrip("\n")


def _lines(table: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"{_name(name)} = {spelled(value)}\n" for name, value in table.items())


def spelled(value: Any) -> str:
    """Return a plain value as TOML spells it."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_name(name)} = {spelled(item)}" for name, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(spelled(item) for item in value) + "]"
    # JSON and TOML spell scalars alike, except for the one control character that JSON does not escape
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _name(name: str) -> str:
    return name if _BARE.fullmatch(name) else spelled(name)
