"""Truths of sweep.json: the columns it gives TensorBoard, and whether a folder is this sweep's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from hpdash import logdir, record
from hpdash.errors import LogdirError, SpecError
from hpdash.experiment import Discrete, Interval, Metric, Sheet
from hpdash.search import trials
from hpdash.spec import Sweep, parse_sweep


def sweep(hparams: Mapping[str, Any] | None = None, **tables: Mapping[str, Any]) -> Sweep:
    """Make a sweep over activations, with tables put over it."""
    content: dict[str, Any] = {"data": {"name": "digits"}, "hparams": hparams or {"activation": ["relu", "tanh"]}}
    return parse_sweep({**content, **tables}, name="small", folder=Path())


def written(folder: Path, made: Sweep, synthetic: bool = False) -> Path:
    """Write a sweep's record into a new folder."""
    folder.mkdir()
    record.write(folder, made, trials(made), ["accuracy"], synthetic)
    return folder / logdir.SWEEP_JSON


def domains(made: Sweep) -> dict[str, Any]:
    """Return each column's domain."""
    return {column.name: column.domain for column in record.columns(made, trials(made))}


OWN: dict[str, Mapping[str, Any]] = {"train": {"loop": "loops:train"}}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param([1, 2.5], (1, 2.5), id="numbers"),
        pytest.param([True, False], (True, False), id="bools"),
        pytest.param(["a", "1"], ("a", "1"), id="strings"),
        pytest.param([[512, 256], [64]], ("512-256", "64"), id="lists"),
        pytest.param([{"name": "random_normal", "stddev": 1.0}], ("random_normal(stddev=1)",), id="table"),
    ],
)
def test_a_swept_column_has_the_values_that_sessions_log(values: list[Any], expected: tuple[Any, ...]) -> None:
    """A list's domain has each value as a session logs it, of the same type, in the file's order."""
    made = sweep({"x": values}, **OWN)
    logged = [spec.hparams["x"] for spec in trials(made)]
    domain = domains(made)["x"]
    assert domain == Discrete(expected)
    assert [(type(value), value) for value in domain.values] == [(type(value), value) for value in logged]


def test_equal_values_of_other_types_stay_apart() -> None:
    """True, 1 and 1.0 are three values of a column that trials log as three types."""
    made = parse_sweep(
        {"data": {"name": "digits"}, "trial": [{"x": True}, {"x": 1, "y": 1}, {"x": 1.0, "y": 2}], **OWN},
        name="listed",
        folder=Path(),
    )
    values = domains(made)["x"].values
    assert [type(value) for value in values] == [type(spec.hparams["x"]) for spec in trials(made)]


def test_every_logged_setting_has_a_column() -> None:
    """Columns hold every session's hyperparameters, fixed ones too, and mark the swept ones."""
    made = sweep()
    columns = {column.name: column for column in record.columns(made, trials(made))}
    for spec in trials(made):
        for name, value in spec.hparams.items():
            assert value in columns[name].domain.values  # type: ignore[union-attr]
    assert [name for name, column in columns.items() if column.swept] == ["activation"]


def test_a_range_is_an_interval() -> None:
    """A range's column has the range the file gives, not the points that were drawn."""
    ranges = {"learning_rate": {"min": 0.001, "max": 0.1, "scale": "log"}, "batch_size": {"min": 8, "max": 64}}
    made = sweep(ranges, sweep={"strategy": "random", "trials": 3})
    assert domains(made)["learning_rate"] == Interval(0.001, 0.1)
    assert domains(made)["batch_size"] == Interval(8, 64)


@pytest.mark.parametrize(
    ("objective", "first"),
    [
        pytest.param("validation/accuracy", "best/accuracy", id="accuracy"),
        pytest.param("loss", "best/loss", id="training-loss"),
    ],
)
def test_metrics_begin_with_the_best(objective: str, first: str) -> None:
    """TensorBoard's table shows the objective's best first, and each metric once for each part."""
    metrics = list(record.table_metrics(objective, ["accuracy"]))
    assert metrics[0] == Metric(first)
    assert len(metrics) == len(set(metrics)) == 6


def test_what_is_written_is_the_same_sweep_again(tmp_path: Path) -> None:
    """A folder with the sweep's own record passes, and tells whether its data are synthetic."""
    path = written(tmp_path / "small", sweep(), synthetic=True)
    known = record.check(path.parent, sweep())
    assert known["synthetic"] is True
    assert known["trials"] == 2
    assert known["versions"]["keras"]
    assert len(Sheet.from_json(known).columns) == len(record.columns(sweep(), trials(sweep())))


def test_a_record_is_written_once(tmp_path: Path) -> None:
    """A second start leaves the bytes of the first as they are."""
    path = written(tmp_path / "small", sweep())
    before = path.read_bytes()
    again = sweep(sweep={"description": "new words"})
    record.write(path.parent, again, trials(again), ["accuracy"], False)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("again", "keys"),
    [
        pytest.param({"train": {"epochs": 3}}, ["train.epochs"], id="epochs"),
        pytest.param({"train": {"epochs": 3}, "sweep": {"seed": 7}}, ["sweep.seed", "train.epochs"], id="two-keys"),
        pytest.param({"hparams": {"activation": ["relu"]}}, ["hparams.activation"], id="fewer-values"),
        pytest.param({"hparams": {"activation": ["tanh", "relu"]}}, ["hparams.activation"], id="other-order"),
        pytest.param(
            {"hparams": {"activation": ["relu", "tanh"], "dropout": [0.1]}},
            ["hparams", "hparams.dropout"],
            id="another-name",
        ),
        pytest.param({"data": {"name": "digits", "train": 100}}, ["data.train"], id="data"),
    ],
)
def test_a_changed_sweep_is_refused(tmp_path: Path, again: dict[str, Any], keys: list[str]) -> None:
    """A change of space, data, epochs or seed is a SpecError with each changed key, its old and its new value."""
    path = written(tmp_path / "small", sweep())
    changed = sweep(again.pop("hparams", None), **again)
    with pytest.raises(SpecError) as caught:
        record.check(path.parent, changed)
    hint, *problems = caught.value.problems
    assert str(path.parent) in str(hint)
    assert [problem.where for problem in problems] == keys  # type: ignore[union-attr]
    assert all(problem.found not in problem.expected for problem in problems)  # type: ignore[union-attr]


def test_the_order_of_names_numbers_the_trials(tmp_path: Path) -> None:
    """Names in another order are another sweep, for a trial's number would mean another point."""
    names = {"activation": ["relu", "tanh"], "dropout": [0.1, 0.2]}
    path = written(tmp_path / "small", sweep(names))
    with pytest.raises(SpecError, match=r'hparams: expected as before, \["activation", "dropout"\]'):
        record.check(path.parent, sweep(dict(reversed(names.items()))))


def test_true_is_not_one(tmp_path: Path) -> None:
    """A keyword of one's own that turns from 1 into true has changed, though Python calls them equal."""
    path = written(tmp_path / "small", sweep({"x": [1]}, **OWN))
    with pytest.raises(SpecError, match=r"hparams\.x"):
        record.check(path.parent, sweep({"x": [True]}, **OWN))


def test_a_description_may_change(tmp_path: Path) -> None:
    """Words that train nothing pass."""
    path = written(tmp_path / "small", sweep())
    record.check(path.parent, sweep(sweep={"description": "new words"}))


def test_a_changed_list_of_trials_is_refused(tmp_path: Path) -> None:
    """Of [[trial]] tables the changed ones are named by their index."""

    def listed(*rates: float) -> Sweep:
        points = [{"learning_rate": rate} for rate in rates]
        return parse_sweep({"data": {"name": "digits"}, "trial": points}, name="small", folder=Path())

    path = written(tmp_path / "small", listed(0.1, 0.2))
    with pytest.raises(SpecError, match=r"trial\[1\]") as caught:
        record.check(path.parent, listed(0.1, 0.3))
    assert "trial[0]" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param('{"schema": 2}', "expected schema 1, found 2. Update hpdash", id="newer-schema"),
        pytest.param('{"schema": 99, "settings": {"hparams": 5}}', "Update hpdash", id="newer-and-unreadable"),
        pytest.param("", "found damage", id="empty"),
        pytest.param("{", "found damage", id="cut-off"),
        pytest.param("[]", "found damage", id="list"),
        pytest.param("{}", "found damage", id="no-settings"),
        pytest.param('{"schema": "1", "settings": {}}', "found damage", id="schema-a-string"),
        pytest.param('{"schema": 1, "settings": {"hparams": 5}}', "found damage", id="hparams-a-number"),
        pytest.param('{"schema": 1, "settings": {"hparams": [{}]}}', "found damage", id="hparams-without-names"),
        pytest.param("\xff", "found damage", id="no-utf-8"),
        pytest.param("[" * 100_000, "found damage", id="nested-deep"),
    ],
)
def test_a_record_that_cannot_be_read_is_refused(tmp_path: Path, content: str, message: str) -> None:
    """A newer schema or damage is a LogdirError that names the file, never a traceback."""
    (tmp_path / logdir.SWEEP_JSON).write_bytes(content.encode("latin-1"))
    with pytest.raises(LogdirError, match=message) as caught:
        record.check(tmp_path, sweep())
    assert logdir.SWEEP_JSON in str(caught.value)


@pytest.mark.parametrize(
    "names",
    [
        pytest.param([], id="nothing"),
        pytest.param([logdir.LOCK], id="lock"),
        pytest.param([logdir.LOCK, logdir.SWEEP_TOML, f"{logdir.SWEEP_JSON}.part"], id="before-the-rename"),
    ],
)
def test_a_start_that_was_cut_off_is_accepted(tmp_path: Path, names: list[str]) -> None:
    """A folder that only holds what comes before the record is ours."""
    for name in names:
        (tmp_path / name).touch()
    assert record.check(tmp_path, sweep()) == {}


@pytest.mark.parametrize("name", ["notes.txt", "journal.jsonl", "events.out.tfevents.1.host"])
def test_a_foreign_folder_is_refused(tmp_path: Path, name: str) -> None:
    """A folder with anything else in it is not ours, and nothing in it is touched."""
    (tmp_path / name).write_text("mine")
    with pytest.raises(LogdirError, match="expected a folder that hpdash made"):
        record.check(tmp_path, sweep())
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]


def test_a_file_where_the_folder_should_be_is_refused(tmp_path: Path) -> None:
    """A file of the sweep's name is a LogdirError."""
    (tmp_path / "small").touch()
    with pytest.raises(LogdirError, match="small"):
        record.check(tmp_path / "small", sweep())


def test_the_given_file_is_kept(tmp_path: Path) -> None:
    """sweep.toml has the file's own text, comments too."""
    text = '[data]\nname = "digits" # real\n[hparams]\ndropout = [0.1]\n'
    made = parse_sweep(text, name="small", folder=Path())
    path = written(tmp_path / "small", made)
    assert (path.parent / logdir.SWEEP_TOML).read_text() == text
    assert json.loads(path.read_bytes())["settings"]["data"]["name"] == "digits"


def test_what_results_rest_on_stands_in_the_description(tmp_path: Path) -> None:
    """TensorBoard's description says that data are synthetic, and that the test set validated."""
    made = parse_sweep(
        {"sweep": {"description": "why"}, "data": {"name": "digits", "validation": "test"}, "hparams": {"epochs": [1]}},
        name="small",
        folder=tmp_path,
    )
    path = written(tmp_path / "small", made, synthetic=True)
    assert json.loads(path.read_text())["description"] == "why; synthetic data; validated on the test set"
