"""Read and write `sweep.toml` and `sweep.json`, and find the folder in which a sweep resumes or starts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, count
from pathlib import Path
from typing import Any

from ..analysis.caveats import caveats
from ..errors import LogdirError, SpecError
from ..facts import NOT_EXAMINED, SweepFacts
from ..goal import Goal
from ..logs import layout
from ..logs.hparams_record import Discrete, HParamsColumn, HParamsTable, Interval, Metric
from ..records import Scalar, TrialSpec, shown
from ..spec import Sweep
from ..spec.domains import Choice
from ..spec.inline import Inline
from ..spec.objective import Ranking
from ..system import disk
from ..system.versions import versions
from . import extension
from .changes import Change, changes, lines
from .provenance import Provenance
from .standing import is_undecided
from .sweep_json import SCHEMA

# An interrupted start leaves no other files
START_FILES = (layout.LOCK, layout.SWEEP_TOML, layout.SWEEP_JSON, layout.FUNCTIONS)
CHANGEABLE = (  # keys that may change when a sweep is resumed
    "sweep.description",
    "sweep.max_retries",
    "sweep.timeout",
    "sweep.max_consecutive_failures",
    "log.checkpoint_epochs",
    "log.checkpoint_minutes",
    "log.weights",
)

RANKING_KEYS = frozenset(
    {"sweep.objective", "sweep.goal", "prune.watch", "prune.goal"}
)  # keys that may change while no trial has finished an epoch

SEPARATOR = "; "  # separates the parts of the description that TensorBoard shows for a sweep


def folder_to_resume(root: Path, sweep: Sweep) -> Path:
    """Return the folder in which to resume: the newest with an unchanged sweep, else the newest with the sweep's name.

    If there is none, return the folder in which to start. A folder that --new made, such as `quickstart-2`, is
    recognised by the sweep's name in its record, because `quickstart-2` may also be the name of another sweep.
    Raises LogdirError if a record that may be the newest cannot be read.
    """
    folders = [folder for _, folder in _folders_of(sweep, root)]
    same = (folder for folder in folders if not _changed(read(folder / layout.SWEEP_JSON), sweep))
    return next(same, folders[0] if folders else root / sweep.name)


def free_folders(root: Path, sweep: Sweep) -> Iterator[Path]:
    """Yield folders in which the sweep can start anew: free ones, numbered above all folders that hold it."""
    newest = next((number for number, _ in _folders_of(sweep, root)), 0)
    folders = (root / layout.start_name(sweep.name, number) for number in count(newest + 1))
    return (folder for folder in folders if is_free(folder))


def is_free(folder: Path) -> bool:
    """Return whether no sweep has started in a folder; the folder need not exist."""
    if (folder / layout.SWEEP_JSON).exists():
        return False
    with disk.guarded(folder):
        return not folder.exists() or (folder.is_dir() and _is_interrupted_start(folder))


def _is_interrupted_start(folder: Path) -> bool:
    return {path.name.removesuffix(".part") for path in folder.iterdir()} <= set(START_FILES)


def _folders_of(sweep: Sweep, root: Path) -> list[tuple[int, Path]]:
    """Return (number, folder) of the folders of a sweep of this name, newest first; those with a damaged record too."""
    with disk.guarded(root):
        folders = list(root.iterdir()) if root.exists() else []
    numbered = ((layout.parse_start(folder.name, sweep.name), folder) for folder in folders)
    return sorted(((number, path) for number, path in numbered if number and _is_folder_of(sweep, path)), reverse=True)


def _is_folder_of(sweep: Sweep, folder: Path) -> bool:
    path = folder / layout.SWEEP_JSON
    if not path.is_file():
        return False
    try:
        known = read(path)
    except LogdirError:
        return True
    return (known.get("name"), known["settings"].get("name")) == (folder.name, sweep.name)


def check(folder: Path, sweep: Sweep, extends: bool = False) -> Mapping[str, Any]:
    """Check that an existing folder holds this sweep, or only the files of a start that was interrupted.

    Returns the content of its `sweep.json`, empty for such a start. Raises LogdirError if the folder holds
    something else, a damaged record or a newer schema. Raises SpecError if the sweep has changed, unless it `extends`
    the one in the folder. The ranking may change while no trial has finished an epoch.
    """
    path = folder / layout.SWEEP_JSON
    if not path.is_file():
        with disk.guarded(folder):
            if _is_interrupted_start(folder):
                return {}
        raise LogdirError(
            f"{folder}: this folder has no {layout.SWEEP_JSON}, so it is not the folder of a sweep. "
            "Give the sweep another name with --set sweep.name='\"…\"', or use another --logdir."
        )
    known = read(path)
    changed = _changed(known, sweep)
    if changed and not extends and not ({change.key for change in changed} <= RANKING_KEYS and is_undecided(folder)):
        hint = "Undo the change to resume this sweep, start anew with --new, or add trials or values with --extend."
        raise SpecError([f"{folder}: the sweep differs from the one in this folder:", *lines(changed), hint])
    return known


def with_recorded(folder: Path, sweep: Sweep, extends: bool) -> Sweep:
    """Return a sweep with what its folder has recorded: the objective, the facts about data and builders, and `tried`.

    `tried` are the settings that the sweep had before it was last extended. If it `extends` the sweep in the folder
    now, these are the settings of the sweep in the folder. Raises SpecError if an extension does more than add trials
    or values.
    """
    path = folder / layout.SWEEP_JSON
    if not path.is_file():
        return sweep
    known = read(path)
    sweep = _adopted(known, sweep)
    changed = _changed(known, sweep) if extends else []
    if not changed:
        return replace(sweep, tried=tuple(known.get("tried", ())))
    old = extension.before(known["settings"], known.get("tried", ()), sweep)
    if refused := extension.refused(changed, known["settings"], old, sweep):
        hint = "Undo these changes, or start anew in a new folder with --new."
        raise SpecError([f"{folder}: --extend can only add trials or values; other changes:", *lines(refused), hint])
    return extension.extended(old, sweep)


def knows_builders(folder: Path, extends: bool) -> bool:
    """Return whether the user's builders need not be examined, because the folder has recorded what they take.

    They are examined again if the sweep `extends` the one in the folder, because its new trials may need facts that are
    not recorded. But if an older version of hpdash, which recorded nothing, started the sweep, they are never examined.
    """
    path = folder / layout.SWEEP_JSON
    return path.is_file() and not (extends and "known" in read(path))


def _changed(known: Mapping[str, Any], sweep: Sweep) -> list[Change]:
    now = _adopted(known, sweep).to_json()
    return [change for change in changes(known["settings"], now) if change.key not in CHANGEABLE]


def _adopted(known: Mapping[str, Any], sweep: Sweep) -> Sweep:
    """Return a sweep with the recorded objective and facts, as far as the sweep itself leaves them open."""
    if sweep.ranking.is_open and known.get("default_objective", True):
        settings = known["settings"]
        reason = "the default when the sweep was started"
        sweep = sweep.ranked(Ranking(str(settings["objective"]), Goal(settings["goal"]), reason))
    return sweep if sweep.known != NOT_EXAMINED else replace(sweep, known=SweepFacts.from_json(known.get("known")))


def read(path: Path) -> dict[str, Any]:
    """Return the content of a `sweep.json`; raises LogdirError if it cannot be read or has a newer schema."""
    with disk.guarded(path):
        text = path.read_bytes()
    try:
        known = json.loads(text)
        newer = known["schema"] > SCHEMA
        if not newer:
            changes(known["settings"], known["settings"])
            SweepFacts.from_json(known.get("known"))
            if "provenance" in known:
                Provenance.from_json(known["provenance"])
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        hint = "Move the folder away, or start anew in a new folder with --new."
        raise LogdirError(f"{path}: damaged ({error}). {hint}") from None
    if newer:
        schemas = f"schema {known['schema']}, this version reads up to {SCHEMA}"
        raise LogdirError(f"{path}: written by a newer hpdash ({schemas}). Update hpdash.")
    return known  # type: ignore[no-any-return]


def write(
    folder: Path, sweep: Sweep, specs: Sequence[TrialSpec], total: int, metrics: Sequence[str], synthetic: bool
) -> None:
    """Write the sweep file as given to `sweep.toml`; write its normalised form, versions and columns to `sweep.json`.

    Nothing is written if the folder already has this sweep. `specs` are all its trials or, if it proposes its settings
    later, random ones from its search space. `total` is the maximum number of trials. `metrics` are the names of
    metrics for TensorBoard's table.
    """
    path = folder / layout.SWEEP_JSON
    known: Mapping[str, Any] = read(path) if path.exists() else {}
    if known and not _changed(known, sweep):
        return
    description = SEPARATOR.join(filter(None, [sweep.description, *caveats(specs, synthetic)]))
    listed = table_metrics(sweep.objective, metrics) if sweep.command is None else program_metrics(sweep.objective)
    sheet = HParamsTable(columns(sweep, specs), tuple(listed), description)
    content = {
        "schema": SCHEMA,
        "name": folder.name,  # the name in use; "settings" has the name in the file
        "settings": sweep.to_json(),
        "folder": str(sweep.folder.absolute()),
        "trials": total,
        "synthetic": synthetic,
        **{key: known[key] for key in ("provenance", "accepted") if key in known},
        "default_objective": sweep.ranking.is_default,
        "known": sweep.known.to_json(),
        "versions": dict(versions()),
        **sheet.to_json(),
        **({"tried": list(sweep.tried)} if sweep.tried else {}),
    }
    disk.write(folder / layout.SWEEP_TOML, sweep.source.encode())
    disk.write(path, json.dumps(content, indent=1, ensure_ascii=False).encode())


def write_functions(folder: Path, inline: Inline) -> None:
    """Write the source of the functions that were given in Python, for people to read; nothing runs this file."""
    if not inline.functions:
        return
    head = "# The functions that this sweep was given in Python, as they were. hpdash does not run this file.\n"
    parts = (f"# {reference}\n{each.source}" for reference, each in inline.functions.items())
    text, path = "\n\n".join([head, *parts]), folder / layout.FUNCTIONS
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        disk.write(path, text.encode())


def columns(sweep: Sweep, specs: Sequence[TrialSpec]) -> tuple[HParamsColumn, ...]:
    """Return a column for every hyperparameter that a trial logs; swept ones have the domain in the file."""
    ranges = {
        hyperparameter.name: Interval(hyperparameter.domain.min, hyperparameter.domain.max)
        for hyperparameter in sweep.hparams
        if not isinstance(hyperparameter.domain, Choice)
    }
    seen: dict[str, dict[tuple[type, Scalar], Scalar]] = {hyperparameter.name: {} for hyperparameter in sweep.hparams}
    given = (
        (hyperparameter.name, shown(value))
        for hyperparameter in sweep.hparams
        if isinstance(hyperparameter.domain, Choice)
        for value in hyperparameter.domain.values
    )
    swept = frozenset(seen)
    logged = [spec.hparams for spec in specs]
    for name, value in chain(given, *(hparams.items() for hparams in logged)):
        if value is not None:
            seen.setdefault(name, {})[type(value), value] = value  # True == 1 == 1.0
    return tuple(
        HParamsColumn(
            name,
            name in swept,
            ranges.get(name) or Discrete(tuple(values.values())),
            everywhere=all(name in hparams for hparams in logged),
        )
        for name, values in seen.items()
        if values or name in ranges
    )


def program_metrics(objective: str) -> Iterator[Metric]:
    """Yield the metrics of TensorBoard's table for programs: the best objective and its step, then its last value.

    A tag such as `validation/loss` may be logged as `loss` into a folder `validation`, or as it is; both are listed.
    """
    base = objective.removeprefix(layout.VALIDATION_PREFIX)
    yield Metric(layout.best_tag(base))
    yield Metric(layout.BEST_EPOCH)
    yield Metric(objective)
    if base != objective:
        yield Metric(base, layout.VALIDATION)


def table_metrics(objective: str, metrics: Sequence[str]) -> Iterator[Metric]:
    """Yield the metrics of TensorBoard's table: the best objective and its epoch, then last values, then losses."""
    base = objective.removeprefix(layout.VALIDATION_PREFIX)
    names = dict.fromkeys((base, *metrics, "loss"))
    yield Metric(layout.best_tag(base))
    yield Metric(layout.BEST_EPOCH)
    for name in names:
        yield Metric(layout.epoch_tag(name), layout.VALIDATION)
        yield Metric(layout.epoch_tag(name))
