"""Tests of the sweep that the Weights tab shows: by default the newest one, otherwise another or all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest
from boards import Board
from weights_logs import GOOD, opened, write_tables
from weights_page import WeightsPage

from hpdash.plugin.catalogue import read_catalogue
from hpdash.plugin.source import Source

OLD = ["nested/old/0000-act=relu", "nested/old/0001-act=elu", "nested/old/0001-act=elu/probe"]
NEW = ["new/0000-batchnorm=none", "new/0001-batchnorm=before", "new/0002-batchnorm=none"]
OTHERS = ["mine/train", "mine/validation"]
ROUTE = "plugin/hpdash_weights/overview"


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sweeps, one in a folder of folders, and two runs of another tool that were written last."""
    root = tmp_path_factory.mktemp("logs")
    for run in [*OLD, *NEW, *OTHERS]:
        write_tables(root / run, "hidden_1/kernel" if run in NEW else "dense/kernel", [GOOD])
    return root


@pytest.fixture(scope="module", params=["true", "false"], ids=["default-server", "python-loader"])
def source(request: pytest.FixtureRequest, logs: Path) -> Iterator[Source]:
    """The logs, opened with each of TensorBoard's loaders."""
    with opened(logs, request.param) as source:
        yield source


@pytest.mark.parametrize(
    ("sweep", "shown", "runs"),
    [
        (None, "new", NEW),
        ("gone", "new", NEW),
        ("new", "new", NEW),
        ("nested/old", "nested/old", OLD),
        ("", "", OTHERS),
        ("*", "*", [*OTHERS, *OLD, *NEW]),
    ],
)
def test_the_runs_of_a_sweep(source: Source, sweep: str | None, shown: str, runs: list[str]) -> None:
    """The answer has the runs and tags of one sweep; the sweeps are listed newest first, runs of no sweep last."""
    answer = read_catalogue(source, sweep).to_json()
    assert (answer["sweep"], [run["name"] for run in answer["runs"]]) == (shown, runs)
    tags = {"hidden_1/kernel"} if shown == "new" else {"hidden_1/kernel", "dense/kernel"} if shown == "*" else set()
    assert {tag["name"] for tag in answer["tags"]} == (tags or {"dense/kernel"})
    assert answer["sweeps"] == [{"name": "new", "runs": 3}, {"name": "nested/old", "runs": 3}, {"name": "", "runs": 2}]


def test_only_its_own_data_change_the_version(tmp_path: Path) -> None:
    """New steps of another sweep leave a sweep's version as it is; a new sweep changes every version."""
    write_tables(tmp_path / "a" / "0000-x=1", "k", [GOOD])
    write_tables(tmp_path / "b" / "0000-x=1", "k", [GOOD])
    versions = []
    for change in ("", "b/0000-x=1", "c/0000-x=1"):
        if change:
            write_tables(tmp_path / change, "k", [GOOD, GOOD])
        with opened(tmp_path, "false") as source:
            versions.append(read_catalogue(source, "a").version)
    assert versions[0] == versions[1] != versions[2]


@pytest.fixture(scope="module")
def board(logs: Path) -> Iterator[Board]:
    """A TensorBoard over the logs."""
    every = len([*OLD, *NEW, *OTHERS])
    with Board(logs, "true") as board:
        yield board.until(lambda board: len(board.get(ROUTE, sweep="*")["runs"]) == every)


@pytest.fixture
def tab(browser: Any, board: Board) -> Iterator[WeightsPage]:
    """The tab over the logs."""
    with WeightsPage.opened(browser, board.url) as tab:
        yield tab


def test_it_opens_on_the_newest_sweep(tab: WeightsPage) -> None:
    """One sweep is drawn, and others can be chosen; the choice is in the link, and drops filters that do not fit."""
    tab.open(contains="0001")
    tab.drawn(1)
    assert tab.control("sweep").input_value() == "new"
    options = tab.control("sweep").locator("option").all_inner_texts()
    assert options == ["new (3)", "nested/old (3)", "runs without a sweep (2)", "all sweeps"]
    tab.control("sweep").select_option("nested/old")
    tab.drawn(len(OLD))
    assert tab.frame.locator("h2").all_inner_texts() == ["dense/kernel"]
    tab.page.wait_for_function("location.hash.includes('sweep=nested%2Fold') && !location.hash.includes('contains')")
    tab.page.reload()
    tab.wait()
    tab.drawn(len(OLD))
    tab.control("sweep").select_option("*")
    tab.drawn(len([*OLD, *NEW, *OTHERS]))


def test_data_of_an_unknown_sweep_are_refused(board: Board) -> None:
    """The error names the sweeps that there are."""
    with pytest.raises(HTTPError) as found:
        board.get("plugin/hpdash_weights/distributions", sweep="gone", tag="hidden_1/kernel")
    assert found.value.code == 404
    assert "nested/old" in json.load(found.value)["error"]


def test_a_sweep_that_is_gone(tab: WeightsPage) -> None:
    """The newest sweep is shown instead of one that is gone, and the page says so."""
    tab.open(sweep="gone", tags=json.dumps(["hidden_1/kernel"]))
    tab.drawn(len(NEW))
    assert "no sweep gone" in tab.frame.locator(".warnings").inner_text()
