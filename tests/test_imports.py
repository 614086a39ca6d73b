"""Tests of the project's structure: which modules may import which, print, spell file names or load TensorFlow."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import numpy as np
import pytest
from sweep_files import made_sweep

import hpdash
from hpdash.histograms.histogram import Histogram
from hpdash.logs.writer import RunWriter

LAYERS = (  # a package imports only from the layers before its own, and its modules have no import cycle
    {"errors", "facts", "goal", "histograms", "nested", "testset"},
    {"records", "system"},
    {"conditions", "logs", "runs"},
    {"engine", "journal", "spec"},
    {"analysis", "data", "search"},
    {"sweep_folder", "training"},
    {"reader"},
    {"programs"},
    {"backends", "verification"},
    {"views", "driver"},
    {"plugin"},
    {"api"},
    {"evaluation"},
    {"__init__"},  # the public names, imported on first use
    {"cli"},
    {"__main__"},
)
LEVEL = {unit: level for level, units in enumerate(LAYERS) for unit in units}
HOUSE = Path(hpdash.__file__).parent
HEAVY = {"tensorflow", "keras"}
HOMES = "engine"  # the package that only workers load
AT_NEED = {"backends.probe", "data.fetch"}  # import TensorFlow or Keras inside a function, for a child process
RAY_HOMES = {"backends.actor", "backends.cluster"}
NAMES = re.compile(
    r"journal\.jsonl|sweep\.(json|toml)|model\.json|^hparams-|tfevents|^epoch_|^best/|^attempts$|^time/|hpdash-lock"
    r"|^gradients/|^activations/|gradient_norm|dead_units|saturated_units|update_ratio"
)

Sources = Mapping[str, str]


@cache
def sources() -> Sources:
    """Read every module: `data.fetch` for data/fetch.py, `data` for data/__init__.py."""
    found = {}
    for path in sorted(HOUSE.rglob("*.py")):
        parts = path.relative_to(HOUSE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[1:] and parts[-1] == "__init__" else parts)] = path.read_text()
    return found


@cache
def parsed(source: str) -> ast.Module:
    """Parse a source."""
    return ast.parse(source)


def imported(name: str, modules: Sources) -> set[str]:
    """Return the modules of hpdash that a module imports, at any position in it."""
    is_package = any(other.startswith(f"{name}.") for other in modules)
    package = name.split(".") if is_package else name.split(".")[:-1]
    bases: list[tuple[list[str], str]] = []
    for node in ast.walk(parsed(modules[name])):
        if isinstance(node, ast.Import):
            full = [alias.name.split(".") for alias in node.names]
            bases += [(parts[1:-1], parts[-1]) for parts in full if parts[0] == "hpdash"]
        elif isinstance(node, ast.ImportFrom):
            parts = (node.module or "").split(".") if node.module else []
            if node.level:
                base = package[: len(package) - node.level + 1] + parts
            elif parts[:1] == ["hpdash"]:
                base = parts[1:]
            else:
                continue
            bases += [(base, alias.name) for alias in node.names]
    return {next((m for m in (".".join([*b, n]), ".".join(b)) if m in modules), "__init__") for b, n in bases}


def breaches(modules: Sources) -> Iterator[str]:
    """Yield every import that violates the order of the layers."""
    inside: dict[str, set[str]] = {}
    for name in modules:
        unit = name.split(".")[0]
        if unit not in LEVEL:
            yield f"{name} is in no layer"
            continue
        for other in imported(name, modules):
            theirs = other.split(".")[0]
            if theirs == unit:
                inside.setdefault(name, set()).add(other)
            elif LEVEL.get(theirs, len(LAYERS)) >= LEVEL[unit]:
                yield f"{name} imports {other}"
    try:
        TopologicalSorter(inside).prepare()
    except CycleError as error:
        yield f"cycle {error.args[1]}"


def test_every_import_goes_to_an_earlier_layer() -> None:
    """No module imports from its own layer or a later one, and no package has an import cycle."""
    assert list(breaches(sources())) == []


def test_the_table_has_no_module_that_is_gone() -> None:
    """Every name in the table is an existing module or package of hpdash."""
    assert {name.split(".")[0] for name in sources()} == set(LEVEL)


@pytest.mark.parametrize(
    ("name", "source", "expected"),
    [
        pytest.param("errors", "from .records import TrialSpec", "errors imports records", id="later"),
        pytest.param("system.disk", "from ..logs import layout", "system.disk imports logs.layout", id="module"),
        pytest.param("data.npz", "from ..search import x", "data.npz imports search", id="same-layer"),
        pytest.param("records", "import hpdash.spec.text", "records imports spec.text", id="absolute"),
        pytest.param("records", "from hpdash import run_sweep", "records imports __init__", id="public-name"),
        pytest.param(
            "journal.journal", "def f():\n    from ..api import x", "journal.journal imports api", id="in-a-function"
        ),
        pytest.param(
            "logs.layout", "if TYPE_CHECKING:\n    from ..cli import x", "logs.layout imports cli", id="for-types"
        ),
        pytest.param("views.text", "from ..api.shown import x", "views.text imports api.shown", id="sideways"),
        pytest.param("data.dataset", "from . import fetch", "cycle", id="cycle-in-a-package"),
        pytest.param("utils", "", "utils is in no layer", id="no-layer"),
    ],
)
def test_a_bad_import_is_caught(name: str, source: str, expected: str) -> None:
    """The check detects an import that violates the order, at any position and in any spelling."""
    assert any(breach.startswith(expected) for breach in breaches({**sources(), name: source}))


def calls(source: str) -> set[str]:
    """Return the names and dotted names that a source calls."""
    return {ast.unparse(node.func) for node in ast.walk(parsed(source)) if isinstance(node, ast.Call)}


def prints(source: str) -> set[str]:
    """Return the calls by which a source prints or ends the process, and "click" if it imports that."""
    printing = {"print", "Console", "sys.exit", "sys.stdout.write", "sys.stderr.write"}
    return calls(source) & printing | top_names(parsed(source)) & {"click"}


def test_only_the_command_line_prints() -> None:
    """No module outside the package `cli` prints, creates a console or imports click."""
    outside = {name: prints(source) for name, source in sources().items() if name.split(".")[0] != "cli"}
    assert {name: found for name, found in outside.items() if found} == {}
    assert prints("import click\nprint(1)") == {"print", "click"}


def spelled(source: str) -> list[str]:
    """Return the strings in a source, other than docstrings, that have the name of a folder or the prefix of a tag."""
    tree = parsed(source)
    places = (node for node in ast.walk(tree) if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef))
    docstrings = {ast.get_docstring(node, clean=False) for node in places}
    strings = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str))
    return [text for text in strings if NAMES.search(text) and text not in docstrings]


def test_only_the_layout_spells_folders_and_tags() -> None:
    """Only logs/layout.py contains the names of folders and the prefixes of tags."""
    found = {name: spelled(source) for name, source in sources().items()}
    assert {name for name, texts in found.items() if texts} == {"logs.layout"}, found


def top_names(tree: ast.AST) -> set[str]:
    """Return the top-level packages that a piece of source imports."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            names.add(node.module.split(".")[0])
    return names


def test_tensorflow_has_its_homes() -> None:
    """Outside `engine`, which only workers load, TensorFlow and Keras are imported only by AT_NEED, in functions."""
    outside = {name: parsed(source) for name, source in sources().items() if name.split(".")[0] != HOMES}
    assert {name for name, tree in outside.items() if top_names(tree) & HEAVY} == AT_NEED
    for name in AT_NEED:
        body = [node for node in outside[name].body if not isinstance(node, ast.FunctionDef | ast.ClassDef)]
        assert not top_names(ast.Module(body, [])) & HEAVY, name


def test_ray_has_its_homes() -> None:
    """Only the Ray backend imports Ray, because Ray is an optional dependency."""
    assert {name for name, source in sources().items() if "ray" in top_names(parsed(source))} == RAY_HOMES


SWEEP = {
    "data": {"name": "digits", "train": 20, "validation": 20},
    "train": {"epochs": 1},
    "hparams": {"learning_rate": [0.1]},
}
LOOP = "def train(trial):\n    trial.report(1, loss=1.0, validation_accuracy=0.5)\n"
LOOKING = """
import json, sys

def check(after):
    if heavy := sorted({"tensorflow", "keras", "ray"} & set(sys.modules)):
        sys.exit(f"{after}: imported {heavy}")

import hpdash
check("import")
[getattr(hpdash, name) for name in hpdash.__all__]
check("every public name")
from hpdash.cli import main
for line in json.loads(sys.argv[1]):
    try:
        main(line.split())
    except SystemExit as end:
        if end.code:
            sys.exit(f"{line}: ended with {end.code}")
    check(line)
"""
COMMANDS = [
    "--help",
    "check keras.toml",
    "data",
    "sweep keras.toml --dry-run",
    "sweep own.toml --workers 1",
    "sweep keras.toml --workers 1",
    "ls",
    "show run",
    "compare --tag loss",
    "compare --tag kernel -o kernel.png",
    "effects",
    "report",
    "export",
    "verify",
]


def test_a_driver_loads_no_tensorflow(tmp_path: Path) -> None:
    """Importing hpdash, reading logs and driving a sweep import neither TensorFlow, Keras nor Ray."""
    made_sweep(tmp_path, name="keras", **SWEEP)
    made_sweep(tmp_path, loop="loops:train", source=LOOP, **SWEEP)
    with RunWriter(tmp_path / "logs" / "run") as run:
        run.scalar("loss", 1.0, 1)
        run.histogram("kernel", Histogram.of(np.arange(9.0)), 1)
    program = [sys.executable, "-c", LOOKING, json.dumps(COMMANDS)]
    ended = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True, timeout=200, check=False)
    assert ended.returncode == 0, ended.stderr


CHECKING = """
import json, sys
from hpdash.cli import main

try:
    main(["check", sys.argv[1]])
except SystemExit as end:
    if end.code:
        raise
print(json.dumps(sorted(sys.modules)))
"""
NOT_FOR_CHECK = {
    *("tensorflow", "keras", "tensorboard", "ray", "numpy", "scipy", "optuna", "sklearn", "filelock", "google_crc32c"),
    *(
        "hpdash.data",
        "hpdash.analysis",
        "hpdash.search.schedule",
        "hpdash.journal.entries",
        "hpdash.views.terminal.leaderboard",
    ),
}


@pytest.mark.parametrize("strategy", ["grid", "random", "sobol", "tpe"])
def test_checking_a_sweep_file_imports_only_what_reads_it(strategy: str, tmp_path: Path) -> None:
    """`hpdash check` imports no array library, no sampler, no data set and no code that runs a search."""
    step = {"step": 0.01} if strategy == "grid" else {}
    sweep = made_sweep(
        tmp_path,
        sweep={"strategy": strategy, "trials": 4},
        data={"name": "digits"},
        train={},
        hparams={"learning_rate": {"min": 0.01, "max": 0.1, **step}},
    )
    program = [sys.executable, "-c", CHECKING, str(sweep)]
    ended = subprocess.run(program, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr
    assert f"valid; {strategy} of 4 trials" in ended.stdout
    assert not NOT_FOR_CHECK & set(json.loads(ended.stdout.splitlines()[-1]))
