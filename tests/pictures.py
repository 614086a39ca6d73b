"""Draw the README's pictures of the Weights tab: `python tests/pictures.py logs/mnist_batchnorm`."""

from __future__ import annotations

import io
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "support"))

from boards import Board
from browsers import CHROMIUM, FLAGS

FOLDER = Path(__file__).parent / "pictures"
COLOURS = 64  # the size of a picture's palette; few colours keep the file small


def draw(logs: Path) -> None:
    """Draw a sweep's overlay and spread views as a browser shows them in TensorBoard."""
    from PIL import Image
    from playwright.sync_api import sync_playwright

    FOLDER.mkdir(exist_ok=True)
    with Board(logs, "true") as board, sync_playwright() as playwright:
        board.until(lambda board: bool(board.runs()))
        with playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS) as browser:
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            for view in ("overlay", "spread"):
                page.goto("about:blank")
                page.goto(f"{board.url}/#hpdash_weights&p.hpdash_weights.view={view}")
                frame = page.frame_locator("iframe").last
                frame.locator(f"[data-drawn][data-view={view}]").wait_for()
                page.wait_for_timeout(1000)  # wait until the table shows its distances
                picture = Image.open(io.BytesIO(page.screenshot()))
                picture.convert("RGB").quantize(COLOURS).save(FOLDER / f"{view}.png", optimize=True)


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
