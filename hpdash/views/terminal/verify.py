"""The findings of `hpdash verify` as text: for each sweep, its own files and then its runs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.text import Text

from ...verification import Finding, VerifyResult
from ..text import plain


def draw(console: Console, checked: VerifyResult) -> Iterator[RenderableType]:
    """Yield every finding under its sweep and run, and a summary as the last line."""
    for sweep, findings in groupby(checked.findings, key=lambda each: each.sweep):
        yield _headed(sweep or "no sweep", "bold")
        for run, own in groupby(findings, key=lambda each: each.run):
            if run is not None:
                yield _line(console, _headed(run, "bold"), 2)
            for each in own:
                for indent, line in _finding_lines(each, checked.path):
                    yield _line(console, line, indent + (2 if run is None else 4))
    yield _headed(checked.summary, "bold red" if checked.damage else "bold" if checked.findings else "green")


def _headed(text: str, style: str) -> Text:
    line = plain(text)
    line.stylize(style)
    return line


def _line(console: Console, line: Text, indent: int) -> RenderableType:
    """Return an indented line. A terminal wraps it with the same indent; a pipe has no width, so nothing is wrapped."""
    if console.is_terminal:
        return Padding(line, (0, 0, 0, indent), expand=False)
    return Text(" " * indent + line.plain, no_wrap=True, overflow="ignore")


def _finding_lines(finding: Finding, root: Path) -> Iterator[tuple[int, Text]]:
    """Yield (indent, line) for a finding: where it is and what is wrong, what is affected, what to do."""
    head = Text.assemble((str(finding.severity), "red" if finding.is_damage else "dim"), "  ")
    yield 0, head.append_text(plain(f"{_below(finding, root)}{finding.place}: {finding.what}"))
    yield 4, Text.assemble(("affected: ", "dim"), plain(finding.affected))
    yield 4, Text.assemble(("to do: ", "dim"), plain(finding.advice))


def _below(finding: Finding, root: Path) -> str:
    """Return a finding's path relative to its run or sweep, else to the logdir, else as it is."""
    for base in (root / (finding.run or finding.sweep or "."), root):
        if finding.path != base and finding.path.is_relative_to(base):
            return os.path.relpath(finding.path, base)
    return str(finding.path)
