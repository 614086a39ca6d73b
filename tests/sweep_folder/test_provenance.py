"""Tests of the record of code and data: which files count, when a change stops a sweep, and what reports the change."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import hpdash, invoke
from driven import states
from sweep_files import made_sweep

from hpdash.logs import layout
from hpdash.records import TrialState
from hpdash.sweep_folder import provenance
from hpdash.sweep_folder.provenance import Provenance

LOOP = """
import {helper}

def behave(trial):
    from later import value
    for epoch in range(trial.epoch + 1, trial.epochs + 1):
        trial.report(epoch, loss=value / epoch, validation_accuracy=trial.hparams["x"] / 10)
"""
EDITED = """
import os, signal
from pathlib import Path
import numpy as np
import helper

HERE = Path(__file__).parent

def behave(trial):
    if trial.hparams["x"] == 2 and not (HERE / "edited").exists():
        (HERE / "edited").touch()
        {edit}
        os.kill(os.getpid(), signal.SIGKILL)
    trial.report(1, loss=1.0, validation_accuracy=0.5)
"""
RESUMES = """
import os, signal
import helper

def behave(trial):
    kept = trial.checkpoint(lambda: {"epoch": trial.epoch})
    for epoch in range(trial.epoch + 1, trial.epochs + 1):
        trial.report(epoch, loss=1.0, validation_accuracy=epoch / 10)
        if epoch == 2:
            os.kill(os.getpid(), signal.SIGKILL)
"""
DATA = """
from pathlib import Path
import numpy as np

def arrays():
    x = np.loadtxt(Path(__file__).parent / "numbers.csv")
    return {"x_train": x[:, None], "y_train": np.arange(len(x)) % 2}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make a sweep whose training loop imports one module at its top and another at run time."""
    (tmp_path / "own_loop.py").write_text(LOOP.format(helper="helper"))
    (tmp_path / "helper.py").write_text("import numpy\n")
    (tmp_path / "later.py").write_text("value = 1\n")
    (tmp_path / "unrelated.py").write_text("")
    (tmp_path / "own_data.py").write_text(DATA)
    (tmp_path / "numbers.csv").write_text("\n".join(map(str, range(40))))
    np.savez(tmp_path / "classes.npz", x_train=np.arange(40.0)[:, None], y_train=np.arange(40) % 2)
    return tmp_path


def run(folder: Path, *options: str, data: str = "classes.npz", x: Sequence[int] = (1, 2)) -> Any:
    """Run the sweep with these data and these values of x."""
    made_sweep(folder, loop="own_loop:behave", data={"name": data}, train={"epochs": 1}, hparams={"x": x})
    shown = hpdash("sweep", "own.toml", "--workers", "1", *options, cwd=folder)
    assert "Traceback" not in shown.stderr
    return shown


def test_what_a_sweep_imports_from_beside_its_file_counts(folder: Path) -> None:
    """All modules and packages that the sweep's functions import from its folder count, but no installed packages."""
    package = folder / "nets"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "deep.py").write_text("from . import other\nfrom ..helper import nothing\n")
    (package / "other.py").write_text("import os.path, missing\nthis is no Python\n")
    assert set(provenance.code(["own_loop"], folder)) == {"helper.py", "later.py", "own_loop.py"}
    found = provenance.code(["nets.deep", "own_loop"], folder)
    assert {"nets/__init__.py", "nets/deep.py", "nets/other.py"} < set(found)
    assert provenance.code(["numpy", "nowhere"], folder) == {}
    (folder / "helper.py").write_text("import own_loop, helper\n")  # a circular import
    assert set(provenance.code(["own_loop"], folder)) == {"helper.py", "later.py", "own_loop.py"}


def test_a_file_of_its_size_and_time_is_not_read_again(folder: Path) -> None:
    """A file is read again only if its size or modification time has changed; equal content then is no change."""
    first = provenance.current([], ["classes.npz", "digits"], folder)
    path = folder / "classes.npz"
    kept = path.read_bytes()
    stat = path.stat()
    path.write_bytes(b"x" * len(kept))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert first.changed(provenance.current([], ["classes.npz"], folder, first)) == {}
    assert list(first.changed(provenance.current([], ["classes.npz"], folder))) == ["classes.npz"]
    path.write_bytes(kept)
    assert first.changed(provenance.current([], ["classes.npz"], folder, first)) == {}
    assert Provenance.from_json(json.loads(json.dumps(first.to_json()))) == first


def edits(folder: Path) -> Iterator[tuple[str, str]]:
    """Make one edit after the other; yield the name of the edited file and the data of the sweep."""
    (folder / "own_loop.py").write_text(LOOP.format(helper="helper") + "# edited\n")
    yield "own_loop.py", "classes.npz"
    (folder / "later.py").write_text("value = 2\n")
    yield "later.py", "classes.npz"
    np.savez(folder / "classes.npz", x_train=np.ones((40, 1)), y_train=np.arange(40) % 2)
    yield "classes.npz", "classes.npz"


def test_a_change_of_code_or_data_stops_a_sweep_until_it_is_accepted(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change of code or data stops a finished or extended sweep until it is accepted; all commands then report it."""
    monkeypatch.chdir(folder)
    assert run(folder).returncode == 0
    for count, (name, data) in enumerate(edits(folder), start=3):
        before, after = range(1, count), range(1, count + 1)
        for options, x in (((), before), (("--extend",), after)):
            shown = run(folder, *options, data=data, x=x)
            assert (shown.returncode, name in shown.stderr, "--accept-changes" in shown.stderr) == (2, True, True)
        shown = run(folder, "--extend", "--accept-changes", data=data, x=after)
        assert shown.returncode == 0, shown.stderr
        assert f"2 versions of {name}" in shown.stdout
        for command in (("ls", "logs"), ("show", f"own/{count - 1}", "--logdir", "logs")):
            assert f"2 versions of {name}" in " ".join(invoke(*command).stdout.split())
        assert run(folder, data=data, x=after).returncode == 0
        shown = json.loads(invoke("show", f"own/{count - 1}", "--logdir", "logs", "--json").stdout)
        assert set(shown["provenance"]["code"]) == {"helper.py", "later.py", "own_loop.py"}
    assert "no damage" in invoke("verify", "logs").stdout
    (folder / "helper.py").unlink()
    verified = invoke("verify", "logs")
    assert (verified.exit_code, "helper.py" in verified.stdout) == (0, True)
    (folder / "helper.py").write_text("import numpy\n")
    assert run(folder, "--new").returncode == 0
    recorded = json.loads((folder / "logs" / "own" / layout.SWEEP_JSON).read_bytes())
    assert recorded["accepted"] == {"own_loop.py": 1, "later.py": 1, "classes.npz": 1}
    assert "2 versions of later.py" in recorded["description"]


def test_a_function_that_returns_other_arrays_is_a_change(folder: Path) -> None:
    """A data function that returns other arrays counts as a change even if its code is the same."""
    assert run(folder, data="own_data:arrays").returncode == 0
    (folder / "numbers.csv").write_text("\n".join(map(str, range(1, 41))))
    shown = run(folder, "--extend", data="own_data:arrays", x=[1, 2, 3])
    assert (shown.returncode, "own_data:arrays" in shown.stderr) == (2, True)
    shown = run(folder, "--extend", "--accept-changes", data="own_data:arrays", x=[1, 2, 3])
    assert (shown.returncode, "2 versions of own_data:arrays" in shown.stdout) == (0, True)


def test_a_sweep_of_a_version_that_did_not_record_its_code_goes_on(folder: Path) -> None:
    """A sweep recorded without its code resumes with a notice, and its code is recorded from then on."""
    assert run(folder).returncode == 0
    path = folder / "logs" / "own" / layout.SWEEP_JSON
    known = json.loads(path.read_bytes())
    for key in ("provenance", "known", "default_objective"):
        del known[key]
    path.write_text(json.dumps(known))
    shown = run(folder, "--extend", x=[1, 2, 3])
    assert (shown.returncode, "did not record its code" in shown.stderr) == (0, True)
    (folder / "later.py").write_text("value = 3\n")
    assert run(folder, "--extend", x=[1, 2, 3, 4]).returncode == 2
    assert invoke("ls", str(folder / "logs")).exit_code == 0


def test_code_that_no_result_rests_on_is_corrected_freely(folder: Path) -> None:
    """Code may change without --accept-changes, and without a report, as long as every trial has failed."""
    (folder / "later.py").write_text("value = 1 / 0\n")
    assert run(folder).returncode == 1
    (folder / "later.py").write_text("value = 1\n")
    shown = run(folder, "--retry-failed")
    assert (shown.returncode, "no result depends" in shown.stderr) == (0, True)
    assert "versions of" not in shown.stdout
    (folder / "later.py").write_text("value = 2\n")
    assert run(folder).returncode == 2


@pytest.mark.parametrize("changes", ["code", "objective"])
def test_a_checkpoint_depends_on_the_code_and_the_objective(folder: Path, changes: str) -> None:
    """A trial that was killed has no epochs in the journal, but a checkpoint that its next attempt continues from."""
    (folder / "own_loop.py").write_text(RESUMES)

    def again(**train: str) -> Any:
        made_sweep(
            folder,
            loop="own_loop:behave",
            sweep={
                "max_retries": 0,
                "objective": "loss" if changes == "objective" and train else "validation/accuracy",
            },
            data={"name": "classes.npz"},
            train={"epochs": 3},
            log={"checkpoint_epochs": 1},
            hparams={"x": [1]},
        )
        return hpdash("sweep", "own.toml", "--workers", "1", cwd=folder)

    again()
    assert list(folder.glob("logs/own/*/checkpoint.npz"))
    if changes == "code":
        (folder / "helper.py").write_text("import numpy, json\n")
    refused = again(other="objective")
    assert refused.returncode == 2
    assert ("helper.py" if changes == "code" else "objective") in refused.stderr


@pytest.mark.parametrize(
    ("name", "edit"),
    [
        ("helper.py", '(HERE / "helper.py").write_text("import numpy, json\\n")'),
        ("classes.npz", 'np.savez(HERE / "classes.npz", x_train=np.ones((40, 1)), y_train=np.arange(40) % 2)'),
    ],
)
def test_a_change_while_the_sweep_runs_stops_it(folder: Path, name: str, edit: str) -> None:
    """A change stops a running sweep before a new worker trains with it; undoing the change lets the sweep resume."""
    (folder / "own_loop.py").write_text(EDITED.format(edit=edit))
    before = (folder / name).read_bytes()
    for _ in range(2):  # first while the sweep runs, then when it is run again
        shown = run(folder, x=[1, 2, 3])
        assert (shown.returncode, name in shown.stderr) == (2, True), shown.stderr
    assert states(folder / "logs" / "own") == {
        0: TrialState.FINISHED,
        1: TrialState.KILLED,
        2: TrialState.INTERRUPTED,
    }
    (folder / name).write_bytes(before)
    shown = run(folder, x=[1, 2, 3])
    assert (shown.returncode, "versions" in shown.stdout) == (0, False), shown.stderr
