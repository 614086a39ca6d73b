/** How the search went: the best value so far, and what was decided at the rungs. */

import { counted, drawing, element, metric } from "../common/dom.js";
import { levels, rangeOf, scaled, ticks, words } from "./axes.js";
import { walkable } from "./walk.js";

const HEIGHT = 280;
const MARGIN = { left: 56, right: 14, top: 10, bottom: 34 };
const WORST = 0.1; // share of the values, the worst ones, that may lie outside
const KINDS = [
  ["finished", "finished, or went on"],
  ["pruned", "pruned"],
  ["promoted", "pruned, promoted later"],
  ["failed", "failed"],
  ["diverged", "diverged"],
];
const JITTER = 0.3; // of the room of a rung, over which its trials are spread to each side

/** The charts; `onOpen(number)` is called with the number of the trial that is clicked. */
export class Search {
  #answer = null;
  #best = new Set();
  #unit = "epoch";

  constructor({ onOpen }) {
    this.onOpen = onOpen;
    this.caption = element("figcaption");
    this.panels = element("div", { className: "pair" });
    this.whole = element("figure", { className: "chart search" }, this.caption, this.panels);
    walkable(this.whole, this.panels, ".end[data-number]", (mark) => onOpen(Number(mark.dataset.number)), (mark) => this.#explain(mark));
    this.panels.addEventListener("pointerover", ({ target }) => this.#explain(target.closest(".end[data-number]")));
    this.panels.addEventListener("pointerleave", () => this.#explain(null));
  }

  /** Draw an answer of the route `search`; `best` has the numbers of the best row's trials, `unit` is "epoch" or "step". */
  show(answer, best, unit) {
    this.#answer = answer;
    this.#unit = unit;
    this.#best = best;
    this.draw();
  }

  /** Draw again, for example in another size. */
  draw() {
    if (!this.#answer || !this.whole.clientWidth) return;
    const { note, steps, rungs, objective, sentence } = this.#answer;
    this.whole.dataset.drawn = steps.length;
    if (note) {
      this.caption.textContent = note;
      this.panels.replaceChildren();
      return;
    }
    const kinds = KINDS.filter(([state]) => (rungs.length && ["pruned", "promoted"].includes(state)) || state === "finished" || steps.some((step) => step.state === state));
    this.caption.replaceChildren(
      element("strong", { text: `Best ${objective.name} so far` }),
      ` ${sentence}`,
      legend("best", "the best trial"),
      ...kinds.map(([state, text]) => legend(state, text)),
      " Triangles: values outside of the axis.",
      Object.keys(this.#answer.known).length ? " Point at a trial to see the results that the search knew when it proposed it." : "",
    );
    const width = rungs.length ? this.whole.clientWidth * 0.6 : this.whole.clientWidth;
    const panels = [this.#progress(width - 16)];
    if (rungs.length) panels.push(this.#ladder(this.whole.clientWidth - width));
    this.panels.replaceChildren(...panels);
  }

  /** Mark the results that a search knew when it proposed a trial. */
  #explain(mark) {
    const known = this.#knownTo(Number(mark?.dataset.number ?? NaN));
    this.panels.classList.toggle("explains", known !== null);
    for (const dot of this.panels.querySelectorAll(".end[data-step]")) dot.classList.toggle("known", Number(dot.dataset.step) < known);
  }

  /** Return the number of steps that had taken place when a trial was proposed; null if no search proposed it. */
  #knownTo(trial) {
    return this.#answer?.known?.[trial] ?? null;
  }

  /** Return the range of both charts, so that they can be compared. */
  #bounds() {
    const { steps, rungs, objective } = this.#answer;
    return rangeOf([...steps.map(({ value }) => value), ...rungs.flatMap(({ values }) => values)], objective.goal, WORST);
  }

  #progress(width) {
    const { steps, spent } = this.#answer;
    const [low, high] = this.#bounds();
    const x = scaled(0, Math.max(spent, 1), MARGIN.left, width - MARGIN.right);
    const y = scaled(low, high, HEIGHT - MARGIN.bottom, MARGIN.top);
    const inside = (value) => Math.min(Math.max(y(value), MARGIN.top), HEIGHT - MARGIN.bottom - 5);
    const dots = steps.flatMap((step, at) => {
      if (step.value === null) return [];
      const said = `${metric(step.value)} after ${counted(step.epochs, this.#unit)}, ${step.state}${this.#proposed(step.trial)}`;
      const dot = this.#dot(step.trial, said, x(step.spent), inside(step.value), step.state, isOutside(step.value, low, high));
      dot.dataset.step = at;
      return [dot];
    });
    const best = steps.filter((step) => step.best !== null);
    const path = best.map((step, at) => (at ? `H${x(step.spent)}V${inside(step.best)}` : `M${x(step.spent)} ${inside(step.best)}`)).join("");
    const label = `The best value so far over the ${this.#unit}s of all trials: ${counted(steps.length, "end")} of trials`;
    return drawing(
      "svg",
      { width, height: HEIGHT, role: "img", "aria-label": label },
      ...levels(low, high, y, MARGIN.left, width - MARGIN.right, 5),
      ...ticks(0, spent, 6).map((at) => words(at.toLocaleString("en"), x(at), HEIGHT - MARGIN.bottom + 14, "middle")),
      words(`${this.#unit}s of all trials together`, (MARGIN.left + width) / 2, HEIGHT - 4, "middle"),
      ...dots,
      drawing("path", { d: `${path}${best.length ? `H${x(spent)}` : ""}`, class: "best-so-far" }),
    );
  }

  #proposed(trial) {
    const known = this.#knownTo(trial);
    return known === null ? "" : `; proposed when ${known ? counted(known, "result") : "no result"} ${known > 1 ? "were" : "was"} known`;
  }

  #ladder(width) {
    const { rungs } = this.#answer;
    const [low, high] = this.#bounds();
    const y = scaled(low, high, HEIGHT - MARGIN.bottom, MARGIN.top);
    const x = (at) => MARGIN.left + ((at + 0.5) / rungs.length) * (width - MARGIN.left - MARGIN.right);
    const side = (JITTER * (width - MARGIN.left - MARGIN.right)) / rungs.length;
    const marks = rungs.flatMap((rung, at) => rung.trials.map((trial, place) => this.#decision(rung, place, trial, x(at) + aside(trial) * side, y, low, high)));
    const names = rungs.flatMap(({ epoch, goes_on: on, promoted }, at) => {
      const went = on.filter((one, place) => one || promoted[place]).length;
      return [
        words(`${this.#unit} ${epoch}`, x(at), HEIGHT - MARGIN.bottom + 14, "middle"),
        words(`${went} of ${on.length} went on`, x(at), HEIGHT - 4, "middle"),
      ];
    });
    const label = `The rungs: ${rungs.map(({ epoch, trials }) => `${counted(trials.length, "trial")} compared after ${this.#unit} ${epoch}`).join(", ")}`;
    return drawing("svg", { width, height: HEIGHT, role: "img", "aria-label": label }, ...levels(low, high, y, MARGIN.left, width - MARGIN.right, 5), words("values when trials were compared; sideways without meaning", (MARGIN.left + width) / 2, 12, "middle"), ...marks, ...names);
  }

  #decision({ values, goes_on: on, promoted }, place, trial, x, y, low, high) {
    const value = values[place];
    const said = `${metric(value)}: ${on[place] ? "went on" : promoted[place] ? "pruned, promoted later" : "pruned"}`;
    const middle = Math.min(Math.max(typeof value === "number" ? y(value) : HEIGHT, MARGIN.top), HEIGHT - MARGIN.bottom - 5);
    return this.#dot(trial, said, x, middle, on[place] ? "finished" : promoted[place] ? "promoted" : "pruned", isOutside(value, low, high));
  }

  /** Return the mark of a trial: a dot, or a triangle at the edge for a value outside of the axis. */
  #dot(trial, said, x, y, state, outside) {
    const name = String(trial).padStart(4, "0");
    const title = drawing("title");
    title.textContent = `${name}: ${said}`;
    const look = { class: `end ${state}${outside ? " outside" : ""}${this.#best.has(trial) ? " best" : ""}`, "data-number": trial };
    const tip = y > HEIGHT / 2 ? 5 : -5; // it points outwards
    const dot = outside ? drawing("path", { d: `M${x - 5} ${y - tip}h10l-5 ${2 * tip}z`, ...look }, title) : drawing("circle", { cx: x, cy: y, r: 4, ...look }, title);
    dot.addEventListener("click", () => this.onOpen(trial));
    return dot;
  }
}

/** Return how far to the side a trial is drawn, from -1 to 1; trials with near numbers are far apart. */
const aside = (trial) => ((trial * 7) % 23) / 11 - 1;

const isOutside = (value, low, high) => typeof value !== "number" || value < low || value > high;

function legend(state, text) {
  const dot = drawing("circle", { cx: 6, cy: 6, r: 4, class: `end ${state}` });
  return element("span", { className: "key" }, drawing("svg", { width: 12, height: 12, "aria-hidden": "true" }, dot), text);
}
