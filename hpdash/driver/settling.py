"""Settle what depends on the data and models of a sweep: the default objective, and whether its keys fit them.

The metrics that the sweep names as its objective and for pruning have to exist. `builder_requests` says what has to be
examined for that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..backends.builders import BuilderRequest
from ..backends.probe import ProbeResult
from ..errors import Problem, SpecError
from ..facts import SweepFacts
from ..logs.layout import VALIDATION_PREFIX
from ..nested import is_nested
from ..records import TABLES, TrialSpec, default_metrics, trains_keras
from ..spec import Sweep
from ..spec.faults import nearest
from ..spec.file_keys import table_of
from ..spec.objective import LOSS, default_ranking

KEYWORDS = "model"  # the table whose keys are a custom builder's keyword arguments
_LISTED = 20  # most metrics listed in an error

Tables = Sequence[Mapping[str, Any]]


def builder_requests(sweep: Sweep, specs: Sequence[TrialSpec]) -> list[BuilderRequest]:
    """Return how the trials of a sweep use each custom builder."""
    by_builder: dict[str, list[TrialSpec]] = {}
    for spec in specs:
        if reference := _own_builder(spec):
            by_builder.setdefault(reference, []).append(spec)
    is_shared = len(by_builder) > 1 or any(_own_builder(spec) is None for spec in specs)
    return [_request(sweep, reference, own, is_shared) for reference, own in by_builder.items()]


def _own_builder(spec: TrialSpec) -> str | None:
    builder = spec.settings["model"]["builder"] if trains_keras(spec.settings["train"]) else None
    return builder if builder and ":" in builder else None


def _request(sweep: Sweep, reference: str, specs: Sequence[TrialSpec], is_shared: bool) -> BuilderRequest:
    """Return how trials use one custom builder.

    `is_shared` says that other trials use other builders; the keys that the file fixes may be meant for those.
    """
    values: dict[str, list[Any]] = {}
    always = {name for name, value in specs[0].settings[KEYWORDS].items() if value is not None}
    for spec in specs:
        always &= {*spec.swept, *sweep.given[KEYWORDS]}
        for name, value in spec.swept.items():
            if value not in (known := values.setdefault(name, [])) and len(known) < 2:
                known.append(value)
    fixed = {name: f"{table}.{name}" for table in TABLES for name in sweep.given[table]}
    # The location of each key in the sweep file, for error messages
    where = {name: f"{sweep.where}: {key}" for name, key in fixed.items()}
    where |= {name: f"{sweep.where}: {'trial' if sweep.listed else 'hparams'}.{name}" for name in values}
    keywords = {name: key for name, key in where.items() if table_of(name) == KEYWORDS and name != "builder"}
    given = {
        name: key
        for name, key in where.items()
        if table_of(name) in ("data", "train") and name in (values if is_shared else where)
    }
    first = specs[0].swept
    varied = {
        name: next(value for value in reversed(known) if value != first.get(name))
        for name, known in values.items()
        if name in given and len(known) > 1
    }
    return BuilderRequest(reference, specs[0], keywords, given, always, varied)


def settle(sweep: Sweep, specs: Sequence[TrialSpec], tables: Tables, facts: ProbeResult) -> Sweep:
    """Return the sweep with an objective that fits its data and models, and with what is known of builders and inputs.

    `tables` are the distinct [data] tables of the trials, in the order of `facts`. Raises SpecError if a model does not
    have the objective or the metric that pruning watches, if the built-in MLP gets data with several inputs or outputs,
    or if [data] sets a validation part although the data set has one.
    """
    if problems := [*_single_only(sweep, specs, tables, facts), *_has_validation(sweep, facts, tables)]:
        raise SpecError(problems)
    known = _metrics(specs, tables, facts)
    if sweep.ranking.is_open:
        shared = set.intersection(*(set(names) for _, names in known)) if known else None
        classes = [None if is_nested(each) else each for each in facts.classes]
        sweep = sweep.ranked(default_ranking(classes, shared))
    watched = {"sweep.objective": sweep.objective} | ({"prune.watch": sweep.pruning.watch} if sweep.pruning else {})
    if problems := [problem for where, name in watched.items() for problem in _lacking(sweep, where, name, known)]:
        raise SpecError(problems)
    if sweep.known.is_from_old_version:
        return sweep
    builders = {**sweep.known.builders, **{name: built.use for name, built in facts.built.items()}}
    inputs = {table["name"]: each for table, each in zip(tables, facts.inputs, strict=True)}
    return replace(sweep, known=SweepFacts(builders, inputs))


def _single_only(sweep: Sweep, specs: Sequence[TrialSpec], tables: Tables, facts: ProbeResult) -> Iterator[Problem]:
    """Yield a problem if the built-in MLP, which has one input and one output, gets data with several."""
    for table, classes, inputs in zip(tables, facts.classes, facts.inputs, strict=True):
        uses_mlp = any(
            spec.settings["data"] == table and trains_keras(spec.settings["train"]) and _own_builder(spec) is None
            for spec in specs
        )
        if uses_mlp and (is_nested(classes) or inputs.is_nested):
            hint = 'Set model.builder = "module:function" to a builder of your own.'
            found = f"{table['name']} with several inputs or outputs"
            yield Problem(f"{sweep.where}: data.name", "one array x and one array y for the built-in MLP", found, hint)


def _has_validation(sweep: Sweep, facts: ProbeResult, tables: Tables) -> Iterator[Problem]:
    """Yield a problem for each key about the validation part if the data set has a validation set of its own."""
    swept = {hyperparameter.name: "hparams" for hyperparameter in sweep.hparams}
    for key in ("validation", "validation_from"):
        where = "data" if key in sweep.given["data"] else swept.get(key)
        names = [table["name"] for table, each in zip(tables, facts.inputs, strict=True) if each.has_validation]
        if where and names:
            expected = f"no value, because {names[0]} has a validation set, x_val and y_val"
            yield Problem(f"{sweep.where}: {where}.{key}", expected, "a value", "Leave it out.")


def _metrics(specs: Sequence[TrialSpec], tables: Tables, facts: ProbeResult) -> list[tuple[str, tuple[str, ...]]]:
    """Return (owner, metrics) of each model whose metrics are known: the built-in MLP, and models that were built."""
    found: dict[tuple[str, tuple[str, ...]], None] = {}
    for spec in specs:
        if not trains_keras(spec.settings["train"]):
            continue
        builder = _own_builder(spec)
        built = facts.built.get(builder or "")
        if built and built.metrics is not None:
            found[str(builder), built.metrics] = None
        elif builder is None:
            classes = facts.classes[tables.index(spec.settings["data"])]
            found["the model", (LOSS, *(spec.settings["train"]["metrics"] or default_metrics(classes)))] = None
    return list(found)


def _lacking(sweep: Sweep, where: str, metric: str, known: Sequence[tuple[str, tuple[str, ...]]]) -> Iterator[Problem]:
    """Yield a problem if a model in `known`, the result of `_metrics`, does not have the metric that a key names."""
    for owner, names in known:
        if metric.removeprefix(VALIDATION_PREFIX) not in names:
            options = [prefix + name for prefix in (VALIDATION_PREFIX, "") for name in names]
            expected = f"a metric of {owner}: {', '.join(options[:_LISTED])}"
            yield Problem(f"{sweep.where}: {where}", expected, repr(metric), nearest(metric, options))
            return
