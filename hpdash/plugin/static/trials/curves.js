/** The curves of the best trials over the epochs, and the others as a fan. */

import { palette, rampColour } from "../common/colours.js";
import { counted, drawing, duration, element, metric, short, spelled } from "../common/dom.js";
import { legendOf } from "./lines.js";
import { levels, pathOf, rangeOf, scaled, steps, ticks, words } from "./axes.js";

const MARGIN = { left: 56, right: 14, top: 10, bottom: 34 };
export const [RANK, TRIAL] = [" rank", " trial"]; // choices of a colour; no hyperparameter's name begins with a space
const BRIGHT = 20; // lines that are not faint
const WORST = 0.1; // share of the values, the worst ones, that may lie outside: the first epochs are far off
const KEYS = 12; // values of the legend
const NEAR = 24; // pixels around a line in which the pointer means it

/** The chart; `onMean(id or null)` gets the trial at the pointer, `onOpen(id)` the one that is clicked. */
export class Curves {
  #answer = null;
  #context = null;
  #lines = [];
  #meant = null;

  constructor({ onMean, onOpen }) {
    Object.assign(this, { onMean, onOpen });
    this.caption = element("figcaption");
    this.plot = element("div", { className: "plot" });
    this.tip = element("div", { className: "tip", hidden: true });
    const on = {
      pointermove: (event) => this.#point(event),
      pointerleave: () => this.#mean(null),
      blur: () => this.#mean(null),
      click: (event) => {
        const found = this.#nearest(event);
        if (found) this.onOpen(found.id);
      },
      keydown: (event) => this.#press(event),
    };
    this.plot.tabIndex = 0;
    for (const [event, handler] of Object.entries(on)) this.plot.addEventListener(event, handler);
    this.whole = element("figure", { className: "chart curves" }, this.caption, this.plot, this.tip);
  }

  /** Draw an answer of the route `curves`; `context` has `trials`, `hparams`, `best` (the ids of the best row's trials), `by`, `dark`, `height`, `ticks`
   * (a Map from the ids of ticked trials to colours), `smooth` (a weight from 0 to 1), `isOverTime`, `isWhole` (the axis has all values) and `hasCounterpart`: whether the same metric of training (or of validation) is drawn too. */
  show(answer, context) {
    const without = (line) => ({ ...line, other: null });
    this.#answer = context.hasCounterpart ? answer : { ...answer, lines: answer.lines.map(without) };
    this.#context = context;
    this.draw();
  }

  /** Draw again, for example in another size. */
  draw() {
    if (!this.#answer || !this.plot.clientWidth) return;
    const [width, height] = [this.plot.clientWidth, this.#context.height];
    const { lines, fan, metric: name } = this.#answer;
    const colours = this.#colours();
    const isFaint = (id, at) => at >= BRIGHT && !this.#context.ticks.has(id) && !this.#context.by;
    this.#lines = lines.map(({ id, main, other }, at) => ({ id, main, other, colour: colours(id), faint: isFaint(id, at) }));
    const frame = this.#frame(width, height);
    const isOther = ({ colour }) => colour === "var(--other)";
    const behind = this.#lines.toReversed().toSorted((one, other) => isOther(other) - isOther(one));
    const shapes = [...(fan ? fanShapes(fan, frame) : []), ...behind.flatMap((one) => this.#shapes(one, frame))];
    const label = `${name} over ${this.#context.isOverTime ? "time" : `the ${this.#context.unit}s`}: ${counted(lines.length, "trial")}${fan ? ` and a fan of ${fan.trials} others` : ""}`;
    const svg = drawing(
      "svg",
      { width, height, role: "img", "aria-label": label },
      clip(frame),
      ...levels(frame.low, frame.high, frame.y, MARGIN.left, width - MARGIN.right, 5),
      ...this.#steps(frame, height - MARGIN.bottom),
      words(this.#context.isOverTime ? "since the start of the trial" : this.#context.unit, (MARGIN.left + width - MARGIN.right) / 2, height - 4, "middle"),
      drawing("g", { "clip-path": "url(#curves-clip)" }, ...shapes),
    );
    this.plot.replaceChildren(svg);
    this.plot.classList.remove("dimmed");
    this.tip.hidden = true;
    this.plot.setAttribute("aria-label", `${label}. Up and down keys go from trial to trial.`);
    this.whole.dataset.drawn = lines.length + (fan ? 1 : 0);
    const legend = [...(colours.legend ?? [])].slice(0, KEYS);
    this.caption.replaceChildren(
      element("strong", { text: name || "no metric" }),
      ` ${this.#said(frame)}`,
      ...legend.map(([value, colour]) => legendOf({ name: spelled(value), colour })),
    );
  }

  #said({ outside }) {
    const { lines, fan, counterpart, left_out: none } = this.#answer;
    const hasOther = lines.some(({ other }) => other);
    const parts = [
      lines.length ? `${counted(lines.length, "trial")}, the best on top` : "no trial has it",
      lines.length > BRIGHT ? `all but the best ${BRIGHT} are faint` : "",
      lines.some(({ id }) => this.#context.trials.status[this.#context.trials.id.indexOf(id)] === "pruned") ? "circles: pruned" : "",
      this.#context.isOverTime ? "only the best trials, and those that are open or ticked" : "",
      fan ? `shaded: 10 % to 90 % of the other ${fan.trials}, with their median` : "",
      hasOther ? `dashed: ${counterpart}${counterpart.startsWith("validation/") ? "" : " in training"}` : "",
      this.#context.smooth ? `smoothed with the weight ${this.#context.smooth}, behind it the values` : "",
      none ? `${counted(none, "trial")} ${none === 1 ? "has" : "have"} no value` : "",
      outside ? `${short(outside * 100, 2)} % of the values, the worst ones, lie outside of the axis` : "",
    ];
    return parts.filter(Boolean).join("; ");
  }

  #frame(width, height) {
    const { lines, fan } = this.#answer;
    const curves = lines.flatMap(({ main, other }) => (other ? [main, other] : [main]));
    const values = [...curves.flatMap((curve) => curve.values), ...(fan ? [...fan.low, ...fan.high] : [])].filter((value) => value !== null);
    const clear = this.#lines.filter(({ faint }) => !faint).flatMap(({ main, other }) => [...main.values, ...(other?.values ?? [])]);
    const [low, high] = this.#context.isWhole ? rangeOf(values, this.#answer.goal, 0) : rangeOf(fan ? values : clear, this.#answer.goal, WORST);
    const all = [...curves.flatMap((curve) => curve.steps), ...(fan?.steps ?? [])];
    const first = Math.min(...all);
    const last = Math.max(...all, first + 1);
    return {
      low, high, first, last, width, height,
      outside: values.filter((value) => value < low || value > high).length / Math.max(values.length, 1),
      x: scaled(first, last, MARGIN.left, width - MARGIN.right),
      y: scaled(low, high, height - MARGIN.bottom, MARGIN.top),
    }; // prettier-ignore
  }

  #steps({ first, last, x }, bottom) {
    if (!this.#context.isOverTime) return steps(first, last, x, bottom);
    return ticks(first, last, 6).map((at) => words(duration(at), x(at), bottom + 14, "middle"));
  }

  /** Return the colour of a trial: by the hyperparameter `by`; else the ticked trials, or the best one, are marked. */
  #colours() {
    const { trials, hparams, by, dark, ticks: marked } = this.#context;
    const ids = this.#answer.lines.map(({ id }) => id);
    if (by === RANK) return (id) => rampColour(1 - ids.indexOf(id) / Math.max(ids.length - 1, 1), dark);
    if (by === TRIAL) {
      const own = palette(ids.slice(0, BRIGHT), dark);
      own.delete(null);
      return Object.assign((id) => own.get(id) ?? "var(--other)", { legend: own });
    }
    const found = hparams.find(({ name }) => name === by);
    if (!found && marked.size) return Object.assign((id) => marked.get(id) ?? "var(--other)", { legend: marked });
    if (!found) {
      const { best } = this.#context;
      return (id) => (best.has(id) ? "var(--accent)" : "var(--other)");
    }
    const colours = palette([...new Set(found.values)].toSorted(order), dark);
    const place = new Map(trials.id.map((id, at) => [id, at]));
    return Object.assign((id) => colours.get(found.values[place.get(id)] ?? null), { legend: colours });
  }

  /** Return the lines of a trial; a smoothed line has the values as they are behind it. */
  #shapes({ id, main, other, colour, faint }, { x, y }) {
    const { ticks: marked, smooth } = this.#context;
    const path = (curve, dashes, raw = false) =>
      drawing("path", {
        d: pathOf(raw ? curve.values : smoothed(curve.values, smooth), (at) => x(curve.steps[at]), y),
        class: `line${dashes ? " other" : ""}${marked.has(id) ? " ticked" : ""}${raw ? " raw" : ""}${faint ? " faint" : ""}`,
        stroke: colour,
        "data-id": id,
      });
    const behind = smooth ? [path(main, false, true)] : [];
    const lines = other ? [...behind, path(other, true), path(main, false)] : [...behind, path(main, false)];
    const mark = smooth ? null : this.#mark(id, main);
    return mark === null ? lines : [...lines, drawing("circle", { cx: x(main.steps[mark.at]), cy: y(main.values[mark.at]), r: 3, class: `mark ${mark.kind}` })];
  }

  /** Return the point of a curve to mark: the best value of the best trials, or where a pruned trial ends; null for none. */
  #mark(id, { values }) {
    const { best, trials } = this.#context;
    const known = values.filter((value) => value !== null);
    const { goal } = this.#answer;
    if (best.has(id) && known.length && goal) return { at: values.indexOf(goal === "min" ? Math.min(...known) : Math.max(...known)), kind: "best" };
    const at = values.findLastIndex((value) => value !== null);
    return trials.status[trials.id.indexOf(id)] === "pruned" && at >= 0 ? { at, kind: "pruned" } : null;
  }

  /** Highlight a trial's lines. */
  highlight(id) {
    for (const line of this.plot.querySelectorAll(".line")) line.classList.toggle("meant", line.dataset.id === id);
    this.plot.classList.toggle("dimmed", this.#lines.some((one) => one.id === id));
  }

  #nearest(event) {
    const box = this.plot.getBoundingClientRect();
    const [left, top] = [event.clientX - box.left, event.clientY - box.top];
    const { x, y } = this.#frame(box.width, this.#context.height);
    let [found, least] = [null, NEAR];
    for (const one of this.#lines) {
      const at = nearestStep(one.main.steps, x, left);
      const value = one.main.values[at];
      const distance = Math.hypot(value === null ? Infinity : y(value) - top, Math.max(0, Math.abs(x(one.main.steps[at]) - left) - 40));
      if (distance < least) [found, least] = [{ ...one, at }, distance];
    }
    return found;
  }

  #point(event) {
    const found = this.#nearest(event);
    this.#mean(found, event);
  }

  #mean(found, event) {
    this.highlight(found?.id);
    this.onMean(found?.id ?? null);
    this.tip.hidden = !found;
    if (!found) return;
    const value = metric(found.main.values[found.at]);
    this.tip.textContent = `${found.id}: ${value} ${this.#context.isOverTime ? `after ${duration(found.main.steps[found.at])}` : `at ${this.#context.unit} ${found.main.steps[found.at]}`}`;
    const box = this.whole.getBoundingClientRect();
    this.tip.style.left = `${Math.min((event?.clientX ?? box.left + 80) - box.left + 12, box.width - 200)}px`;
    this.tip.style.top = `${(event?.clientY ?? box.top + 40) - box.top + 12}px`;
  }

  #press(event) {
    const at = this.#lines.findIndex((one) => one.id === this.#meant);
    const next = { ArrowDown: at + 1, ArrowUp: at - 1 }[event.key];
    if (next !== undefined && this.#lines[next]) {
      this.#meant = this.#lines[next].id;
      this.#mean({ ...this.#lines[next], at: this.#lines[next].main.steps.length - 1 });
    } else if (event.key === "Enter" && this.#meant) this.onOpen(this.#meant);
    else return;
    event.preventDefault();
  }
}

const order = (one, other) => (typeof one === "number" && typeof other === "number" ? one - other : spelled(one).localeCompare(spelled(other), "en", { numeric: true }));

/** Return values smoothed as TensorBoard smooths them: an exponential moving average, corrected at its start. */
export function smoothed(values, weight) {
  if (!weight) return values;
  let [last, count] = [0, 0];
  return values.map((value) => {
    if (value === null) return null;
    last = last * weight + (1 - weight) * value;
    count += 1;
    return last / (1 - weight ** count);
  });
}

function nearestStep(steps_, x, left) {
  let best = 0;
  steps_.forEach((step, at) => {
    if (Math.abs(x(step) - left) < Math.abs(x(steps_[best]) - left)) best = at;
  });
  return best;
}

function clip({ width, height }) {
  const inner = { x: MARGIN.left, y: MARGIN.top - 4, width: Math.max(0, width - MARGIN.left - MARGIN.right + 4), height: Math.max(0, height - MARGIN.top - MARGIN.bottom + 8) };
  return drawing("clipPath", { id: "curves-clip" }, drawing("rect", inner));
}

function fanShapes(fan, { x, y }) {
  const point = (value, at) => `${x(fan.steps[at]).toFixed(1)} ${y(value).toFixed(1)}`;
  const up = fan.high.map((value, at) => point(value, at));
  const down = fan.low.map((value, at) => point(value, at)).toReversed();
  const middle = pathOf(fan.middle, (at) => x(fan.steps[at]), y);
  return [drawing("path", { d: `M${[...up, ...down].join("L")}Z`, class: "fan" }), drawing("path", { d: middle, class: "middle" })];
}
