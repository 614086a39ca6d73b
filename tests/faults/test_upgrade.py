"""Tests of row 28 in README.md: after an upgrade, a sweep of schema 1 is read and resumed; a newer one is refused.

`kept/schema-1` is test data that the first version wrote: `own` (two seeds each of a user's training loop that learns,
diverges and fails) and `digits_mlp` (one Keras trial). It never changes: a version that cannot read it cannot read its
users' logs.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import google_crc32c
import pytest
from commands import hpdash
from driven import series, snapshot, states

from hpdash import read_runs
from hpdash.logs import layout
from hpdash.sweep_folder.sweep_json import SCHEMA

KEPT = Path(__file__).parent / "kept" / "schema-1"
DIGEST = "3ee37a08ae5d"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Copy the sweep files and logs of the test data; return the copy's folder."""
    shutil.copytree(KEPT, tmp_path / "kept", copy_function=shutil.copy)
    return tmp_path / "kept"


def test_it_is_listed(folder: Path) -> None:
    """`ls` lists every state, objective, seed and value of the old sweeps, without a warning."""
    shown = hpdash("ls", "--json", "--repeats", cwd=folder)
    assert (shown.returncode, shown.stderr) == (0, "")
    sweeps = {sweep["sweep"]: sweep for sweep in json.loads(shown.stdout)["sweeps"]}
    best = {row["runs"][0]["id"]: row["values"]["best"] for sweep in sweeps.values() for row in sweep["rows"]}
    states = [row["runs"][0]["status"] for row in sweeps["own"]["rows"]]
    assert (best["own/0000"], best["own/0001"], best["digits_mlp/0000"]) == (0.5, 0.51, pytest.approx(0.16))
    assert sorted(states) == ["diverged"] * 2 + ["failed"] * 2 + ["finished"] * 2
    assert sweeps["own"]["missing"] == 0


def test_it_is_shown_whole(folder: Path) -> None:
    """`show` shows a Keras trial's weights, digest, parameters and recipe, and a failed trial's error."""
    keras = json.loads(hpdash("show", "digits_mlp/0000", "--json", cwd=folder).stdout)
    assert set(keras["weights"]) == {"hidden_1/kernel", "hidden_1/bias", "output/kernel", "output/bias"}
    assert (keras["result"]["parameters"], keras["result"]["xla"]) == (310, True)
    assert keras["result"]["weights_sha256"].startswith(DIGEST)
    assert "[train]" in keras["recipe"]
    failed = hpdash("show", "own/0004", cwd=folder)
    assert "sweep.objective: expected one of loss; found validation/accuracy" in failed.stdout


@pytest.mark.parametrize(("name", "code"), [("digits_mlp", 0), ("own", 1)])
def test_a_finished_one_is_a_no_op(folder: Path, name: str, code: int) -> None:
    """A second run of a finished old sweep starts nothing, changes no byte, and exits with the same code."""
    before = snapshot(folder / "logs")
    shown = hpdash("sweep", f"{name}.toml", cwd=folder)
    assert (shown.returncode, shown.stderr) == (code, "")
    assert snapshot(folder / "logs") == before


def test_an_unfinished_one_goes_on(folder: Path) -> None:
    """An old sweep that is unfinished keeps its finished trials, runs the rest, and ends with the same result."""
    sweep = folder / "logs" / "own"
    whole, ends = series(sweep), states(sweep)
    journal = sweep / layout.JOURNAL
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:3]))
    before = snapshot(sweep / "0000-does=learn,seed=0")
    shown = hpdash("sweep", "own.toml", "--workers", "1", cwd=folder)
    assert shown.returncode == 1
    assert snapshot(sweep / "0000-does=learn,seed=0") == before
    assert states(sweep) == ends
    told = {key: value for key, value in series(sweep).items() if key[1] != layout.SETTINGS_TEXT}
    lost = {("0004-does=fail,seed=0", "epoch_loss", 1), ("0005-does=fail,seed=1", "epoch_loss", 1)}
    assert told == {key: value for key, value in whole.items() if key not in lost}  # refused before the loss is written


def but_for_the_lock(folder: Path) -> dict[Path, tuple[int, bytes]]:
    """Return every file of the sweeps except the locks, which name their last holder."""
    locks = (layout.LOCK, layout.ROOT_LOCK)
    return {path: held for path, held in snapshot(folder / "logs").items() if path.name not in locks}


def newer_sweep(sweep: Path) -> None:
    """Give a sweep's record the next schema, and a key that this version cannot know."""
    path = sweep / layout.SWEEP_JSON
    known = json.loads(path.read_bytes())
    path.write_text(json.dumps({**known, "schema": SCHEMA + 1, "galaxies": []}))


def newer_journal(sweep: Path) -> None:
    """Give a journal's last line a state that this version cannot know, and the checksum that belongs to it."""
    path = sweep / layout.JOURNAL
    *lines, last = path.read_bytes().splitlines()
    body = last.rpartition(b',"crc"')[0].replace(b"failed", b"hibernating") + b"}"
    path.write_bytes(b"\n".join([*lines, body[:-1] + b',"crc":"%08x"}' % google_crc32c.value(body)]) + b"\n")


@pytest.mark.parametrize("make", [newer_sweep, newer_journal], ids=["sweep.json", "journal"])
def test_a_newer_one_is_refused(folder: Path, make: Callable[[Path], None]) -> None:
    """A sweep that a newer version wrote is refused with exit 4 and the advice to update; nothing in it changes."""
    make(folder / "logs" / "own")
    before = but_for_the_lock(folder)
    shown = hpdash("sweep", "own.toml", "--workers", "1", cwd=folder)
    assert shown.returncode == 4
    assert "newer hpdash" in shown.stderr and "Update hpdash" in shown.stderr
    assert len(shown.stderr.splitlines()) == 1
    assert but_for_the_lock(folder) == before


@pytest.mark.parametrize("make", [newer_sweep, newer_journal], ids=["sweep.json", "journal"])
def test_a_newer_one_is_read(folder: Path, make: Callable[[Path], None]) -> None:
    """Reading commands show what they know of a newer sweep, warn that this may not be all, and exit with 0."""
    make(folder / "logs" / "own")
    shown = hpdash("ls", "--json", cwd=folder)
    assert shown.returncode == 0
    assert len(json.loads(shown.stdout)["sweeps"]) == 2
    assert ("newer hpdash" in shown.stderr) or ("not a line of this version" in shown.stderr)
    assert hpdash("show", "own/0000", cwd=folder).returncode == 0


def test_it_is_read_as_a_library(folder: Path) -> None:
    """`read_runs` returns the old runs with hyperparameters of their original types."""
    runs = {run.id: run for run in read_runs(folder / "logs")}
    assert len(runs) == 7
    assert runs["digits_mlp/0000"].hparams["learning_rate"] == 0.1
    assert runs["own/0003"].hparams["does"] == "diverge"
    assert runs["own/0003"].group == runs["own/0002"].group
