/** The tooltip: the numbers at the pointer, or at the line that was chosen with the keyboard. */

import { element, spelled } from "../common/dom.js";
import { differing, valueOf } from "./selection.js";

const MOST = 8; // maximum number of hyperparameters that it shows

/** A tooltip next to a point of a plot, always inside the window; `run` is the run that it describes. */
export class Tooltip {
  run = undefined;
  whole = element("div", { className: "tooltip", role: "status", hidden: true });

  show(plot, hit, { overview, shown }) {
    this.run = hit.run;
    const names = hit.about === undefined ? [] : differing(overview, shown).slice(0, MOST);
    const about = names.map((name) => `${name} = ${spelled(valueOf(overview.runs[hit.about], name))}`);
    this.whole.replaceChildren(
      element("strong", { text: hit.title }),
      ...hit.lines.map((text) => element("div", { text })),
      ...about.map((text) => element("div", { className: "soft", text })),
    );
    this.whole.hidden = false;
    this.#place(plot.getBoundingClientRect(), hit);
  }

  hide() {
    this.run = undefined;
    this.whole.hidden = true;
  }

  #place(box, { x, y }) {
    const [width, height] = [this.whole.offsetWidth, this.whole.offsetHeight];
    const beside = box.left + x + 14;
    const left = beside + width > innerWidth - 4 ? box.left + x - width - 14 : beside;
    this.whole.style.left = `${Math.max(4, left)}px`;
    this.whole.style.top = `${Math.max(4, Math.min(box.top + y - height / 2, innerHeight - height - 4))}px`;
  }
}
