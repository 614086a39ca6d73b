"""Tests of the HParams experiment record, and of how the records of a logs root are kept up to date."""

from __future__ import annotations

import json
import multiprocessing
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import api_pb2, metadata

from hpdash.errors import LogdirError
from hpdash.logs import layout
from hpdash.logs.hparams_record import (
    Discrete,
    HParamsColumn,
    HParamsTable,
    Interval,
    Metric,
    experiment,
    merge,
    update_records,
)

BATCHNORM = HParamsColumn("batchnorm", True, Discrete(("none", "before")))
RATE = HParamsColumn("learning_rate", True, Interval(0.001, 0.1))
EPOCHS = HParamsColumn("epochs", False, Discrete((10,)))
LOSS = Metric("epoch_loss")
ACCURACY = Metric("epoch_accuracy", "validation")


def union(*domains: Discrete | Interval | None) -> Discrete | Interval | None:
    """Return the domain that results from merging the domains of one column in several sweeps."""
    (column,) = merge([(HParamsColumn("x", True, domain),) for domain in domains])
    return column.domain


@pytest.mark.parametrize(
    ("domains", "expected"),
    [
        pytest.param([Discrete((3, 1)), Discrete((2.5, 1.0))], Discrete((1, 2.5, 3)), id="numbers-sorted"),
        pytest.param([Discrete(("b", "a")), Discrete(("c", "b"))], Discrete(("b", "a", "c")), id="strings-first-seen"),
        pytest.param([Discrete((True,)), Discrete((False,))], Discrete((False, True)), id="bools"),
        pytest.param([Interval(0.5, 2), Interval(0.1, 1)], Interval(0.1, 2), id="intervals"),
        pytest.param([Discrete((3, 0.01)), Interval(0.5, 2)], Interval(0.01, 3), id="interval-and-numbers"),
        pytest.param([Discrete((1,)), Discrete(("a",))], Discrete((1, "a")), id="numbers-and-strings"),
        pytest.param([Interval(0, 1), Discrete(("a",))], None, id="interval-and-strings"),
        pytest.param([Interval(0, 1), Discrete((True,))], None, id="interval-and-bools"),
        pytest.param([None, Discrete(("a",))], None, id="no-domain"),
    ],
)
def test_union_of_domains(domains: list[Discrete | Interval | None], expected: Discrete | Interval | None) -> None:
    """Values merge with values, and intervals with intervals or numbers; without a common form there is no domain."""
    assert union(*domains) == expected


def test_true_is_not_one() -> None:
    """A boolean and the number that equals it are two different values."""
    domain = union(Discrete((True,)), Discrete((1,)))
    assert isinstance(domain, Discrete)
    assert {type(value) for value in domain.values} == {bool, int}


values = st.booleans() | st.integers(-9, 9) | st.floats(-9, 9) | st.sampled_from("abc")
domains = st.lists(values, min_size=1).map(lambda items: Discrete(tuple(items))) | st.tuples(
    st.integers(-9, 9), st.floats(-9, 9)
).map(lambda ends: Interval(min(ends), max(ends)))


@given(st.lists(domains, min_size=1, max_size=4))
def test_union_holds_every_domain_whatever_the_order(given_domains: list[Discrete | Interval]) -> None:
    """A merged domain contains every value and range of its parts, in whatever order they are merged.

    Only the order of strings depends on the order of the parts.
    """
    forward, backward = union(*given_domains), union(*reversed(given_domains))
    if isinstance(forward, Discrete):
        assert isinstance(backward, Discrete)
        assert set(map(repr, map(float_or_same, forward.values))) == set(map(repr, map(float_or_same, backward.values)))
        assert all(v in forward.values for d in given_domains if isinstance(d, Discrete) for v in d.values)
        return
    assert forward == backward
    if forward is not None:
        for domain in given_domains:
            ends = (domain.min, domain.max) if isinstance(domain, Interval) else domain.values
            assert all(forward.min <= float(end) <= forward.max for end in ends)


def float_or_same(value: object) -> object:
    """Return numbers as floats, so that equal numbers have the same repr; return other values unchanged."""
    return value + 0.0 if isinstance(value, int | float) and not isinstance(value, bool) else value


@pytest.mark.parametrize(
    "build",
    [
        pytest.param(lambda: Discrete(()), id="no-values"),
        pytest.param(lambda: Discrete((1.0, float("nan"))), id="nan"),
        pytest.param(lambda: Interval(2, 1), id="backwards"),
        pytest.param(lambda: Interval(0, float("inf")), id="infinite"),
    ],
)
def test_refuses_what_is_no_domain(build: Any) -> None:
    """An invalid domain raises a ValueError when it is created."""
    with pytest.raises(ValueError, match="expected"):
        build()


def test_json_round_trip() -> None:
    """A sheet survives the round trip through JSON, and the JSON has the documented keys."""
    sheet = HParamsTable((BATCHNORM, RATE, HParamsColumn("x", False, None, everywhere=False)), (LOSS, ACCURACY), "why")
    text = json.dumps(sheet.to_json())
    assert HParamsTable.from_json(json.loads(text)) == sheet
    assert json.loads(text)["columns"][1] == {
        "name": "learning_rate",
        "swept": True,
        "domain": {"type": "interval", "min": 0.001, "max": 0.1, "kind": "float"},
        "everywhere": True,
    }
    assert Interval(1, 8).to_json()["kind"] == "int"


def test_a_record_is_the_union_with_its_own_names_first() -> None:
    """A record lists the hyperparameters of every sweep, with types and domains.

    Those that its own sweep swept come first, and only they are marked `differs`.
    """
    own = HParamsTable((EPOCHS, RATE), (LOSS,), "mine")
    other = HParamsTable(
        (BATCHNORM, HParamsColumn("epochs", True, Discrete((20,))), HParamsColumn("nesterov", True, Discrete((True,)))),
        (ACCURACY, LOSS),
        "theirs",
    )
    record = experiment(own, [other, own])
    shown = [(info.name, info.differs, info.type) for info in record.hparam_infos]
    assert shown == [
        ("learning_rate", True, api_pb2.DATA_TYPE_FLOAT64),
        ("batchnorm", False, api_pb2.DATA_TYPE_STRING),
        ("epochs", False, api_pb2.DATA_TYPE_FLOAT64),
        ("nesterov", False, api_pb2.DATA_TYPE_BOOL),
    ]
    rate, batchnorm, epochs, nesterov = record.hparam_infos
    assert (rate.domain_interval.min_value, rate.domain_interval.max_value) == (0.001, 0.1)
    assert list(batchnorm.domain_discrete) == ["none", "before"]
    assert list(epochs.domain_discrete) == [10, 20]
    assert nesterov.domain_discrete.values[0].bool_value is True
    assert [(m.name.group, m.name.tag, m.display_name) for m in record.metric_infos] == [
        ("validation", "epoch_accuracy", "validation/epoch_accuracy"),
        ("", "epoch_loss", "epoch_loss"),
    ]
    assert record.description == "mine"


def test_what_some_trials_lack_does_not_come_first() -> None:
    """A swept hyperparameter that some of the sweep's own trials lack is listed, but not marked `differs`.

    A hyperparameter that is fixed in every sweep is listed only if all trials have it.
    """
    momentum = HParamsColumn("momentum", True, Interval(0, 0.9), everywhere=False)
    beta = HParamsColumn("beta_1", False, Discrete((0.9,)), everywhere=False)
    own = HParamsTable((momentum, beta, RATE, EPOCHS), ())
    other = HParamsTable((BATCHNORM, HParamsColumn("dropout", False, Discrete((0.5,))), EPOCHS), ())
    record = experiment(own, [own, other])
    assert [(info.name, info.differs) for info in record.hparam_infos] == [
        ("learning_rate", True),
        ("momentum", False),
        ("epochs", False),
        ("batchnorm", False),
    ]


@pytest.mark.parametrize(("domain", "kept"), [(Discrete((1, True, "a")), [1, True, "a"]), (None, None)], ids=str)
def test_clashing_types_are_a_string(domain: Discrete | None, kept: list[object] | None) -> None:
    """A column whose values have different types is of type string, and its values stay as the sessions logged them."""
    sheet = HParamsTable((HParamsColumn("x", True, domain),), ())
    (info,) = experiment(sheet, [sheet]).hparam_infos
    assert info.type == api_pb2.DATA_TYPE_STRING
    assert (list(info.domain_discrete) if info.HasField("domain_discrete") else None) == kept


def add_sweep(root: Path, name: str, *columns: HParamsColumn) -> Path:
    """Create a sweep's folder with a sweep.json; return the folder."""
    (root / name).mkdir()
    (root / name / layout.SWEEP_JSON).write_text(json.dumps(HParamsTable(columns, (LOSS,)).to_json()))
    return root / name


def names_shown(sweep: Path) -> set[str]:
    """Return the hyperparameters in a sweep's only record, as TensorBoard reads it."""
    (folder,) = layout.hparams_record_folders(sweep)
    content = EventAccumulator(str(folder)).Reload().SummaryMetadata(metadata.EXPERIMENT_TAG).plugin_data.content
    return {info.name for info in metadata.parse_experiment_plugin_data(content).hparam_infos}


def test_every_sweep_shows_all_columns_as_sweeps_come_and_go(tmp_path: Path) -> None:
    """Each sweep has one record, which lists the columns of all sweeps in the root.

    When the record changes, it moves to a folder with another name, so that TensorBoard loads it.
    """
    one = add_sweep(tmp_path, "one", BATCHNORM)
    assert update_records(tmp_path) == []
    first = layout.hparams_record_folders(one)
    assert names_shown(one) == {"batchnorm"}
    two = add_sweep(tmp_path, "two", RATE)
    update_records(tmp_path)
    assert names_shown(one) == names_shown(two) == {"batchnorm", "learning_rate"}
    assert layout.hparams_record_folders(one) != first
    (two / layout.SWEEP_JSON).unlink()
    update_records(tmp_path)
    assert layout.hparams_record_folders(one) == first


def test_refresh_writes_nothing_when_nothing_changed(tmp_path: Path) -> None:
    """A second refresh changes no file."""
    add_sweep(tmp_path, "one", BATCHNORM)
    update_records(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.name != layout.ROOT_LOCK}
    update_records(tmp_path)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.name != layout.ROOT_LOCK} == before


def test_refresh_completes_what_was_interrupted(tmp_path: Path) -> None:
    """A record folder that was created but not filled is filled by the next refresh."""
    one = add_sweep(tmp_path, "one", BATCHNORM)
    update_records(tmp_path)
    (folder,) = layout.hparams_record_folders(one)
    (event_file,) = folder.iterdir()
    event_file.rename(folder / "experiment.part")
    update_records(tmp_path)
    assert names_shown(one) == {"batchnorm"}


def test_refresh_deletes_only_its_own_folders(tmp_path: Path) -> None:
    """A refresh deletes only record folders, and no other folder whose name merely starts like theirs."""
    one = add_sweep(tmp_path, "one", BATCHNORM)
    (one / "hparams-mine").mkdir()
    (one / "hparams-0123456789ab").mkdir()
    update_records(tmp_path)
    left = {path.name for path in layout.hparams_record_folders(one)}
    assert "hparams-mine" in left
    assert "hparams-0123456789ab" not in left


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        "[" * 100_000,
        "\xff",
        '{"columns": 1, "metrics": [], "description": ""}',
        '{"columns": [{"name": "x"}], "metrics": [], "description": ""}',
        '{"columns": [{"name": "x", "swept": true, "domain": {"type": "discrete", "values": [null]}}]}',
        '{"columns": [{"name": "x", "swept": true, "domain": {"type": "discrete", "values": [1' + "0" * 400 + "]}}]}",
    ],
    ids=lambda text: text[-40:] or "empty",
)
def test_an_unreadable_sweep_is_named_and_left_out(tmp_path: Path, text: str) -> None:
    """A damaged sweep.json gives a warning, and the other sweeps still get their record."""
    one = add_sweep(tmp_path, "one", BATCHNORM)
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / layout.SWEEP_JSON).write_bytes(text.encode("latin-1"))
    (warning,) = update_records(tmp_path)
    assert str(tmp_path / "two" / layout.SWEEP_JSON) in warning
    assert names_shown(one) == {"batchnorm"}


def test_a_root_that_cannot_be_used_is_a_logdir_error(tmp_path: Path) -> None:
    """A logs root that is a file raises a LogdirError that names it."""
    (tmp_path / "logs").write_text("")
    with pytest.raises(LogdirError, match="logs"):
        update_records(tmp_path / "logs")


def join(root: Path, name: str) -> None:
    """Start a sweep as a driver does."""
    add_sweep(root, name, HParamsColumn(name, True, Discrete((1,))))
    update_records(root)


def test_two_drivers_at_once(tmp_path: Path) -> None:
    """When several sweeps start at once, all records end as the union of all sweeps."""
    context = multiprocessing.get_context("spawn")
    names = {"one", "two", "three"}
    drivers = [context.Process(target=join, args=(tmp_path, name)) for name in names]
    for driver in drivers:
        driver.start()
    for driver in drivers:
        driver.join()
    assert [driver.exitcode for driver in drivers] == [0] * 3
    assert all(a == b == names for a, b in pairwise(names_shown(tmp_path / name) for name in names))
