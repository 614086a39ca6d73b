"""Tests of sweeps of the networks in `tests/bench/zoo_nets.py`.

One worker, two workers and killed processes give the same bits.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from itertools import groupby
from pathlib import Path

import pytest
from driven import children, digests, driving, states
from sweep_files import made_sweep

from hpdash.logs import layout
from hpdash.records import TrialState

sys.path.append(str(Path(__file__).parents[1] / "bench"))  # last, because a file there has the name of support/zoo.py

from zoo_nets import NETS

# The functions that a sweep names. The model is compiled as in the benchmark, and the examples are made up.
BRIDGE = f"""
import sys
import numpy as np
sys.path.append({str(Path(__file__).parents[1] / "bench")!r})
from zoo_data import load
from zoo_nets import NETS, SHAPES
from hpdash.nested import map_leaves

def examples(data, target):
    found = load(data, target, 192, real=False)
    x = map_leaves(lambda each: each if each.dtype == np.uint8 else each.astype(np.float32), found.x)
    y = found.y if target == "class" else found.y.astype(np.float32)
    return dict(x_train=x, y_train=y, sample_weight=found.weight)

def build(input_shape, net):
    found = NETS[net]
    model = found.build(SHAPES[found.data], 0.25)
    if found.target == "picture":
        model.compile("adam", "mean_squared_error")
    else:
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model
"""
EXAMPLES = """
def {name}():
    return examples("{data}", "{target}")
"""
PATIENCE = 400.0  # seconds
QUICK = ("halves_class", "weighted_class")  # groups of one small net, whose trials would end before they are killed
GROUPS = {
    f"{data}_{target}": [name for name, _ in nets]
    for (data, target), nets in groupby(
        sorted(NETS.items(), key=lambda item: (item[1].data, item[1].target)),
        key=lambda item: (item[1].data, item[1].target),
    )
}


def write(folder: Path, group: str) -> Path:
    """Write the sweep file of a group of networks that learn the same data, and the functions it names.

    Return the sweep file.
    """
    folder.mkdir()
    data, _, target = group.rpartition("_")
    (folder / "bridge.py").write_text(BRIDGE + EXAMPLES.format(name=group, data=data, target=target))
    return made_sweep(
        folder,
        name=group,
        sweep={"repeats": 2, "max_retries": 3, "objective": "validation/loss"},
        data={"name": f"bridge:{group}", "validation": 32, "scale": "none"},
        model={"builder": "bridge:build"},
        train={"epochs": 60 if group in QUICK else 3, "batch_size": 16},
        log={"checkpoint_epochs": 1},
        hparams={"net": GROUPS[group]},
    )


def finish(path: Path, workers: int) -> None:
    """Run a sweep, or the rest of it, to its end."""
    with driving(path, "--workers", str(workers)) as driver:
        _, err = driver.communicate(timeout=PATIENCE)
        assert driver.returncode == 0, err


def kill(path: Path, group: str, trial: int, worker: bool) -> None:
    """Kill all workers, or the driver, once a trial has saved a checkpoint; fail if the sweep ends before."""
    sweep = path.parent / "logs" / group

    def is_caught() -> bool:
        return any(sweep.glob(f"{trial:04d}*/{layout.CHECKPOINT}*"))

    with driving(path, "--workers", "2") as driver:
        deadline = time.monotonic() + PATIENCE
        while not is_caught():  # without a pause, because a short trial's checkpoint exists for only about 50 ms
            assert driver.poll() is None, "the sweep ended before anything was killed"
            assert time.monotonic() < deadline
        if worker:
            for pid in children(driver.pid):
                os.kill(pid, signal.SIGKILL)
            driver.communicate(timeout=PATIENCE)
        else:
            driver.kill()


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("group", GROUPS)
def test_workers_and_deaths_do_not_change_the_bits(tmp_path: Path, group: str) -> None:
    """Every trial ends with the same weights, however many workers run and whichever process is killed.

    Three sweeps are compared: one worker, where the second seed reuses the graph of the first; two workers; and killed
    workers and drivers.
    """
    one, two, killed = (write(tmp_path / name, group) for name in ("one", "two", "killed"))
    finish(one, 1)
    finish(two, 2)
    kill(killed, group, trial=0, worker=False)
    kill(killed, group, trial=1, worker=True)
    finish(killed, 2)
    sweeps = [path.parent / "logs" / group for path in (one, two, killed)]
    trials = 2 * len(GROUPS[group])
    for sweep in sweeps:
        assert list(states(sweep).values()) == [TrialState.FINISHED] * trials
        assert None not in digests(sweep).values()
    assert digests(sweeps[0]) == digests(sweeps[1]) == digests(sweeps[2])
    assert len(set(digests(sweeps[0]).values())) == trials
