"""The errors that a user can cause, as a tree of classes, each with the exit code of the command.

HpdashError            1
  SpecError            2   the sweep file, an option or a user's function is wrong
  DataError            4   a data set is missing, damaged or of the wrong shape
  LogdirError          4   the logs root cannot be used
    LockedError        3   another driver holds the sweep's lock
  BackendError         4   workers cannot be started or kept alive
  TrialError           1   one trial cannot be trained with its settings
    MetricError        1   the trial lacks the metric by which trials are ranked or pruned; the sweep file may be wrong
  ChangedError         2   the user's code or data changed while the sweep was running
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class HpdashError(Exception):
    """Base of every error that is shown to the user without a traceback."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault: where it is, what was expected, what was found, and the next step."""

    where: str
    expected: str
    found: str
    hint: str = ""

    def __str__(self) -> str:
        text = f"{self.where}: expected {self.expected}, found {self.found}"
        return f"{text}. {self.hint}" if self.hint else text


class SpecError(HpdashError):
    """Raised with every fault of a sweep file or a command line at once."""

    exit_code = 2

    def __init__(self, problems: Sequence[Problem | str]) -> None:
        self.problems = tuple(problems)
        super().__init__(self.problems)  # pickle rebuilds it from these, when a child process sends it

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


class DataError(HpdashError):
    """Raised if data are missing or damaged; the message says where hpdash looked for them, and how to get them."""

    exit_code = 4


class LogdirError(HpdashError):
    """Raised if a logs root or a sweep's folder cannot be used."""

    exit_code = 4


class LockedError(LogdirError):
    """Raised if another driver holds the sweep's lock; the message names that driver."""

    exit_code = 3


class BackendError(HpdashError):
    """Raised if workers cannot be started or kept alive."""

    exit_code = 4


class TrialError(HpdashError):
    """Raised if one trial cannot be trained with its settings."""


class MetricError(TrialError):
    """Raised if a trial lacks the metric by which trials are ranked or pruned.

    Before any trial of the sweep has finished, this is a fault of the sweep file; afterwards, of the trial.
    """


class ChangedError(HpdashError):
    """Raised if the user's code or data changed while the sweep was running; the message says what changed."""

    exit_code = 2
