"""The sweep files that ship with hpdash, which `hpdash new` copies."""

from __future__ import annotations

import shutil
import tomllib
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from ..errors import Problem, SpecError
from ..spec import load_sweep
from ..sweep_folder.provenance import scripts_in
from ..system import disk

_PACKAGE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class ShippedSweep:
    """A sweep file that ships: its name, what it compares, and its path."""

    name: str
    description: str
    path: Path


def shipped_sweeps() -> list[ShippedSweep]:
    """Return the sweep files that ship, sorted by name."""
    return [
        ShippedSweep(path.stem, tomllib.loads(path.read_text(encoding="utf-8"))["sweep"]["description"], path)
        for path in sorted(_folder().glob("*.toml"))
    ]


def copy_shipped_sweep(name: str, folder: Path) -> list[Path]:
    """Copy a sweep file that ships, with the modules and the program that it names, into a folder.

    Returns the paths of the copies, the sweep file first. Raises SpecError if there is no such sweep file, or if a file
    exists; LogdirError if the disk refuses.
    """
    found = {each.name: each for each in shipped_sweeps()}
    if name not in found:
        near = get_close_matches(name, found, n=1)
        hint = f"Did you mean {near[0]}?" if near else "hpdash new --list names them."
        raise SpecError([Problem("NAME", "a sweep file that ships", name, hint)])
    path = found[name].path
    sweep = load_sweep(path)
    modules = (path.parent / f"{module}.py" for module in sweep.modules)
    scripts = scripts_in(sweep.command or (), path.parent)
    copies = [folder / path.name, *(folder / module.name for module in modules if module.is_file())]
    copies += [folder / script for script in scripts]
    if there := [each for each in copies if each.exists()]:
        raise SpecError([f"{there[0]} exists, and is not overwritten. Write into another folder with --folder."])
    for copy in copies:
        with disk.guarded(copy):
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path.parent / copy.name, copy)
    return copies


def _folder() -> Path:
    """Return the folder `sweeps`: inside an installed package, or next to the package in a checkout."""
    inside = _PACKAGE / "sweeps"
    return inside if inside.is_dir() else _PACKAGE.parent / "sweeps"
