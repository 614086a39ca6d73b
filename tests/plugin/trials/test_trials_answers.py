"""Tests of the Trials tab's answers on real logs: they have the numbers that the commands show."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import made
import pytest
import trials_logs
from commands import invoke
from trials_client import client
from werkzeug.test import Client

from hpdash import Options, run_sweep
from hpdash.analysis.ranking import listings
from hpdash.goal import Goal
from hpdash.logs import layout
from hpdash.plugin.arguments import RefusedError
from hpdash.plugin.trials import logdir
from hpdash.plugin.trials.charts import effects_impl
from hpdash.plugin.trials.history import search_impl, timeline_impl
from hpdash.plugin.trials.logdir import WatchedLogdir
from hpdash.plugin.trials.table import ranking_impl, sweeps_impl, trials_impl
from hpdash.plugin.trials.trial import trial_impl
from hpdash.views.headline import headline

SWEEPS = ("grid", "curves", "")


def listed(root: Path, sweep: str, *options: str) -> dict[str, Any]:
    """Return what `hpdash ls --json` says of a sweep; "" is the table of the runs without a sweep."""
    shown = invoke("ls", str(root), "--json", *options)
    assert shown.exit_code == 0, shown.output
    (found,) = [each for each in json.loads(shown.stdout)["sweeps"] if each["sweep"] == (sweep or None)]
    return dict(found)


def compact(answer: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Return the rows of an answer: their place, trials and best value."""
    ids, ranking = answer["trials"]["id"], answer["ranking"]
    columns = zip(*(ranking[name] for name in ("place", "trials", "mean", "std", "n")), strict=True)
    return [(place, [ids[at] for at in own], mean, std, n) for place, own, mean, std, n in columns]


def said(table: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Return the rows of a table of `hpdash ls --json` in the form of `compact`."""
    rows = []
    for row in table["rows"]:
        best = row["values"].get("best")
        stat = best if isinstance(best, dict) else {"mean": best, "std": None, "n": int(best is not None)}
        if row["place"] is None:
            stat = {"mean": None, "std": None, "n": 0}
        rows.append((row["place"], [run["id"] for run in row["runs"]], stat["mean"], stat["std"], stat["n"]))
    return rows


@pytest.mark.parametrize("sweep", SWEEPS, ids=["replicates", "pruned", "other-tool"])
def test_trials_rank_as_in_ls(root: Path, snapshot: logdir.Snapshot, sweep: str) -> None:
    """Rows, places, means and spreads are those of `hpdash ls`, with a condition and with another objective too."""
    assert compact(trials_impl(snapshot, sweep, None, None)) == said(listed(root, sweep))
    metric = "loss" if sweep else "val_accuracy"
    whole = trials_impl(snapshot, sweep, metric, "max")
    assert compact(whole) == said(listed(root, sweep, "--objective", metric, "--goal", "max"))
    where = {"grid": "x > 0.3 and does=learn", "curves": "trained > 3", "": "act=relu"}[sweep]
    answer = ranking_impl(snapshot, sweep, None, None, where)["ranking"]
    trials = trials_impl(snapshot, sweep, None, None)["trials"]
    assert compact({"trials": trials, "ranking": answer}) == said(listed(root, sweep, "--where", where))


@pytest.mark.parametrize("sweep", SWEEPS, ids=["replicates", "pruned", "other-tool"])
def test_columns_have_each_trials_values(root: Path, snapshot: logdir.Snapshot, sweep: str) -> None:
    """Hyperparameters, best value, its epoch, last value, epochs and status are those of `hpdash export`."""
    answer = trials_impl(snapshot, sweep, None, None)
    shown = {row["id"]: row for row in json.loads(invoke("export", str(root), "--json").stdout)}
    for at, name in enumerate(answer["trials"]["id"]):
        row = shown[name]
        for hparam in answer["hparams"]:
            assert hparam["values"][at] == row.get(hparam["name"], row.get(f"hparams.{hparam['name']}"))
        assert answer["trials"]["status"][at] == row["status"]
        assert answer["trials"]["best"][at] == row["best"]
        assert answer["trials"]["at"][at] == row["epoch"]
        assert answer["trials"]["epochs"][at] == row["trained"]


def test_sweeps_are_listed_newest_first(snapshot: logdir.Snapshot) -> None:
    """The list has each sweep with its states, the one that started last first, and then the runs without a sweep."""
    answer = sweeps_impl(snapshot)
    assert [(each["name"], each["planned"], each["is_live"]) for each in answer["sweeps"]] == [
        ("curves", 14, False), ("grid", 18, False), (None, 3, False),
    ]  # fmt: skip
    assert answer["sweeps"][1]["states"] == {"finished": 6, "failed": 6, "diverged": 6}


def test_the_headline_says_who_won_and_whether_that_can_be_told(snapshot: logdir.Snapshot) -> None:
    """With replicates, the sentence has the mean, its spread and Welch's test; without, it says what is missing."""
    found = trials_impl(snapshot, "grid", None, None)["ranking"]["headline"]
    assert "0.9005 ± 0.0007 over 2 trials (0012, 0013), 0.4000 better than the next, significantly" in found
    assert found.endswith("x 0.9, does learn")
    alone = trials_impl(snapshot, "curves", None, None)["ranking"]["headline"]
    assert "at epoch" in alone and "without replicates" in alone
    best = f"trial = {alone.partition('(')[2][:4]}"
    assert "nothing to compare it with" in ranking_impl(snapshot, "curves", None, None, best)["ranking"]["headline"]
    nothing = ranking_impl(snapshot, "curves", None, None, "q > 99")["ranking"]["headline"]
    assert nothing == "no trial meets the filter"


def test_all_sweeps_together(snapshot: logdir.Snapshot) -> None:
    """All sweeps in one table have the hyperparameters that they share and their sweep; the best of all leads."""
    answer = trials_impl(snapshot, "*", "validation/accuracy", "max")
    assert [each["name"] for each in answer["hparams"]] == ["sweep"]
    assert len(answer["trials"]["id"]) == len(set(answer["trials"]["id"])) == 35
    best = max(value for value in answer["trials"]["best"] if isinstance(value, float))
    first = answer["ranking"]["trials"][answer["ranking"]["place"].index(1)]
    assert best in [answer["trials"]["best"][trial] for trial in first]
    assert f"({answer['trials']['id'][first[0]]}" in answer["ranking"]["headline"]
    runs = snapshot.runs_of("*")
    assert "choose one" in search_impl(runs)["note"] and "choose one" in timeline_impl(runs)["note"]
    only = ranking_impl(snapshot, "*", None, None, "sweep = grid")["ranking"]
    assert sum(map(len, only["trials"])) == 18
    assert effects_impl(runs)["hyperparameters"][0]["name"] == "sweep"


def test_all_sweeps_are_ranked_by_one_metric(root: Path, tmp_path: Path) -> None:
    """If sweeps have different objectives, each trial's best value is that of the common metric, at its own epoch."""
    for name in ("grid", "curves"):
        shutil.copytree(root / name, tmp_path / "logs" / name)
    path = tmp_path / "logs" / "curves" / layout.SWEEP_JSON
    about = json.loads(path.read_text())
    about["settings"] |= {"objective": "loss", "goal": "min"}
    path.write_text(json.dumps(about))
    snapshot = WatchedLogdir(str(tmp_path / "logs")).current()
    answer = trials_impl(snapshot, "*", None, None)
    tag, goal = answer["objective"]["tag"], Goal(answer["objective"]["goal"])
    runs = {run.id: run for run in snapshot.logdir.runs}
    for name, best, at in zip(*(answer["trials"][key] for key in ("id", "best", "at")), strict=True):
        series = runs[name].scalars.get(tag)
        expected = None if series is None else series.best(goal)
        value, step = expected or (None, None)
        assert (best, at) == (value if value is None else pytest.approx(value), step)  # event files have float32


def test_all_sweeps_keep_their_caveats(snapshot: logdir.Snapshot) -> None:
    """All sweeps together have the caveats of each, and the trials have their planned epochs."""
    alone, together = (trials_impl(snapshot, sweep, None, None) for sweep in ("grid", "*"))
    assert set(alone["caveats"]) <= set(together["caveats"])
    planned = dict(zip(together["trials"]["id"], together["trials"]["planned"], strict=True))
    assert planned["grid/0000"] == 5


def test_commands_go_on_from_here(root: Path, snapshot: logdir.Snapshot, tmp_path: Path) -> None:
    """The tab has the commands that continue a sweep; a path with a space is quoted; other runs have none."""
    commands = dict(trials_impl(snapshot, "grid", None, None)["commands"])
    assert commands["Train the 6 that failed again"].endswith(f"grid.toml --logdir {root} --retry-failed")
    assert commands["Evaluate the best trial on the test set"] == f"hpdash evaluate {root / 'grid'}"
    assert "Continue the sweep" not in commands
    search = dict(trials_impl(snapshot, "curves", None, None)["commands"])
    assert search["Try as many settings again"].endswith("--set sweep.trials=28 --extend")
    assert trials_impl(snapshot, "", None, None)["commands"] == []
    shutil.copytree(root / "grid", tmp_path / "a b" / "grid")
    copied = trials_impl(WatchedLogdir(str(tmp_path / "a b")).current(), "grid", None, None)["commands"]
    shutil.copytree(root / "grid", tmp_path / "a b" / "grid-2")  # `hpdash sweep` would resume this one
    older = trials_impl(WatchedLogdir(str(tmp_path / "a b")).current(), "grid", None, None)["commands"]
    assert not any(command.startswith("hpdash sweep") for _, command in older)
    assert dict(copied)["Write a report"] == f"hpdash report '{tmp_path}/a b/grid'"


def test_a_trial_has_all_that_show_has(root: Path, snapshot: logdir.Snapshot) -> None:
    """The answer for a trial has what `hpdash show --json` has, except the weights, and its curves and attempts."""
    for name in ("grid/0000", "grid/0002", "curves/0003", "other/lr=0.1,act=relu"):
        answer = trial_impl(snapshot, name)
        shown = json.loads(invoke("show", name, "--logdir", str(root), "--json").stdout)
        assert {key: answer[key] for key in shown if key != "weights"} == {
            key: value for key, value in shown.items() if key != "weights"
        }
    assert answer["curves"]["val_accuracy"]["steps"] == [0, 1, 2, 3]
    failed = trial_impl(snapshot, "grid/0002")
    assert [each["state"] for each in failed["history"]] == ["running", "failed"]
    assert "4 filters" in failed["result"]["error"]


def test_what_is_not_finite_is_text_or_null(snapshot: logdir.Snapshot) -> None:
    """NaN in curves is null, and every answer is JSON without NaN."""
    answer = trials_impl(snapshot, "grid", "loss", "min")
    assert None in answer["trials"]["curve"]["values"][answer["trials"]["status"].index("diverged")]
    for each in (answer, sweeps_impl(snapshot), trial_impl(snapshot, "grid/0004")):
        json.dumps(each, allow_nan=False)


def test_a_wrong_condition_is_refused_in_a_sentence(snapshot: logdir.Snapshot) -> None:
    """A condition with an unknown name, or an objective that no trial has, is refused, with the nearest name."""
    answer = ranking_impl(snapshot, "grid", None, None, "dose = learn")
    assert answer["ranking"] is None and "Did you mean 'does'" in answer["wrong"]
    with pytest.raises(RefusedError, match="metric"):
        trials_impl(snapshot, "grid", "acuracy", None)
    with pytest.raises(RefusedError, match="no longer a sweep 'gone'"):
        trials_impl(snapshot, "gone", None, None)
    with pytest.raises(RefusedError, match="no longer a trial"):
        trial_impl(snapshot, "grid/0099")


# --- logs that change


@pytest.fixture
def growing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A logs root with one small sweep; it is read again at every request."""
    monkeypatch.setattr(logdir, "_FRESH", 0.0)
    run_sweep(trials_logs.grid(tmp_path, "one", ("learn",), 1), tmp_path / "logs", Options(workers=1))
    return tmp_path / "logs"


def test_the_version_changes_only_with_the_logs(growing: Path) -> None:
    """Equal logs keep their version; a trial that ends, a new sweep and a deleted one change it."""
    watched = WatchedLogdir(str(growing))
    first = watched.current()
    assert watched.current().version == first.version
    run_sweep(trials_logs.grid(growing.parent / "b", "two", ("learn",), 1), growing, Options(workers=1))
    second = watched.current()
    assert second.version != first.version and set(second.sweeps) == {"one", "two"}
    shutil.rmtree(growing / "one")
    third = watched.current()
    assert third.version != second.version and set(third.sweeps) == {"two"}


def test_a_journal_that_is_cut_off_costs_its_last_line(growing: Path) -> None:
    """A journal that ends in the middle of a line is read up to there, and the answer says so."""
    journal = growing / "one" / layout.JOURNAL
    journal.write_bytes(journal.read_bytes()[:-9])
    answer = sweeps_impl(WatchedLogdir(str(growing)).current())
    assert answer["sweeps"][0]["states"] == {"finished": 2, "interrupted": 1}
    assert any(layout.JOURNAL in text or "journal" in text for text in answer["warnings"])


def test_there_need_not_be_a_folder_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the first sweep, there are no sweeps; they appear when the folder does."""
    monkeypatch.setattr(logdir, "_FRESH", 0.0)
    watched = WatchedLogdir(str(tmp_path / "logs"))
    assert sweeps_impl(watched.current())["sweeps"] == []
    run_sweep(trials_logs.grid(tmp_path, "one", ("learn",), 1), tmp_path / "logs", Options(workers=1))
    assert [each["name"] for each in sweeps_impl(watched.current())["sweeps"]] == ["one"]


# --- over HTTP, without a TensorBoard


@pytest.fixture(scope="module")
def http(root: Path) -> Iterator[Client]:
    """A client of the routes over the logs root."""
    yield client(logdir=str(root))


@pytest.mark.filterwarnings("ignore:html5lib")
@pytest.mark.parametrize(
    ("path", "status", "found"),
    [
        pytest.param("version?x=1", 400, "argument 'x'", id="unknown-argument"),
        pytest.param("trials?sweep=a&sweep=b", 400, "found 2", id="two-sweeps"),
        pytest.param("trials?sweep=nowhere", 404, "'nowhere'", id="no-such-sweep"),
        pytest.param("trials?sweep=" + "x" * 20_000, 404, "20,002 characters", id="a-huge-name"),
        pytest.param("trials?sweep=grid&goal=up", 400, '"min" or "max"', id="no-goal"),
        pytest.param("trial", 400, "argument id is missing", id="no-trial"),
        pytest.param("trial?id=..%2f..", 404, "no longer a trial", id="a-path"),
        pytest.param("weights?id=..%2f..", 404, "no longer a trial", id="a-path-of-weights"),
        pytest.param("weights?id=grid/0000&step=1", 400, "step", id="an-unknown-argument-of-weights"),
        pytest.param("curves?sweep=grid&over=years", 400, '"steps" or "time"', id="over-what"),
        pytest.param("nowhere", 404, "nowhere'", id="no-such-route"),
        pytest.param("..%2f..%2fplugin.py", 404, "no file or route", id="a-file"),
    ],
)
def test_bad_requests(http: Client, path: str, status: int, found: str) -> None:
    """A bad request gets a sentence that says what is wrong."""
    response = http.get(f"/{path}")
    assert response.status_code == status
    assert found in response.get_json()["error"]
    assert len(response.get_json()["error"]) < 600


@pytest.mark.filterwarnings("ignore:html5lib")
@pytest.mark.parametrize("where", ["does===", "(" * 20_000, "x >", "x > (", "\x00"])
def test_a_condition_that_is_none_is_told(http: Client, where: str) -> None:
    """Whatever is typed into the filter, the answer is a short sentence."""
    answer = http.get("/ranking", query_string={"sweep": "grid", "where": where}).get_json()
    assert answer["ranking"] is None
    assert "xpected" in answer["wrong"] and len(answer["wrong"]) < 400


def test_reading_writes_nothing(root: Path) -> None:
    """The tab leaves the logs as they are."""

    def state() -> dict[str, tuple[int, int]]:
        return {str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in root.rglob("*")}

    before = state()
    snapshot = WatchedLogdir(str(root)).current()
    trials_impl(snapshot, "grid", None, None)
    trial_impl(snapshot, "grid/0000")
    assert state() == before


def test_a_peak_by_chance_is_said() -> None:
    """If the best trial is not the best by its last value, the headline gives its place by the last value."""
    runs = [made.trial(0, 0.5, 0.9, 0.4), made.trial(1, 0.6, 0.7, 0.8), made.trial(2, 0.1, 0.2, 0.3)]
    (table,) = listings(runs)
    assert "By its last value, 0.4000, it is number 2 of 3" in headline(table)
    (steady,) = listings(runs[1:])
    assert "last value" not in headline(steady)
