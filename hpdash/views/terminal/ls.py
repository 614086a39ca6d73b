"""The tables of `hpdash ls` for a terminal and for a pipe, and their cells for other outputs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from rich import box
from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from ...analysis.objective import trained
from ...analysis.ranking import RankedTable, Value
from ...analysis.rows import FIELDS, MEASURED, Row, Stat, hparam, value_of
from ...records import TrialState
from ...runs import Objective, Run
from ..text import duration, number, plain, setting

MOST = 40  # rows of a sweep on a terminal unless --top is given; a pipe gets all rows
_WRAPPED = 12  # characters; a longer column name is broken at its underscores on a terminal
_STYLES: Mapping[TrialState | None, str] = {
    TrialState.RUNNING: "cyan", TrialState.FINISHED: "", TrialState.PRUNED: "yellow", TrialState.INTERRUPTED: "yellow",
}  # fmt: skip


def draw(console: Console, listings: Sequence[RankedTable], top: int | None = None) -> Iterator[RenderableType]:
    """Yield each table with its best rows, and below it notes on what is hidden, missing or failed.

    `top` is how many rows each table shows: by default `MOST` on a terminal, and all of them in a pipe.
    """
    most = top or (MOST if console.is_terminal else None)
    for before, listing in enumerate(listings):
        if before:
            yield Text()
        if listing.rows:
            yield plain(title(listing))
            yield _table(console, listing, most)
        for line in _notes(listing, most):
            note = plain(line)
            note.stylize("dim")
            yield note


def _table(console: Console, listing: RankedTable, most: int | None) -> RenderableType:
    names = listing.columns
    if console.is_terminal and not listing.chosen:
        same_status = len({run.status for run in listing.runs}) == 1  # the title has the status
        names = tuple(name for name in names if name != "trained" and not (name == "status" and same_status))
    header, rights, rows = cells(listing, names, most)
    if not console.is_terminal:
        lines = _aligned([list(map(plain, header)), *rows], rights)
        return Text(lines, no_wrap=True, overflow="ignore")
    made = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for name, right in zip(header, rights, strict=True):
        head = Text("_\n").join(map(plain, name.split("_"))) if len(name) > _WRAPPED else plain(name)
        kept_whole = (right and name in MEASURED) or name in ("", "trial")
        made.add_column(head, justify="right" if right else "left", no_wrap=kept_whole, overflow="fold")
    for row in rows:
        made.add_row(*row)
    return made


def cells(
    listing: RankedTable, names: Sequence[str], most: int | None = None
) -> tuple[list[str], list[bool], list[list[Text]]]:
    """Return a table's header, whether each column is aligned right, and its first `most` rows.

    The rank and the name of the run or the trial come before the columns in `names`. The rank and numbers are aligned
    right.
    """
    header = ["", "run" if listing.sweep is None else "trial", *names]
    values = [[listing.value(row, name) for name in names] for row in listing.rows]
    numbers = [all(map(_is_number, column)) for column in zip(*values, strict=True)]
    progress_in_status = "trained" not in names
    rows = [
        [plain("" if row.place is None else row.place), plain(_name(row))]
        + [_cell(listing, row, name, value, progress_in_status) for name, value in zip(names, row_values, strict=True)]
        for row, row_values in zip(listing.rows[:most], values, strict=False)
    ]
    return header, [True, False, *numbers], rows


def _aligned(rows: Sequence[Sequence[Text]], rights: Sequence[bool]) -> str:
    """Return rows as lines of text, each column as wide as its widest cell.

    This replaces rich in a pipe, which has no width to fit into: rich takes seconds for 1,000 rows.
    """
    texts = [[cell.plain for cell in row] for row in rows]
    widths = [max(map(cell_len, column)) for column in zip(*texts, strict=True)]

    def padded(text: str, width: int, right: bool) -> str:
        space = " " * (width - cell_len(text))
        return space + text if right else text + space

    return "\n".join("  ".join(map(padded, row, widths, rights)).rstrip() for row in texts)


def _is_number(value: Value) -> bool:
    return value is None or (isinstance(value, Stat | int | float) and not isinstance(value, bool))


def title(listing: RankedTable) -> str:
    """Return a table's title: the sweep, how many trials have each status, the objective, the caveats."""
    objective, counts = listing.objective, Counter(run.status for run in listing.runs)
    parts = [f"{count:,} {status or ('run' if count == 1 else 'runs')}" for status, count in counts.items()]
    epochs = {value_of(run, "trained", objective) for run in listing.runs}
    if len(epochs) == 1 and None not in epochs:
        end = epochs.pop()
        is_steps = listing.runs[0].unit == "step"
        parts.append(f"last step {end}" if is_steps else f"{end} epoch{'s' * (end != 1)}")
    reason = f" ({objective.reason})" if objective and objective.reason else ""
    parts += [f"{objective.goal} of {objective.name}{reason}" if objective else listing.advice]
    return " · ".join(filter(None, [listing.sweep or "no sweep", *parts, *listing.caveats]))


def _name(row: Row) -> str:
    """Return the number of a row's trial, those of several (consecutive ones as `3-5`), or the names of its runs."""
    numbers = [run.number for run in row.runs if run.number is not None]
    if len(numbers) < len(row.runs):
        return ", ".join(run.name for run in row.runs)
    if len(numbers) > 2 and numbers == list(range(numbers[0], numbers[-1] + 1)):
        return f"{numbers[0]}-{numbers[-1]}"
    return f"{numbers[0]:04d}" if len(numbers) == 1 else ", ".join(map(str, numbers))


def _cell(listing: RankedTable, row: Row, name: str, value: Value, progress_in_status: bool) -> Text:
    """Return the value of a row in the column `name` as text.

    `progress_in_status` says that the column "status" also shows how many epochs an unfinished run has trained, because
    the table has no column "trained".
    """
    one = row.runs[0] if len(row.runs) == 1 else None
    if any(hparam(run, name) is not None for run in row.runs):
        return plain(setting(value))
    if name == "status":
        return _status(row, progress(one, listing.objective) if one and progress_in_status else "")
    if name == "trained" and one:
        return plain(progress(one, listing.objective))
    if isinstance(value, Stat):
        spread = f" ± {_spell(name, value.std)}" if value.std is not None else ""
        whole = name == "best" or listing.chosen  # a width of 80 has room for one column with spread and count
        shown = plain(f"{_spell(name, value.mean)}{f'{spread} ({value.n})' if whole else ''}")
    else:
        shown = plain(_spell(name, value) if isinstance(value, int | float) else setting(value))
    if name == "best":
        shown.stylize("bold green" if row.place == 1 else "" if row.place else "dim")
    return shown


def _spell(name: str, value: float) -> str:
    match name:
        case "time":
            return duration(value)
        case "epoch" | "trained":
            return f"{value:.1f}".removesuffix(".0")
    return number(value) if name in MEASURED or name not in FIELDS else setting(value)


def progress(run: Run, objective: Objective | None) -> str:
    """Return how many epochs a run has trained, `3/10` if it has not finished."""
    done, goal = trained(run, objective), run.planned
    if done is None or run.status in (TrialState.FINISHED, None) or goal is None or done >= goal:
        return setting(done)
    return f"{done}/{setting(goal)}"


def _status(row: Row, progress_text: str) -> Text:
    """Return the statuses of a row's runs; a single one is followed by `progress_text` if that is like `3/10`."""
    states = Counter(run.status for run in row.runs)
    words = [f"{count} {state or 'unknown'}" for state, count in states.items()]
    styles = [_STYLES.get(state, "red") for state in states if state is not TrialState.FINISHED and state is not None]
    suffix = f" {progress_text}" if "/" in progress_text else ""
    text = ", ".join(words) if len(states) > 1 else f"{row.runs[0].status or ''}{suffix}"
    return Text(text, style=styles[0] if styles else "")


def _notes(listing: RankedTable, most: int | None) -> Iterator[str]:
    name = f"{listing.sweep}: " if listing.sweep else ""
    if len(listing.runs) < listing.found:
        yield f"{name}{len(listing.runs):,} of {listing.found:,} match --where"
    hidden = [run for row in listing.rows[most:] for run in row.runs] if most else []
    if hidden:
        states = Counter(str(run.status or "with unknown status") for run in hidden)
        states_text = ", ".join(f"{count:,} {state}" for state, count in states.items())
        left = len(listing.rows) - (most or 0)
        yield f"{name}{left:,} more row{'s' * (left > 1)} ({states_text}); --top {len(listing.rows)} shows all"
    if listing.missing:
        yield f"{name}{listing.missing:,} of {listing.found + listing.missing:,} trials have not started"
    if faults := [run for run in listing.runs if run.status and run.status.is_fault]:
        yield f"{name}{len(faults):,} did not finish: hpdash show {faults[0].id} says why"
