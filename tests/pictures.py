"""Draw the pictures of the tabs in the documents: `python tests/pictures.py logs`.

The folder has the sweeps `cifar_search` and `mnist_batchnorm`.
"""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

sys.path.insert(0, str(Path(__file__).parent / "support"))

from boards import Board
from browsers import CHROMIUM, FLAGS

FOLDER = Path(__file__).parent / "pictures"
TRIALS = ("hpdash_trials", {"sweep": "cifar_search"}, "figure.effects[data-drawn]")
OVERLAY = ("hpdash_weights", {"sweep": "mnist_batchnorm", "view": "overlay"}, "[data-drawn][data-view=overlay]")
SPREAD = ("hpdash_weights", {"sweep": "mnist_batchnorm", "view": "spread"}, "[data-drawn][data-view=spread]")
# by theme, the pictures: their tab, what is chosen in it, and an element that is there once the tab is drawn
PICTURES = {
    "light": {"trials": TRIALS, "overlay": OVERLAY, "spread": SPREAD},
    "dark": {"trials-dark": TRIALS, "overlay-dark": OVERLAY},
}
COLOURS = 128  # the size of a picture's palette; few colours keep the file small


def draw(logs: Path) -> None:
    """Draw the tabs as a browser shows them in TensorBoard, in TensorBoard's light and dark theme."""
    from playwright.sync_api import sync_playwright

    FOLDER.mkdir(exist_ok=True)
    with Board(logs, "true") as board, sync_playwright() as playwright:
        board.until(lambda board: bool(board.runs()))
        with playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS) as browser:
            for theme, pictures in PICTURES.items():
                page = browser.new_page(viewport={"width": 1280, "height": 800})
                stored = json.dumps({"theme": theme})  # as TensorBoard stores the choice in its menu
                page.add_init_script(f"localStorage.setItem('_tb_global_settings', '{stored}')")
                for name, (tab, chosen, drawn) in pictures.items():
                    _draw(page, board.url, name, tab, chosen, drawn)


def _draw(page: Any, url: str, name: str, tab: str, chosen: dict[str, str], drawn: str) -> None:
    from PIL import Image

    link = urlencode({f"p.{tab}.{key}": value for key, value in chosen.items()})
    page.goto("about:blank")
    page.goto(f"{url}/#{tab}&{link}")
    page.frame_locator("iframe").last.locator(drawn).first.wait_for()
    page.wait_for_timeout(1500)  # wait until a table shows its distances, or a second chart is drawn
    picture = Image.open(io.BytesIO(page.screenshot()))
    picture.convert("RGB").quantize(COLOURS).save(FOLDER / f"{name}.png", optimize=True)


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
