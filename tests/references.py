"""The documents that are generated from the code: `python tests/references.py` writes them, `--check` compares them.

hpdash/spec/README.md has every key of a sweep file, hpdash/cli/README.md every command and option.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from hpdash import cli
from hpdash.spec import FILE_KEYS

ROOT = Path(__file__).parents[1]
KEYS = """\
# Every key of a sweep file

This reference is for people who write a sweep file. `python tests/references.py` generates it from `tables.py`; `hpdash check FILE` checks a file against the same table. [README.md](../../README.md) shows a first sweep file.

An empty cell in the column "default" means that the key has no value unless the file sets it, or that its description gives the default. [training/README.md](../training/README.md) describes `.npz` files, data functions, builders and training loops.

## What varies: [hparams], [[trial]] and [[require]]

A name in `[hparams]` is a key of `[data]`, `[model]` or `[train]`, or an argument of your own code. Its value is a list, a range, or a table:

| form | meaning |
| --- | --- |
| `[0.01, 0.1]` | these values |
| `{ min = 0.0001, max = 0.1, scale = "log" }` | a range, for the strategies that draw settings; `scale` is `"linear"` (the default) or `"log"` |
| `{ min = 16, max = 64, step = 16 }` | a range with steps, which is also a list of values |
| `{ values = [0.0, 0.9], when = { optimizer = "sgd" } }` | a hyperparameter that applies only with these values of another key |

```toml
[data]
name = "digits"

[hparams]
optimizer = ["sgd", "adam"]
learning_rate = [0.01, 0.1]
momentum = { values = [0.0, 0.9], when = { optimizer = "sgd" } }

[[require]]                    # a condition that every setting has to meet
that = 'optimizer == "sgd" or learning_rate < 0.1'
```

Instead of `[hparams]`, a file can have `[[trial]]` tables. Each table gives one setting. The strategy is then `"list"`, which need not be written:

```toml
[data]
name = "digits"

[[trial]]
hidden = [32]
learning_rate = 0.01

[[trial]]
hidden = [64, 32]
learning_rate = 0.001
```

[search/README.md](../search/README.md) explains strategies, conditions and pruning.

"""  # noqa: E501  a line of Markdown is a paragraph
COMMANDS = """\
# Every command and option

This reference is for people who use the `hpdash` command. `python tests/references.py` generates it from the commands' own help. Every command takes `-h` and `--help`. [api/README.md](../api/README.md) shows what the commands that read logs print.

Exit codes: 0 all is well; 1 a trial failed, was killed or timed out, or `verify` found damage; 2 invalid input; 3 another driver is running the sweep; 4 the environment is at fault (disk, permission, data, workers); 129 after SIGHUP, 130 after Ctrl-C, 143 after SIGTERM.

"""  # noqa: E501


def keys() -> str:
    """Return the reference of the sweep file's keys in Markdown: a table for each of its tables."""
    return KEYS + "\n".join(line for table in FILE_KEYS for line in _key_lines(table))


def _key_lines(table: str) -> Iterator[str]:
    yield from (f"## [{table}]", "", "| key | what it is | takes | default |", "| --- | --- | --- | --- |")
    for setting in FILE_KEYS[table].values():
        default = f"`{setting.default_text}`" if setting.default_text else ""
        yield _row(f"`{table}.{setting.name}`", setting.description, setting.expected, default)
    yield ""


def commands() -> str:
    """Return the reference of the commands in Markdown: a heading, the help and the options of each."""
    found = [(f"hpdash {name}", command) for name, command in cli.main.commands.items()]
    for name, command in list(found):
        if isinstance(command, click.Group):
            found += [(f"{name} {inner}", each) for inner, each in command.commands.items()]
    return COMMANDS + "\n".join(line for name, command in sorted(found) for line in _command_lines(name, command))


def _command_lines(name: str, command: click.Command) -> Iterator[str]:
    arguments = [_metavar(each) for each in command.params if isinstance(each, click.Argument)]
    yield from (f"## {' '.join([name, *arguments])}", "", " ".join((command.help or "").split()), "")
    options = [each for each in command.params if isinstance(each, click.Option)]
    if options:
        yield from ("| option | what it does | default |", "| --- | --- | --- |")
        for option in options:
            takes = "" if option.is_flag else f" {_metavar(option)}"
            default = f"`{option.default}`" if option.show_default and not option.is_flag else ""
            default = "required" if option.required else default
            yield _row(f"`{', '.join(option.opts)}{takes}`", option.help or "", default)
        yield ""
    lines = (command.epilog or "").splitlines()[2:]
    yield from ("```sh", *(line.strip() for line in lines), "```", "")


def _metavar(parameter: click.Parameter) -> str:
    """Return the placeholder for a parameter's value; `make_metavar` differs between versions of click."""
    if isinstance(parameter, click.Argument):
        name = (parameter.name or "").upper()
        return name if parameter.required else f"[{name}]" + ("..." if parameter.nargs < 0 else "")
    if isinstance(parameter.type, click.Choice):
        return f"[{'|'.join(map(str, parameter.type.choices))}]"
    return parameter.metavar or parameter.type.name.split()[0].upper()


def _row(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


DOCUMENTS = {"hpdash/spec/README.md": keys, "hpdash/cli/README.md": commands}


def main() -> int:
    """Write the documents; with `--check`, return 1 if one is out of date."""
    stale = [name for name, make in DOCUMENTS.items() if not _is_current(name, make())]
    if "--check" not in sys.argv:
        for name in stale:
            (ROOT / name).write_text(DOCUMENTS[name](), encoding="utf-8")
    for name in stale:
        print(f"{name} {'is out of date: python tests/references.py' if '--check' in sys.argv else 'written'}")  # noqa: T201
    return int(bool(stale) and "--check" in sys.argv)


def _is_current(name: str, text: str) -> bool:
    path = ROOT / name
    return path.is_file() and path.read_text(encoding="utf-8") == text


if __name__ == "__main__":
    sys.exit(main())
