"""The names file: folders, run names (made and parsed), tags and the plugin's id; nothing else spells one."""

from __future__ import annotations

import re
import string
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from .trial import shown

SWEEP_TOML = "sweep.toml"
SWEEP_JSON = "sweep.json"
JOURNAL = "journal.jsonl"
LOCK = "lock"
CHECKPOINT = "checkpoint.npz"
WEIGHTS = "weights.npz"
MODEL = "model.json"
ROOT_LOCK = ".hpdash-lock"
VALIDATION = "validation"
ATTEMPTS = "attempts"
EXPERIMENT = "hparams-"
EVENT_FILE = "events.out.tfevents"
SET_ASIDE = "events.out.attempt"  # not read by TensorBoard, which takes any file with "tfevents" in its name
PLUGIN = "hpdash_weights"

SETTINGS_TEXT = "settings"
MODEL_TEXT = "model"
GRADIENTS = "gradients/"  # what the tags of histograms begin with that are not of weights
ACTIVATIONS = "activations/"
BEST_EPOCH = "best/epoch"
LEARNING_RATE = "learning_rate"

LONGEST_SWEEP = 64  # characters of a sweep's name
LONGEST = 100  # characters of a run's name; longer ones trouble file systems and TensorBoard's run selector
_PLAIN = string.ascii_letters + string.digits + "._-+()"
_RUN = re.compile(r"(?P<number>\d{4,})(?:-(?P<pairs>.*))?", re.DOTALL)
_SWEEP = re.compile(rf"[A-Za-z0-9_][A-Za-z0-9._-]{{0,{LONGEST_SWEEP - 1}}}")


def is_sweep_name(name: str) -> bool:
    """Say whether a sweep's name can be a folder everywhere: letters, digits, `_ . -`, at most 64 of them."""
    return _SWEEP.fullmatch(name) is not None and not name.endswith(".") and not name.startswith(EXPERIMENT)


def suffixed(name: str, suffix: str) -> str:
    """Add a suffix to a sweep's name, which is shortened where the whole would be too long for one."""
    return f"{name[: LONGEST_SWEEP - len(suffix)]}{suffix}"


def generation_name(name: str, number: int) -> str:
    """Name the folder in which a sweep begins for the `number`-th time: `quickstart`, `quickstart-2`, and so on."""
    return name if number == 1 else suffixed(name, f"-{number}")


def parse_generation(folder: str, name: str) -> int | None:
    """Read which beginning of a sweep a folder's name may stand for, or None where it is no name of one."""
    digits = folder.rpartition("-")[2]
    number = int(digits) if digits.isascii() and digits.isdigit() and folder != name else 1
    return number if number and generation_name(name, number) == folder else None


def run_name(number: int, swept: Mapping[str, Any], seed: int | None = None) -> str:
    """Name a trial's run folder: `0007-activation=elu,batchnorm=before`, with the seed where replicates differ in it.

    Odd characters are percent-encoded; what is over the length limit is left out, pair by pair.
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
    """Read a run folder's name back as (number, pairs), or None where it is not one of ours."""
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


def experiment_folder(sweep: Path, digest: str) -> Path:
    """Return the folder of the HParams experiment record with that content."""
    return sweep / f"{EXPERIMENT}{digest}"


def experiment_folders(sweep: Path) -> list[Path]:
    """List the folders of experiment records a sweep holds."""
    return sorted(path for path in sweep.glob(f"{EXPERIMENT}*") if path.is_dir())


def event_files(folder: Path) -> list[Path]:
    """List the event files that TensorBoard reads directly in a folder, oldest name first."""
    return sorted(path for path in folder.glob("*tfevents*") if path.is_file())


def event_sizes(run: Path) -> dict[str, int]:
    """Return the bytes of each event file hpdash has written for a run, by its path in the run folder."""
    folders = (run, run / VALIDATION)
    files = (file for folder in folders for file in event_files(folder) if file.name.startswith(EVENT_FILE))
    return {file.relative_to(run).as_posix(): file.stat().st_size for file in files}


def new_weights(run: Path, epoch: int) -> Path:
    """Return where an epoch's weights wait to become a run's kept ones."""
    return run / f"{WEIGHTS}.{epoch}.part"


def waiting_weights(run: Path) -> list[Path]:
    """List the files of weights that wait, or were left when their trial died."""
    return sorted(run.glob(f"{WEIGHTS}.*"))


def session_group(sweep: str, setting: int) -> str:
    """Name the HParams session group, unique over a logs root and shared by a setting's replicates."""
    return f"{sweep}/{setting:04d}"


def epoch_tag(metric: str) -> str:
    """Name a per-epoch scalar as Keras' TensorBoard callback does: `epoch_accuracy`."""
    return f"epoch_{metric}"


def best_tag(metric: str) -> str:
    """Name the scalar that keeps a metric's value at the best epoch: `best/accuracy`."""
    return f"best/{metric}"


def test_tag(metric: str) -> str:
    """Name the scalar that keeps a metric's value on the test set, at the epoch of the weights: `test/accuracy`."""
    return f"test/{metric}"


def time_tag(name: str) -> str:
    """Name a scalar that a clock measured, which no two runs share: `time/epoch`."""
    return f"time/{name}"


def weight_tag(layer: str, variable: str) -> str:
    """Name a weight's histogram: `hidden_2/kernel`."""
    return f"{layer}/{variable}"


def gradient_tag(layer: str, variable: str) -> str:
    """Name the histogram of a weight's gradient: `gradients/hidden_2/kernel`."""
    return f"{GRADIENTS}{layer}/{variable}"


def activation_tag(layer: str) -> str:
    """Name the histogram of what a layer returns: `activations/hidden_2`."""
    return f"{ACTIVATIONS}{layer}"


def probed(tag: str) -> str:
    """Return what a histogram's tag begins with where it is of gradients or activations, empty where of weights."""
    return next((prefix for prefix in (GRADIENTS, ACTIVATIONS) if tag.startswith(prefix)), "")


def gradient_norm_tag(layer: str = "all") -> str:
    """Name the scalar of a layer's gradient norm, or that of all layers: `gradient_norm/hidden_2`."""
    return f"gradient_norm/{layer}"


def dead_units_tag(layer: str) -> str:
    """Name the scalar that tells which share of a layer's units is dead: `dead_units/hidden_2`."""
    return f"dead_units/{layer}"


def saturated_units_tag(layer: str) -> str:
    """Name the scalar that tells which share of a layer's outputs is saturated: `saturated_units/hidden_2`."""
    return f"saturated_units/{layer}"


def update_ratio_tag(layer: str, variable: str) -> str:
    """Name the scalar of how far an epoch moved a weight, over the weight: `update_ratio/hidden_2/kernel`."""
    return f"update_ratio/{layer}/{variable}"


def nonfinite_tag(tag: str) -> str:
    """Name the scalar that tells which share of a histogram's values was NaN or infinite."""
    return f"nonfinite/{tag}"
