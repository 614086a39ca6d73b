"""Tests of `hpdash new`: what it lists, what it writes, and that it replaces nothing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from commands import invoke

from hpdash.api import shipped_sweeps as shipped_sweeps_module
from hpdash.api.shipped_sweeps import shipped_sweeps
from hpdash.spec import load_sweep

SWEEPS = Path(__file__).parents[2] / "sweeps"


def test_it_lists_what_ships() -> None:
    """Every sweep file of the project is listed, with what it compares."""
    listed = json.loads(invoke("new", "--list", "--json").stdout)
    assert [each["name"] for each in listed] == sorted(path.stem for path in SWEEPS.glob("*.toml"))
    shown = invoke("new", "--list").stdout
    assert all(each["name"] in shown and each["description"] in shown for each in listed)


def test_an_installed_package_copies_modules_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The modules are copied from the folder of an installed package, too."""
    shipped = tmp_path / "site-packages" / "hpdash" / "sweeps"
    shutil.copytree(SWEEPS, shipped)
    monkeypatch.setattr(shipped_sweeps_module, "_folder", lambda: shipped)
    copies = shipped_sweeps_module.copy_shipped_sweep("fashion_cnn", tmp_path / "mine")
    assert [path.name for path in copies] == ["fashion_cnn.toml", "nets.py"]


@pytest.mark.parametrize("name", [each.name for each in shipped_sweeps()])
def test_a_copy_is_the_file_with_its_modules(name: str, tmp_path: Path) -> None:
    """A copy has the comments of the original, and each module that it names is beside it."""
    written = json.loads(invoke("new", name, "--folder", str(tmp_path / "mine"), "--json").stdout)["files"]
    for path in map(Path, written):
        assert path.read_bytes() == (SWEEPS / path.name).read_bytes()
    modules = load_sweep(written[0]).modules
    assert {f"{module}.py" for module in modules} <= {path.name for path in (tmp_path / "mine").iterdir()}


def test_nothing_is_replaced(tmp_path: Path) -> None:
    """If one of the files exists, nothing is written."""
    (tmp_path / "nets.py").write_text("mine")
    refused = invoke("new", "cifar_cnn", "--folder", str(tmp_path))
    assert refused.exit_code == 2 and "nets.py" in refused.stderr and "--folder" in refused.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["nets.py"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(["quickstrt"], "quickstart", id="a-name-nearly-right"),
        pytest.param(["x"], "--list", id="unknown"),
        pytest.param([], "--list", id="nothing"),
        pytest.param(["quickstart", "--list"], "--list", id="both"),
    ],
)
def test_a_wrong_name_says_what_there_is(arguments: list[str], said: str) -> None:
    """An unknown name is an error with the nearest name, or how to list them."""
    refused = invoke("new", *arguments)
    assert refused.exit_code == 2 and said in refused.stderr


def test_a_program_is_copied_with_its_sweep(tmp_path: Path) -> None:
    """The script that the command names is next to the copy, so that the sweep can run."""
    assert invoke("new", "spirals", "--folder", str(tmp_path)).exit_code == 0
    assert {path.name for path in tmp_path.iterdir()} == {"spirals.toml", "spirals.py"}
