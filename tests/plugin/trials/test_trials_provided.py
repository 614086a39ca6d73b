"""Tests of the Trials tab for a TensorBoard that was not started with one folder: it shows its data provider's runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from boards import Board
from trials_page import TrialsPage
from weights_logs import opened

from hpdash.plugin.source import Source
from hpdash.plugin.trials import provided
from hpdash.plugin.trials.charts import curves_impl, effects_impl
from hpdash.plugin.trials.history import search_impl, timeline_impl
from hpdash.plugin.trials.logdir import Snapshot
from hpdash.plugin.trials.provided import ProvidedRuns
from hpdash.plugin.trials.table import ranking_impl, sweeps_impl, trials_impl
from hpdash.plugin.trials.trial import trial_impl
from hpdash.plugin.trials.weights import weights_impl

RUNS = 12  # at least so many runs have data, when TensorBoard has read everything


@pytest.fixture(scope="module", params=["true", "false"], ids=["default-server", "python-loader"])
def source(request: pytest.FixtureRequest, root: Path) -> Iterator[Source]:
    """The logs of the tab's tests, opened with each of TensorBoard's loaders."""
    with opened(root, request.param) as source:
        yield source


@pytest.fixture
def seen(source: Source) -> Snapshot:
    """What the tab has of a data provider."""
    return ProvidedRuns().current(source)


def by_id(answer: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a column of the answer `trials` by the trials' ids."""
    return dict(zip(answer["trials"]["id"], answer["trials"][name], strict=True))


def test_it_has_the_same_sweeps_and_says_what_is_missing(seen: Snapshot, snapshot: Snapshot) -> None:
    """A data provider has the same trials; they belong to the same sweeps, and a sentence says what is missing."""
    answer, known = sweeps_impl(seen), sweeps_impl(snapshot)
    names = {each["name"]: sum(each["states"].values()) for each in answer["sweeps"]}
    assert names == {each["name"]: sum(each["states"].values()) for each in known["sweeps"]}
    assert any("--logdir FOLDER" in text for text in answer["warnings"])


def rounded(values: dict[str, Any]) -> dict[str, Any]:
    """Return numbers as exactly as TensorBoard has them, in float32."""
    return {key: float(np.float32(value)) if isinstance(value, float) else value for key, value in values.items()}


@pytest.mark.parametrize("sweep", ["grid", ""])
def test_its_numbers_are_those_of_the_files(seen: Snapshot, snapshot: Snapshot, sweep: str) -> None:
    """Results and hyperparameters are those that hpdash reads from the files, by the same objective."""
    objective = ("validation/accuracy", "max") if sweep else (None, None)
    answer, known = trials_impl(seen, sweep, *objective), trials_impl(snapshot, sweep, *objective)
    for name in ("best", "at", "last", "epochs"):
        assert rounded(by_id(answer, name)) == rounded(by_id(known, name))
    hparams = [{each["name"]: dict(zip(a["trials"]["id"], each["values"], strict=True)) for each in a["hparams"]}
               for a in (answer, known)]  # fmt: skip
    assert hparams[0] == hparams[1]
    states, own = by_id(known, "status"), by_id(answer, "status")
    assert {own[trial] for trial, state in states.items() if state == "finished"} <= {"finished"}
    assert not {own[trial] for trial, state in states.items() if state in ("failed", "diverged")} & {"finished"}


def test_every_answer_can_be_given(seen: Snapshot) -> None:
    """Every view has an answer without journals and files, or says why it has none."""
    runs = seen.runs_of("grid")
    answers = [
        ranking_impl(seen, "grid", None, None, "x > 0.3"), curves_impl(runs, None, ()), effects_impl(runs),
        search_impl(runs), timeline_impl(runs), trial_impl(seen, "grid/0000"), weights_impl(seen, "grid/0000"),
    ]  # fmt: skip
    assert json.dumps(answers, allow_nan=False)
    assert all(answer["note"] for answer in answers[3:5])
    assert answers[0]["ranking"]["trials"] and answers[2]["hyperparameters"]


def test_a_logdir_spec_in_a_browser(browser: Any, root: Path) -> None:
    """With --logdir_spec, the tab shows the trials of all folders, and says what it lacks and how to see it."""
    spec = f"first:{root / 'grid'},second:{root / 'other'}"
    with Board(root, "auto", spec=spec) as board:
        board.until(lambda board: len(board.runs()) >= RUNS)
        with TrialsPage.opened(browser, board.url) as tab:
            tab.open(sweep="first")
            tab.frame.locator(".notes p").filter(has_text="--logdir FOLDER").wait_for()
            best = tab.ids()[0]
            assert best.startswith("first/")
            tab.grid.locator(f'[role=row][data-trial="{best}"]').click()
            tab.frame.locator(f'[data-drawer][data-trial="{best}"]').wait_for()


def test_it_is_read_again_only_when_it_changed(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    """Equal data keep their version, and no series is read twice."""
    monkeypatch.setattr(provided, "_FRESH", 0.0)
    runs = ProvidedRuns()
    first = runs.current(source)
    monkeypatch.setattr(Source, "series", lambda *_: pytest.fail("a series was read again"))
    assert runs.current(source) is first


def test_a_failed_read_is_tried_again(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    """If reading fails once, the next request reads again, although nothing has changed."""
    monkeypatch.setattr(provided, "_FRESH", 0.0)
    runs, series = ProvidedRuns(), Source.series
    monkeypatch.setattr(Source, "series", lambda *_: (_ for _ in ()).throw(ValueError("gone")))
    with pytest.raises(ValueError, match="gone"):
        runs.current(source)
    monkeypatch.setattr(Source, "series", series)
    assert runs.current(source).logdir.runs
