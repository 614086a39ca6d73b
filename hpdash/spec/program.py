"""[train] command: trials that are programs, and the placeholders in their command."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from string import Formatter
from typing import Any

from ..records import COMMAND, STEPS, program_of
from .faults import Faults, found, nearest
from .file_keys import SWEEPABLE
from .keys import METRIC, is_metric
from .space import Hyperparameter, Names
from .text import Document

ALL = "*"  # the placeholder for all hyperparameters
RUN, STATE, SEED = "run", "state", "seed"  # placeholders for the run folder, the trial's own folder, and the seed
RESERVED = (RUN, STATE, SEED)
COLUMNS = (  # names of results in hpdash's tables
    "id", "sweep", "trial", "group", "status", "attempt", "error", "best", "epoch", "last", "trained", "time",
)  # fmt: skip
EXAMPLE = 'For example: command = ["python", "train.py", "{*}", "--logdir", "{run}"].'
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")
_TABLES = {"data": (), "model": (), "train": (COMMAND, STEPS), "log": ()}  # the keys that a program's sweep may set


@dataclass(frozen=True, slots=True)
class ProgramNames(Names):
    """The names that a file may sweep if its trials are programs: any that fits `--name=value`, but `RESERVED`."""

    def knows(self, name: str, key: Any, faults: Faults) -> bool:
        """Return whether a file may use a name; if not, add a fault at `key`."""
        if name in self.file_keys:
            return True
        if name in COLUMNS:
            faults.add(key, "a name that is not in use", found(name), "hpdash's tables have a column of this name.")
            return False
        if name in (*RESERVED, COMMAND):
            hint = "It is a key of [train]." if name == COMMAND else f"{{{name}}} has another meaning in a command."
            faults.add(key, "a name that is not in use", found(name), hint)
            return False
        if _NAME.fullmatch(name) is None:
            faults.add(key, "a letter, then letters, digits, `_`, `-` or `.`", found(name))
            return False
        return True


def is_program(document: Document) -> bool:
    """Return whether a file's trials are programs."""
    return COMMAND in document["train"]


def program_names() -> Names:
    """Return the names that a file may sweep if its trials are programs. Only `steps` is a key of hpdash."""
    return ProgramNames({STEPS: SWEEPABLE[STEPS]}, free=True)


def parts(text: str) -> Iterator[tuple[str, str | None]]:
    """Yield the parts of an element of a command: a text, and the name of the placeholder after it, None if none is.

    `{{` and `}}` are braces. Raises ValueError if a brace is alone, or if a placeholder has a conversion or a format.
    """
    for before, name, form, conversion in Formatter().parse(text):
        if form or conversion:
            raise ValueError("a conversion or a format in a placeholder")
        yield before, name


def placeholders(command: Sequence[str]) -> set[str]:
    """Return the names of all placeholders in a valid command."""
    return {name for text in command for _, name in parts(text) if name is not None}


def keeps_state(command: Sequence[str]) -> bool:
    """Return whether a program may keep a checkpoint, in the folder that replaces {state}, so that it can resume."""
    return STATE in placeholders(command)


def check_program(
    document: Document,
    given: Mapping[str, Mapping[str, Any]],
    hparams: Sequence[Hyperparameter],
    trials: Sequence[Mapping[str, Any]],
    prunes: bool,
    faults: Faults,
) -> None:
    """Report what does not fit a sweep of programs: keys that only Keras models use, and wrong placeholders.

    `prunes` says whether the file has a table [prune].
    """
    for table, allowed in _TABLES.items():
        for name in (each for each in document[table] if each not in allowed):
            expected = "no such key, because a program has its own data and training"
            faults.add((table, name), expected, found(document[table][name]), "Leave it out.")
    if "objective" not in document["sweep"]:
        hint = 'For example: objective = "loss/validation".'
        faults.add(("sweep", "objective"), "the tag of a scalar that the program logs", "nothing", hint)
    has_steps = STEPS in given["train"] or any(each.name == STEPS for each in hparams)
    if prunes and not has_steps:
        hint = "Set it to the step of the last value that the program logs."
        faults.add(("train", STEPS), "a step, because [prune] compares trials at steps below it", "nothing", hint)
    command = program_of(given["train"])
    if command is not None:
        everywhere = {each.name for each in hparams if not each.when and all(each.name in trial for trial in trials)}
        _check_command(command, hparams, everywhere | ({STEPS} if has_steps else set()), faults)


def _check_command(
    command: Sequence[str], hparams: Sequence[Hyperparameter], always: Collection[str], faults: Faults
) -> None:
    known = {*always, *(each.name for each in hparams), *RESERVED, ALL}
    for index, text in enumerate(command):
        key = ("train", COMMAND, index)
        try:
            names = [name for _, name in parts(text) if name is not None]
        except ValueError as error:
            hint = "Write {{ and }} for braces that are not placeholders."
            faults.add(key, "placeholders such as {learning_rate} or {run}", f"{found(text)} ({error})", hint)
            continue
        if index == 0 and names:
            faults.add(key, "the name or the path of a program", found(text), EXAMPLE)
        for name in names:
            _check_placeholder(name, text, key, known, always, faults)


def _check_placeholder(
    name: str,
    text: str,
    key: tuple[str | int, ...],
    known: Collection[str],
    always: Collection[str],
    faults: Faults,
) -> None:
    if name not in known:
        names = f"Known: {', '.join(f'{{{each}}}' for each in sorted(known))}."
        hint = "Set steps in [train]." if name == STEPS else nearest(name, known) or names
        faults.add(key, "a hyperparameter, or {run}, {state}, {seed}, {steps} or {*}", f"{{{name}}}", hint)
    elif name == ALL and text != f"{{{ALL}}}":
        faults.add(key, "{*} alone, because it becomes several arguments", found(text))
    elif name not in (*always, *RESERVED, ALL):
        hint = "Use {*}, which has only the values that a trial has."
        faults.add(key, "a hyperparameter that every trial has", f"{{{name}}}, which some trials lack", hint)


def check_metric_names(names: Mapping[tuple[str, str], str], faults: Faults) -> None:
    """Report names that cannot be metrics of a Keras model or of a training loop; a program may log any tag."""
    for key, name in names.items():
        if not is_metric(name):
            faults.add(key, METRIC, found(name))


def unmentioned(command: Sequence[str], hparams: Sequence[Hyperparameter]) -> list[str]:
    """Return the hyperparameters that no placeholder of a command has; the program may read them elsewhere."""
    used = placeholders(command)
    return [] if ALL in used else [each.name for each in hparams if each.name not in used]
