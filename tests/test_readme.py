"""What the README says is so: its keys, its commands, its exported names, its set-up."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import hpdash
from hpdash import cli
from hpdash.search import strategy_for
from hpdash.spec import SETTINGS, load_sweep, parse_sweep

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = {f"hpdash {name}": command for name, command in cli.main.commands.items()}


def keys_table() -> str:
    """Return the table of keys in Markdown, one row a key."""
    return "\n".join(["| key | what it is | takes | default |", "| --- | --- | --- | --- |", *key_rows()])


def key_rows() -> Iterator[str]:
    """Yield a row a key."""
    for table, settings in SETTINGS.items():
        for setting in settings.values():
            default = f"`{setting.default_text}`" if setting.default_text else ""
            cells = (f"`{table}.{setting.name}`", setting.description, setting.expected, default)
            yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def test_the_table_of_keys_is_the_one_that_is_checked() -> None:
    """The table stands in the README as it is generated; to renew it, paste what this test expects."""
    assert keys_table() in README


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_in_the_readme(name: str) -> None:
    """Each command is shown."""
    assert f"`{name}" in README


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_in_the_readme(name: str) -> None:
    """Each option of each command is shown, by one of its names."""
    options = [option.opts for option in COMMANDS[name].params if isinstance(option, click.Option)]
    missing = [names for names in options if not any(re.search(rf"(?<!\w){each}\b", README) for each in names)]
    assert missing == []


def test_every_exported_name_is_there_and_in_the_readme() -> None:
    """What `hpdash` exports can be imported and is named."""
    for name in hpdash.__all__:
        assert getattr(hpdash, name).__name__ == name
        assert f"hpdash.{name}" in README


@pytest.mark.parametrize("path", sorted((ROOT / "sweeps").glob("*.toml")), ids=lambda path: path.stem)
def test_every_sweep_is_valid_and_in_the_readme(path: Path) -> None:
    """Each file in sweeps/ passes `hpdash check` and is named."""
    assert strategy_for(load_sweep(path)).count > 1
    assert f"sweeps/{path.name}" in README


def test_every_example_of_a_sweep_file_is_valid() -> None:
    """Each TOML block of the README is a sweep file that passes the check."""
    blocks = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
    assert blocks
    for block in blocks:
        parse_sweep(block, name="README", folder=ROOT)


def test_ci_runs_the_readmes_test_command() -> None:
    """The second command of the README and `.ci/run` install and test the same way."""
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    for part in ("pip", "install -q -e '.[test]'", "-m pytest"):
        assert part in README
        assert part in script
