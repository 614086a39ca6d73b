"""All names below a logs root: of files, folders, runs and tags; also the name of the TensorBoard plugin."""

from __future__ import annotations

import re
import string
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from ..records import shown

SWEEP_TOML = "sweep.toml"
SWEEP_JSON = "sweep.json"
FUNCTIONS = "functions.py"  # the source of functions given in Python, to read
JOURNAL = "journal.jsonl"
LOCK = "lock"
CHECKPOINT = "checkpoint.npz"
WEIGHTS = "weights.npz"
MODEL = "model.json"
OUTPUT = "output.log"  # what a program prints
STATE = "state"  # the folder in which a program may keep a checkpoint
START_SUFFIX = ".hpdash-start"  # of the event file with the start of a program's session
END_SUFFIX = ".hpdash-end"  # of the event file with the end of a program's session, which a resumed program removes
ROOT_LOCK = ".hpdash-lock"
VALIDATION = "validation"
VALIDATION_PREFIX = f"{VALIDATION}/"  # of a metric, or of a tag, that belongs to the validation part
ATTEMPTS = "attempts"
HPARAMS_PREFIX = "hparams-"
EVENT_FILE = "events.out.tfevents"
SET_ASIDE = "events.out.attempt"  # not read by TensorBoard, which reads any file with "tfevents" in its name
PLUGIN = "hpdash_weights"
TRIALS_PLUGIN = "hpdash_trials"

SETTINGS_TEXT = "settings"
MODEL_TEXT = "model"
GRADIENTS = "gradients/"  # prefixes of the tags of histograms that are not of weights
ACTIVATIONS = "activations/"
BEST_EPOCH = "best/epoch"
LEARNING_RATE = "learning_rate"

LONGEST_SWEEP = 64  # characters of a sweep's name
LONGEST = 100  # characters of a run's name; longer names cause problems in file systems and in TensorBoard
_PLAIN = string.ascii_letters + string.digits + "._-+()"
_RUN = re.compile(r"(?P<number>\d{4,})(?:-(?P<pairs>.*))?", re.DOTALL)
_SWEEP = re.compile(rf"[A-Za-z0-9_][A-Za-z0-9._-]{{0,{LONGEST_SWEEP - 1}}}")


def is_sweep_name(name: str) -> bool:
    """Return whether a sweep's name can be the name of a folder on every system.

    Such a name has 1 to 64 letters, digits and `_ . -`. It starts with a letter, a digit or `_`, does not end with `.`,
    and does not start with `hparams-`.
    """
    return _SWEEP.fullmatch(name) is not None and not name.endswith(".") and not name.startswith(HPARAMS_PREFIX)


def add_suffix(name: str, suffix: str) -> str:
    """Append a suffix to a sweep's name, which is shortened if the result would be too long."""
    return f"{name[: LONGEST_SWEEP - len(suffix)]}{suffix}"


def start_name(name: str, number: int) -> str:
    """Return the folder name for the `number`-th start of a sweep: `quickstart`, `quickstart-2`, and so on."""
    return name if number == 1 else add_suffix(name, f"-{number}")


def parse_start(folder: str, name: str) -> int | None:
    """Return the number for which `start_name(name, number)` is `folder`, None if there is none."""
    digits = folder.rpartition("-")[2]
    number = int(digits) if digits.isascii() and digits.isdigit() and folder != name else 1
    return number if number and start_name(name, number) == folder else None


def run_name(number: int, swept: Mapping[str, Any], seed: int | None = None) -> str:
    """Return the name of a trial's run folder: `0007-activation=elu,batchnorm=before`.

    The seed is appended if it is given, for replicates. Characters other than letters, digits and `._-+()` are
    percent-encoded. The first pair that would make the name longer than `LONGEST` is left out, and so are all pairs
    after it.
    """
    pairs = [(key, shown(value)) for key, value in swept.items()]
    if seed is not None:
        pairs.append(("seed", seed))
    name = f"{number:04d}"
    joint = "-"
    for key, value in pairs:
        text = f"{value:.12g}" if isinstance(value, float) else str(value)
        pair = f"{joint}{_encode(key)}={_encode(text)}"
        if len(name) + len(pair) > LONGEST:
            break
        name, joint = name + pair, ","
    return name


def parse_run_name(name: str) -> tuple[int, dict[str, str]] | None:
    """Parse a run folder's name into (number, pairs), None if it is not a name that hpdash makes."""
    match = _RUN.fullmatch(name)
    if match is None:
        return None
    pairs = {}
    for part in (match["pairs"] or "").split(","):
        key, equals, value = part.partition("=")
        if equals:
            pairs[unquote(key)] = unquote(value)
    return int(match["number"]), pairs


def _encode(text: str) -> str:
    return "".join(char if char in _PLAIN else quote(char, safe="", errors="replace") for char in text)


def hparams_record_folder(sweep: Path, digest: str) -> Path:
    """Return the folder of the HParams record with a digest."""
    return sweep / f"{HPARAMS_PREFIX}{digest}"


def hparams_record_folders(sweep: Path) -> list[Path]:
    """List the folders of a sweep's HParams records."""
    return sorted(path for path in sweep.glob(f"{HPARAMS_PREFIX}*") if path.is_dir())


def event_files(folder: Path) -> list[Path]:
    """List the event files that TensorBoard reads directly in a folder, sorted by name."""
    return sorted(path for path in folder.glob("*tfevents*") if path.is_file())


def all_event_files(run: Path) -> list[Path]:
    """List the event files in a folder and in all folders below it that TensorBoard reads."""
    return sorted(path for path in run.rglob("*tfevents*") if path.is_file())


def event_sizes(run: Path) -> dict[str, int]:
    """Return the size in bytes of each event file that hpdash has written for a run, by its path in the run folder."""
    folders = (run, run / VALIDATION)
    files = (file for folder in folders for file in event_files(folder) if file.name.startswith(EVENT_FILE))
    return {file.relative_to(run).as_posix(): file.stat().st_size for file in files}


def pending_weights_file(run: Path, epoch: int) -> Path:
    """Return the file for an epoch's weights until a checkpoint records them; it then replaces `weights.npz`."""
    return run / f"{WEIGHTS}.{epoch}.part"


def pending_weights_files(run: Path) -> list[Path]:
    """List the files of pending weights, including those that a killed process has left."""
    return sorted(run.glob(f"{WEIGHTS}.*"))


def session_group(sweep: str, setting: int) -> str:
    """Return the name of an HParams session group: unique in a logs root, shared by the replicates of a setting."""
    return f"{sweep}/{setting:04d}"


def setting_of(group: str) -> int | None:
    """Return the index of the setting in the name of a session group, None if hpdash did not make the name."""
    _, _, setting = group.rpartition("/")
    return int(setting) if setting.isdecimal() else None


def epoch_tag(metric: str) -> str:
    """Return the tag of a per-epoch scalar, named as Keras' TensorBoard callback does: `epoch_accuracy`."""
    return f"epoch_{metric}"


def best_tag(metric: str) -> str:
    """Return the tag of a metric's value at the best epoch: `best/accuracy`."""
    return f"best/{metric}"


def test_tag(metric: str) -> str:
    """Return the tag of a metric's value on the test set, logged at the epoch of the weights: `test/accuracy`."""
    return f"test/{metric}"


def time_tag(name: str) -> str:
    """Return the tag of a measured time, which differs even between equal runs: `time/epoch`."""
    return f"time/{name}"


def weight_tag(layer: str, variable: str) -> str:
    """Return the tag of a weight's histogram: `hidden_2/kernel`."""
    return f"{layer}/{variable}"


def gradient_tag(layer: str, variable: str) -> str:
    """Return the tag of the histogram of a weight's gradient: `gradients/hidden_2/kernel`."""
    return f"{GRADIENTS}{layer}/{variable}"


def activation_tag(layer: str) -> str:
    """Return the tag of the histogram of a layer's outputs: `activations/hidden_2`."""
    return f"{ACTIVATIONS}{layer}"


def probe_prefix(tag: str) -> str:
    """Return the prefix of a tag of gradients or activations, an empty string for the tag of a weight."""
    return next((prefix for prefix in (GRADIENTS, ACTIVATIONS) if tag.startswith(prefix)), "")


def gradient_norm_tag(layer: str = "all") -> str:
    """Return the tag of the gradient norm of a layer, or of all layers: `gradient_norm/hidden_2`."""
    return f"gradient_norm/{layer}"


def dead_units_tag(layer: str) -> str:
    """Return the tag of the share of a layer's units that are dead: `dead_units/hidden_2`."""
    return f"dead_units/{layer}"


def saturated_units_tag(layer: str) -> str:
    """Return the tag of the share of a layer's outputs that are saturated: `saturated_units/hidden_2`."""
    return f"saturated_units/{layer}"


def update_ratio_tag(layer: str, variable: str) -> str:
    """Return the tag of a weight's relative change in an epoch: `update_ratio/hidden_2/kernel`.

    It is the norm of the change over the norm of the weight before the epoch.
    """
    return f"update_ratio/{layer}/{variable}"


def nonfinite_tag(tag: str) -> str:
    """Return the tag of the share of a histogram's values that are NaN or infinite: `nonfinite/hidden_2/kernel`."""
    return f"nonfinite/{tag}"
