"""Tests of the answers of the Weights tab's server, from real event files and through both TensorBoard loaders."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from weights_logs import DAMAGED, GAMMA, GOOD, HOSTILE, KERNEL, LONG, TRIALS, opened, weights, write_logs, write_tables

from hpdash.histograms.distances import wasserstein
from hpdash.histograms.histogram import shared_edges
from hpdash.plugin import distributions, spread
from hpdash.plugin.catalogue import Catalogue, read_catalogue
from hpdash.plugin.distributions import distributions_impl, sampled
from hpdash.plugin.rows import Rows
from hpdash.plugin.series import Batch, Histograms
from hpdash.plugin.source import Source
from hpdash.plugin.spread import spread_impl

both_loaders = pytest.mark.parametrize("load_fast", ["true", "false"], ids=["default-server", "python-loader"])


@pytest.fixture(scope="module", params=["true", "false"], ids=["default-server", "python-loader"])
def source(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Source]:
    """The test logs, opened with each of TensorBoard's loaders."""
    root = tmp_path_factory.mktemp("logs")
    write_logs(root)
    with opened(root, request.param) as source:
        yield source


@pytest.fixture(scope="module")
def catalogue(source: Source) -> Catalogue:
    """The catalogue of the test logs."""
    return read_catalogue(source)


def unpacked(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return the answer with every packed array decoded."""
    kinds = {"_f32": "<f4", "_u16": "<u2", "_i32": "<i4"}
    found = dict(answer)
    for key, value in answer.items():
        if key[-4:] in kinds:
            found[key[:-4]] = np.frombuffer(base64.b64decode(value), kinds[key[-4:]])
    return found


def ask(source: Source, catalogue: Catalogue, tag: str, *more: Any) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Ask for a tag's distributions; return the answer, and its runs by name with their arrays in shape."""
    answer = unpacked(json.loads(json.dumps(distributions_impl(source, catalogue, tag, *more), allow_nan=False)))
    runs = {}
    for run in map(unpacked, answer["runs"]):
        n = run["at"].size
        run["density"] = run["density"].reshape(n, -1) * run["unit"]
        run["statistics"] = run["statistics"].reshape(n, len(answer["statistics"]))
        runs[catalogue.runs[run["run"]].name] = run
    return answer, runs


# --- overview


def test_overview(catalogue: Catalogue) -> None:
    """Runs come in natural order with their sessions' hyperparameters.

    Swept hyperparameters come first, then those that differ between runs.
    """
    answer = json.loads(json.dumps(catalogue.to_json(), allow_nan=False))
    runs = [run for run in answer["runs"] if run["name"].startswith("mnist/")]
    assert [run["name"] for run in runs] == [f"mnist/{name}" for name in TRIALS]
    assert [run["label"] for run in runs] == [f"mnist/{name[:4]}" for name in TRIALS]
    assert [run["group"] for run in runs] == [f"mnist/{number:04d}" for number in range(4)]
    assert [run["status"] for run in runs] == ["finished"] * 3 + ["failed"]
    assert runs[1]["hparams"] == {"batchnorm": "before", "rate": 0.5, "flag": True, "epochs": 3}
    assert answer["hparams_from"] == "sessions"
    assert answer["hparams"] == [
        {"name": "batchnorm", "values": ["before", "none", None], "differs": True, "swept": True},
        {"name": "epochs", "values": [3, None], "differs": True, "swept": False},
        {"name": "flag", "values": [True, None], "differs": True, "swept": False},
        {"name": "rate", "values": [0, 0.5, 1, 1.5, None], "differs": True, "swept": False},
    ]
    places = {tag["name"]: [answer["runs"][place]["name"] for place in tag["runs"]] for tag in answer["tags"]}
    assert places[GAMMA] == ["mnist/0001-batchnorm=before", "mnist/0010-batchnorm=before"]
    assert answer["left_out"] == {"runs": 0, "tags": 0}


def test_hostile_names_go_through_as_text(catalogue: Catalogue) -> None:
    """Names of runs and tags are passed on unchanged, whatever characters they have."""
    assert {f"odd/{name}" for name in HOSTILE} < {run.name for run in catalogue.runs}
    assert {*HOSTILE, "x" * 10_000} < set(catalogue.tags)


def test_version_changes_with_the_data(tmp_path: Path) -> None:
    """The version stays the same for the same data, and changes when a step is added."""
    versions = []
    for steps in (1, 1, 2):
        if not (tmp_path / str(steps)).exists():
            write_tables(tmp_path / str(steps) / "run", "a", [GOOD] * steps)
        with opened(tmp_path / str(steps), "false") as source:
            versions.append(read_catalogue(source).version)
    assert versions[0] == versions[1] != versions[2]


@pytest.mark.parametrize(
    ("runs", "origin", "expected"),
    [
        pytest.param(["fit/bn=before,act=relu/train"], "names", {"bn": "before", "act": "relu"}, id="pairs"),
        pytest.param(["act-relu-init-zero", "act-elu-init-1"], "names", {"act": "elu", "init": 1}, id="words"),
        pytest.param(["act-relu", "baseline-run-3"], "none", {}, id="neither"),
    ],
)
def test_names_tell_where_nobody_logged(
    tmp_path: Path, runs: list[str], origin: str, expected: dict[str, object]
) -> None:
    """Without any session, hyperparameters are read from the names of the runs, if all names fit one form."""
    for run in runs:
        write_tables(tmp_path / run, "a", [GOOD])
    with opened(tmp_path, "false") as source:
        catalogue = read_catalogue(source)
    assert (catalogue.hparams_from, catalogue.runs[0].hparams) == (origin, expected)


def test_tags_that_keras_numbered_line_up(tmp_path: Path) -> None:
    """Tags that differ only in Keras' automatic numbers count as one tag.

    Each run is still read under the tag that it logged.
    """
    for run, tag in {"a": "sequential/dense/kernel", "b": "sequential_1/dense_3/kernel"}.items():
        write_tables(tmp_path / run, tag, [GOOD, GOOD])
    with opened(tmp_path, "false") as source:
        catalogue = read_catalogue(source)
        answer = distributions_impl(source, catalogue, "sequential/dense/kernel")
    assert [tag["name"] for tag in catalogue.to_json()["tags"]] == ["sequential/dense/kernel"]
    assert [run["run"] for run in answer["runs"]] == [0, 1]


# --- distributions


def test_distributions(source: Source, catalogue: Catalogue) -> None:
    """All steps of a tag in all of its runs share one axis, with the statistics that histogram.py computes."""
    answer, runs = ask(source, catalogue, KERNEL)
    together = [weights(number, step) for number, steps in enumerate(TRIALS.values()) for step in range(steps)]
    edges = shared_edges(together)
    assert_allclose(answer["edges"], edges, rtol=1e-5)
    assert answer["steps"] == [0, 1, 2, 3]
    assert answer["outside"] == pytest.approx(1 - np.mean([h.share(edges[0], edges[-1]) for h in together]), abs=1e-6)
    assert answer["damage"] == [] and answer["sampled"] is None and answer["left_out"] == {"runs": 0, "reason": ""}
    for number, (name, steps) in enumerate(TRIALS.items()):
        run = runs[f"mnist/{name}"]
        assert run["at"].tolist() == list(range(steps))
        for step in range(steps):
            h = weights(number, step)
            assert_allclose(run["density"][step], h.density(edges), atol=run["unit"])
            assert run["values"][step] == h.total
            expected = [h.mean, h.std, h.min, *h.quantiles(list(distributions.LEVELS.values())), h.max]
            expected += [h.share_near_zero(), wasserstein(h, weights(number, 0))]
            assert_allclose(run["statistics"][step], expected, rtol=1e-5, atol=1e-6)


def test_nonfinite_shares_stand_beside_their_steps(source: Source, catalogue: Catalogue) -> None:
    """The logged share of NaN or infinite values is in the answer, with 0 at other steps.

    Runs without such values have no shares.
    """
    _, runs = ask(source, catalogue, KERNEL)
    assert [name for name, run in runs.items() if "nonfinite" in run] == ["mnist/0001-batchnorm=before"]
    assert runs["mnist/0001-batchnorm=before"]["nonfinite"].tolist() == [0, 0, 0.25, 0]


def test_bins_clip_and_contains(source: Source, catalogue: Catalogue) -> None:
    """An answer has the bins, the clipped axis and the runs (by part of the name) that the request asks for."""
    answer, runs = ask(source, catalogue, KERNEL, 7, 1.0, "batchnorm=none")
    assert len(answer["edges"]) == 8
    assert answer["outside"] == pytest.approx(0, abs=1e-9)
    assert list(runs) == ["mnist/0000-batchnorm=none", "mnist/0002-batchnorm=none"]
    assert ask(source, catalogue, KERNEL, 60, 0.999, "nothing")[0]["runs"] == []


def test_damage_is_told_and_costs_only_itself(source: Source, catalogue: Catalogue) -> None:
    """Every readable histogram is in the answer, and every damaged one is listed with the reason."""
    answer, runs = ask(source, catalogue, "damaged")
    whole = [step for step, (_, fault) in enumerate(DAMAGED.values()) if not fault]
    told = [f"damaged/each, step {step}: {fault}" for step, (_, fault) in enumerate(DAMAGED.values()) if fault]
    assert [answer["steps"][at] for at in runs["damaged/each"]["at"]] == whole
    assert runs["damaged/whole"]["at"].size == 2
    assert all(any(sentence.startswith(start) for sentence in answer["damage"]) for start in told)
    assert any(sentence.startswith("damaged/liar") for sentence in answer["damage"])
    assert len(answer["damage"]) == len(told) + 1
    by_step = dict(zip(whole, runs["damaged/each"]["statistics"], strict=True))
    assert by_step[list(DAMAGED).index("no-width")][:3].tolist() == [0.5, 0, 0.5]
    assert by_step[list(DAMAGED).index("a-minimum-inside")][2] == -0.5
    assert np.isnan(by_step[list(DAMAGED).index("no-value")][:-2]).all()


def test_sampled_series(source: Source, catalogue: Catalogue) -> None:
    """If TensorBoard keeps fewer steps than were logged, the answer says how many were kept and logged.

    The logged number is an estimate.
    """
    answer, runs = ask(source, catalogue, "long")
    is_fast = type(source.provider).__name__ == "GrpcDataProvider"
    kept = 100 if is_fast else LONG
    assert runs["long"]["at"].size == kept
    if is_fast:
        assert answer["sampled"]["kept"] == 100
        assert answer["sampled"]["of"] == answer["steps"][-1] - answer["steps"][0] + 1
    else:
        assert answer["sampled"] is None


@pytest.mark.parametrize(
    ("steps", "kept", "expected"),
    [
        pytest.param([0, 1, 2], 3, None, id="just-as-many"),
        pytest.param([0, 2, 3], 3, {"kept": 3, "of": 4}, id="a-gap"),
        pytest.param([0, 200, 300], 3, {"kept": 3, "of": 4}, id="a-gap-between-hundreds"),
        pytest.param([0, 5, 10], 4, None, id="fewer-than-kept"),
        pytest.param([0, 5, 11], None, None, id="all-kept"),
        pytest.param([7], 1, None, id="one-step"),
        pytest.param([], 1, None, id="no-step"),
    ],
)
def test_what_can_be_told_of_a_sample(steps: list[int], kept: int | None, expected: dict[str, int] | None) -> None:
    """A series counts as a sample if it has as many steps as are kept, and gaps between otherwise regular steps."""
    rows = Histograms()
    if steps:
        tables = np.repeat([[-1.0, 1.0]], len(steps), axis=0), np.ones((len(steps), 1))
        rows.batches.append(Batch(np.zeros(len(steps), int), np.array(steps), Rows(*tables)))
    hints = {"histograms": kept or 0}
    assert sampled(Source(None, None, "", hints), rows) == expected


def test_an_answer_is_bounded(source: Source, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that is too large gets fewer bins, then fewer runs, but never fewer steps.

    It says how many runs were left out: those with the worst results.
    """
    monkeypatch.setattr(distributions, "LEAST_BINS", 30)
    monkeypatch.setattr(distributions, "MOST_BYTES", 15 * 2 * 40)
    answer, runs = ask(source, catalogue, KERNEL)
    assert len(answer["edges"]) == 41 and len(runs) == 4 and answer["left_out"]["runs"] == 0
    monkeypatch.setattr(distributions, "MOST_RUNS", 2)
    answer, runs = ask(source, catalogue, KERNEL)
    assert list(runs) == [f"mnist/{name}" for name in list(TRIALS)[2:]]
    assert answer["left_out"]["runs"] == 2 and "2 of 4 runs are not shown" in answer["left_out"]["reason"]
    assert "validation/accuracy" in answer["left_out"]["reason"]
    monkeypatch.setattr(distributions, "MOST_RUNS", 1000)
    monkeypatch.setattr(distributions, "MOST_BYTES", 2 * 30 * 5)
    answer, runs = ask(source, catalogue, KERNEL)
    best = [f"mnist/{name}" for name in list(TRIALS)[2:]]
    assert len(answer["edges"]) == 31 and list(runs) == best and runs[best[1]]["at"].size == 4
    assert answer["left_out"]["runs"] == 2


# --- spread


def test_spread(source: Source, catalogue: Catalogue) -> None:
    """Groups are measured as in analysis.spread, at common steps, and each run also against the reference group."""
    answer = json.loads(json.dumps(spread_impl(source, catalogue, [KERNEL, GAMMA], "batchnorm"), allow_nan=False))
    kernel, gamma = answer["tags"]
    places = {run.name[:10]: place for place, run in enumerate(catalogue.runs) if run.name.startswith("mnist/")}
    assert (answer["by"], answer["reference"]) == ("batchnorm", "none")
    assert (kernel["steps"], kernel["logged"], kernel["start"], kernel["note"]) == ([0, 1, 2], 4, 0, "")
    assert [group["value"] for group in kernel["groups"]] == ["before", "none"]
    assert kernel["groups"][1]["runs"] == [places["mnist/0000"], places["mnist/0002"]]
    apart = [wasserstein(weights(0, step), weights(2, step)) for step in range(3)]
    assert_allclose(kernel["groups"][1]["spread"]["raw"], apart, rtol=1e-6)
    assert kernel["groups"][1]["spread"]["initial"][0] == pytest.approx(apart[0])
    assert len(kernel["verdicts"]) == 1 and "batchnorm=before against none" in kernel["verdicts"][0]
    assert [each["run"] for each in kernel["to_reference"]] == sorted(places.values())
    own = next(each for each in kernel["to_reference"] if each["run"] == places["mnist/0000"])
    assert_allclose(own["raw"], np.array(apart) / 2, rtol=0.2)  # the mean of two runs lies between them
    assert gamma["to_reference"] == [] and "no run of the reference" in gamma["note"]


@pytest.mark.parametrize(
    ("arguments", "groups"),
    [
        pytest.param({}, [(None, 4)], id="one-group"),
        pytest.param({"by": "batchnorm", "keep": {"batchnorm": ["none"]}}, [("none", 2)], id="kept"),
        pytest.param({"by": "batchnorm", "keep": {"batchnorm": []}}, [], id="none-kept"),
        pytest.param({"by": "batchnorm", "keep": {"batchnorm": [None]}}, [], id="none-has-it"),
        pytest.param({"by": "batchnorm", "places": frozenset()}, [], id="no-place"),
        pytest.param({"by": "flag"}, [(True, 4)], id="one-value"),
    ],
)
def test_selections_of_runs(
    source: Source, catalogue: Catalogue, arguments: dict[str, Any], groups: list[tuple[object, int]]
) -> None:
    """Any selection of runs gets an answer, even an empty one."""
    answer = json.loads(json.dumps(spread_impl(source, catalogue, [KERNEL], **arguments), allow_nan=False))
    assert [(group["value"], len(group["runs"])) for group in answer["tags"][0]["groups"]] == groups


def test_spread_of_damage_and_samples(source: Source, catalogue: Catalogue) -> None:
    """The note reports damaged histograms and steps that the runs do not have in common."""
    answer = spread_impl(source, catalogue, ["damaged", "long"])
    json.dumps(answer, allow_nan=False)
    assert "damaged/liar" in answer["tags"][0]["note"]
    assert answer["tags"][0]["steps"] == (0,)


def test_spread_is_bounded(source: Source, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    """If measuring all runs would take too long, only some of each group are measured, and the note says so."""
    monkeypatch.setattr(spread, "MOST_HISTOGRAMS", 7)
    monkeypatch.setattr(spread, "_FEWEST_RUNS", 1)
    [tag] = spread_impl(source, catalogue, [KERNEL], "batchnorm")["tags"]
    assert [len(group["runs"]) for group in tag["groups"]] == [1, 1]
    assert tag["note"].startswith("measured on 2 of 4 runs")


# --- other people's logs


@both_loaders
@pytest.mark.filterwarnings("ignore:overflow encountered in cast")  # by TensorBoard: PyTorch's outlier is 1e300
def test_logs_of_others(others: Path, load_fast: str) -> None:
    """Histograms of Keras, tf.summary and PyTorch are read, with the hyperparameters of their sessions."""
    with opened(others, load_fast) as source:
        catalogue = read_catalogue(source)
        hparams = {run.name: run.hparams for run in catalogue.runs}
        assert hparams["hparams/fit/train"] == {"units": 4, "rate": 0.5, "norm": True, "act": "relu"}
        assert hparams["torch"] == {"lr": 0.1, "batch": 32, "bn": True}
        assert {each.name for each in catalogue.hparams if each.swept} == {"units", "lr", "batch", "bn"}
        for tag in catalogue.tags:
            answer, runs = ask(source, catalogue, tag)
            assert tag == "far" or (runs and answer["damage"] == [])  # its outlier is infinite as float32
        means = {name: run["statistics"][:, 0] for name, run in ask(source, catalogue, "weights")[1].items()}
        assert_allclose(means["torch"], 0.5 + np.arange(5), atol=0.05)
        assert_allclose(means["summary"], 0.5 + np.arange(5), atol=0.05)
