"""Tests of reading arbitrary files: whatever a file contains, no command shows a traceback or hangs."""

from __future__ import annotations

import io
import json
import os
import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console
from tensorboard.compat.proto import event_pb2
from tensorboard.summary.writer.record_writer import RecordWriter
from weights_logs import opened

from hpdash import api
from hpdash.errors import HpdashError
from hpdash.journal.entries import with_checksum
from hpdash.logs import layout
from hpdash.plugin.catalogue import read_catalogue
from hpdash.plugin.distributions import distributions_impl
from hpdash.plugin.spread import spread_impl
from hpdash.views.text import json_text

KEPT = Path(__file__).parent / "faults" / "kept" / "schema-1" / "logs"
EXAMPLES = settings(
    max_examples=int(os.environ.get("HPDASH_FUZZ", "8")),  # set HPDASH_FUZZ to run more by hand
    deadline=None, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
ODD: Sequence[Any] = (
    None, True, -1, 0, 1, 10**12, 2**63, -(10**30), 1e308, -0.5, "", "NaN", "Infinity", "max", "x" * 5000, "\x1b[31m",
    "\u202e", "../..", "/", [], [[]], {}, {"a": None}, [1, "a", None], {"name": 3, "domain": {}, "when": 0},
)  # fmt: skip
TIMES = (float("inf"), float("-inf"), float("nan"), 1e300, -1e18, 9e15, 0.0, -1.0, 1.8e9)
STEPS = (0, 1, 5, 10**12, 2**63 - 1, -(2**63), -1)


def mutated(value: Any, random: random.Random) -> Any:
    """Return a JSON value with one part replaced by something odd."""
    if isinstance(value, dict) and value and random.random() < 0.9:
        key = random.choice(sorted(value))
        if random.random() < 0.1:
            return {name: item for name, item in value.items() if name != key}
        return {**value, key: mutated(value[key], random)}
    if isinstance(value, list) and value and random.random() < 0.9:
        index = random.randrange(len(value))
        return [*value[:index], mutated(value[index], random), *value[index + 1 :]]
    return random.choice(ODD)


def copied(folder: Path) -> Path:
    """Copy the logs root that an older version wrote; return the copy."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(KEPT, folder)
    return folder


def commands(root: Path) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield each reading command by name, as a function that reads, renders and converts to JSON."""
    runs = [run.name for run in api.read_runs(root).found.runs]
    yield "ls", lambda: shown(api.read_runs(root))
    yield "ls --objective", lambda: shown(api.read_runs(root, objective="loss", goal="min"))
    yield "effects", lambda: shown(api.effects(root))
    yield "verify", lambda: shown(api.verify(root))
    yield "compare", lambda: shown(api.compare(root, "loss"))
    yield "compare --by", lambda: shown(api.compare(root, "loss", "does"))
    yield "export", lambda: [api.export(root, what).encoded("csv") for what in ("trials", "series")]
    yield "report", lambda: api.report(root, root.parent / "report.html")
    for name in runs[:3]:
        yield f"show {name}", lambda name=name: shown(api.show(name, root))  # type: ignore[misc]


def shown(found: Any) -> None:
    """Render the result of a command, and convert it to JSON."""
    console = Console(file=io.StringIO(), width=120)
    parts = found.render(console)
    for part in parts if isinstance(parts, Iterator) else [parts]:
        console.print(part)
    json.loads(json_text(found.to_json()))


def read_by_all(root: Path) -> None:
    """Read a logs root with every command; an HpdashError is an accepted answer."""
    try:
        every = list(commands(root))
    except HpdashError:
        return
    for name, command in every:
        with suppress(HpdashError):
            try:
                command()
            except HpdashError:
                raise
            except BaseException as error:
                error.add_note(f"by {name}")
                raise


@EXAMPLES
@given(seed=st.integers(0, 2**32))
@pytest.mark.parametrize("sweep", ["own", "digits_mlp"])
def test_a_sweeps_record_may_say_anything(tmp_path: Path, sweep: str, seed: int) -> None:
    """Every command handles a sweep.json in which a value has any type or size, or is missing."""
    root, source = copied(tmp_path / "logs"), random.Random(seed)
    path = root / sweep / layout.SWEEP_JSON
    known = json.loads(path.read_bytes())
    for _ in range(source.randint(1, 3)):
        known = mutated(known, source)
    path.write_text(json.dumps(known))
    read_by_all(root)


@EXAMPLES
@given(seed=st.integers(0, 2**32))
@pytest.mark.parametrize("sweep", ["own", "digits_mlp"])
def test_a_journal_may_say_anything(tmp_path: Path, sweep: str, seed: int) -> None:
    """Every command handles journal lines that have valid checksums and odd values, or are torn or reordered."""
    root, source = copied(tmp_path / "logs"), random.Random(seed)
    path = root / sweep / layout.JOURNAL
    lines = path.read_bytes().splitlines(keepends=True)
    for _ in range(source.randint(1, 4)):
        index = source.randrange(len(lines))
        if source.random() < 0.7:
            with suppress(ValueError):
                fields = json.loads(lines[index])
                fields = mutated({name: value for name, value in fields.items() if name != "crc"}, source)
                lines[index] = with_checksum(fields) if isinstance(fields, dict) else lines[index]
        else:
            cut = source.randrange(len(lines[index]))
            lines[index] = lines[index][:cut] + source.randbytes(source.randint(0, 5)) + lines[index][cut + 1 :]
    path.write_bytes(b"".join(lines))
    read_by_all(root)


@EXAMPLES
@given(seed=st.integers(0, 2**32))
def test_an_event_file_may_say_anything(tmp_path: Path, seed: int) -> None:
    """Every command handles cut or damaged event files, and events of odd times, steps, values, tags and records."""
    root, source = copied(tmp_path / "logs"), random.Random(seed)
    files = sorted(root.rglob("*tfevents*"))
    for path in source.sample(files, 3):
        data = bytearray(path.read_bytes())
        for _ in range(source.randint(0, 3)):
            at = source.randrange(len(data))
            data[at : at + source.randint(0, 8)] = source.randbytes(source.randint(0, 8))
        path.write_bytes(data[: source.randint(0, len(data))] if source.random() < 0.3 else data)
    for number in range(3):
        folder = root / f"foreign_{number}"
        folder.mkdir()
        with (folder / "events.out.tfevents.1.host").open("wb") as file:
            writer = RecordWriter(file)
            for _ in range(source.randint(0, 6)):
                writer.write(odd_event(source).SerializeToString())
    read_by_all(root)


@EXAMPLES
@given(seed=st.integers(0, 2**32))
def test_the_weights_tabs_routes_answer_whatever_event_files_say(tmp_path: Path, seed: int) -> None:
    """For odd or damaged event files, the Weights tab's catalogue, distributions and spread are JSON without NaN."""
    root, source = copied(tmp_path / "logs"), random.Random(seed)
    for path in source.sample(sorted(root.rglob("*tfevents*")), 2):
        path.write_bytes(path.read_bytes()[: source.randint(0, 4000)])
    for number in range(3):
        folder = root / f"odd_{number}"
        folder.mkdir()
        with (folder / "events.out.tfevents.1.host").open("wb") as file:
            writer = RecordWriter(file)
            for _ in range(source.randint(1, 6)):
                writer.write(odd_event(source).SerializeToString())
    try:
        provider = opened(root, "false")
        logs = provider.__enter__()
    except Exception:  # TensorBoard's own loader fails on some events
        return
    catalogue = read_catalogue(logs)
    json.dumps(catalogue.to_json(), allow_nan=False)
    for tag in list(catalogue.tags)[:4]:
        json.dumps(distributions_impl(logs, catalogue, tag), allow_nan=False)
        json.dumps(spread_impl(logs, catalogue, [tag]), allow_nan=False)
    provider.__exit__(None, None, None)


def odd_event(source: random.Random) -> Any:
    """Return an event with odd numbers and names."""
    event = event_pb2.Event(wall_time=source.choice(TIMES), step=source.choice(STEPS))
    value = event.summary.value.add(
        tag=source.choice(["loss", "", "a" * 3000, "\x1b[31m", "../x", "epoch_loss", "[b]"])
    )
    if source.random() < 0.6:
        value.simple_value = source.choice([float("nan"), float("inf"), 1e38, 0.5])
    else:
        histogram = value.histo
        histogram.min, histogram.max = source.choice([(0, 1), (1, 0), (float("nan"), 1), (-1e308, 1e308)])
        histogram.bucket_limit.extend(source.choice([[], [1.0], [2.0, 1.0], [float("inf")], [1e308, float("nan")]]))
        histogram.bucket.extend(source.choice([[], [1.0], [-1.0, 2.0], [float("inf")], [1e308, 1e308]]))
    return event
