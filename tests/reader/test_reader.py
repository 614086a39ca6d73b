"""Tests of reading a logdir: logs of any writer, damaged files, the cache, and reading in several processes."""

from __future__ import annotations

import os
import shutil
import struct
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import foreign
import google_crc32c
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sweep_files import made_sweep
from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.plugins.hparams import api_pb2
from tensorboard.util import tensor_util

from hpdash import Options, run_sweep
from hpdash.errors import LogdirError
from hpdash.goal import Goal
from hpdash.histograms.histogram import Histogram
from hpdash.journal.journal import Journal, lock
from hpdash.logs import layout
from hpdash.logs.writer import EventFile, RunWriter, write_hparams_record
from hpdash.reader import events, processes, read, read_histograms
from hpdash.records import TrialState
from hpdash.runs import Logdir, Run

LOOP = """
def train(trial):
    for epoch in range(1, trial.epochs + 1):
        trial.histogram("net/kernel", [1.0, 2.0, float("nan"), trial.seed], epoch)
        trial.report(epoch, loss=1 / epoch, validation_accuracy=epoch / 10 + trial.hparams["learning_rate"])
    if trial.number == 3:
        raise RuntimeError("no more")
"""


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give each test a cache of its own; return the cache's folder."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("HPDASH_CACHE", str(folder))
    return folder


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run a small sweep with one failing trial; return the logs root."""
    path = made_sweep(
        tmp_path_factory.mktemp("logs"),
        loop="loops:train",
        source=LOOP,
        sweep={"repeats": 2, "seed": 7},
        data={"name": "digits", "train": 20, "validation": 20},
        train={"epochs": 3},
        hparams={"learning_rate": [0.1, 0.2]},
    )
    run_sweep(path, path.parent / "logs", Options(workers=1))
    return path.parent / "logs"


@pytest.fixture
def own(logs: Path, tmp_path: Path) -> Path:
    """Copy the small sweep, so that a test can change it; return the copy."""
    return Path(shutil.copytree(logs / "own", tmp_path / "logs" / "own"))


def by_name(found: Logdir) -> dict[str, Run]:
    """Return a logdir's runs by their names."""
    return {run.name: run for run in found.runs}


def points(run: Run, tag: str) -> list[tuple[int, float]]:
    """Return a scalar's steps and values."""
    series = run.scalars[tag]
    return list(zip(series.steps.tolist(), series.values.tolist(), strict=True))


def plain(found: Logdir) -> object:
    """Return everything read from a logdir as values that can be compared."""
    return found.warnings, [
        (
            {tag: [s.steps.tolist(), repr(s.values.tolist()), s.times.tolist()] for tag, s in run.scalars.items()},
            *(getattr(run, name) for name in Run.__dataclass_fields__ if name != "scalars"),
        )
        for run in found.runs
    ]


# What others write


def test_keras_callback_is_one_run(others: Path) -> None:
    """Keras' train/ and validation/ folders are one run.

    Training tags have no prefix, and validation tags have their folder's name as prefix.
    """
    (run,) = read(others / "keras").runs
    assert run.name == "."
    assert (run.status, run.hparams, run.damage) == (None, {}, ())
    training = {"epoch_loss", "epoch_mae", "epoch_learning_rate"}
    assert training <= set(run.scalars)
    assert {"validation/epoch_loss", "validation/epoch_mae"} <= set(run.scalars)
    assert all(tag in training or tag.startswith("validation/") for tag in run.scalars)
    assert all(run.scalars[tag].steps.tolist() == [0, 1, 2] for tag in training)
    assert set(run.histograms.values()) == {3}
    (kernel,) = (tag for tag in run.histograms if "hidden/kernel" in tag)
    series = read_histograms(run, [kernel])[kernel]
    assert (series.steps.tolist(), [each.counts.sum() for each in series.histograms]) == ([0, 1, 2], [12, 12, 12])


def test_hparams_sessions_are_runs_and_experiment_records_are_none(others: Path) -> None:
    """A session gives its run hyperparameters, a group and a status; without an end, the status is None."""
    runs = by_name(read(others / "hparams"))
    assert set(runs) == {"fit", "loop"}
    assert runs["fit"].hparams == {"units": 4, "rate": 0.5, "norm": True, "act": "relu"}
    assert type(runs["fit"].hparams["units"]) is int
    assert runs["fit"].status is TrialState.FINISHED
    assert {"epoch_loss", "validation/epoch_loss"} <= set(runs["fit"].scalars)
    assert (runs["loop"].hparams, runs["loop"].group) == ({"units": 8, "act": "elu"}, "a group")
    assert runs["loop"].status is None
    assert points(runs["loop"], "accuracy") == [(1, 0.75)]


@pytest.mark.parametrize("name", ["summary", "torch"])
def test_tf_summary_and_pytorch_give_the_same(others: Path, name: str) -> None:
    """Scalars and histograms are read as the same numbers from tf.summary and from tensorboardX."""
    run = by_name(read(others))[name]
    assert [value for _, value in points(run, "loss")] == np.float32([1, 1 / 2, 1 / 3, 1 / 4, 1 / 5]).tolist()
    series = read_histograms(run, ["weights", "missing"])
    assert set(series) == {"weights"}
    assert series["weights"].steps.tolist() == [0, 1, 2, 3, 4] == list(range(run.histograms["weights"]))
    for step, each in enumerate(series["weights"].histograms):
        assert (each.edges[0], each.edges[-1]) == (-2 + step, 3 + step)
        assert each.counts.sum() == foreign.VALUES.size
        assert each.mean == pytest.approx(0.5 + step, abs=0.05)


def test_histograms_without_a_width_or_a_value_are_read(others: Path) -> None:
    """A histogram of equal values has buckets of width 0, and one of no values has counts of 0; both are read."""
    read_back = read_histograms(by_name(read(others))["summary"], ["alike", "none"])
    assert {each.counts.sum() for each in read_back["alike"].histograms} == {7}
    assert {each.edges[-1] for each in read_back["alike"].histograms} == {1}
    assert {each.counts.sum() for each in read_back["none"].histograms} == {0}


def test_add_hparams_is_a_finished_run(others: Path) -> None:
    """A session written by tensorboardX' add_hparams belongs to the run above it, which counts as finished."""
    found = by_name(read(others))
    assert "torch/hp" not in found
    run = found["torch"]
    assert run.hparams == {"lr": 0.1, "batch": 32, "bn": True}
    assert (run.status, points(run, "metric")) == (TrialState.FINISHED, [(0, 0.5)])


@pytest.mark.parametrize(
    ("names", "runs"),
    [
        pytest.param(["a", "b/c"], ["a", "b/c"], id="any-folders"),
        pytest.param(["a", "a/train", "a/validation"], ["a"], id="hparams-callback-beside-keras"),
        pytest.param(["a/validation"], ["a"], id="validation-alone"),
        pytest.param(["train", "validation", "test"], [".", "test"], id="root-with-a-third"),
        pytest.param(["train", "test"], ["test", "train"], id="train-is-a-run-beside-others"),
        pytest.param(["validation", "test"], ["test", "validation"], id="validation-is-a-run-beside-others"),
        pytest.param(["train/a", "train/b"], ["train/a", "train/b"], id="a-folder-of-runs"),
    ],
)
def test_folders_fold_into_runs(tmp_path: Path, names: list[str], runs: list[str]) -> None:
    """Each folder of event files is a run, except that the folders of one training are one run."""
    for name in names:
        with RunWriter(tmp_path / name) as writer:
            writer.scalar(f"of/{name}", 1, 1)
    found = read(tmp_path).runs
    assert [run.name for run in found] == runs
    assert sum(len(run.scalars) for run in found) == len(names)


def test_a_tag_of_both_folders_keeps_its_folder(tmp_path: Path) -> None:
    """A tag that is both in a run's own folder and in its train/ is read from both, under two names."""
    for name, value in (("a", 1.0), ("a/train", 2.0)):
        with RunWriter(tmp_path / name) as writer:
            writer.scalar("loss", value, 1)
            writer.histogram("w", Histogram.of(np.array([value])), 1)
    (run,) = read(tmp_path).runs
    assert (points(run, "loss"), points(run, "train/loss")) == ([(1, 1.0)], [(1, 2.0)])
    read_back = read_histograms(run, ["w", "train/w"])
    assert {tag: round(series.histograms[0].mean) for tag, series in read_back.items()} == {"w": 1, "train/w": 2}


# hpdash's own sweeps


def test_a_sweep_is_read_with_all_that_is_known(logs: Path) -> None:
    """A trial has its number, seed, group, swept names, objective, status and result, and all that it logged."""
    found = read(logs)
    assert found.warnings == ()
    assert [run.id for run in found.runs] == [f"own/{number:04d}" for number in range(4)]
    assert [run.seed for run in found.runs] == [7, 8, 7, 8]
    assert [run.group for run in found.runs] == ["own/0000", "own/0000", "own/0001", "own/0001"]
    assert [run.status for run in found.runs] == [TrialState.FINISHED] * 3 + [TrialState.FAILED]
    run = found.runs[1]
    assert (run.swept, run.attempt) == (("learning_rate",), 1)
    assert run.hparams["learning_rate"] == 0.1
    assert run.objective is not None
    assert run.objective.name == "validation/accuracy"
    assert [step for step, _ in points(run, run.objective.tag)] == [1, 2, 3]
    assert run.result is not None
    assert run.result.best["validation/accuracy"] == pytest.approx(0.4)
    assert run.scalars[run.objective.tag].best(Goal.MAX) == (pytest.approx(0.4), 3)
    assert found.runs[3].result is not None
    assert "no more" in str(found.runs[3].result.error)


def test_a_histogram_knows_its_nonfinite_values(logs: Path) -> None:
    """The number of NaNs in a weight is computed from the share that is logged with its histogram."""
    series = read_histograms(read(logs).runs[0], ["net/kernel"])["net/kernel"]
    assert [(each.counts.sum(), each.nonfinite) for each in series.histograms] == [(3, 1)] * 3


@pytest.mark.parametrize(
    ("below", "names", "id_"),
    [
        pytest.param("..", ["logs/own/0000-learning_rate=0.1,seed=7"], "logs/own/0000", id="above-the-root"),
        pytest.param(".", ["own/0000-learning_rate=0.1,seed=7"], "own/0000", id="root"),
        pytest.param("own", ["0000-learning_rate=0.1,seed=7"], "own/0000", id="sweep"),
        pytest.param("own/0000-learning_rate=0.1,seed=7", ["."], "own/0000", id="run"),
    ],
)
def test_a_trial_is_known_from_wherever_one_looks(logs: Path, below: str, names: list[str], id_: str) -> None:
    """A trial is read alike from above the root, the root, its sweep's folder or its own folder."""
    found = read(logs / below)
    run = found.runs[0]
    assert [run.name] == names
    assert (run.id, run.seed, run.status, run.attempt) == (id_, 7, TrialState.FINISHED, 1)
    assert {"epoch_loss", "validation/epoch_accuracy"} <= set(run.scalars)


@pytest.mark.parametrize(("held", "status"), [(True, TrialState.RUNNING), (False, TrialState.INTERRUPTED)])
def test_a_trial_runs_only_while_its_driver_does(own: Path, held: bool, status: TrialState) -> None:
    """A trial that the journal calls running is interrupted if no process holds the sweep's lock."""
    with Journal.open(own / layout.JOURNAL) as journal:
        journal.append(3, TrialState.RUNNING, 2)
    before = sorted((path, path.stat().st_mtime_ns) for path in own.rglob("*"))
    if held:
        with lock(own):
            run = read(own).runs[3]
    else:
        run = read(own).runs[3]
        assert before == sorted((path, path.stat().st_mtime_ns) for path in own.rglob("*"))
    assert (run.status, run.attempt, run.result) == (status, 2, None)


def test_a_trial_that_left_no_files_is_a_run(own: Path) -> None:
    """A trial in the journal is a run even if its event files or its folder are missing."""
    folders = sorted(own.glob("000*"))
    shutil.rmtree(folders[3])
    for file in [*layout.event_files(folders[1]), *layout.event_files(folders[1] / "validation")]:
        file.unlink()
    runs = read(own.parent).runs
    assert [run.number for run in runs] == [0, 1, 2, 3]
    assert (runs[3].name, runs[3].status, runs[3].seed) == ("own/0003", TrialState.FAILED, 8)
    assert (runs[1].folder, runs[1].hparams, runs[1].scalars) == (folders[1], {"learning_rate": 0.1}, {})


@pytest.mark.parametrize(
    ("name", "change", "warning"),
    [
        pytest.param("sweep.json", lambda data: data[:100], "sweep.json: cannot be read", id="settings-cut"),
        pytest.param("sweep.json", lambda data: b"[]", "sweep.json: cannot be read", id="settings-of-another-kind"),
        pytest.param("sweep.json", lambda data: b"[" * 9999, "sweep.json: cannot be read", id="settings-nested"),
        pytest.param("sweep.json", lambda data: None, "sweep.json: missing", id="settings-gone"),
        pytest.param("journal.jsonl", lambda data: data.replace(b"finished", b"fin1shed", 1), "line", id="journal"),
    ],
)
def test_damaged_records_of_a_sweep_cost_only_what_they_said(
    own: Path, name: str, change: Callable[[bytes], bytes | None], warning: str
) -> None:
    """A damaged sweep.json or journal gives a warning, and all runs are read with what they logged."""
    changed = change((own / name).read_bytes())
    (own / name).unlink()
    if changed is not None:
        (own / name).write_bytes(changed)
    found = read(own.parent)
    assert len(found.warnings) == 1
    assert warning in found.warnings[0]
    assert [(run.sweep, run.number, len(run.scalars) > 1) for run in found.runs] == [("own", n, True) for n in range(4)]
    assert found.runs[2].hparams["learning_rate"] == 0.2


def test_an_experiment_record_is_no_run(tmp_path: Path) -> None:
    """A folder that contains only an HParams experiment record is not a run."""
    write_hparams_record(tmp_path / "record", api_pb2.Experiment(description="x"))
    assert read(tmp_path).runs == ()


# Damage


def record(data: bytes) -> bytes:
    """Return the data framed as a TFRecord."""

    def masked(part: bytes) -> bytes:
        crc = google_crc32c.value(part)
        return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)

    length = struct.pack("<Q", len(data))
    return length + masked(length) + data + masked(data)


def event(step: int, *values: summary_pb2.Summary.Value) -> bytes:
    """Return the record of an event."""
    made = event_pb2.Event(wall_time=1000.0 + step, step=step, summary=summary_pb2.Summary(value=values))
    return record(made.SerializeToString())


def simple(tag: str, value: float) -> summary_pb2.Summary.Value:
    """Return a scalar in the form that older writers use."""
    return summary_pb2.Summary.Value(tag=tag, simple_value=value)


def tensor(tag: str, plugin: str, value: Any) -> summary_pb2.Summary.Value:
    """Return a tensor value with the metadata of a plugin."""
    made = summary_pb2.Summary.Value(tag=tag, tensor=tensor_util.make_tensor_proto(value))
    made.metadata.plugin_data.plugin_name = plugin
    return made


def write_file(folder: Path, data: bytes, name: str = "events.out.tfevents.1.x") -> Path:
    """Write an event file; return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)
    return folder / name


RECORDS = [event(step, simple("x", step / 4)) for step in range(1, 8)]
ENDS = np.cumsum([len(each) for each in RECORDS]).tolist()


def steps_of(found: Logdir, tag: str = "x") -> list[int]:
    """Return the steps at which the only run of a logdir has a scalar."""
    (run,) = found.runs
    return run.scalars[tag].steps.tolist() if tag in run.scalars else []


def test_a_file_cut_at_any_byte_gives_all_whole_records(tmp_path: Path) -> None:
    """A file cut at any byte gives all whole records and reports the offset of the incomplete one.

    The file is cut at every byte of its last three records.
    """
    data = b"".join(RECORDS)
    for size in range(ENDS[3] + 1, ENDS[6] + 1):
        file = write_file(tmp_path, data[:size])
        found = read(tmp_path, cached=False)
        whole = sum(end <= size for end in ENDS)
        assert steps_of(found) == list(range(1, whole + 1))
        torn = size not in ENDS
        assert [(each.file, each.offset) for each in found.runs[0].damage] == [(file, ENDS[whole - 1])] * torn
        reasons = [each.reason for each in found.runs[0].damage]
        assert all("incomplete" in reason and "still being written" in reason for reason in reasons)
        assert found.warnings == tuple(str(each) for each in found.runs[0].damage)


@pytest.mark.parametrize("place", range(len(RECORDS[3])))
def test_a_flipped_byte_costs_one_record(tmp_path: Path, place: int) -> None:
    """A flipped byte anywhere in a record (length, checksums or data) costs only that record, which is reported."""
    data = bytearray(b"".join(RECORDS))
    data[ENDS[2] + place] ^= 0xFF
    file = write_file(tmp_path, bytes(data))
    found = read(tmp_path, cached=False)
    assert steps_of(found) == [1, 2, 3, 5, 6, 7]
    (damage,) = found.runs[0].damage
    assert (damage.file, damage.offset) == (file, ENDS[2])
    assert f"{len(RECORDS[3])} bytes skipped" in damage.reason


BIG = struct.pack("<Q", 2**62)
ABSURD = BIG + record(BIG)[-4:]  # a huge length with a valid checksum
GOOD = b"".join(RECORDS)


@pytest.mark.parametrize(
    ("data", "steps", "offset", "reason"),
    [
        pytest.param(b"", [], 0, "the file is empty", id="empty"),
        pytest.param(GOOD[:5], [], 0, "incomplete", id="cut-in-the-first-header"),
        pytest.param(b"These are my notes on tfevents.\n" * 99, [], 0, "not an event file", id="foreign"),
        pytest.param(bytes(5_000_000), [], 0, "not an event file", id="zeros"),
        pytest.param(GOOD + bytes(5_000_000), list(range(1, 8)), len(GOOD), "5,000,000 bytes", id="zeros-at-the-end"),
        pytest.param(RECORDS[0] + bytes(999) + RECORDS[1], [1, 2], ENDS[0], "999 bytes", id="zeros-in-the-middle"),
        pytest.param(
            RECORDS[0] + RECORDS[1][:-9] + RECORDS[2], [1, 3], ENDS[0], "bytes skipped", id="written-behind-a-torn"
        ),
        pytest.param(RECORDS[0] + ABSURD + RECORDS[1], [1, 2], ENDS[0], "12 bytes", id="absurd-length"),
        pytest.param(RECORDS[0] + ABSURD, [1], ENDS[0], "incomplete", id="absurd-length-at-the-end"),
        pytest.param(RECORDS[0] + b"\xff" * 3_000_000 + RECORDS[1], [1, 2], ENDS[0], "3,000,000", id="far-behind"),
        pytest.param(RECORDS[0] + record(b"\xff\xff") + RECORDS[1], [1, 2], ENDS[0], "valid event", id="not-an-event"),
    ],
)
def test_damage_is_named_and_the_rest_is_read(
    tmp_path: Path, data: bytes, steps: list[int], offset: int, reason: str
) -> None:
    """Everything readable in a damaged file is returned, and the damage is reported with offset and reason."""
    file = write_file(tmp_path, data)
    tracemalloc.start()
    found = read(tmp_path, cached=False)
    assert tracemalloc.get_traced_memory()[1] < 8_000_000
    tracemalloc.stop()
    assert steps_of(found) == steps
    (damage,) = found.runs[0].damage
    assert (damage.file, damage.offset) == (file, offset)
    assert reason in damage.reason


@given(data=st.lists(st.sampled_from([*RECORDS, *(each[:9] for each in RECORDS), b"\0" * 9, b"x"]), max_size=9))
@settings(max_examples=60)
def test_no_bytes_make_it_fail(data: list[bytes], tmp_path_factory: pytest.TempPathFactory) -> None:
    """Pieces of records in any order never raise, and every whole record after damage is found."""
    folder = tmp_path_factory.mktemp("pieces")
    write_file(folder, b"".join(data))
    run = read(folder, cached=False).runs[0]
    expected: list[int] = []
    for step in [RECORDS.index(each) + 1 for each in data if each in RECORDS]:
        expected = [*(one for one in expected if one < step), step]
    assert (run.scalars["x"].steps.tolist() if run.scalars else []) == expected
    assert bool(run.damage) == (not data or any(each not in RECORDS for each in data))


def edges(*rows: tuple[float, float, float]) -> np.ndarray[Any, Any]:
    """Return a histogram's table of left edges, right edges and counts."""
    return np.array(rows, np.float64).reshape(-1, 3)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        pytest.param(tensor("x", "scalars", [1.0, 2.0]), "at most 1", id="two-numbers"),
        pytest.param(tensor("x", "scalars", "1.5"), "one number", id="a-string"),
        pytest.param(tensor("x", "scalars", np.zeros(0)), "one number", id="no-number"),
        pytest.param(tensor("h", "histograms", np.ones((2, 2))), "[buckets, 3]", id="two-columns"),
        pytest.param(tensor("h", "histograms", 3.0), "[buckets, 3]", id="a-number"),
        pytest.param(tensor("h", "histograms", edges((0, 1, 1), (2, 3, 1))), "adjacent", id="a-gap"),
        pytest.param(tensor("h", "histograms", edges((0, 2, 1), (1, 3, 1))), "adjacent", id="an-overlap"),
        pytest.param(tensor("h", "histograms", edges((1, 0, 1))), "do not decrease", id="backwards"),
        pytest.param(tensor("h", "histograms", edges((np.nan, np.nan, 1))), "finite", id="nan-edges"),
        pytest.param(tensor("h", "histograms", edges((0, np.inf, 1))), "finite", id="infinite-edge"),
        pytest.param(tensor("h", "histograms", edges((0, 1, -1))), "at least 0", id="negative-count"),
        pytest.param(tensor("h", "hparams", 1.0), "", id="hparams-without-content"),
    ],
)
def test_a_malformed_value_costs_only_itself(tmp_path: Path, value: summary_pb2.Summary.Value, reason: str) -> None:
    """A value that is invalid for its plugin is reported with its offset, and the other values are read."""
    write_file(tmp_path, RECORDS[0] + event(2, value) + RECORDS[2])
    found = read(tmp_path, cached=False)
    assert steps_of(found) == [1, 3]
    assert found.runs[0].histograms == {}
    assert [(each.offset, reason in each.reason) for each in found.runs[0].damage] == [(ENDS[0], True)] * bool(reason)


def test_a_shape_costs_no_memory(tmp_path: Path) -> None:
    """A tensor that claims a shape of a billion elements is rejected before any memory is allocated for it."""
    value = tensor("x", "scalars", 1.0)
    value.tensor.tensor_shape.dim.add(size=10**9)
    write_file(tmp_path, event(1, value))
    (damage,) = read(tmp_path, cached=False).runs[0].damage
    assert "[1000000000]" in damage.reason


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8", "int64", "uint8", "bool"])
def test_a_number_of_any_type_is_a_scalar(tmp_path: Path, dtype: str) -> None:
    """A scalar may be a tensor of any real type, in any encoding of the tensor's value."""
    values = [np.array(number, dtype) for number in (1, 0, 1)]
    write_file(tmp_path, b"".join(event(step, tensor("x", "scalars", value)) for step, value in enumerate(values)))
    (run,) = read(tmp_path, cached=False).runs
    assert points(run, "x") == [(0, 1), (1, 0), (2, 1)]


def test_the_first_metadata_of_a_tag_count(tmp_path: Path) -> None:
    """A value without metadata belongs to the plugin of its tag's first value.

    A value whose tag has no plugin is ignored.
    """
    bare = summary_pb2.Summary.Value(tag="x", tensor=tensor_util.make_tensor_proto(2.0))
    lone = summary_pb2.Summary.Value(tag="y", tensor=tensor_util.make_tensor_proto(2.0))
    write_file(tmp_path, event(1, tensor("x", "scalars", 1.0)) + event(2, bare, lone))
    (run,) = read(tmp_path, cached=False).runs
    assert points(run, "x") == [(1, 1.0), (2, 2.0)]
    assert set(run.scalars) == {"x"}
    assert run.damage == ()


def test_outer_limits_of_the_greatest_float_are_not_edges(tmp_path: Path) -> None:
    """An old-format histogram ends at its minimum and maximum, even if its outer limits are the largest float."""
    most = sys.float_info.max
    histo = summary_pb2.HistogramProto(
        min=-3, max=5, bucket_limit=[-most, -1, 0, 2, most], bucket=[0, 4, 0, 1, 2], num=7
    )
    write_file(tmp_path, event(1, summary_pb2.Summary.Value(tag="h", histo=histo)))
    (run,) = read(tmp_path, cached=False).runs
    (histogram,) = read_histograms(run, ["h"])["h"].histograms
    assert (histogram.edges.tolist(), histogram.counts.tolist()) == ([-3, -1, 0, 2, 5], [4, 0, 1, 2])


def test_a_histogram_that_turns_bad_is_told_where_it_is_read(tmp_path: Path) -> None:
    """A malformed histogram in the middle of a series is found only when the histograms are read.

    It is then left out and reported. Counting the histograms does not check each of them.
    """
    good, bad = edges((0, 1, 1), (1, 2, 3)), edges((0, 1, 1), (7, 2, 3))
    tables = [good, good + 1, bad, good + 2]
    data = [event(step, tensor("h", "histograms", table)) for step, table in enumerate(tables)]
    file = write_file(tmp_path, b"".join(data))
    (run,) = read(tmp_path, cached=False).runs
    damage: list[Any] = []
    assert read_histograms(run, ["h"], damage)["h"].steps.tolist() == [0, 1, 3]
    assert [(each.file, each.offset) for each in damage] == [(file, len(data[0] + data[1]))]
    assert "step 2" in damage[0].reason


def test_nan_edges_of_a_diverged_run_are_told_at_once(tmp_path: Path) -> None:
    """Histograms with NaN edges, as TensorFlow writes them for NaNs, are reported on the first read and not counted."""
    tables = [edges((0, 1, 1)), edges((1, 2, 1)), edges((np.nan, np.nan, 1)), edges((np.nan, np.nan, 1))]
    write_file(tmp_path, b"".join(event(step, tensor("h", "histograms", table)) for step, table in enumerate(tables)))
    (run,) = read(tmp_path, cached=False).runs
    assert (run.histograms, len(run.damage)) == ({"h": 2}, 2)


# Steps


@pytest.mark.parametrize(
    ("written", "left"),
    [
        pytest.param([1, 2, 3], [1, 2, 3], id="in-order"),
        pytest.param([1, 2, 2], [1, 2], id="twice"),
        pytest.param([1, 2, 3, 2, 3], [1, 2, 3], id="restarted"),
        pytest.param([1, 5, 3], [1, 3], id="back"),
        pytest.param([3, 1], [1], id="before-all"),
        pytest.param([-2, -1, 0, 2**40], [-2, -1, 0, 2**40], id="negative-and-great"),
    ],
)
@pytest.mark.parametrize("files", [1, 2])
def test_a_value_supersedes_those_of_its_step_and_later(
    tmp_path: Path, written: list[int], left: list[int], files: int
) -> None:
    """Steps increase: a value replaces earlier values of the same or a later step.

    This holds within a file and across the files of a folder.
    """
    data = [
        event(step, simple("x", place), tensor("h", "histograms", edges((place, place + 1, 1))))
        for place, step in enumerate(written)
    ]
    half = len(data) // 2 if files == 2 else len(data)
    write_file(tmp_path, b"".join(data[:half]), "events.out.tfevents.1")
    write_file(tmp_path, b"".join(data[half:]) or record(event_pb2.Event().SerializeToString()), "tfevents.2")
    (run,) = read(tmp_path, cached=False).runs
    last = {step: place for place, step in enumerate(written)}
    assert points(run, "x") == [(step, last[step]) for step in left]
    assert run.histograms == {"h": len(left)}
    series = read_histograms(run, ["h"])["h"]
    assert [each.edges[0] for each in series.histograms] == [last[step] for step in left]


KINDS = ("scalar", "simple", "histogram", "pair")
WRITES = st.tuples(
    st.sampled_from(KINDS), st.sampled_from(["a", "b", "loss/c"]), st.sampled_from([0.0, 0.25, -3.5, np.nan, np.inf])
)


def values_of(kind: str, tag: str, number: float, step: int) -> list[summary_pb2.Summary.Value]:
    """Return the values of one write in a training loop."""
    match kind:
        case "scalar":
            return [tensor(f"s/{tag}", "scalars", np.float32(number + step))]
        case "simple":
            return [simple(f"v/{tag}", number * step)]
        case "histogram":
            low = number if np.isfinite(number) else 0.0
            return [tensor(f"h/{tag}", "histograms", edges((low, low + 1, step), (low + 1, low + 2, 3)))]
    return [simple(f"p/{tag}", number), simple(f"q/{tag}", step)]


@given(
    loop=st.lists(WRITES, min_size=1, max_size=4),
    epochs=st.lists(st.sampled_from([0, 1, 2, 3, 126, 127, 128, 129, 20_000]), max_size=9),
    odd=st.dictionaries(st.integers(0, 8), WRITES, max_size=2),
)
@settings(max_examples=150, deadline=None)
def test_skimming_reads_what_parsing_would(
    loop: list[Any], epochs: list[int], odd: dict[int, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Fast reading of repetitive records gives the same values as parsing each record, also with irregular records."""
    folder = tmp_path_factory.mktemp("loop")
    expected: dict[str, list[tuple[int, str]]] = {}
    data = b""
    for place, step in enumerate(epochs):
        for kind, tag, number in [*loop, odd[place]] if place in odd else loop:
            values = values_of(kind, tag, number, step)
            data += event(step, *values)
            for value in values:
                kept = [each for each in expected.get(value.tag, []) if each[0] < step]
                if value.HasField("tensor"):
                    array = tensor_util.make_ndarray(value.tensor)
                    text = "h" if array.ndim else repr(float(array))
                else:
                    text = repr(value.simple_value)
                expected[value.tag] = [*kept, (step, text)]
    for run in ("one", "two"):  # the second run is read with the record layouts learned from the first
        write_file(folder / run, data or RECORDS[0])
    for run in read(folder, cached=False).runs:
        assert run.damage == ()
        if data:
            found = {tag: [(step, repr(value)) for step, value in points(run, tag)] for tag in run.scalars}
            counted = {tag: len(each) for tag, each in expected.items() if tag.startswith("h")}
            assert found == {tag: each for tag, each in expected.items() if not tag.startswith("h")}
            assert run.histograms == counted
            assert all(run.scalars[tag].times.tolist() == [1000.0 + s for s, _ in found[tag]] for tag in found)


def test_damage_in_a_long_run_costs_one_record(tmp_path: Path) -> None:
    """A flipped byte among many similar records is found, although these records are not parsed one by one."""
    with RunWriter(tmp_path) as writer:
        for step in range(1, 30):
            for tag in ("loss", "rate"):
                writer.scalar(tag, step / 7, step)
    (file,) = layout.event_files(tmp_path)
    good, size = file.read_bytes(), len(file.read_bytes()) // 58
    for place in range(len(good) // 2, len(good) // 2 + 2 * size):
        file.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
        (run,) = read(tmp_path, cached=False).runs
        assert sorted(len(series.steps) for series in run.scalars.values()) == [28, 29]
        assert len(run.damage) == 1


def test_a_record_that_is_only_nearly_alike_is_told_apart(tmp_path: Path) -> None:
    """A record of another tag or plugin whose name has the same length is not mistaken for its similar neighbours."""
    data = [event(step, tensor("ab", "scalars", np.float32(step / 3))) for step in range(1, 20)]
    data[9] = event(10, tensor("ac", "scalars", np.float32(7)))
    data[12] = event(13, tensor("ad", "strange", np.float32(7)))
    write_file(tmp_path / "one", b"".join(data))
    write_file(tmp_path / "two", event(1, tensor("ab", "strange", np.float32(7))))
    one, two = read(tmp_path, cached=False).runs
    assert {tag: len(series.steps) for tag, series in one.scalars.items()} == {"ab": 17, "ac": 1}
    assert two.scalars == {}


def test_memory_does_not_grow_with_the_histograms(tmp_path: Path) -> None:
    """Reading a run without its histograms takes only a few bytes per histogram, however large they are."""
    peaks = []
    for name, count in (("few", 30), ("many", 1500)):
        with RunWriter(tmp_path / name) as writer:
            for step in range(count):
                writer.histogram("w", Histogram.of(np.arange(500.0) + step, 500), step)
        read(tmp_path / name, cached=False)
        tracemalloc.start()
        (run,) = read(tmp_path / name, cached=False).runs
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert run.histograms == {"w": count}
    assert (tmp_path / "many").stat()
    assert peaks[1] - peaks[0] < 4_000_000 < 1500 * 12_000  # only buffers, of 18 MB of histograms


# Several processes


@pytest.fixture
def three_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use three processes that read one file at a time, however little there is to read."""
    for name, value in (("_PAYS", 1), ("_BATCH", 1), ("cores", lambda: 3)):
        monkeypatch.setattr(processes, name, value)


def several(root: Path, logs: Path, others: Path) -> Path:
    """Put logs of several writers and damaged files into one root; return the root."""
    shutil.copytree(logs, root / "logs")
    shutil.copytree(others, root / "others")
    write_file(root / "bad", GOOD[:-3])
    (root / "gone").symlink_to(root / "nowhere")
    return root


@pytest.mark.usefixtures("three_processes")
def test_several_processes_read_what_one_reads(
    logs: Path, others: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several processes give the same runs and damage in the same order as one, and share the work."""
    root, here = several(tmp_path, logs, others), []
    monkeypatch.setattr(processes, "read_file", lambda path, seen: here.append(path) or events.read_file(path, seen))
    found, shared = plain(read(root, cached=False)), len(here)
    monkeypatch.setattr(processes, "cores", lambda: 1)
    assert found == plain(read(root, cached=False))
    assert 0 < shared < len(here) - shared


DEADLY = (
    "import os; from hpdash.reader import processes as own; whole = own.read_file;"
    " own.read_file = lambda path, seen: whole(path, seen) if 'logs' in str(path) else os.kill(os.getpid(), 9)"
)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("sys.executable", "/nowhere/python", id="not-started"),
        pytest.param("_PROGRAM", "raise SystemExit", id="ends"),
        pytest.param("_PROGRAM", "import os, time; time.sleep(0.2); os.kill(os.getpid(), 9)", id="killed"),
        pytest.param("_PROGRAM", processes._PROGRAM.replace("; serve(", f"; {DEADLY}; serve("), id="dies-of-a-file"),
    ],
)
@pytest.mark.usefixtures("three_processes")
def test_a_process_that_is_lost_costs_nothing(
    logs: Path, others: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """If a reading process does not start, ends or is killed, its files are still read."""
    root = several(tmp_path, logs, others)
    monkeypatch.setattr(f"hpdash.reader.processes.{name}", value)
    found = plain(read(root, cached=False))
    monkeypatch.setattr(processes, "cores", lambda: 1)
    assert found == plain(read(root, cached=False))


# The cache


def test_a_cached_read_is_the_same_and_does_not_open_event_files(
    logs: Path, others: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second read gives the same result from the cache alone, for logs of any writer and for damage."""
    root = tmp_path / "all"
    shutil.copytree(logs, root / "logs")
    shutil.copytree(others, root / "others")
    write_file(root / "bad", GOOD[:-3])
    write_file(root / "nan", event(1, simple("x", np.nan)))
    write_file(root / "none", b"")
    first = read(root)
    assert plain(first) == plain(read(root, cached=False))
    monkeypatch.setattr("hpdash.reader.processes.read_file", lambda *_: pytest.fail("an event file is read again"))
    assert plain(read(root)) == plain(first)


def test_a_live_run_grows_between_reads(tmp_path: Path) -> None:
    """A read returns what was written since the last one, also for new and deleted runs."""
    with RunWriter(tmp_path / "live") as writer, RunWriter(tmp_path / "still") as still:
        still.scalar("x", 0, 1)
        still.flush()
        for step in range(1, 4):
            writer.scalar("x", step, step)
            writer.flush()
            runs = by_name(read(tmp_path))
            assert runs["live"].scalars["x"].steps.tolist() == list(range(1, step + 1))
    (tmp_path / "new").mkdir()
    write_file(tmp_path / "new", GOOD)
    shutil.rmtree(tmp_path / "still")
    assert [run.name for run in read(tmp_path).runs] == ["live", "new"]


def test_a_change_in_place_is_seen(tmp_path: Path) -> None:
    """A file that was replaced by another one of the same size and modification time is read again."""
    file = write_file(tmp_path, GOOD)
    before = file.stat()
    assert read(tmp_path).runs[0].scalars["x"].last == 7 / 4
    file.unlink()
    write_file(tmp_path, b"".join(RECORDS[:-1]) + event(7, simple("x", 9.0)))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert read(tmp_path).runs[0].scalars["x"].last == 9


def summed(text: bytes) -> bytes:
    """Return the content of a cache file with this text and a valid checksum."""
    rest = struct.pack("<Q", len(text)) + text
    return struct.pack("<I", google_crc32c.value(rest)) + rest


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda data: b"", id="empty"),
        pytest.param(lambda data: data[:-9], id="cut"),
        pytest.param(lambda data: bytes(len(data)), id="zeros"),
        pytest.param(lambda data: data[:-1] + bytes([data[-1] ^ 1]), id="flipped"),
        pytest.param(lambda data: summed(b"[]"), id="another-kind"),
        pytest.param(lambda data: summed(b'{"version":0,"shapes":[],"files":{}}'), id="another-version"),
    ],
)
def test_a_spoiled_cache_is_a_miss(tmp_path: Path, cache: Path, spoil: Callable[[bytes], bytes]) -> None:
    """A damaged cache file is ignored and replaced, and the result is that of the event files."""
    write_file(tmp_path, GOOD)
    first = plain(read(tmp_path))
    (file,) = cache.rglob("*.read")
    good = file.read_bytes()
    file.write_bytes(spoil(good))
    assert plain(read(tmp_path)) == first
    assert file.read_bytes() == good


def test_without_a_place_for_the_cache_everything_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the cache cannot be written, every read opens all files.

    There is no warning, and no file is left in the logdir.
    """
    write_file(tmp_path / "logs", GOOD)
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("HPDASH_CACHE", str(tmp_path / "file"))
    assert [steps_of(read(tmp_path / "logs")) for _ in range(2)] == [list(range(1, 8))] * 2
    assert len(list((tmp_path / "logs").iterdir())) == 1


def test_the_cache_forgets_what_is_gone(tmp_path: Path, cache: Path) -> None:
    """Entries of deleted files are removed at the next change, and the cache keeps at most 50 logdirs."""
    for number in range(53):
        write_file(tmp_path / str(number), GOOD)
        read(tmp_path / str(number))
    assert len(list(cache.rglob("*.read"))) == 50
    write_file(tmp_path / "0", RECORDS[0], "tfevents.2")
    read(tmp_path / "0")
    for file in (tmp_path / "0").iterdir():
        file.unlink()
    write_file(tmp_path / "0", RECORDS[0], "tfevents.3")
    read(tmp_path / "0")
    newest = max(cache.rglob("*.read"), key=lambda file: file.stat().st_mtime_ns)
    assert newest.read_bytes().count(b"tfevents") == 1


# Paths and names


@pytest.mark.parametrize(
    ("make", "found"),
    [
        pytest.param(lambda path: None, "No such file", id="missing"),
        pytest.param(lambda path: path.write_text(""), "Not a directory", id="a-file"),
        pytest.param(lambda path: path.symlink_to(path), "Too many levels", id="a-link-to-itself"),
    ],
)
def test_a_path_that_is_no_folder_is_refused(tmp_path: Path, make: Callable[[Path], object], found: str) -> None:
    """A path that is not a folder raises an error that says what was expected, what was found and what to do."""
    make(tmp_path / "logs")
    with pytest.raises(LogdirError, match=rf"logs: expected a folder of logs, found: {found}.*Run a sweep first"):
        read(tmp_path / "logs")


def test_a_path_that_cannot_be_one_is_refused() -> None:
    """A path with a NUL character raises the same error as other invalid paths."""
    with pytest.raises(LogdirError, match="expected a folder of logs"):
        read("a\0b")


def test_an_empty_folder_has_no_runs(tmp_path: Path) -> None:
    """A folder without event files has no runs and is not an error."""
    assert read(tmp_path) == Logdir(tmp_path, ())


def test_links_are_followed_and_their_circles_are_not(tmp_path: Path) -> None:
    """A run behind a link has the link's name, and a link to a folder above is not followed."""
    write_file(tmp_path / "elsewhere" / "run", GOOD)
    (tmp_path / "logs" / "a").mkdir(parents=True)
    (tmp_path / "logs" / "a" / "up").symlink_to(tmp_path / "logs")
    (tmp_path / "logs" / "b").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "to").symlink_to(tmp_path / "logs")
    (tmp_path / "logs" / "broken").symlink_to(tmp_path / "nothing")
    assert [run.name for run in read(tmp_path / "logs").runs] == ["b/run"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_left_out(tmp_path: Path) -> None:
    """A folder or file without read permission gives a warning, and everything else is read."""
    write_file(tmp_path / "a", GOOD).chmod(0)
    write_file(tmp_path / "b", GOOD)
    (tmp_path / "c").mkdir(mode=0)
    found = read(tmp_path)
    assert [len(run.scalars) for run in found.runs] == [0, 1]
    assert [("Permission denied" in warning) for warning in found.warnings] == [True, True]


@pytest.mark.parametrize("name", ["[/b]", "<img src=x onerror=alert(1)>", "näme \u202e", "-rf", "a\nb", "0001-x=%2F"])
def test_names_are_kept_as_they_are(tmp_path: Path, name: str) -> None:
    """A run and a tag of any name are read under that name."""
    folder = tmp_path / name.replace("/", "%")
    write_file(folder, event(1, simple(name, 1.0)))
    (run,) = read(tmp_path).runs
    assert (run.name, run.id, list(run.scalars)) == (folder.name, folder.name, [name])


def test_the_time_of_each_value_is_kept(tmp_path: Path) -> None:
    """A series has the wall time of each value, and a run has the wall time of its first event."""
    write_file(tmp_path, GOOD)
    (run,) = read(tmp_path).runs
    assert run.scalars["x"].times.tolist() == [1001.0, 1002, 1003, 1004, 1005, 1006, 1007]
    assert run.started == 1001


@pytest.fixture
def files() -> Iterator[list[EventFile]]:
    """Provide a list for open event files, and close them after the test."""
    opened: list[EventFile] = []
    yield opened
    for file in opened:
        file.close()


def test_event_files_of_a_folder_are_read_in_the_order_of_their_names(tmp_path: Path, files: list[EventFile]) -> None:
    """Event files of a folder are read in the order of their names, as one series."""
    for step in (1, 2, 3):
        files.append(EventFile(tmp_path))
        files[-1].add(simple("x", step), step)
        files[-1].flush()
    assert points(read(tmp_path).runs[0], "x") == [(1, 1), (2, 2), (3, 3)]
