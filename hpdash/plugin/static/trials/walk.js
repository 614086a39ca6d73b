/** The keyboard in a chart: arrow keys move from mark to mark, Enter opens the current mark. */

import { element } from "../common/dom.js";

const STEPS = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1, Home: -Infinity, End: Infinity };

/** Let the arrow keys move through the marks of `plot`, a part of the figure `whole`.
 *
 * `selector` finds the marks, `open(mark)` opens one, `onMean(mark or null)` is called when another one is current.
 *
 * A mark has a title, which is shown beside it and read out.
 */
export function walkable(whole, plot, selector, open, onMean = () => {}) {
  const tip = element("div", { className: "tip", hidden: true, role: "status" });
  whole.append(tip);
  plot.tabIndex = 0;
  let at = -1;
  const marks = () => [...plot.querySelectorAll(selector)];
  const mean = (mark) => {
    for (const one of marks()) one.classList.toggle("meant", one === mark);
    tip.hidden = !mark;
    onMean(mark);
    if (!mark) return;
    tip.textContent = mark.querySelector("title").textContent;
    const [box, outer] = [mark.getBoundingClientRect(), whole.getBoundingClientRect()];
    tip.style.left = `${Math.max(0, Math.min(box.left - outer.left, outer.width - tip.offsetWidth - 8))}px`;
    tip.style.top = `${box.bottom - outer.top + 6}px`;
  };
  plot.addEventListener("keydown", (event) => {
    const all = marks();
    if (event.key in STEPS && all.length) at = Math.min(Math.max(at + STEPS[event.key], 0), all.length - 1);
    else if (event.key === "Enter" && all[at]) return open(all[at]);
    else return undefined;
    event.preventDefault();
    return mean(all[at]);
  });
  plot.addEventListener("blur", () => mean(null));
}
