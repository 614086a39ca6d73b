"""Tests of the layouts in which programs log: all that is below the run folder belongs to the trial."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commands import invoke
from driven import run, trial_folder
from programs import PYTHON, program_sweep

from hpdash import read_runs
from hpdash.logs import layout
from hpdash.reader.program_runs import scalars_below

COMMAND = (PYTHON, "program.py", "--rate={rate}", "--folder={run}")
TENSORBOARDX = """
import argparse
from tensorboardX import SummaryWriter

parser = argparse.ArgumentParser()
parser.add_argument("--rate", type=float)
parser.add_argument("--folder")
flags = parser.parse_args()
with SummaryWriter(flags.folder) as writer:
    for step in range(3):
        writer.add_scalar("Loss/val", flags.rate / (step + 1), step)
        writer.add_scalars("both", {"a": 1.0, "b": 2.0}, step)
    writer.add_hparams({"rate": 99.0, "other": "mine"}, {"hparam/loss": flags.rate})
"""
KERAS = """
import sys
from pathlib import Path
from hpdash.logs.writer import EventFile, scalar_value

rate, folder = float(sys.argv[1].partition("=")[2]), Path(sys.argv[2].partition("=")[2])
for part, factor in (("train", 1.0), ("validation", 2.0)):
    file = EventFile(folder / part)
    for step in range(4):
        file.add(scalar_value("epoch_loss", factor * rate / (step + 1)), step)
    file.close()
"""
ABSL = """
from pathlib import Path
from absl import app, flags
from hpdash.logs.writer import EventFile, scalar_value

flags.DEFINE_float("model.rate", 1.0, "")
flags.DEFINE_bool("wide", False, "")
flags.DEFINE_string("folder", None, "")

def main(_):
    (Path(flags.FLAGS.folder) / "tb").mkdir()
    file = EventFile(Path(flags.FLAGS.folder) / "tb" / "main")
    file.add(scalar_value("loss", flags.FLAGS["model.rate"].value + flags.FLAGS.wide), 1)
    file.close()

app.run(main)
"""


def swept(folder: Path, source: str, objective: str) -> Path:
    """Run a sweep over two rates; return its logs root."""
    head = {"objective": objective, "goal": "min"}
    path = program_sweep(folder, {"rate": [0.5, 0.25]}, command=COMMAND, source=source, steps=3, sweep=head)
    outcome, _ = run(path)
    assert outcome.exit_code == 0, outcome.results
    return folder / "logs"


def test_a_writer_of_pytorch_with_add_hparams(tmp_path: Path) -> None:
    """The session of `add_hparams` in a folder of its own makes no further run, and does not replace the settings."""
    logs = swept(tmp_path, TENSORBOARDX, "Loss/val")
    runs = read_runs(logs)
    assert [run.id for run in runs] == ["programs/0000", "programs/0001"]
    assert [dict(run.hparams) for run in runs] == [{"rate": 0.5, "steps": 3}, {"rate": 0.25, "steps": 3}]
    assert {"Loss/val", "both", "hparam/loss"} <= set(runs[0].scalars)
    listed = json.loads(invoke("ls", str(logs), "--json").stdout)["sweeps"]
    assert [row["values"]["best"] for row in listed[0]["rows"]] == pytest.approx([0.25 / 3, 0.5 / 3])
    assert invoke("verify", str(logs)).exit_code == 0


def test_the_folders_of_the_callback_of_keras(tmp_path: Path) -> None:
    """`train` and `validation` are parts of the run, as in any logs of Keras; TensorBoard's table has their metrics."""
    logs = swept(tmp_path, KERAS, "validation/epoch_loss")
    (first, second) = read_runs(logs)
    assert set(first.scalars) >= {"epoch_loss", "validation/epoch_loss"}
    assert first.result and first.result.best["validation/epoch_loss"] == 0.25
    assert second.result and second.result.epochs == 3
    table = json.loads((logs / "programs" / layout.SWEEP_JSON).read_text())["metrics"]
    assert {"tag": "epoch_loss", "group": "validation"} in table


def test_flags_of_absl_and_nested_folders(tmp_path: Path) -> None:
    """Names with dots and booleans reach absl's flags; logs two folders down are the trial's."""
    command = (PYTHON, "program.py", "{*}", "--folder={run}")
    path = program_sweep(
        tmp_path, {"model.rate": [0.5], "wide": [True, False]}, command=command, source=ABSL, steps=None,
        sweep={"objective": "loss", "goal": "min"},
    )  # fmt: skip
    outcome, _ = run(path)
    assert [result.best for _, result in sorted(outcome.results.items())] == [{"loss": 1.5}, {"loss": 0.5}]
    listed = json.loads(invoke("ls", str(tmp_path / "logs"), "--json").stdout)["sweeps"][0]
    assert listed["rows"][0]["hparams"] == {"model.rate": 0.5, "wide": False}


def test_a_tag_in_two_folders_is_there_twice(tmp_path: Path) -> None:
    """The second of two equal tags gets the path of its folder as a prefix, so that neither is lost."""
    logs = swept(tmp_path, TENSORBOARDX, "Loss/val")
    found, known = scalars_below(trial_folder(logs / "programs", 0), {})
    assert [tag for tag in found if tag.endswith("/both")] == ["both/b/both"]
    again, same = scalars_below(trial_folder(logs / "programs", 0), known)
    assert again.keys() == found.keys() and all(same[file] is known[file] for file in same)
