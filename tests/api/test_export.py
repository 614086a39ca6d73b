"""Tests of `hpdash export`: it contains every run and every point, exactly, in each format."""

from __future__ import annotations

import csv
import io
import json
import math
import sys
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made import foreign, series, trial

from hpdash.api.exporting import Export, export_runs
from hpdash.errors import SpecError
from hpdash.records import TrialState
from hpdash.runs import Run

RUNS = [
    trial(0, 0.1 + 0.2, 0.25, repeats=2, hparams={"lr": 1e-7, "deep": True}),
    trial(1, status=TrialState.FAILED, repeats=2, result={"error": "no\nway", "weights_sha256": "ab"}),
    foreign("f", {"units": 3, "id": "own"}, epoch_loss=[math.nan, -math.inf]),
]


def rows(found: Export) -> list[dict[str, str]]:
    """Read the CSV form of an export as another program would."""
    return list(csv.DictReader(io.StringIO(found.to_csv(), newline="")))


def test_a_trial_is_a_row_with_all_of_it() -> None:
    """The row of a run has its ids, seeds, state, settings, and the last and best value of every metric.

    What the run lacks is empty.
    """
    first, second, third = rows(export_runs(RUNS))
    assert (first["id"], first["trial"], first["seed"], first["status"]) == ("s/0000", "0", "0", "finished")
    assert (first["best"], first["epoch"], first["last"]) == ("0.30000000000000004", "1", "0.25")
    assert (first["objective"], first["goal"], first["group"]) == ("validation/accuracy", "max", "s/0000")
    assert (first["hparams.lr"], first["hparams.deep"], first["hparams.units"]) == ("1e-07", "True", "")
    assert first["best.validation/epoch_accuracy"] == "0.30000000000000004"
    assert first["best_step.validation/epoch_accuracy"] == "1"
    assert (second["status"], second["seed"], second["error"]) == ("failed", "1", "no\nway")
    assert second["weights_sha256"] == "ab"
    assert (third["id"], third["hparams.id"], third["status"], third["trial"]) == ("f", "own", "", "")
    assert (third["objective"], third["last.epoch_loss"], third["best"]) == ("loss", "-Infinity", "")


def test_a_point_of_a_series_is_a_row() -> None:
    """Each point of a series is one row with run, tag, step, wall time and value."""
    found = export_runs(RUNS, "series")
    assert [tuple(row.values()) for row in rows(found)] == [
        ("s/0000-x=0", "s/0000", "s", "0", "validation/epoch_accuracy", "1", "1001.0", "0.30000000000000004"),
        ("s/0000-x=0", "s/0000", "s", "0", "validation/epoch_accuracy", "2", "1002.0", "0.25"),
        ("f", "f", "", "", "epoch_loss", "1", "1001.0", "NaN"),
        ("f", "f", "", "", "epoch_loss", "2", "1002.0", "-Infinity"),
    ]


def test_best_of_what_hpdash_sums_up_is_not_exported() -> None:
    """`best/accuracy`, which is already a best value, has a last value but no best value in the export."""
    run = replace(trial(0, 0.5), scalars={"best/accuracy": series(0.5)})
    columns = export_runs([run]).columns
    assert "last.best/accuracy" in columns
    assert "best.best/accuracy" not in columns


@given(st.lists(st.floats(), min_size=1, max_size=5), st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_csv_and_json_are_exact(values: list[float], text: str) -> None:
    """Every float is read back with the same bits, and every text unchanged."""
    run = replace(foreign("f", {text: text}), scalars={text: series(*values)})
    for row, value in zip(rows(export_runs([run], "series")), values, strict=True):
        assert repr(float(row["value"])) == repr(value)
        assert row["tag"] == text
    assert rows(export_runs([run]))[0][f"hparams.{text}"] == text
    (back,) = json.loads(export_runs([run]).encoded("json"))
    assert back[f"hparams.{text}"] == text
    assert repr(float(back[f"last.{text}"])) == repr(values[-1])


def test_texts_are_quoted_and_never_changed() -> None:
    """A text that a spreadsheet might take for a formula is quoted and unchanged; numbers are not quoted."""
    found = export_runs([foreign("=1+1", {"@x": "-2"}, epoch_loss=[0.5])]).to_csv()
    assert found.split("\n")[1].startswith('"=1+1","=1+1","",')
    assert '"-2"' in found
    assert ",0.5," in found


def test_parquet_has_the_same_rows() -> None:
    """A Parquet file has the same columns and values as other formats; a column of mixed types is stored as text."""
    parquet = pytest.importorskip("pyarrow.parquet")
    runs = [*RUNS, foreign("g", {"units": "many"}, epoch_loss=[1])]
    table = parquet.read_table(io.BytesIO(export_runs(runs).encoded("parquet")))
    assert table.column("best").to_pylist() == [0.1 + 0.2, None, None, 1.0]
    assert table.column("seed").to_pylist() == [0, 1, None, None]
    assert table.column("hparams.units").to_pylist() == [None, None, "3", "many"]
    assert table.column("hparams.deep").to_pylist() == [True, None, None, None]


@pytest.mark.parametrize("what", ["trials", "series"])
def test_nothing_is_exported_as_nothing(what: str) -> None:
    """Without runs, the export has a header and no rows in every format."""
    nothing: list[Run] = []
    found = export_runs(nothing, what)
    assert found.to_csv().count("\n") == 1
    assert found.to_json() == []
    assert pytest.importorskip("pyarrow.parquet").read_table(io.BytesIO(found.to_parquet())).num_rows == 0


def test_parquet_without_its_extra_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """If pyarrow is missing, one line says what to install."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(SpecError) as raised:
        export_runs(RUNS).to_parquet()
    assert str(raised.value) == 'Parquet needs pyarrow: pip install "hpdash[parquet]"'


def test_what_is_no_kind_of_row_is_refused() -> None:
    """Any kind of row except trials and series is an error."""
    odd: Any = "histograms"
    with pytest.raises(SpecError, match="trials or series, found 'histograms'"):
        export_runs(RUNS, odd)


def test_half_characters_are_escaped() -> None:
    """A name that cannot be encoded in UTF-8 is exported with the lone surrogate escaped."""
    assert b"\\udc80" in export_runs([foreign("\udc80")]).encoded("csv")
