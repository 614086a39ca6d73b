/** Parallel coordinates: each trial is a line through its values, and a brush on an axis selects trials. */

import { button, counted, element, keyed, spelled } from "../common/dom.js";
import { rampColour } from "../common/colours.js";
import { legendOf } from "./lines.js";
import { axesOf } from "./parallel_axes.js";
import { BOTTOM, HEIGHT, TOP, bar, outlined, prepared, stroked } from "./parallel_marks.js";

const SIDE = 70; // pixels left of the first and right of the last axis
const GRIP = 16; // pixels to the left and right of an axis in which a drag selects a range
const NEAR = 8; // pixels around a line in which the pointer means it
const [UNSET, NOT_FINITE] = ["not set", "NaN, ∞"];
const RAILS = { [UNSET]: HEIGHT - 24, [NOT_FINITE]: HEIGHT - 8 }; // pixels from the top
const AT_ONCE = 400; // lines drawn between two frames
const COUNTED = new Set(["finished", "", null]); // states whose results count; other lines are dashed

/** The chart; `onBrush(key, brush or null)`, `onOrder(keys)`, `onMean(id or null)` and `onOpen(id)` get the choices. */
export class Parallel {
  #context = null;
  #axes = [];
  #drag = null;
  #meant = null;
  #drawing = 0;

  constructor({ onBrush, onOrder, onMean, onOpen }) {
    Object.assign(this, { onBrush, onOrder, onMean, onOpen });
    this.caption = element("figcaption");
    this.heads = element("div", { className: "heads" });
    this.base = element("canvas");
    this.top = element("canvas", { className: "top" });
    this.plot = element(
      "div",
      {
        className: "plot",
        tabIndex: 0,
        role: "img",
        on: {
          pointerdown: (event) => this.#press(event),
          pointermove: (event) => this.#move(event),
          pointerup: (event) => this.#release(event),
          pointercancel: () => {
            this.#drag = null;
          },
          pointerleave: () => !this.#drag && this.#mean(null),
          dblclick: (event) => this.#clear(event),
          keydown: (event) => this.#key(event),
        },
      },
      this.base,
      this.top,
    );
    this.tip = element("div", { className: "tip", hidden: true });
    this.whole = element("figure", { className: "chart parallel" }, this.caption, this.heads, this.plot, this.tip);
  }

  /** Draw all trials; `context` has `answer`, `selected` (a Set of indices), `brushes`, `order`, `goal`, `dark` and
   * `ticks` (a Map from ids to colours). */
  show(context) {
    if (this.#drag) return; // it is drawn again when the drag ends
    this.#context = context;
    this.#axes = axesOf(context.answer, context.order);
    this.draw();
  }

  /** Draw again, for example in another size. */
  draw() {
    if (!this.#context || !this.plot.clientWidth) return;
    const { answer, selected } = this.#context;
    const all = answer.trials.id.length;
    const left = all - selected.size;
    const said = `${counted(selected.size, "trial")}${left ? `, ${left.toLocaleString("en")} filtered out in grey` : ""}; dashed: not finished.`;
    const scale = [["the best", 1], ["the worst that finished", 0]].map(([name, share]) => legendOf({ name, colour: rampColour(share, this.#context.dark) }));
    this.caption.replaceChildren(element("strong", { text: "Parallel coordinates" }), ` ${said} Drag along an axis to select, double click to take it back.`, ...scale);
    this.plot.setAttribute("aria-label", `Parallel coordinates of ${said} Axes: ${this.#axes.map(({ name }) => name).join(", ")}. Up and down keys go from trial to trial.`);
    this.whole.dataset.drawn = all;
    keyed(this.heads, this.#axes, ({ key }) => key, (axis) => this.#head(axis), (head, axis) => this.#dressHead(head, axis));
    this.#paint();
  }

  #head(axis) {
    const head = button("", null, { title: "Left and right keys move this axis; or drag it" });
    head.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (step) this.#moveAxis(axis.key, this.#axes.findIndex(({ key }) => key === axis.key) + step);
    });
    head.addEventListener("pointerdown", (down) => {
      head.setPointerCapture(down.pointerId);
      head.onpointerup = (up) => {
        head.onpointerup = null;
        const at = this.#nearestAxis(up.clientX);
        if (Math.abs(up.clientX - down.clientX) > 20) this.#moveAxis(axis.key, at);
      };
    });
    return head;
  }

  #dressHead(head, axis) {
    head.textContent = axis.name + (axis.isLog ? " (log)" : "");
    head.style.left = `${this.#x(this.#axes.indexOf(axis))}px`;
    head.style.maxWidth = `${this.#x(1) - this.#x(0) - 8}px`;
    head.title = `${axis.name}: left and right keys move this axis; or drag it`;
    head.dataset.axis = axis.key;
  }

  #moveAxis(key, to) {
    const keys = this.#axes.map((axis) => axis.key).filter((one) => one !== key);
    keys.splice(Math.min(Math.max(to, 0), keys.length), 0, key);
    this.onOrder(keys);
  }

  #x(at) {
    const width = this.plot.clientWidth - 2 * SIDE;
    return SIDE + (this.#axes.length > 1 ? (at / (this.#axes.length - 1)) * width : width / 2);
  }

  #y(axis, value) {
    const share = value === null ? null : axis.share(value);
    return value === null ? RAILS[UNSET] : share === null ? RAILS[NOT_FINITE] : TOP + share * (HEIGHT - TOP - BOTTOM);
  }

  #nearestAxis(clientX) {
    const left = clientX - this.plot.getBoundingClientRect().left;
    return this.#axes.map((_, at) => at).toSorted((a, b) => Math.abs(this.#x(a) - left) - Math.abs(this.#x(b) - left))[0];
  }

  #paint() {
    const width = this.plot.clientWidth;
    this.#drawing += 1;
    const mine = this.#drawing;
    const pen = prepared(this.base, width);
    prepared(this.top, width);
    const { answer, selected } = this.#context;
    const { status, best } = answer.trials;
    const ends = bestAndWorst(answer.trials, this.#context.goal);
    const isTicked = (at) => this.#context.ticks.has(answer.trials.id[at]);
    const lines = answer.trials.id.map((_, at) => at).toSorted((a, b) => isTicked(a) - isTicked(b) || selected.has(a) - selected.has(b) || COUNTED.has(status[a]) - COUNTED.has(status[b]) || goodness(best[a], ends) - goodness(best[b], ends));
    let next = 0;
    const more = () => {
      if (mine !== this.#drawing) return;
      for (const at of lines.slice(next, next + AT_ONCE)) this.#line(pen, at, this.#style(at, ends));
      next += AT_ONCE;
      if (next < lines.length) requestAnimationFrame(more);
      else this.#paintAxes(pen);
    };
    more();
  }

  #style(at, ends) {
    const { answer, selected, dark, ticks } = this.#context;
    const { id, status, best } = answer.trials;
    if (ticks.has(id[at])) return { colour: ticks.get(id[at]), width: 3, dashes: [] };
    if (!selected.has(at)) return { colour: dark ? "#3a424b" : "#dde3e9", width: 1, dashes: [] };
    if (!COUNTED.has(status[at])) return { colour: dark ? "#77828e" : "#9aa6b2", width: 1, dashes: [4, 4] };
    return { colour: rampColour(goodness(best[at], ends), dark), width: best[at] === ends[0] ? 3 : 1.4, dashes: [] };
  }

  #line(pen, at, { colour, width, dashes }) {
    pen.strokeStyle = colour;
    pen.lineWidth = width;
    pen.setLineDash(dashes);
    const points = this.#axes.map((axis, place) => [this.#x(place), this.#y(axis, axis.values[at])]);
    if (dashes.length) points.slice(1).forEach((point, place) => stroked(pen, [points[place], point])); // so that dashes of lines on one another coincide
    else stroked(pen, points);
  }

  #paintAxes(pen) {
    const styles = getComputedStyle(document.documentElement);
    const [ink, soft, paper, accent] = ["--ink", "--soft", "--paper", "--accent"].map((name) => styles.getPropertyValue(name).trim());
    pen.setLineDash([]);
    pen.font = `11px ${getComputedStyle(this.plot).fontFamily}`;
    this.#axes.forEach((axis, place) => {
      const x = this.#x(place);
      pen.strokeStyle = soft;
      pen.lineWidth = 1.5;
      pen.beginPath();
      pen.moveTo(x, TOP);
      pen.lineTo(x, HEIGHT - BOTTOM);
      pen.stroke();
      const isOn = { [UNSET]: (value) => value === null, [NOT_FINITE]: (value) => value !== null && axis.share(value) === null };
      const rail = Object.entries(RAILS).filter(([text]) => axis.values.some(isOn[text])).map(([text, y]) => ({ text, y }));
      const marks = axis.marks.map(({ text, share }) => ({ text, y: TOP + share * (HEIGHT - TOP - BOTTOM) }));
      for (const { text, y } of [...marks, ...rail]) outlined(pen, text, x, y, ink, paper);
      const range = this.#context.brushes[axis.key] && axis.range(this.#context.brushes[axis.key]);
      if (range) bar(pen, x, range, accent);
    });
  }

  #press(event) {
    if (event.button !== 0 || !this.#axes.length) return;
    const at = this.#nearestAxis(event.clientX);
    const box = this.plot.getBoundingClientRect();
    if (Math.abs(this.#x(at) - (event.clientX - box.left)) > GRIP) return;
    this.#drag = { axis: this.#axes[at], from: this.#share(event) };
    this.plot.setPointerCapture(event.pointerId);
  }

  #share(event) {
    const top = event.clientY - this.plot.getBoundingClientRect().top;
    return Math.min(Math.max((top - TOP) / (HEIGHT - TOP - BOTTOM), 0), 1);
  }

  #move(event) {
    if (!this.#drag) return this.#mean(this.#nearest(event), event);
    const pen = prepared(this.top, this.plot.clientWidth);
    const [low, high] = [this.#drag.from, this.#share(event)].toSorted((a, b) => a - b);
    return bar(pen, this.#x(this.#axes.indexOf(this.#drag.axis)), [low, high], getComputedStyle(document.documentElement).getPropertyValue("--accent").trim());
  }

  #release(event) {
    const drag = this.#drag;
    this.#drag = null;
    if (!drag) {
      const found = this.#nearest(event);
      if (found !== null) this.onOpen(this.#context.answer.trials.id[found]);
      return;
    }
    const [top, bottom] = [drag.from, this.#share(event)].toSorted((a, b) => a - b);
    prepared(this.top, this.plot.clientWidth);
    if (bottom - top > 0.01) this.onBrush(drag.axis.key, drag.axis.within(top, bottom));
  }

  #clear(event) {
    const at = this.#nearestAxis(event.clientX);
    const left = event.clientX - this.plot.getBoundingClientRect().left;
    const key = this.#axes[at]?.key;
    if (key in this.#context.brushes && Math.abs(this.#x(at) - left) <= GRIP) this.onBrush(key, null);
  }

  /** Return the index of the selected trial whose line is nearest to the pointer, null if none is near. */
  #nearest(event) {
    const box = this.plot.getBoundingClientRect();
    const [left, top] = [event.clientX - box.left, event.clientY - box.top];
    const at = this.#axes.findIndex((_, place) => left >= this.#x(place) && left <= this.#x(place + 1) && place + 1 < this.#axes.length);
    if (at < 0) return null;
    const [one, other] = [this.#axes[at], this.#axes[at + 1]];
    const share = (left - this.#x(at)) / (this.#x(at + 1) - this.#x(at));
    let [found, least] = [null, NEAR];
    for (const trial of this.#context.selected) {
      const y = this.#y(one, one.values[trial]) * (1 - share) + this.#y(other, other.values[trial]) * share;
      if (Math.abs(y - top) < least) [found, least] = [trial, Math.abs(y - top)];
    }
    return found;
  }

  #mean(trial, event) {
    this.#meant = trial === null ? null : this.#context.answer.trials.id[trial];
    const pen = prepared(this.top, this.plot.clientWidth);
    const { id } = this.#context.answer.trials;
    this.onMean(trial === null ? null : id[trial]);
    this.tip.hidden = trial === null;
    if (trial === null) return;
    const styles = getComputedStyle(document.documentElement);
    this.#line(pen, trial, { colour: styles.getPropertyValue("--ink").trim(), width: 2.5, dashes: [] });
    this.tip.textContent = `${id[trial]}: ${this.#axes.map(({ name, values }) => `${name} ${spelled(values[trial])}`).join(", ")}`;
    const box = this.whole.getBoundingClientRect();
    this.tip.style.left = `${Math.min((event?.clientX ?? box.left) - box.left + 12, box.width - 320)}px`;
    this.tip.style.top = `${(event?.clientY ?? box.top + 60) - box.top + 14}px`;
  }

  #key(event) {
    const { selected, answer } = this.#context;
    const ends = bestAndWorst(answer.trials, this.#context.goal);
    const lines = [...selected].toSorted((a, b) => goodness(answer.trials.best[b], ends) - goodness(answer.trials.best[a], ends));
    const next = lines[lines.indexOf(answer.trials.id.indexOf(this.#meant)) + ({ ArrowDown: 1, ArrowUp: -1 }[event.key] ?? NaN)];
    if (next !== undefined) this.#mean(next);
    else if (event.key === "Enter" && this.#meant !== null) this.onOpen(this.#meant);
    else return;
    event.preventDefault();
  }
}

/** Return the best and the worst finite value of the trials that count. */
function bestAndWorst({ best, status }, goal) {
  const numbers = best.filter((value, at) => typeof value === "number" && COUNTED.has(status[at]));
  const ends = [Math.min(...numbers), Math.max(...numbers)];
  return goal === "min" ? ends : ends.toReversed();
}

/** Return how good a value is, from 0 for the worst to 1 for the best; 0 for none. */
const goodness = (value, [best, worst]) => (typeof value === "number" && best !== worst ? Math.min(Math.max((value - worst) / (best - worst), 0), 1) : Number(typeof value === "number"));
