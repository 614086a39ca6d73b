"""`Sweep`: a valid sweep file, from which the settings of each trial follow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ..errors import Problem, SpecError
from ..facts import NOT_EXAMINED, WHOLE, BuilderUse, SweepFacts
from ..goal import Goal
from ..records import TABLES, program_of, shown, trains_keras
from ..system.function_source import MODULE
from .defaults import resolve
from .domains import Choice
from .file_keys import FILE_KEYS, table_of
from .inline import FUNCTION_KEYS, NOTHING, Inline
from .keys import is_reference
from .objective import Ranking
from .program import keeps_state, unmentioned
from .pruning import Pruning
from .requirements import Requirement
from .space import Hyperparameter


@dataclass(frozen=True)
class Sweep:
    """A search space and the values of the fixed keys, valid as a whole.

    Most attributes are keys of [sweep]; the others are:

    Attributes:
        ranking: the objective, its goal, and the reason for them.
        given: what the file sets in [data], [model], [train] and [log].
        hparams: the swept keys in the file's order, or those of the [[trial]] tables, with the values they take.
        listed: the setting in each [[trial]] table.
        requirements: the conditions that every setting must meet.
        pruning: how trials are stopped early; None if they are not.
        source: the TOML text as given, without overrides.
        path: its file; None if there is none.
        folder: where the user's modules and files are looked for.
        tried: the settings from before the sweep was extended.
        known: what is known of the data and the custom builders.
        inline: the functions and the data that were given in Python instead of names.
    """

    name: str
    description: str
    strategy: str
    trials: int | None
    repeats: int
    seed: int
    ranking: Ranking
    max_retries: int
    timeout: float | None
    max_consecutive_failures: int
    given: Mapping[str, Mapping[str, Any]]
    hparams: tuple[Hyperparameter, ...]
    listed: tuple[Mapping[str, Any], ...]
    requirements: tuple[Requirement, ...]
    pruning: Pruning | None
    source: str
    path: Path | None
    folder: Path
    tried: tuple[Mapping[str, Any], ...] = ()
    known: SweepFacts = NOT_EXAMINED
    inline: Inline = field(default=NOTHING, compare=False)

    @property
    def objective(self) -> str:
        """The metric that ranks trials."""
        return self.ranking.objective

    @property
    def goal(self) -> Goal:
        """Which way the objective improves."""
        return self.ranking.goal

    @property
    def fixed(self) -> dict[str, dict[str, Any]]:
        """The tables "data", "model", "train" and "log" with every default, and without hyperparameters."""
        return resolve(self.given)

    @property
    def remarks(self) -> list[str]:
        """A sentence for each hyperparameter that never varies: its `when` names a fixed key that has another value.

        Also a sentence on the hyperparameters that the command of a program does not mention.
        """
        fixed = {name: value for table in self.fixed.values() for name, value in table.items()}
        swept = {hyperparameter.name for hyperparameter in self.hparams}
        never = [
            f"hparams.{each.name} never varies: its when asks for"
            f" {name} = {' or '.join(map(str, map(shown, values)))}, and {name} is {shown(fixed[name])}"
            for each in self.hparams
            for name, values in each.when.items()
            if name not in swept and name in fixed and fixed[name] not in values
        ]
        return never + self._unmentioned()

    def _unmentioned(self) -> list[str]:
        names = unmentioned(self.command, self.hparams) if self.command is not None else []
        has = "is" if len(names) == 1 else "are"
        return [f"{', '.join(names)} {has} not in train.command: only HPDASH_HPARAMS has the values"] if names else []

    @property
    def where(self) -> str:
        """What errors call the sweep: its file, or else its name."""
        return self.name if self.path is None else str(self.path)

    def settings(self, point: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """Return the tables "data", "model", "train" and "log" for one point, with the values of all keys.

        A key that does not apply, such as an argument of another optimiser, is None.
        """
        tables = {table: dict(values) for table, values in self.given.items()}
        own = {hparam.name: hparam.table for hparam in self.hparams}
        for name, value in point.items():
            tables[own.get(name) or table_of(name)][name] = value
        resolved = resolve(tables)
        if self.command is not None:
            return resolved
        resolved["train"] |= dict.fromkeys(self.use(resolved).unused)
        inputs = self.known.inputs.get(resolved["data"]["name"])
        if inputs and "scale" not in tables["data"]:
            resolved["data"]["scale"] = inputs.scale
        if resolved["data"]["folds"] or (inputs and inputs.has_validation):
            resolved["data"] |= {"validation": None, "validation_from": None}
        if self.known.is_from_old_version and resolved["data"]["scale"] == "standard":
            resolved["data"][WHOLE] = True
        return resolved

    @property
    def values(self) -> dict[str, list[Any]]:
        """The values that each key may take, by name: the swept ones, and the fixed one unless every trial sets it.

        For a range, the values are its two ends.
        """
        return possible_values(self.given, self.hparams, self.listed)

    @property
    def command(self) -> list[str] | None:
        """The command of the program that every trial is; None if hpdash trains the trials."""
        return program_of(self.given["train"])

    @property
    def is_resumable(self) -> bool:
        """Whether a trial may go on where it stopped: always, but a program only if its command has {state}."""
        return self.command is None or keeps_state(self.command)

    @property
    def data_names(self) -> list[str]:
        """The names of the data sets of all trials."""
        return [] if self.command is not None else [name for name in self.values["name"] if name is not None]

    @property
    def functions(self) -> list[str]:
        """The user's functions that the sweep names, "package.module:function": builders, loops, callbacks, data."""
        if self.command is not None:
            return []
        named = (value for name in FUNCTION_KEYS for value in self.values[name] if value)
        return list(dict.fromkeys(value for value in named if is_reference(value)))

    @property
    def modules(self) -> list[str]:
        """The modules of `functions`, and those that functions given in Python use."""
        named = [reference.partition(":")[0] for reference in self.functions]
        return list(dict.fromkeys(name for name in (*named, *self.inline.modules) if name != MODULE))

    def ranked(self, by: Ranking) -> Sweep:
        """Return the sweep with another ranking; pruning watches the new objective if it watched the old one."""
        pruning = self.pruning
        if pruning and pruning.watch == self.objective:
            pruning = replace(pruning, watch=by.objective, goal=by.goal)
        return replace(self, ranking=by, pruning=pruning)

    def use(self, settings: Mapping[str, Mapping[str, Any]]) -> BuilderUse:
        """Return how a trial's builder uses these settings; empty if it is unknown, or if there is no builder."""
        builder = settings["model"]["builder"] if trains_keras(settings["train"]) else None
        return self.known.builders.get(builder or "", BuilderUse())

    def allows(self, point: Mapping[str, Any]) -> bool:
        """Return whether a point meets every [[require]]. Raises SpecError if one cannot be computed for it."""
        if not self.requirements:
            return True
        tables = self.settings(point)
        settings = {name: value for table in TABLES for name, value in tables[table].items()}
        for index, requirement in enumerate(self.requirements):
            try:
                if not requirement.holds(settings):
                    return False
            except ValueError as error:
                where = f"{self.where}: require[{index}].that"
                raise SpecError([Problem(where, "a condition that can be computed", str(error))]) from None
        return True

    def to_json(self) -> dict[str, Any]:
        """Return the normalised sweep file as JSON values, which are equal for files that mean the same."""
        swept = [hparam.to_json() for hparam in self.hparams]
        return {
            **{key: getattr(self, key) for key in FILE_KEYS["sweep"]},
            **self.fixed,
            "hparams": swept,
            "trial": list(self.listed),
            **({"require": [requirement.text for requirement in self.requirements]} if self.requirements else {}),
            **({"prune": asdict(self.pruning)} if self.pruning else {}),
        }


def possible_values(
    given: Mapping[str, Mapping[str, Any]], hparams: Sequence[Hyperparameter], trials: Sequence[Mapping[str, Any]]
) -> dict[str, list[Any]]:
    """Return the values that each key may take, by name: see `Sweep.values`."""
    fixed = {name: value for table in TABLES for name, value in resolve(given)[table].items()}
    values = {name: [value] for name, value in fixed.items()}
    for hparam in hparams:
        always = not hparam.when and all(hparam.name in trial for trial in trials)
        own = (
            list(hparam.domain.values) if isinstance(hparam.domain, Choice) else [hparam.domain.min, hparam.domain.max]
        )
        values[hparam.name] = own if always else [*values.get(hparam.name, ()), *own]
    return values
