"""What the end of a program means: its exit code or signal as a trial's state and a sentence."""

from __future__ import annotations

import signal
from pathlib import Path

from ..records import TrialState
from ..training.diagnosis import MEMORY_SIGNS, OUT_OF_MEMORY

_SHELL = 128  # what shells add to the number of a signal
_WRAPPED = (_SHELL + signal.SIGKILL, _SHELL + signal.SIGTERM)
_LONGEST = 200  # characters of the last line that a program has printed
_NO_MODULE = "ModuleNotFoundError"  # what Python prints if it cannot import a module


def ending(code: int, output: str, program: str = "") -> tuple[TrialState, str]:
    """Return the state and the reason of a program that ended with an exit code other than 0.

    A negative code is the number of a signal. `output` is the end of what the program has printed, `program` its path.
    A program that was killed or ran out of memory is tried again, like a trial whose worker has died.
    """
    is_short = any(sign in output for sign in MEMORY_SIGNS)
    if code in _WRAPPED:  # the exit code of a shell whose program was killed by a signal
        code = _SHELL - code
    if code > 0:
        if is_short:
            return TrialState.KILLED, f"the program ended with exit code {code} ({OUT_OF_MEMORY})"
        last = (output.strip().splitlines() or [""])[-1].strip()[:_LONGEST]
        is_python = Path(program).name.startswith("python")
        where = f". Is {program} the Python that you mean?" if _NO_MODULE in last and is_python else ""
        return TrialState.FAILED, f"the program ended with exit code {code}{f': {last}' if last else ''}{where}"
    memory = OUT_OF_MEMORY if is_short else "perhaps out of memory" if code == -signal.SIGKILL else ""
    name = _name_of(-code)
    return TrialState.KILLED, f"the program was killed by signal {-code} ({', '.join(filter(None, [name, memory]))})"


def _name_of(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "a real-time signal"
