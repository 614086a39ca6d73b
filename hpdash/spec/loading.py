"""Load a sweep file or a mapping as a Sweep: read every table, and collect every fault with its key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..logs.layout import VALIDATION_PREFIX
from ..records import DRAWING_STRATEGIES, STEPS, TABLES, default_metrics, own_loop
from . import text
from .defaults import resolve
from .domains import Choice
from .faults import Faults, Key, found, nearest
from .file_keys import FILE_KEYS, SWEEPABLE, table_of
from .folds import repeats_of
from .idle import check_idle
from .inline import NOTHING, with_references
from .keys import MLP
from .objective import Ranking, ranking
from .program import check_metric_names, check_program, is_program, program_names
from .pruning import Pruning
from .requirements import requirements
from .space import Hyperparameter, Names, choices, domains, hint_at, listed, names_of
from .sweep import Sweep, possible_values
from .text import Document
from .when import check_dependent, check_swept, when_tables

_TABLES = ("data", "model", "train", "log")
_LISTS = ("trial", "require")
_CONTAINERS: Mapping[str, Any] = {
    **dict.fromkeys(("sweep", *_TABLES, "prune", "hparams"), dict),
    **dict.fromkeys(_LISTS, list),
}


def load_sweep(path: Path | str, overrides: Sequence[str] = ()) -> Sweep:
    """Read a sweep file and apply overrides such as `train.epochs=3`. Raises SpecError with every fault."""
    path = Path(path)
    faults = Faults(str(path))
    source = text.read(path, faults)
    return _sweep(source, overrides, faults, stem=path.stem, path=path, folder=path.absolute().parent)


def parse_sweep(source: str | Mapping[str, Any], *, name: str, folder: Path, overrides: Sequence[str] = ()) -> Sweep:
    """Read a sweep from TOML text or from a mapping. Raises SpecError with every fault.

    `name` replaces the name of the file in errors. Without a suffix such as ".toml", it is also the name of the sweep
    unless [sweep] has a name. `folder` is where the user's modules and files are looked for. In a mapping, functions
    and data may be given themselves instead of their names.
    """
    return _sweep(source, overrides, Faults(name), stem=Path(name).stem, path=None, folder=folder)


def _sweep(
    source: str | Mapping[str, Any],
    overrides: Sequence[str],
    faults: Faults,
    *,
    stem: str,
    path: Path | None,
    folder: Path,
) -> Sweep:
    source, inline = with_references(source, faults) if isinstance(source, Mapping) else (source, NOTHING)
    document = text.parse(source, faults)
    toml = source if isinstance(source, str) else text.to_toml(document)
    overridden = text.override(document, overrides, faults)
    if not document:
        faults.fail("", "a [data] table with a name, and [hparams] or [[trial]] tables", "an empty file")
    prunes = "prune" in document
    _check_containers(document, faults)
    runs_programs = is_program(document)
    names = program_names() if runs_programs else names_of(document)
    head = _head(_table("sweep", document, names, faults), stem, bool(document["trial"]), faults)
    given = {table: _table(table, document, names, faults) for table in _TABLES}
    if not runs_programs:
        head["repeats"] = repeats_of(document, head, given["data"], faults)
    hparams, trials = _space(document, names, given, overridden, faults)
    fixed = {name: [value] for table in TABLES for name, value in resolve(given)[table].items()}
    required = requirements(document, names, {**fixed, **{each.name: _listed_values(each) for each in hparams}}, faults)
    _check_strategy(head, hparams, trials, faults)
    chosen, pruning = _judged(document, names, head, given, (hparams, trials), prunes, faults)
    faults.raise_any()
    return Sweep(
        **{name: value for name, value in head.items() if name not in ("objective", "goal")},
        ranking=chosen, given=given, hparams=hparams, listed=trials, requirements=required, pruning=pruning,
        source=toml, path=path, folder=folder, inline=inline,
    )  # fmt: skip


def _judged(
    document: Document,
    names: Names,
    head: Mapping[str, Any],
    given: Mapping[str, Mapping[str, Any]],
    space: tuple[tuple[Hyperparameter, ...], tuple[dict[str, Any], ...]],
    prunes: bool,
    faults: Faults,
) -> tuple[Ranking, Pruning | None]:
    """Return what ranks the trials of a sweep and how it prunes; report keys that do not fit the others."""
    hparams, trials = space
    values = possible_values(given, hparams, trials)
    if is_program(document):
        check_program(document, given, hparams, trials, prunes, faults)
        faults.raise_any()
    elif len(trials) != 1:  # a single trial may come from `hpdash show`, which writes keys without an effect, too
        check_idle(values, given, {hparam.name for hparam in hparams}, faults)
    chosen = ranking(head["objective"], head["goal"], values, faults)
    prune_table = _table("prune", document, names, faults)
    pruning = Pruning.of(prune_table, chosen.objective, chosen.goal, faults) if prunes else None
    if not is_program(document):
        _check_required(chosen.objective, pruning, given, hparams, trials, faults)
    return chosen, pruning


def _check_containers(document: Document, faults: Faults) -> None:
    """Report unknown and invalid tables; put an empty table in the place of each that is invalid or missing."""
    for name, value in document.items():
        container = _CONTAINERS.get(name)
        if container is None:
            tables = [table for table in _CONTAINERS if name in FILE_KEYS.get(table, ())]
            hint = f"It belongs in [{tables[0]}]." if tables else hint_at(name, _CONTAINERS)
            faults.add((name,), "a table of a sweep file", "an unknown one", hint)
        elif not isinstance(value, container) or (name in _LISTS and not all(isinstance(x, dict) for x in value)):
            faults.add((name,), f"[[{name}]] tables" if name in _LISTS else f"a table [{name}]", found(value))
            document[name] = container()
    if not (document.get("hparams") or document.get("trial")):
        faults.add(("hparams",), "a table [hparams], or [[trial]] tables", "neither", "Add hyperparameters to vary.")
    for name, container in _CONTAINERS.items():
        document.setdefault(name, container())


def _table(table: str, document: Document, names: Names, faults: Faults) -> dict[str, Any]:
    """Return the valid keys of a table with their normalised values; report unknown keys and invalid values."""
    known = {key: file_key for key, file_key in FILE_KEYS[table].items() if table != "model" or key in names.file_keys}
    values = {}
    for name, raw in document[table].items():
        key = (table, name)
        if name in known:
            value = Names(known, free=False).check(name, raw, key, faults)
            if value is not None:
                values[name] = value
        elif table != "model" or not names.free:
            faults.add(key, f"a key of [{table}]", "an unknown one", hint_at(name, known))
        elif name in SWEEPABLE and name in names.file_keys:
            owner = f"[{SWEEPABLE[name].table}]"
            hint = f"Move it to {owner}, or rename the argument."
            faults.add(key, "a keyword argument of your own code", f"a key of {owner}", hint)
        elif names.knows(name, key, faults):
            values[name] = raw
    return values


def _head(values: Mapping[str, Any], stem: str, is_listed: bool, faults: Faults) -> dict[str, Any]:
    """Fill in the defaults of [sweep]; `stem` is the default name, `is_listed` says that there are [[trial]] tables."""
    head = {name: values.get(name, file_key.default) for name, file_key in FILE_KEYS["sweep"].items()}
    if head["name"] is None and not faults.has_fault_at(("sweep", "name")):
        name = FILE_KEYS["sweep"]["name"]
        head["name"] = stem
        try:
            name.check(stem)
        except ValueError as error:
            faults.add(("sweep", "name"), str(error), f"the file's stem {found(stem)}", "Set a name in [sweep].")
    head["strategy"] = head["strategy"] or ("list" if is_listed else "grid")
    return head


def _listed_values(hparam: Hyperparameter) -> tuple[Any, ...]:
    """Return the values of a hyperparameter that is swept as a list; for a range, return nothing."""
    return hparam.domain.values if isinstance(hparam.domain, Choice) else ()


def _space(
    document: Document, names: Names, given: dict[str, dict[str, Any]], overridden: set[Key], faults: Faults
) -> tuple[tuple[Hyperparameter, ...], tuple[dict[str, Any], ...]]:
    swept, trials = domains(document, names, faults), listed(document, names, faults)
    whens = when_tables(document, swept, names, given, faults)
    check_swept(document, overridden, faults)
    check_dependent(swept, whens, trials, given, names=names, faults=faults)
    if trials and document["hparams"]:
        faults.add(("hparams",), "either [hparams] or [[trial]] tables", "both", "Remove one of them.")
    if trials:
        swept = choices(trials)
    tables = {name: "model" if is_program(document) and name != STEPS else table_of(name) for name in swept}
    hparams = (Hyperparameter(name, tables[name], domain, whens.get(name, {})) for name, domain in swept.items())
    return tuple(hparams), trials


def _check_strategy(
    head: Mapping[str, Any], hparams: Sequence[Hyperparameter], trials: Sequence[Mapping[str, Any]], faults: Faults
) -> None:
    strategy, key = head["strategy"], ("sweep", "strategy")
    if faults.has_fault_at(key):
        return
    if (strategy == "list") != bool(trials):
        expected = '"list" if there are [[trial]] tables' if trials else '[[trial]] tables for strategy = "list"'
        faults.add(key, expected, found(strategy) if trials else "none")
    if strategy in DRAWING_STRATEGIES and head["trials"] is None and not faults.has_fault_at(("sweep", "trials")):
        faults.add(("sweep", "trials"), "the number of settings to draw", "nothing", "For example: trials = 20.")
    for hparam in hparams:
        if strategy == "grid" and hparam.domain.size is None:
            hint = 'Give it a step or a list, or set strategy = "random".'
            faults.add(("hparams", hparam.name), "finitely many values for a grid", "a continuous range", hint)


def _check_required(
    objective: str,
    pruning: Pruning | None,
    given: Mapping[str, Mapping[str, Any]],
    hparams: Sequence[Hyperparameter],
    trials: Sequence[Mapping[str, Any]],
    faults: Faults,
) -> None:
    """Report a missing data set, and an objective or a watched metric that the built-in MLP does not have.

    A model or a training loop of the user's own may have any metric.
    """
    asked = {("sweep", "objective"): objective} | ({("prune", "watch"): pruning.watch} if pruning else {})
    check_metric_names(asked, faults)
    key, swept = ("data", "name"), {hparam.name: hparam for hparam in hparams}
    always = "name" in swept and not swept["name"].when and all("name" in trial for trial in trials)
    if "name" not in given["data"] and not always and not faults.has_fault_at(key):
        faults.add(key, FILE_KEYS["data"]["name"].expected, "nothing", "A sweep needs data.")
    fixed = resolve(given)
    own = fixed["model"]["builder"] != MLP or own_loop(fixed["train"]) or swept.keys() & {"builder", "loop", "metrics"}
    known = ["loss", *(fixed["train"]["metrics"] or (*default_metrics(2), *default_metrics(None)))]
    for where, name in asked.items():
        metric = name.removeprefix(VALIDATION_PREFIX)
        if not own and metric not in known and not faults.has_fault_in("metrics") and not faults.has_fault_at(where):
            expected = f"a metric of the sweep, {' or '.join(known)}"
            faults.add(where, expected, found(name), nearest(metric, known))
