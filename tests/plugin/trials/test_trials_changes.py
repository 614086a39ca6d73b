"""Tests of what the route `trials` answers to a page that knows an earlier answer: only what has changed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import trials_logs
from trials_client import client

from hpdash import Options, run_sweep
from hpdash.logs import layout
from hpdash.plugin.trials import logdir
from hpdash.plugin.trials.changes import changes
from hpdash.plugin.trials.logdir import WatchedLogdir
from hpdash.plugin.trials.table import trials_impl


def whole(watched: WatchedLogdir) -> dict[str, Any]:
    """Return the whole answer as a page has it."""
    answer: dict[str, Any] = json.loads(json.dumps(trials_impl(watched.current(), "one", None, None)))
    return answer


def column(old: Sequence[Any], new: Sequence[Any], patch: Mapping[str, Any], before: Mapping[str, Any]) -> list[Any]:
    """Return a column after a change."""
    known = before["trials"]["id"]
    ids, place = patch["ids"] or known, {at: place for place, at in enumerate(patch["changed"])}
    return [new[place[at]] if at in place else old[known.index(name)] for at, name in enumerate(ids)]


def test_changes_are_all_that_a_page_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The earlier answer with the changes is the whole answer: one trial was added, and another one has ended."""
    monkeypatch.setattr(logdir, "_FRESH", 0.0)
    root = tmp_path / "logs"
    run_sweep(trials_logs.grid(tmp_path, "one", ("learn",), 1), root, Options(workers=1))
    journal, last = root / "one" / layout.JOURNAL, next((root / "one").glob("0002-*"))
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:-3]))  # as before the last trial started, and before the one before it ended
    last.rename(tmp_path / "last")
    watched = WatchedLogdir(str(root))
    before = whole(watched)
    journal.write_bytes(b"".join(lines))
    (tmp_path / "last").rename(last)
    watched = WatchedLogdir(str(root))
    after = whole(watched)
    patch = changes(before, after)
    assert patch is not None
    assert (patch["changed"], patch["ids"]) == ([1, 2], after["trials"]["id"])
    for name, values in after["trials"].items():
        if name != "curve":
            assert column(before["trials"][name], patch["trials"][name], patch, before) == values
    for at, hparam in enumerate(after["hparams"]):
        old, new = before["hparams"][at]["values"], patch["hparams"][at]["values"]
        assert column(old, new, patch, before) == hparam["values"]
    assert patch["ranking"] == after["ranking"]


def test_nothing_has_changed(root: Path) -> None:
    """Two equal answers have no changes."""
    watched = WatchedLogdir(str(root))
    answer = json.loads(json.dumps(trials_impl(watched.current(), "grid", None, None)))
    patch = changes(answer, answer)
    assert patch is not None
    assert (patch["changed"], patch["ids"]) == ([], None)


@pytest.mark.filterwarnings("ignore:html5lib")
def test_an_unknown_version_gets_the_whole_answer(root: Path) -> None:
    """The route answers with all trials if it no longer knows the version that the page has."""
    http = client(logdir=str(root))
    first = http.get("/trials?sweep=grid").get_json()
    assert "since" not in http.get("/trials?sweep=grid&since=unknown").get_json()
    again = http.get(f"/trials?sweep=grid&since={first['version']}").get_json()
    assert (again["since"], again["changed"]) == (first["version"], [])
