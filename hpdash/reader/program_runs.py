"""The runs of programs: everything that a program logs below its run folder is one run."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ..logs.layout import START_SUFFIX, VALIDATION
from ..runs import Series
from .assembly import joined
from .events import Contents, read_file
from .folders import EventFileInfo, RunPart, merged, parts_of_runs, walk
from .layouts import Layouts

Parts = list[tuple[str, Contents]]  # the role and the contents of each folder of a run


def scalars_below(
    run: Path, known: Mapping[EventFileInfo, Contents]
) -> tuple[dict[str, Series], dict[EventFileInfo, Contents]]:
    """Return all scalars below a run folder by tag, and the contents of the event files.

    `known` are the contents that an earlier call returned. Only files that have changed are read. What is damaged or
    not yet written is left out.
    """
    layouts, folders = Layouts(), list(walk(run, []))
    contents = {
        file: known.get(file) or read_file(Path(file.path), layouts) for folder in folders for file in folder.files
    }
    by_path = {file.path: found for file, found in contents.items()}
    parts = parts_of_program(parts_of_runs(folders, (".",)).get(".", ()), by_path)
    return merged((role, part.scalars) for role, part in parts), contents


def parts_of_program(parts: Iterable[RunPart], by_file: Mapping[str, Contents]) -> Parts:
    """Return the role and the contents of the folders of a program's run, sorted by the time of their first event.

    Many programs make a new folder at each start, such as `version_0` and `version_1`. So a folder that a later attempt
    has made is joined to the folder of an earlier attempt that shares the most scalars with it, if there is one.
    """
    own = [(part.role, [file.path for file in part.files if file.path in by_file]) for part in parts]
    read = [(role, joined([by_file[path] for path in paths])) for role, paths in own if paths]
    session_starts = [path for _, paths in own for path in paths if path.endswith(START_SUFFIX)]
    starts = sorted(by_file[path].first_time or 0.0 for path in session_starts)
    found: list[tuple[int, str, Contents]] = []
    for role, contents in sorted(read, key=lambda part: (part[0] != "", part[1].first_time or math.inf)):
        attempt = bisect_right(starts, contents.first_time or 0.0)
        place = _continued(found, attempt, role, contents) if role else None
        if place is None:
            found.append((attempt, role, contents))
        else:
            found[place] = (attempt, found[place][1], joined([found[place][2], contents]))
    return [(role, contents) for _, role, contents in found]


def _continued(found: Sequence[tuple[int, str, Contents]], attempt: int, role: str, contents: Contents) -> int | None:
    """Return the index of the folder that a folder of a later attempt continues; None if there is none."""
    shared = {
        place: len(earlier.scalars.keys() & contents.scalars.keys())
        for place, (before, other, earlier) in enumerate(found)
        if other and before < attempt and _is_validation(other) == _is_validation(role)
    }
    best = max(shared, key=lambda place: shared[place], default=None)
    return best if best is not None and shared[best] else None


def _is_validation(role: str) -> bool:
    return role.rpartition("/")[2] == VALIDATION
