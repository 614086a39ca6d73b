"""Whether a sweep goes on after the user has changed code or data, and how its folder records that."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..analysis.caveats import version_caveats
from ..errors import SpecError
from ..logs import layout
from ..system import disk
from . import folder as sweep_folder
from .provenance import Provenance
from .standing import nothing_depends_on_code


def check_provenance(folder: Path, now: Provenance, accepts: bool) -> str:
    """Check that a sweep goes on with the code and the data that it was trained with so far.

    Returns a message for the user, "" if there is none. Raises SpecError if something has changed, unless the user
    `accepts` the change or no result depends on the old version.
    """
    path = folder / layout.SWEEP_JSON
    if not path.is_file():
        return ""
    known = sweep_folder.read(path)
    if "provenance" not in known:
        return f"{folder.name} was started by a version of hpdash that did not record its code and data"
    changed = Provenance.from_json(known["provenance"]).changed(now)
    if changed and nothing_depends_on_code(folder):
        return f"{', '.join(changed)} changed; no result depends on the old version"
    if changed and not accepts:
        width = max(map(len, changed))
        hint = (
            "Undo the change, start anew with --new, or continue anyway with --accept-changes: "
            "every table will then say that the sweep was trained with both versions."
        )
        what = f"{folder}: expected the code and the data that the sweep was trained with, found changes:"
        raise SpecError([what, *(f"  {name:{width}}  {how}" for name, how in changed.items()), hint])
    return f"the sweep goes on although {', '.join(changed)} changed (--accept-changes)" if changed else ""


def provenance_of(folder: Path) -> Provenance | None:
    """Return the code and the data that a folder's sweep was trained with so far, None if they are unknown."""
    path = folder / layout.SWEEP_JSON
    found = sweep_folder.read(path).get("provenance") if path.is_file() else None
    return Provenance.from_json(found) if found else None


def accepted(known: Mapping[str, Any]) -> dict[str, int]:
    """Return how many changes of each file or data function were accepted; `known` is the content of `sweep.json`."""
    return {str(name): int(count) for name, count in known.get("accepted", {}).items()}


def keep_provenance(folder: Path, now: Provenance) -> Mapping[str, Any]:
    """Record what a sweep is trained with from now on, and return what its sweep.json then says.

    Each file or function that has changed counts as another version, unless no result depends on the old version.
    """
    path = folder / layout.SWEEP_JSON
    known = sweep_folder.read(path)
    before = Provenance.from_json(known["provenance"]) if "provenance" in known else now
    changed, merged = before.changed(now), before.merged(now)
    if "provenance" in known and merged == before:
        return known
    earlier = Counter(accepted(known))
    versions = earlier if nothing_depends_on_code(folder) else earlier + Counter(changed.keys())
    parts = [
        part
        for part in known["description"].split(sweep_folder.SEPARATOR)
        if part and part not in version_caveats(earlier)
    ]
    description = sweep_folder.SEPARATOR.join([*parts, *version_caveats(versions)])
    content = {**known, "description": description, "provenance": merged.to_json(), "accepted": dict(versions)}
    disk.write(path, json.dumps(content, indent=1, ensure_ascii=False).encode())
    return content
