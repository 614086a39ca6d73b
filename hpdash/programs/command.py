"""The command and the environment of a program: the placeholders of `train.command` filled with a trial's values."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import Problem, SpecError
from ..logs import layout
from ..records import STEPS, TrialSpec
from ..spec import Sweep
from ..spec.program import ALL, RUN, SEED, STATE, parts


def check_executable(sweep: Sweep) -> None:
    """Raise SpecError if the program of a sweep is not on this machine; do nothing for other sweeps."""
    if sweep.command is None:
        return
    name = sweep.command[0]
    path = sweep.folder / Path(name).expanduser()
    is_there = os.access(path, os.X_OK) and path.is_file() if os.sep in name else which(name) is not None
    if not is_there:
        hint = "Give the path of the program, or install it."
        raise SpecError([Problem(f"{sweep.where}: train.command[0]", "a program on this machine", repr(name), hint)])


def which(name: str) -> str | None:
    """Return the path of a program that is called by its name, as `environment` finds it; None if there is none."""
    return shutil.which(name, path=_search_path())


def other_python(sweep: Sweep) -> list[str]:
    """Return a sentence for the user if `python` in a command is not the Python that runs hpdash; else nothing.

    The user may want this, but the packages that the program imports may be missing there.
    """
    name = "" if sweep.command is None else sweep.command[0]
    path = which(name) if re.fullmatch(r"python[\d.]*", name) else None
    if path is None or _prefix(path, sweep.folder) == sys.prefix:
        return []
    return [f"{name} in train.command is {path}. hpdash runs with {sys.executable}. Their packages may differ."]


def _prefix(python: str, folder: Path) -> str:
    """Return the `sys.prefix` of a Python that starts in `folder`; "" if it does not start.

    Two different paths may be the same Python: links, and the scripts of pyenv, which choose a Python by the folder.
    """
    arguments = [python, "-I", "-c", "import sys; print(sys.prefix)"]
    try:
        return subprocess.run(
            arguments, cwd=folder, capture_output=True, text=True, timeout=10, check=False
        ).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""


def _search_path() -> str:
    """Return the user's PATH with the folder of the Python that runs hpdash at its end.

    So `python` is found even if hpdash's virtual environment is not activated and the system has no `python`.
    """
    return os.pathsep.join([os.environ.get("PATH", os.defpath), str(Path(sys.executable).parent)])


def arguments(command: Sequence[str], spec: TrialSpec, run: Path) -> list[str]:
    """Return the arguments of a trial's program; each element of the command gives one, only `{*}` gives several."""
    values = {
        **spec.swept,
        STEPS: spec.settings["train"][STEPS],
        RUN: str(run),
        STATE: str(run / layout.STATE),
        SEED: spec.seed,
    }
    program, *others = _arguments(command, spec.swept, values)
    return [str(Path(program).expanduser()), *others]


def _arguments(command: Sequence[str], swept: Mapping[str, Any], values: Mapping[str, Any]) -> Iterator[str]:
    for text in command:
        if text == f"{{{ALL}}}":
            yield from (f"--{name}={spelled(value)}" for name, value in swept.items())
        else:
            yield "".join(before + ("" if name is None else spelled(values[name])) for before, name in parts(text))


def spelled(value: Any) -> str:
    """Return a value as an argument: true, 0.001, a text as it is; a list or a table as JSON."""
    return value if isinstance(value, str) else json.dumps(value)


def environment(spec: TrialSpec, run: Path) -> dict[str, str]:
    """Return the environment variables that a trial's program gets in addition to the user's."""
    return {
        "PATH": _search_path(),
        "HPDASH_RUN": str(run),
        "HPDASH_SEED": str(spec.seed),
        "HPDASH_HPARAMS": json.dumps(dict(spec.swept)),
    }
