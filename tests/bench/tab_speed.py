"""How fast the Weights tab and TensorBoard's Histograms are with many runs: `python tests/bench/tab_speed.py`.

Writes 500 runs of one tag and 20 steps, starts TensorBoard on them, and drives Chromium. Each measurement opens a new
page, the two pages are measured one after the other, and the minimum of several counts. TensorBoard's time ends when
every chart that the window shows of its Histograms page has its 20 steps. Before that, "Toggle all runs" is clicked,
because TensorBoard selects no runs by default if there are more than 40. Our time ends when all runs are drawn.
"""

from __future__ import annotations

import argparse
import gzip
import os
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

TAG, STEPS = "hidden_2/kernel", 20
TAB = "hpdash_weights"
THEIRS = """(steps) => {
    const all = (root) => [...root.querySelectorAll('*')]
        .flatMap((element) => element.shadowRoot ? [element, ...all(element.shadowRoot)] : [element]);
    const box = (chart) => chart.getBoundingClientRect();
    const charts = all(document).filter((e) => e.localName === 'vz-histogram-timeseries');
    const seen = charts.filter((chart) => box(chart).height && box(chart).top < innerHeight);
    const drawn = (chart) => all(chart.shadowRoot ?? chart).filter((e) => e.matches('.histogram')).length;
    return seen.length > 1 && seen.every((chart) => drawn(chart) >= steps);
}"""
OURS = "(runs) => [...document.querySelectorAll('[data-drawn]')].reduce((sum, e) => sum + +e.dataset.drawn, 0) >= runs"
CHANGED = """([control, act]) => new Promise((resolve) => {
    const chart = document.querySelector('[data-drawn]').closest('[data-state]');
    const begin = performance.now();
    new MutationObserver((_, observer) => { observer.disconnect(); resolve(performance.now() - begin); })
        .observe(chart, {attributes: true, subtree: true, childList: true, attributeFilter: ['data-drawn']});
    const element = document.querySelector(control);
    if (act === 'click') { element.click(); return; }
    element.value = act;
    element.dispatchEvent(new Event('input', {bubbles: true}));
})"""


def main() -> None:
    """Write the runs, measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=500, help="how many runs (default 500)")
    parser.add_argument("--best-of", type=int, default=3, help="how often each is measured (default 3)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        write(Path(scratch), options.runs)
        print(f"{options.runs} runs x 1 tag x {STEPS} steps; {os.cpu_count()} cores, load {os.getloadavg()[0]:.2f}")
        measure(Path(scratch), options)


def write(logs: Path, runs: int) -> None:
    """Write the runs as trials with two hyperparameters write them."""
    import numpy as np

    from hpdash.histograms.histogram import Histogram
    from hpdash.logs.writer import RunWriter

    random = np.random.default_rng(0)
    for number in range(runs):
        hparams = {"batchnorm": ("none", "before")[number % 2], "activation": ("relu", "tanh")[number // 2 % 2]}
        with RunWriter(logs / "sweep" / f"{number:04d}-batchnorm={hparams['batchnorm']}") as writer:
            writer.start(hparams, f"sweep/{number:04d}")
            weights = random.normal(size=2500) * 0.05
            for step in range(STEPS):
                writer.histogram(TAG, Histogram.of(weights), step)
                weights += random.normal(size=2500) * 0.01


def measure(logs: Path, options: argparse.Namespace) -> None:
    """Time both pages on one TensorBoard, and the Weights tab also when its view and its step change."""
    from boards import Board
    from browsers import CHROMIUM, FLAGS
    from playwright.sync_api import sync_playwright

    with Board(logs, "true") as board, sync_playwright() as playwright:
        board.until(lambda board: len(board.runs()) == options.runs)
        seconds, size, packed = answer(f"{board.url}/data/plugin/{TAB}/distributions?tag={TAG.replace('/', '%2F')}")
        print(f"server's first answer    {seconds:6.2f} s, {size / 1e6:.1f} MB, {packed / 1e6:.1f} MB gzipped")
        with playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS) as browser:
            theirs = min(histograms_page(browser, board.url) for _ in range(options.best_of))
            pages = [weights_page(browser, board.url, options.runs) for _ in range(options.best_of)]
    ours = min(page[0] for page in pages)
    print(f"TensorBoard's Histograms {theirs:6.2f} s from opening to its first screen of runs")
    print(f"the Weights tab          {ours:6.2f} s from opening to all runs: {theirs / ours:.1f} times sooner")
    for at, name in enumerate(("step", "view"), start=1):
        print(f"then another {name:4s}        {min(page[at] for page in pages):6.0f} ms until it is drawn")


def answer(url: str) -> tuple[float, int, int]:
    """Send one request; return its seconds, and the bytes of the response after and before decompression."""
    begin = time.perf_counter()
    with urllib.request.urlopen(urllib.request.Request(url, headers={"Accept-Encoding": "gzip"})) as response:
        data = response.read()
    seconds = time.perf_counter() - begin
    return seconds, len(gzip.decompress(data)) if data[:2] == b"\x1f\x8b" else len(data), len(data)


def histograms_page(browser: Any, url: str) -> float:
    """Open TensorBoard's Histograms page with every run; return the seconds until its visible charts are drawn."""
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    begin = time.perf_counter()
    page.goto(f"{url}/#histograms")
    page.locator("#toggle-all, paper-button.x-button").get_by_text("Toggle All Runs").click()
    page.wait_for_function(THEIRS, arg=STEPS, timeout=120_000)
    seconds = time.perf_counter() - begin
    page.close()
    return seconds


def weights_page(browser: Any, url: str, runs: int) -> tuple[float, float, float]:
    """Open the Weights tab; return the seconds until all runs are drawn, and the ms to change the step and the view."""
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    begin = time.perf_counter()
    page.goto(f"{url}/#{TAB}")
    frame = page.wait_for_selector("iframe").content_frame()
    frame.wait_for_function(OURS, arg=runs, timeout=120_000)
    seconds = time.perf_counter() - begin
    step = frame.evaluate(CHANGED, ["[data-control=step]", "5"])
    view = frame.evaluate(CHANGED, ["[data-view=bands]", "click"])
    page.close()
    return seconds, step, view


if __name__ == "__main__":
    main()
