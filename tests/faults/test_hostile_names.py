"""Tests of row 22 in README.md: hostile names and values are shown literally everywhere.

They never become a path, an escape sequence, markup or HTML.
"""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest
from commands import hpdash, invoke
from driven import states
from sweep_files import made_sweep

from hpdash import read_runs, run_sweep
from hpdash.errors import SpecError
from hpdash.records import TrialState

LONG = "x" * 10_000
NAMES = {
    "up": "../x", "root": "/etc/passwd", "home": "~/x", "dots": "..", "nul": "a\0b", "option": "-rf", "empty": "",
    "space": "  ", "newline": "two\nlines\r\n", "escape": "\x1b[31mred\x1b]0;title\x07", "c1": "\x9b31mred",
    "markup": "[/b][link=x]", "html": "<img src=x onerror=alert(1)></script><!--", "emoji": "😀👩‍👧",
    "rtl": "\u202egpj.exe\u2066", "upper": "Case", "lower": "case", "windows": 'C:\\x<>:"|?*', "comma": "a,b=c",
    "percent": "%2e%2e%2f", "formula": "=1+1", "events": "x.tfevents.y", "sub-run": "validation/../../y", "long": LONG,
}  # fmt: skip
OBEYED = "\x1b\x9b\x07\x00\u202e\u2066"  # characters that a terminal or a text renderer obeys
# Logs a curve and a histogram under every name.
LOOPS = """
import json
from pathlib import Path

import numpy as np

NAMES = json.loads((Path(__file__).parent / "names.json").read_text())

def behave(trial):
    for name in NAMES:
        trial.scalar(name, 1.0, 1)
        trial.histogram(f"{name}/histogram", np.arange(4.0), 1)
    trial.report(1, loss=1.0, validation_accuracy=0.5)
    if trial.hparams["does"] == NAMES[0]:
        raise ValueError("".join(NAMES[:-1]))
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run a sweep with every name as a value of a hyperparameter and as a tag; return the folder it ran in."""
    folder = tmp_path_factory.mktemp("outer") / "inner"
    folder.mkdir()
    (folder / "names.json").write_text(json.dumps(list(NAMES.values())))
    made_sweep(
        folder,
        loop="loops:behave",
        source=LOOPS,
        sweep={"description": NAMES["html"] + NAMES["escape"] + NAMES["rtl"]},
        train={"epochs": 1},
        hparams={"does": list(NAMES.values())},
    )
    shown = hpdash("sweep", "own.toml", "--workers", "1", cwd=folder)
    assert shown.returncode == 1
    assert_literal(shown.stdout + shown.stderr)
    (folder / "said.txt").write_text(shown.stdout)
    return folder


def assert_literal(text: str) -> None:
    """Check that a text contains no character that a terminal would obey."""
    assert not set(text) & set(OBEYED)


def visible(name: str) -> str:
    """Return a name as it is shown."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in name)


def test_no_name_is_a_path(ran: Path) -> None:
    """All trials have trained, each in its own folder inside the sweep's folder, and nothing is written elsewhere."""
    folder = ran / "logs" / "own"
    assert set(states(folder)) == set(range(len(NAMES)))
    assert [state for state in states(folder).values() if state is not TrialState.FINISHED] == [TrialState.FAILED]
    folded = [path.name.casefold() for path in folder.iterdir() if path.name[:4].isdigit()]
    assert len(set(folded)) == len(NAMES)
    assert all(len(name) <= 100 and set(name).isdisjoint('<>:"|?*\\\0') for name in folded)
    ours = {"logs", "loops.py", "names.json", "own.toml", "said.txt", "__pycache__"}
    assert {path.name for path in ran.iterdir()} <= ours
    assert [path.name for path in ran.parent.iterdir()] == ["inner"]


def test_a_sweep_says_them_literally(ran: Path) -> None:
    """The leaderboard shows every value and, however long a value is, the columns after it."""
    said = (ran / "said.txt").read_text()
    assert all(visible(name) in said for name in NAMES.values())
    assert "best validation/accuracy" in said
    assert said.count("0.5000") >= len(NAMES)


@pytest.mark.parametrize(
    "command",
    [
        "ls", "ls --json", "ls --columns does,error,status", "show 0", "show 0 --json", "effects", "effects --json",
        "compare --tag loss --by does", "compare --tag ../x/histogram --by does", "compare --tag loss --by does --json",
        "export --format json",
    ],
)  # fmt: skip
def test_reading_shows_them_literally(ran: Path, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    """No command prints a character that a terminal would obey, and commands work with every name."""
    monkeypatch.chdir(ran)
    shown = invoke(*command.split())
    assert (shown.exit_code, shown.stderr) == (0, "")
    assert_literal(shown.stdout)
    if "json" in command:
        json.loads(shown.stdout)


def test_values_survive(ran: Path) -> None:
    """In JSON and through the library, names and values are exactly what they were."""
    values = {run.hparams["does"] for run in read_runs(ran / "logs")}
    assert values == set(NAMES.values())
    tags = {tag for run in read_runs(ran / "logs") for tag in run.scalars}
    assert {name for name in NAMES.values() if not name.startswith("validation/")} <= tags
    listed = json.loads(hpdash("ls", "--json", cwd=ran).stdout)
    assert {row["hparams"]["does"] for sweep in listed["sweeps"] for row in sweep["rows"]} == set(NAMES.values())


def test_a_table_for_other_programs(ran: Path) -> None:
    """A CSV file contains the names unchanged; on a terminal, the same table shows them escaped."""
    assert "\x1b[31mred" in hpdash("export", cwd=ran).stdout
    shown = hpdash(cwd=ran, before='script -qec "$1 -m hpdash export" /dev/null; exit;')
    assert "a\\x00b" in shown.stdout
    assert_literal(shown.stdout)


class Elements(HTMLParser):
    """Collects the elements, the attributes and the text of an HTML page."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: set[str] = set()
        self.attributes: set[str] = set()
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Record an element and its attributes."""
        self.elements.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        """Record a text, unless it is a script or a style."""
        if self.lasttag not in ("script", "style"):
            self.text.append(data)


@pytest.mark.parametrize(
    "command",
    ["report -o {out}", "compare --tag loss --by does -o {out}", "compare --tag ../x/histogram --by does -o {out}"],
)
def test_no_name_is_html(ran: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    """A page contains no element and no attribute that comes from a name, and shows the name as text."""
    monkeypatch.chdir(ran)
    out = tmp_path / "out.html"
    shown = invoke(*command.format(out=out).split())
    assert (shown.exit_code, shown.stderr) == (0, "")
    page = Elements()
    page.feed(out.read_text())
    assert "img" not in page.elements
    assert "onerror" not in page.attributes
    assert_literal("".join(page.text))
    assert "\u202e" not in out.read_text()  # nor in what its scripts show
    assert NAMES["html"] in out.read_text().replace("&lt;", "<").replace("&gt;", ">")


@pytest.mark.parametrize("name", [NAMES[key] for key in NAMES if key not in ("upper", "lower", "events", "long")])
def test_they_name_no_sweep_and_no_keyword(tmp_path: Path, name: str) -> None:
    """A name that cannot be a folder or a keyword is refused before anything is written.

    The name of a sweep becomes the name of a folder, and the name of a hyperparameter becomes a keyword.
    """
    sweep = {"sweep": {"name": name}, "data": {"name": "synthetic"}, "train": {"loop": "loops:behave"}}
    with pytest.raises(SpecError) as raised:
        run_sweep({**sweep, "hparams": {name: ["a", "b"]}}, tmp_path / "logs")
    assert {str(problem).partition(".")[0] for problem in raised.value.problems} == {"sweep: sweep", "sweep: hparams"}
    assert_literal(str(raised.value))
    assert list(tmp_path.iterdir()) == []
