/** When each attempt ran: attempts at the same time are in different lanes. */

import { counted, drawing, duration, element } from "../common/dom.js";
import { scaled, ticks, words } from "./axes.js";
import { walkable } from "./walk.js";

const LANE = 22; // pixels of a lane
const MOST = 320; // pixels of all lanes; with more lanes, each is lower
const MARGIN = { left: 14, right: 14, bottom: 32 };

/** The chart; `onOpen(id)` is called with the trial that is clicked. */
export class Timeline {
  #answer = null;
  #unit = "epoch";

  constructor({ onOpen }) {
    this.onOpen = onOpen;
    this.caption = element("figcaption");
    this.plot = element("div", { className: "plot" });
    this.whole = element("figure", { className: "chart timeline" }, this.caption, this.plot);
    walkable(this.whole, this.plot, ".attempt", (mark) => onOpen(mark.dataset.id));
  }

  /** Draw an answer of the route `timeline`; `unit` is "epoch" or "step". */
  show(answer, unit) {
    this.#answer = answer;
    this.#unit = unit;
    this.draw();
  }

  /** Draw again, for example in another size. */
  draw() {
    if (!this.#answer || !this.plot.clientWidth) return;
    const { note, spans: attempts, lanes, sentence } = this.#answer;
    this.whole.dataset.drawn = attempts.length;
    if (note || !attempts.length) {
      this.caption.textContent = note || "No trial has started.";
      this.plot.replaceChildren();
      return;
    }
    this.caption.replaceChildren(element("strong", { text: `${counted(lanes, "trial")} at a time` }), ` ${sentence} The coloured part of a bar is training, the grey part the rest; the colour says how the attempt ended: `, ...keys(attempts));
    const width = this.plot.clientWidth;
    const lane = Math.max(2, Math.min(LANE, MOST / lanes));
    const height = lanes * lane + MARGIN.bottom;
    const first = attempts[0].begin;
    const last = Math.max(...attempts.map(({ begin, end }) => end ?? begin), first + 1);
    const open = Math.max(last, this.#answer.now);
    const isLive = attempts.some(({ state, end }) => end === null && state === "running");
    const x = scaled(first, isLive ? open : last, MARGIN.left, width - MARGIN.right);
    const whole = (isLive ? open : last) - first;
    const label = `${counted(attempts.length, "attempt")} in ${counted(lanes, "lane")} over ${duration(whole)}`;
    this.plot.replaceChildren(
      drawing(
        "svg",
        { width, height, role: "img", "aria-label": label },
        ...attempts.map((attempt) => this.#bar(attempt, x, lane, isLive ? open : last)),
        ...ticks(0, whole, 6).map((at) => words(duration(at), x(first + at), height - 14, "middle")),
        words("since the first start", width / 2, height - 1, "middle"),
      ),
    );
  }

  #bar(attempt, x, lane, now) {
    const { id, state, begin, end, training, compiling, epochs, reason } = attempt;
    const stop = end ?? (state === "running" ? now : begin);
    const left = x(begin);
    const width = Math.max(x(stop) - left - 1, 1.5);
    const share = training === null || stop <= begin ? 0 : Math.min(training / (stop - begin), 1);
    const box = { y: attempt.lane * lane + 1, height: Math.max(lane - 3, 1.5) };
    const title = drawing("title");
    const parts = [
      `${id}, attempt ${attempt.attempt}: ${state.replace("_", " ")}`,
      `${duration(stop - begin)}${training === null ? "" : `, of which training ${duration(training)}`}${compiling ? ` and compiling about ${duration(compiling)}` : ""}`,
      epochs === null ? "" : counted(epochs, this.#unit),
      reason ?? "",
    ];
    title.textContent = parts.filter(Boolean).join("; ");
    const made = drawing(
      "g",
      { class: `attempt ${state}`, "data-id": id },
      title,
      drawing("rect", { x: left, width, ...box, class: "whole" }),
      drawing("rect", { x: left + width * (1 - share), width: width * share, ...box, class: "trained" }),
    );
    made.addEventListener("click", () => this.onOpen(id));
    return made;
  }
}

/** Return the legend: the states in which attempts ended, with their colours. */
function keys(attempts) {
  const states = [...new Set(attempts.map(({ state }) => state))].toSorted();
  return states.map((state) => {
    const box = drawing("g", { class: `attempt ${state}` }, drawing("rect", { width: 10, height: 10, class: "trained" }));
    return element("span", { className: "key" }, drawing("svg", { width: 10, height: 10, "aria-hidden": "true" }, box), state.replace("_", " "));
  });
}
