"""Tests of the documentation: its links, command lines, sweep files, names and generated parts are correct."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import references

import hpdash
from hpdash import cli
from hpdash.errors import SpecError
from hpdash.search import strategy_for
from hpdash.spec import load_sweep, parse_sweep

ROOT = Path(__file__).parents[1]
FOLDERS = ("", "hpdash", "sweeps", "tests", ".github")
README = ROOT / "README.md"
MOST_LINES = 250  # lines of the README, which newcomers read first


def documents() -> list[Path]:
    """Return every document of the project."""
    found = [*ROOT.glob("*.md"), *(path for name in FOLDERS[1:] for path in (ROOT / name).rglob("*.md"))]
    return sorted(path for path in found if ".pytest_cache" not in path.parts)


DOCUMENTS = documents()
NAMES = [str(path.relative_to(ROOT)) for path in DOCUMENTS]


def blocks(path: Path, language: str) -> list[str]:
    """Return the code blocks of a language in a document."""
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("path", DOCUMENTS, ids=NAMES)
def test_every_link_leads_somewhere(path: Path) -> None:
    """Every relative link of a document leads to an existing file or folder, and to an existing heading."""
    text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, heading = target.partition("#")
        there = (path.parent / name).resolve() if name else path
        assert there.exists(), target
        if heading:
            assert heading in headings(there), target


def headings(path: Path) -> set[str]:
    """Return the anchors of a document's headings, as GitHub makes them."""
    found = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in found}


def command_lines() -> Iterator[tuple[str, str]]:
    """Yield every line of a shell block that runs hpdash, with its document."""
    for name, path in zip(NAMES, DOCUMENTS, strict=True):
        for block in (*blocks(path, "sh"), *blocks(path, "console")):
            for line in block.replace("\\\n", " ").splitlines():
                text = line.strip().removeprefix("$ ")
                if re.match(r"(\w+=\S+ )*hpdash(?! --)", text):
                    yield name, text


@pytest.mark.parametrize(("document", "line"), sorted(set(command_lines())))
def test_every_command_line_is_one(document: str, line: str) -> None:
    """Every `hpdash` line in a document uses an existing command and options that the command has."""
    words = shlex.split(line, comments=True)
    words = words[words.index("hpdash") + 1 :]
    words = words[: next((index for index, word in enumerate(words) if word in ("&&", "|", ">", "&")), None)]
    command: click.Command = cli.main
    while isinstance(command, click.Group) and words:
        command, words = command.commands[words[0]], words[1:]
    try:
        command.make_context("hpdash", words)
    except click.exceptions.Exit:
        assert "--help" in words, document
    except (click.UsageError, SpecError) as error:
        pytest.fail(f"{document}: {line}: {error}")


@pytest.mark.parametrize("path", DOCUMENTS, ids=NAMES)
def test_every_sweep_file_is_valid(path: Path) -> None:
    """Every TOML block of a document is a valid sweep file."""
    for block in blocks(path, "toml"):
        parse_sweep(block, name="document", folder=ROOT)


@pytest.mark.parametrize("name", references.DOCUMENTS)
def test_what_is_generated_is_current(name: str) -> None:
    """The references of keys and commands equal the output of `python tests/references.py`."""
    assert (ROOT / name).read_text(encoding="utf-8") == references.DOCUMENTS[name]()


def test_every_command_has_examples() -> None:
    """The help of every command ends with command lines."""
    commands = [*cli.main.commands.values()]
    commands += [inner for each in commands if isinstance(each, click.Group) for inner in each.commands.values()]
    for command in commands:
        assert re.search(r"^  hpdash ", command.epilog or "", re.MULTILINE), command.name


def test_every_exported_name_is_there_and_documented() -> None:
    """Every name that `hpdash` exports can be imported, and a document mentions it."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in DOCUMENTS)
    for name in hpdash.__all__:
        assert getattr(hpdash, name).__name__ == name
        assert f"hpdash.{name}" in text


@pytest.mark.parametrize("path", sorted((ROOT / "sweeps").glob("*.toml")), ids=lambda path: path.stem)
def test_every_sweep_that_ships_is_valid_and_documented(path: Path) -> None:
    """Each file in sweeps/ passes `hpdash check`, and sweeps/README.md mentions it."""
    assert strategy_for(load_sweep(path)).count > 1
    assert path.name in (ROOT / "sweeps" / "README.md").read_text(encoding="utf-8")


def test_the_readme_is_short() -> None:
    """The README is short enough for a newcomer to read completely."""
    assert len(README.read_text(encoding="utf-8").splitlines()) <= MOST_LINES


def test_ci_runs_the_readmes_test_command() -> None:
    """The second command of the README installs and tests in the same way as `.ci/run`."""
    script, readme = (ROOT / ".ci" / "run").read_text(encoding="utf-8"), README.read_text(encoding="utf-8")
    for part in ("pip", "install -q -e '.[test]'", "-m pytest"):
        assert part in readme
        assert part in script
