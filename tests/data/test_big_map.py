"""A proof that data larger than the memory of a process train, from an array that is mapped from a file."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from driven import children
from sweep_files import made_sweep

ROWS, COLUMNS = 1_500_000, 1000  # 6 GB of float32; the file is sparse, so it takes almost no room on the disk
LIMIT = 3 << 30  # bytes of private memory that each process may have; mapped pages of a file do not count
LOAD = """
import numpy as np
from pathlib import Path

def load():
    x = np.load(Path(__file__).with_name("x.npy"), mmap_mode="r")
    return {"x_train": x, "y_train": np.arange(len(x)) % 3}
"""


def private(pid: int) -> int:
    """Return the bytes of memory that a process shares with no file or other process; 0 if it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("RssAnon")), 0)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not limit and count private memory like this")
def test_a_map_of_6_gb_trains_under_a_limit_of_3_gb(tmp_path: Path) -> None:
    """Two workers train on a map of 6 GB, and each of them has less than a sixth of it as memory of its own."""
    x = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.float32, (ROWS, COLUMNS))
    x[::50_000] = 1.0
    x.flush()
    (tmp_path / "mine.py").write_text(LOAD)
    made_sweep(
        tmp_path,
        data={"name": "mine:load", "validation": 10_000},
        model={"hidden": [8]},
        train={"epochs": 1, "batch_size": 512},
        log={"histograms": 0},
        hparams={"dropout": [0.0, 0.2]},
    )
    limited = ["sh", "-c", f'ulimit -d {LIMIT // 1024} && exec "$@"', "sh"]
    command = [*limited, sys.executable, "-m", "hpdash", "sweep", "own.toml", "--workers", "2", "--json"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as driver:
        most = 0
        while driver.poll() is None:
            most = max([most, *map(private, children(driver.pid))])
            time.sleep(0.5)
        assert driver.returncode == 0, driver.stderr and driver.stderr.read().decode()
    assert 0 < most < ROWS * COLUMNS * 4 / 6
