"""How fast the Trials tab is with thousands of trials: `python tests/bench/trials_speed.py`.

Trains a sweep of 5,000 trials of 30 epochs with two scalars each, in a training loop that only computes its curve.
Then it starts TensorBoard on the logs and drives Chromium. Beside the tab, TensorBoard's HParams page is measured over
the same logs, and optuna-dashboard over the same trials if it is installed (`pip install optuna-dashboard`). Each
measurement of a page opens a new one; the median of several counts. Start-up times of the servers are left out.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

SOURCE = """
import math

def learn(trial):
    rate, units = trial.hparams["learning_rate"], trial.hparams["units"]
    top = 0.9 - abs(math.log10(rate) + 2.5) / 10 + units / 5000 + len(trial.hparams["activation"]) / 100
    for epoch in range(1, trial.epochs + 1):
        value = top * (1 - math.exp(-epoch / (3 + units / 100))) + math.sin(units * epoch) / 200
        trial.report(epoch, loss=1 - value, validation_accuracy=value)
"""
RATES = [0.0001, 0.001, 0.01, 0.1]
ACTIVATIONS = ["relu", "tanh", "elu", "selu", "gelu"]
EPOCHS = 30
ROUTES = "plugin/hpdash_trials"
# the table and both charts of the overview
OURS = """(trials) => {
    const grid = document.querySelector('[role=grid]');
    const charts = [...document.querySelectorAll('figure.chart:not([hidden])')];
    return Number(grid?.getAttribute('aria-rowcount')) > trials && grid.querySelector('[data-trial]')
        && charts.length === 2 && charts.every((chart) => Number(chart.dataset.drawn) > 0);
}"""
# any row of the table of TensorBoard's HParams page, or of optuna-dashboard's
CELLS = """() => {
    const all = (root) => [...root.querySelectorAll('*')]
        .flatMap((element) => element.shadowRoot ? [element, ...all(element.shadowRoot)] : [element]);
    const isCell = (e) => e.matches('vaadin-grid-cell-content, td, [role=cell], [role=gridcell]');
    return all(document).filter((e) => isCell(e) && e.innerText.trim()).length > 50;
}"""
TIMED = """(script) => new Promise((done) => {
    const begin = performance.now();
    new Function(script)();
    requestAnimationFrame(() => setTimeout(() => done(performance.now() - begin)));
})"""
# seconds since the answer with all trials arrived
SINCE_ANSWER = """() => {
    const found = performance.getEntriesByType('resource').filter(({ name }) => /\\/trials\\?/.test(name));
    return (performance.now() - found[0].responseEnd) / 1000;
}"""
# what is done in the page, in this order: it is timed until the page has drawn it
ACTS = {
    "sort": "document.querySelector('[data-column=learning_rate] button').click()",
    "scroll by 20,000 pixels": "document.querySelector('[role=grid]').scrollTop += 20000",
    "hide a column": "document.querySelector('[data-control=columns] .options input').click()",
    "hover over a curve": """
        const box = document.querySelector('figure.curves svg').getBoundingClientRect();
        const at = { clientX: box.right - 60, clientY: box.top + 60, bubbles: true };
        document.querySelector('figure.curves svg').dispatchEvent(new PointerEvent('pointermove', at));""",
}
# what needs another answer of the server: it is timed until the page shows that answer
ASKS = {
    "filter": (
        "const f = document.querySelector('[data-control=filter]'); f.value = 'units < 100';"
        " f.dispatchEvent(new Event('change'))",
        "Number(document.querySelector('[role=grid]').getAttribute('aria-rowcount')) < 2100",
    ),
    "open a drawer": (
        "document.querySelector('[role=row][data-trial]').click()",
        "document.querySelector('[data-drawer][data-trial] figure') !== null",
    ),
}
IDLE = "!document.querySelector('figure.chart[data-busy=true]:not([hidden])')"
ASKED = """([script, done]) => new Promise((resolve) => {
    const begin = performance.now();
    const isDone = new Function(`return ${done}`);
    new Function(script)();
    const look = () => (isDone() ? setTimeout(() => resolve(performance.now() - begin)) : requestAnimationFrame(look));
    requestAnimationFrame(look);
})"""


def main() -> None:
    """Train the trials, measure, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=5000, help="how many trials, a multiple of 20 (default 5000)")
    parser.add_argument("--repeats", type=int, default=3, help="how often each page is measured (default 3)")
    parser.add_argument("--logs", type=Path, help="a folder to keep the logs in, and to use again")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["HPDASH_CACHE"] = str(Path(scratch, "cache"))
        logs = options.logs or Path(scratch, "logs")
        if not logs.exists():
            train(Path(scratch), logs, options.trials)
        size = sum(path.stat().st_size for path in logs.rglob("*") if path.is_file()) / 1e6
        print(f"{options.trials:,} trials x {EPOCHS} epochs, {size:,.0f} MB; {os.cpu_count()} cores")
        measure(logs, options)


def train(scratch: Path, logs: Path, trials: int) -> None:
    """Run the sweep."""
    from sweep_files import made_sweep

    from hpdash import Options, run_sweep

    units = list(range(1, trials // (len(RATES) * len(ACTIVATIONS)) + 1))
    hparams = {"learning_rate": RATES, "activation": ACTIVATIONS, "units": units}
    path = made_sweep(
        scratch, name="many", loop="loops:learn", source=SOURCE, train={"epochs": EPOCHS}, hparams=hparams
    )
    begin = time.monotonic()
    run_sweep(path, logs, Options())
    print(f"trained in {time.monotonic() - begin:.0f} s")


def measure(logs: Path, options: argparse.Namespace) -> None:
    """Print a line for each figure."""
    from boards import Board
    from browsers import CHROMIUM, FLAGS
    from playwright.sync_api import sync_playwright

    for state in ("cold", "from the cache"):
        with Board(logs, "true") as board:
            board.until(lambda board: board.get("environment"))
            seconds, bytes_ = answer(f"{board.url}/data/{ROUTES}/trials?sweep=many")
            print(f"the server's first answer, {state}: {seconds:.2f} s ({bytes_ / 1e6:.1f} MB)")
            for route in ("ranking?sweep=many&where=units<100", "effects?sweep=many", "curves?sweep=many", "version"):
                seconds, _ = answer(f"{board.url}/data/{ROUTES}/{route}")
                print(f"  then {route}: {seconds:.2f} s")
            print(f"  memory of TensorBoard: {memory(board):.0f} MB")
    with Board(logs, "true") as board:
        board.until(lambda board: board.get("environment"))
        print(f"memory of TensorBoard without a request to the tab: {memory(board):.0f} MB")
    with Board(logs, "true") as board, sync_playwright() as playwright:
        board.until(lambda board: len(board.runs()) >= options.trials)
        answer(f"{board.url}/data/{ROUTES}/trials?sweep=many")
        with playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS) as browser:
            ours = [trials_page(browser, board.url, options.trials) for _ in range(options.repeats)]
            drawn = statistics.median(seconds for seconds, _, _ in ours)
            since = statistics.median(seconds for _, seconds, _ in ours)
            row = median(lambda: row_after_end(browser, board.url, logs), options.repeats)
            hparams = median(lambda: page(browser, f"{board.url}/#hparams"), options.repeats)
            print(
                f"the Trials tab drawn, with table, curves and effects: {drawn:.2f} s, {since:.2f} s after the answer"
            )
            for act in (*ACTS, *ASKS):
                print(f"  {act}: {statistics.median(acts[act] for _, _, acts in ours):.0f} ms")
            print(f"  from a trial's end in the journal to its row: {row:.1f} s")
            print(
                f"TensorBoard's HParams page, to its first rows: {hparams:.2f} s, {hparams / drawn:.1f} times as long"
            )
            with suppress(ImportError), optuna_dashboard(logs) as url:
                theirs = median(lambda: page(browser, url), options.repeats)
                print(f"optuna-dashboard, to its first rows: {theirs:.2f} s, {theirs / drawn:.1f} times as long")


def answer(url: str) -> tuple[float, int]:
    """Return the seconds of a request and the bytes of its answer, compressed as a browser gets it."""
    begin = time.perf_counter()
    request = urllib.request.Request(url, headers={"Accept-Encoding": "gzip"})
    with urllib.request.urlopen(request, timeout=300) as response:
        size = len(response.read())
    return time.perf_counter() - begin, size


def memory(board: Any) -> float:
    """Return the resident memory of TensorBoard's own process in MB, without its data server."""
    status = Path(f"/proc/{board.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def trials_page(browser: Any, url: str, trials: int) -> tuple[float, float, dict[str, float]]:
    """Return the seconds until the tab is drawn in a new page, those since the answer, and the milliseconds of acts."""
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    opened = context.new_page()
    begin = time.perf_counter()
    opened.goto(f"{url}/#hpdash_trials")
    frame = opened.frame_locator("iframe").last
    frame.locator("#hpdash").wait_for(state="attached", timeout=60_000)
    inner = opened.frames[-1]
    inner.wait_for_function(OURS, arg=trials, timeout=120_000)
    seconds, since = time.perf_counter() - begin, inner.evaluate(SINCE_ANSWER)
    acts = {name: inner.evaluate(TIMED, script) for name, script in ACTS.items()}
    for name, (script, done) in ASKS.items():
        inner.wait_for_function(IDLE)  # else it would wait for the answers to the act before
        acts[name] = inner.evaluate(ASKED, [script, done])
    context.close()
    return seconds, since, acts


def row_after_end(browser: Any, url: str, logs: Path) -> float:
    """Return the seconds from a trial's end in its journal to its row; its sweep is one of three trials in `logs`."""
    import trials_logs

    from hpdash.journal.journal import read_journal

    with tempfile.TemporaryDirectory() as folder:
        name = Path(folder).name
        path = trials_logs.grid(Path(folder), name, ("wait",), 1)
        command = [sys.executable, "-m", "hpdash", "sweep", str(path), "--logdir", str(logs), "--workers", "1"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
            context = browser.new_context(viewport={"width": 1400, "height": 900})
            opened = context.new_page()
            opened.goto(f"{url}/#hpdash_trials&p.hpdash_trials.sweep={name}")
            row = opened.frame_locator("iframe").last.locator(f'[role=row][data-trial="{name}/0000"]')
            row.and_(opened.frame_locator("iframe").last.locator("[data-status=running]")).wait_for(timeout=60_000)
            Path(folder, "go").touch()
            row.and_(opened.frame_locator("iframe").last.locator("[data-status=finished]")).wait_for(timeout=60_000)
            seen = time.time()
            context.close()
        ended = read_journal(logs / name / "journal.jsonl").latest[0].time
        shutil.rmtree(logs / name)
    return seen - ended


def page(browser: Any, url: str) -> float:
    """Return the seconds until a new page shows rows of a table."""
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    opened = context.new_page()
    begin = time.perf_counter()
    opened.goto(url)
    while not any(frame.evaluate(CELLS) for frame in opened.frames):
        time.sleep(0.02)
        if time.perf_counter() - begin > 120:
            return float("nan")
    seconds = time.perf_counter() - begin
    context.close()
    return seconds


def median(timed: Callable[[], float], repeats: int) -> float:
    """Return the median of several measurements."""
    return statistics.median(timed() for _ in range(repeats))


@contextmanager
def optuna_dashboard(logs: Path) -> Iterator[str]:
    """Start optuna-dashboard over the same trials; raises ImportError if it is not installed."""
    import optuna
    import optuna_dashboard  # type: ignore[import-not-found]  # noqa: F401

    import hpdash

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with tempfile.TemporaryDirectory() as folder:
        storage = f"sqlite:///{folder}/trials.db"
        study = optuna.create_study(storage=storage, direction="maximize", study_name="many")
        study.add_trials([frozen(run) for run in hpdash.read_runs(logs)])
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        command = ["optuna-dashboard", storage, "--port", str(port), "--host", "127.0.0.1"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                wait_for(port)
                yield f"http://127.0.0.1:{port}/dashboard/studies/1/trialTable"
            finally:
                process.kill()


def frozen(run: Any) -> Any:
    """Return a trial of Optuna with the hyperparameters, the curve and the best value of a run."""
    import optuna

    names = ("learning_rate", "activation", "units")
    values = {"learning_rate": RATES, "activation": ACTIVATIONS, "units": sorted(range(1, 251))}
    series = run.scalars["validation/epoch_accuracy"]
    return optuna.trial.create_trial(
        params={name: run.hparams[name] for name in names},
        distributions={name: optuna.distributions.CategoricalDistribution(values[name]) for name in names},
        intermediate_values=dict(zip(series.steps.tolist(), series.values.tolist(), strict=True)),
        value=float(series.values.max()),
    )


def wait_for(port: int) -> None:
    """Wait until a server answers."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)


if __name__ == "__main__":
    main()
