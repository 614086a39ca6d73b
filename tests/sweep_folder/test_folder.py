"""Tests of sweep.json: the columns that it gives TensorBoard, and whether a folder belongs to a sweep."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from hpdash.errors import LogdirError, SpecError
from hpdash.logs import layout
from hpdash.logs.hparams_record import Discrete, HParamsTable, Interval, Metric
from hpdash.search import trials
from hpdash.spec import Sweep, parse_sweep
from hpdash.sweep_folder import folder as sweep_folder


def sweep(hparams: Mapping[str, Any] | None = None, **tables: Mapping[str, Any]) -> Sweep:
    """Return a sweep over activations, with the given tables replaced."""
    content: dict[str, Any] = {"data": {"name": "digits"}, "hparams": hparams or {"activation": ["relu", "tanh"]}}
    return parse_sweep({**content, **tables}, name="small", folder=Path())


def written(folder: Path, made: Sweep, synthetic: bool = False) -> Path:
    """Write a sweep's record into a new folder; return its path."""
    folder.mkdir()
    sweep_folder.write(folder, made, trials(made), len(trials(made)), ["accuracy"], synthetic)
    return folder / layout.SWEEP_JSON


def domains(made: Sweep) -> dict[str, Any]:
    """Return the domain of each column."""
    return {column.name: column.domain for column in sweep_folder.columns(made, trials(made))}


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
    """A list's domain has each value as a session logs it, with the same type, in the file's order."""
    made = sweep({"x": values}, **OWN)
    logged = [spec.hparams["x"] for spec in trials(made)]
    domain = domains(made)["x"]
    assert domain == Discrete(expected)
    assert [(type(value), value) for value in domain.values] == [(type(value), value) for value in logged]


def test_equal_values_of_other_types_stay_apart() -> None:
    """True, 1 and 1.0 remain three values of a column, because trials log them as three types."""
    made = parse_sweep(
        {"data": {"name": "digits"}, "trial": [{"x": True}, {"x": 1, "y": 1}, {"x": 1.0, "y": 2}], **OWN},
        name="listed",
        folder=Path(),
    )
    values = domains(made)["x"].values
    assert [type(value) for value in values] == [type(spec.hparams["x"]) for spec in trials(made)]


def test_every_logged_setting_has_a_column() -> None:
    """The columns cover every session's hyperparameters, including fixed ones, and mark the swept ones."""
    made = sweep()
    columns = {column.name: column for column in sweep_folder.columns(made, trials(made))}
    for spec in trials(made):
        for name, value in spec.hparams.items():
            assert value in columns[name].domain.values  # type: ignore[union-attr]
    assert [name for name, column in columns.items() if column.swept] == ["activation"]


def test_a_range_is_an_interval() -> None:
    """A range's column has the range from the file, not the points that were drawn."""
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
    """TensorBoard's table shows the objective's best value first, and each metric once for each part of the data."""
    metrics = list(sweep_folder.table_metrics(objective, ["accuracy"]))
    assert metrics[0] == Metric(first)
    assert len(metrics) == len(set(metrics)) == 6


def test_what_is_written_is_the_same_sweep_again(tmp_path: Path) -> None:
    """A folder with the sweep's own record passes the check, and the record says whether the data are synthetic."""
    path = written(tmp_path / "small", sweep(), synthetic=True)
    known = sweep_folder.check(path.parent, sweep())
    assert known["synthetic"] is True
    assert known["trials"] == 2
    assert known["versions"]["keras"]
    assert len(HParamsTable.from_json(known).columns) == len(sweep_folder.columns(sweep(), trials(sweep())))


def test_a_record_is_written_once(tmp_path: Path) -> None:
    """A second start leaves the bytes of the first record unchanged."""
    path = written(tmp_path / "small", sweep())
    before = path.read_bytes()
    again = sweep(sweep={"description": "new words"})
    sweep_folder.write(path.parent, again, trials(again), len(trials(again)), ["accuracy"], False)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "again",
    [
        pytest.param({"sweep": {"description": "new words"}}, id="words"),
        pytest.param({"sweep": {"max_retries": 5, "timeout": 60, "max_consecutive_failures": 9}}, id="supervision"),
        pytest.param({"log": {"checkpoint_epochs": 5, "checkpoint_minutes": 9}}, id="checkpoints"),
    ],
)
def test_what_changes_no_result_may_change(tmp_path: Path, again: dict[str, Any]) -> None:
    """The description and the keys for supervision and checkpoints may change, even if the record lacks these keys."""
    path = written(tmp_path / "small", sweep())
    sweep_folder.check(path.parent, sweep(**again))
    known = json.loads(path.read_bytes())
    for key in sweep_folder.CHANGEABLE[1:]:
        table, name = key.split(".")
        del (known["settings"] if table == "sweep" else known["settings"][table])[name]
    path.write_text(json.dumps(known))
    sweep_folder.check(path.parent, sweep(**again))


def test_a_changed_sweep_is_refused(tmp_path: Path) -> None:
    """Any other change is a SpecError with the folder, each change and advice; harmless changes are not listed."""
    path = written(tmp_path / "small", sweep())
    with pytest.raises(SpecError) as caught:
        sweep_folder.check(path.parent, sweep(train={"epochs": 3}, sweep={"description": "new words"}))
    first, *rest = str(caught.value).splitlines()
    assert first.startswith(f"{path.parent}: ") and "differs" in first
    assert rest == [
        "                before  now",
        "  train.epochs  10      3",
        "Undo the change to resume this sweep, start anew with --new, or add trials or values with --extend.",
    ]


def started(root: Path, folder: str, made: Sweep) -> Path:
    """Start a sweep in a folder of a logs root; return the folder."""
    return written(root / folder, made).parent


def named(name: str, epochs: int = 1) -> Sweep:
    """Return a sweep with this name."""
    return sweep(sweep={"name": name}, train={"epochs": epochs})


def test_a_sweep_has_one_home(tmp_path: Path) -> None:
    """A sweep that was never restarted with --new uses the folder of its name, whether or not the logs root exists."""
    assert sweep_folder.folder_to_resume(tmp_path / "none", named("x")) == tmp_path / "none" / "x"
    assert sweep_folder.folder_to_resume(tmp_path, named("x")) == tmp_path / "x"
    started(tmp_path, "x", named("x"))
    assert sweep_folder.folder_to_resume(tmp_path, named("x")) == tmp_path / "x"


def test_the_newest_that_is_this_very_sweep_is_its_home(tmp_path: Path) -> None:
    """Of several starts, the highest number with the same settings is resumed, otherwise the highest number."""
    for number, epochs in ((1, 1), (2, 2), (9, 1), (10, 2), (11, 3)):
        started(tmp_path, "x" if number == 1 else f"x-{number}", named("x", epochs))
    homes = [sweep_folder.folder_to_resume(tmp_path, named("x", epochs)).name for epochs in (1, 2, 3, 4)]
    assert homes == ["x-9", "x-10", "x-11", "x-11"]
    assert next(sweep_folder.free_folders(tmp_path, named("x"))).name == "x-12"


def test_a_sweep_so_named_is_another(tmp_path: Path) -> None:
    """A folder `x-2` of a sweep named x-2 is not taken for a restart of x, and a restart of x not for sweep x-2."""
    started(tmp_path, "x-2", named("x-2"))
    started(tmp_path, "x", named("x"))
    assert sweep_folder.folder_to_resume(tmp_path, named("x")).name == "x"
    third = next(sweep_folder.free_folders(tmp_path, named("x")))
    assert third.name == "x-3"
    started(tmp_path, third.name, named("x"))
    assert sweep_folder.folder_to_resume(tmp_path, named("x")) == third
    assert sweep_folder.folder_to_resume(tmp_path, named("x-3")) == third
    with pytest.raises(SpecError, match=r"sweep\.name +\"x\" +\"x-3\""):
        sweep_folder.check(third, named("x-3"))
    again = next(sweep_folder.free_folders(tmp_path, named("x-3")))
    assert again.name == "x-3-2"
    started(tmp_path, again.name, named("x-3"))
    assert sweep_folder.folder_to_resume(tmp_path, named("x-3")) == again
    assert sweep_folder.folder_to_resume(tmp_path, named("x")) == third


def test_a_folder_under_another_name_is_no_beginning(tmp_path: Path) -> None:
    """A folder that the user renamed or copied is not resumed, because its sessions have another name."""
    started(tmp_path, "x", named("x")).rename(tmp_path / "x-7")
    assert sweep_folder.folder_to_resume(tmp_path, named("x")) == tmp_path / "x"
    assert next(sweep_folder.free_folders(tmp_path, named("x"))) == tmp_path / "x"


def test_what_is_there_is_not_begun_in(tmp_path: Path) -> None:
    """A new start leaves existing files and folders alone, whatever they contain."""
    started(tmp_path, "x", named("x"))
    (tmp_path / "x-2").touch()
    (tmp_path / "x-3").mkdir()
    (tmp_path / "x-3" / "notes.txt").touch()
    (tmp_path / "x-4").mkdir()
    (tmp_path / "x-4" / layout.SWEEP_JSON).mkdir()
    assert next(sweep_folder.free_folders(tmp_path, named("x"))).name == "x-5"
    assert sweep_folder.folder_to_resume(tmp_path, named("x")).name == "x"


def test_a_long_name_stays_in_bounds(tmp_path: Path) -> None:
    """A new start shortens a long sweep name to add its number; sweeps with equal shortened names stay separate."""
    one, other = (named("y" * 63 + end) for end in "ab")
    for made in (one, other, one):
        folder = next(sweep_folder.free_folders(tmp_path, made))
        assert layout.is_sweep_name(folder.name)
        started(tmp_path, folder.name, made)
    fourth = next(sweep_folder.free_folders(tmp_path, other))
    assert [sweep_folder.folder_to_resume(tmp_path, made).name[-3:] for made in (one, other)] == ["y-2", "yyb"]
    assert (len(fourth.name), fourth.name[-3:]) == (64, "y-3")


def test_the_newest_record_must_be_readable(tmp_path: Path) -> None:
    """A damaged record in the newest folder is an error, not skipped; --new takes a number after the damaged folder."""
    for name in ("x", "x-2"):
        started(tmp_path, name, named("x"))
    (tmp_path / "x-2" / layout.SWEEP_JSON).write_text("{")
    with pytest.raises(LogdirError, match=r"x-2.*damaged.*Move the folder away.*--new"):
        sweep_folder.folder_to_resume(tmp_path, named("x"))
    assert next(sweep_folder.free_folders(tmp_path, named("x"))).name == "x-3"
    started(tmp_path, "x-3", named("x"))
    assert sweep_folder.folder_to_resume(tmp_path, named("x")).name == "x-3"


DAMAGED = r"sweep\.json: damaged.*--new"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param('{"schema": 3}', r"newer hpdash.*schema 3\b.* 2\b.*Update hpdash", id="newer-schema"),
        pytest.param('{"schema": 99, "settings": {"hparams": 5}}', "Update hpdash", id="newer-and-unreadable"),
        pytest.param("", DAMAGED, id="empty"),
        pytest.param("{", DAMAGED, id="cut-off"),
        pytest.param("[]", DAMAGED, id="list"),
        pytest.param("{}", DAMAGED, id="no-settings"),
        pytest.param('{"schema": "1", "settings": {}}', DAMAGED, id="schema-a-string"),
        pytest.param('{"schema": 1, "settings": {"hparams": 5}}', DAMAGED, id="hparams-a-number"),
        pytest.param('{"schema": 1, "settings": {"hparams": [{}]}}', DAMAGED, id="hparams-without-names"),
        pytest.param("\xff", DAMAGED, id="no-utf-8"),
        pytest.param("[" * 100_000, DAMAGED, id="nested-deep"),
    ],
)
def test_a_record_that_cannot_be_read_is_refused(tmp_path: Path, content: str, message: str) -> None:
    """A record with a newer schema or with damage is a LogdirError that names the file, never a traceback."""
    (tmp_path / layout.SWEEP_JSON).write_bytes(content.encode("latin-1"))
    with pytest.raises(LogdirError, match=message) as caught:
        sweep_folder.check(tmp_path, sweep())
    assert layout.SWEEP_JSON in str(caught.value)


@pytest.mark.parametrize(
    "names",
    [
        pytest.param([], id="nothing"),
        pytest.param([layout.LOCK], id="lock"),
        pytest.param([layout.LOCK, layout.SWEEP_TOML, f"{layout.SWEEP_JSON}.part"], id="before-the-rename"),
    ],
)
def test_a_start_that_was_cut_off_is_accepted(tmp_path: Path, names: list[str]) -> None:
    """A folder with only the files written before the record is accepted; --new starts in it."""
    folder = tmp_path / "small-2"
    folder.mkdir()
    for name in names:
        (folder / name).touch()
    assert sweep_folder.check(folder, sweep()) == {}
    before = started(tmp_path, "small", sweep())
    assert next(sweep_folder.free_folders(tmp_path, sweep())) == folder
    assert sweep_folder.folder_to_resume(tmp_path, sweep()) == before


@pytest.mark.parametrize("name", ["notes.txt", "journal.jsonl", "events.out.tfevents.1.host"])
def test_a_foreign_folder_is_refused(tmp_path: Path, name: str) -> None:
    """A folder with any other content is refused, and nothing in it is changed."""
    (tmp_path / name).write_text("mine")
    with pytest.raises(LogdirError, match=r"has no sweep\.json.*--set sweep\.name.*--logdir"):
        sweep_folder.check(tmp_path, sweep())
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]


def test_a_file_where_the_folder_should_be_is_refused(tmp_path: Path) -> None:
    """A file with the sweep's name instead of a folder is a LogdirError."""
    (tmp_path / "small").touch()
    with pytest.raises(LogdirError, match="small"):
        sweep_folder.check(tmp_path / "small", sweep())


def test_the_given_file_is_kept(tmp_path: Path) -> None:
    """sweep.toml holds the exact text of the sweep file, including comments."""
    text = '[data]\nname = "digits" # real\n[hparams]\ndropout = [0.1]\n'
    made = parse_sweep(text, name="small", folder=Path())
    path = written(tmp_path / "small", made)
    assert (path.parent / layout.SWEEP_TOML).read_text() == text
    assert json.loads(path.read_bytes())["settings"]["data"]["name"] == "digits"


def test_what_results_rest_on_stands_in_the_description(tmp_path: Path) -> None:
    """TensorBoard's description says if the data are synthetic and if validation used the test set."""
    made = parse_sweep(
        {"sweep": {"description": "why"}, "data": {"name": "digits", "validation": "test"}, "hparams": {"epochs": [1]}},
        name="small",
        folder=tmp_path,
    )
    path = written(tmp_path / "small", made, synthetic=True)
    assert json.loads(path.read_text())["description"] == "why; synthetic data; validated on the test set"
