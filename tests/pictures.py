"""Draw the pictures of the tabs in the documents: `python tests/pictures.py logs/mnist_batchnorm`."""

from __future__ import annotations

import io
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "support"))

from boards import Board
from browsers import CHROMIUM, FLAGS

FOLDER = Path(__file__).parent / "pictures"
PICTURES = {  # the address after the #, and an element that is there once the picture is drawn
    "trials": ("hpdash_trials", "figure.effects[data-drawn]"),
    "overlay": ("hpdash_weights&p.hpdash_weights.view=overlay", "[data-drawn][data-view=overlay]"),
    "spread": ("hpdash_weights&p.hpdash_weights.view=spread", "[data-drawn][data-view=spread]"),
}
COLOURS = 64  # the size of a picture's palette; few colours keep the file small


def draw(logs: Path) -> None:
    """Draw the tabs over a sweep as a browser shows them in TensorBoard."""
    from PIL import Image
    from playwright.sync_api import sync_playwright

    FOLDER.mkdir(exist_ok=True)
    with Board(logs, "true") as board, sync_playwright() as playwright:
        board.until(lambda board: bool(board.runs()))
        with playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS) as browser:
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            for name, (address, drawn) in PICTURES.items():
                page.goto("about:blank")
                page.goto(f"{board.url}/#{address}")
                page.frame_locator("iframe").last.locator(drawn).first.wait_for()
                page.wait_for_timeout(1000)  # wait until a table shows its distances, or a second chart is drawn
                picture = Image.open(io.BytesIO(page.screenshot()))
                picture.convert("RGB").quantize(COLOURS).save(FOLDER / f"{name}.png", optimize=True)


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
