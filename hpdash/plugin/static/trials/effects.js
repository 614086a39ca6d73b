/** The effects of the hyperparameters: for each value, its trials as dots, and their mean with its deviation. */

import { counted, drawing, element, metric, segmented, short, spread } from "../common/dom.js";
import { rangeOf, scaled, ticks, words } from "./axes.js";
import { Interaction } from "./interaction.js";

const ROW = 20; // pixels of a value
const LABEL = 118; // pixels for the values' names
const NUMBERS = 164; // pixels for their means
const FEW = 3; // trials of a value: with fewer, a deviation or a share of the variance says little
const LITTLE = 0.05; // share of the variance; a hyperparameter that explains less has no clear effect
const FITTING = 290; // pixels of the panels in the overview
const WORST = 0.05; // share of the results, the worst ones, that may lie outside

/** The charts; `onFilter(name, brush)` is called when a value is clicked, `onStage(stage)` when trials are chosen,
 * `onPair(names)` when two hyperparameters are. */
export class Effects {
  #answer = null;
  #context = null;

  constructor({ onFilter, onStage, onPair }) {
    this.interaction = new Interaction(onPair);
    this.onFilter = onFilter;
    this.stage = segmented("stage", "Which trials are compared", [["finished", "finished"], ["rung", "all"]], onStage);
    this.patterns = element("ul", { className: "patterns" });
    this.caption = element("figcaption");
    this.panels = element("div", { className: "panels" });
    this.foot = element("p", { className: "foot" });
    this.whole = element("figure", { className: "chart effects" }, this.caption, this.patterns, this.panels, this.foot, this.interaction.whole);
  }

  /** Draw an answer of the route `effects`; `context` has `goal`, `unit` ("epoch" or "step"), and `isShort`: only what fits is drawn. */
  show(answer, context) {
    this.#answer = answer;
    this.#context = context;
    this.draw();
  }

  /** Draw again, for example in another size. */
  draw() {
    if (!this.#answer || !this.whole.clientWidth) return;
    const { hyperparameters, at_rung: atRung, sentence, patterns, pruned, reasons } = this.#answer;
    const shown = this.#context.isShort ? fitting(hyperparameters) : hyperparameters;
    const [low, high] = this.#range();
    this.caption.replaceChildren(...this.#introduction(), this.#rest(hyperparameters.filter((one) => !shown.includes(one))));
    this.foot.textContent = `${KEY} ${sentence}`;
    this.stage.set(atRung ? "rung" : "finished");
    this.patterns.replaceChildren(...[...patterns, ...reasons, ...(pruned ? [pruned] : [])].map((text) => element("li", { text })));
    this.panels.replaceChildren(...shown.map((one) => this.#panel(one, low, high)));
    this.whole.dataset.drawn = shown.length;
    this.interaction.show(this.#context.isShort ? { interaction: null } : this.#answer, this.#context.goal);
  }

  /** Return which results of which trials are compared, with the choice between all and the finished ones. */
  #introduction() {
    const { finished, trials, same, rung, at_rung: atRung } = this.#answer;
    const name = this.#answer.objective?.name ?? "the objective";
    const compared = atRung
      ? [` on ${name} `, element("strong", { text: `after ${counted(rung, this.#context.unit)}` }), `, over ${finished} of ${counted(trials, "trial")}; later, only trials that were not pruned have values. `]
      : [` on ${name}, over ${finished} finished of ${counted(trials, "trial")}. `];
    return [
      element("strong", { text: "Effects" }),
      ...compared,
      ...(rung === null ? [] : ["Compare ", this.stage.whole, " trials. "]),
      same ? element("strong", { text: `${same} ` }) : "",
      same && rung !== null && !atRung ? "Press “all” to compare them with the others. " : "",
    ];
  }

  /** Return a sentence on the hyperparameters that are not shown. */
  #rest(hidden) {
    if (!hidden.length) return "";
    const idle = hidden.every(({ name }) => hasNoEffect(this.#share(name))) ? " without a clear effect" : "";
    return `${counted(hidden.length, "more hyperparameter")}${idle}: see Effects.`;
  }

  #range() {
    const values = Object.values(this.#answer.dots).flat(2);
    const levels = this.#answer.hyperparameters.flatMap((one) => one.levels).filter(({ n, std }) => n && std !== null);
    const ends = levels.flatMap(({ mean, std }) => [mean - std, mean + std]); // no bar is cut off
    const [low, high] = rangeOf(values, this.#context.goal, WORST);
    return [Math.min(low, ...ends), Math.max(high, ...ends)];
  }

  #panel({ name, levels, explained }, low, high) {
    const width = this.panels.clientWidth > 900 ? (this.panels.clientWidth - 16) / 2 : this.panels.clientWidth;
    const x = scaled(low, high, LABEL, width - NUMBERS);
    const weight = weightOf(levels, this.#answer.labels[name], this.#share(name), explained);
    const labels = this.#answer.labels[name];
    const rows = levels.map((level, at) => this.#row(name, level, labels[at], this.#answer.dots[name][at], at, x, width));
    const height = levels.length * ROW + 20;
    const said = levels.map((level, at) => `${labels[at]}: ${level.n ? metric(level.mean) : "none finished"}`).join("; ");
    return element(
      "section",
      { className: "panel" },
      element("h3", {}, name, element("span", { className: "soft", text: ` ${weight}` })),
      drawing("svg", { width, height, role: "img", "aria-label": `${name}, ${weight}. ${said}` }, ...grid(low, high, x, height), ...rows),
    );
  }

  #row(name, level, label, dots, at, x, width) {
    const middle = at * ROW + ROW / 2;
    const best = this.#isBest(name, level) && this.#matters(name);
    const inside = dots.filter((value) => x(value) >= LABEL && x(value) <= width - NUMBERS + 4);
    const number = level.n ? `${level.std === null ? metric(level.mean) : spread(level.mean, level.std)} (${level.n === level.trials ? level.n : `${level.n}/${level.trials}`})` : `– (0/${level.trials})`;
    const shapes = [
      words(shorten(label), LABEL - 8, middle + 4, "end", { class: best ? "value best" : "value" }),
      ...(level.n ? this.#mean(level, middle, x, width) : []),
      ...inside.map((value, place) => drawing("circle", { cx: x(value), cy: middle + (((place * 5) % 7) - 3), r: 2.5, class: "dot" })),
      words(number, width - NUMBERS + 8, middle + 4, "start", { class: best ? "best" : "" }),
    ];
    const group = drawing("g", { class: "level", "data-level": label }, ...shapes);
    const brush = "from" in level ? { from: level.from, to: level.to } : level.value === null ? null : { in: [level.value] };
    if (brush) {
      group.classList.add("link");
      group.append(drawing("rect", { x: 0, y: at * ROW, width, height: ROW, class: "hit" }));
      group.addEventListener("click", () => this.onFilter(name, brush));
      for (const [key, value] of Object.entries({ tabindex: 0, role: "button", "aria-label": `${name} = ${label}: ${number}. Filter` })) group.setAttribute(key, value);
      group.addEventListener("keydown", (event) => {
        if (!["Enter", " "].includes(event.key)) return;
        event.preventDefault();
        this.onFilter(name, brush);
      });
    }
    const title = drawing("title");
    title.textContent = `${name} = ${label}: ${number}${brush ? ". Click to filter." : ""}`;
    group.prepend(title);
    return group;
  }

  #mean(level, middle, x, width) {
    const bound = (value) => Math.min(Math.max(x(value), LABEL), width - NUMBERS);
    const bar = level.std === null || level.n < FEW ? [] : [drawing("line", { x1: bound(level.mean - level.std), x2: bound(level.mean + level.std), y1: middle, y2: middle, class: "whisker" })];
    return [...bar, drawing("line", { x1: bound(level.mean), x2: bound(level.mean), y1: middle - 7, y2: middle + 7, class: "mean" })];
  }

  #share(name) {
    return this.#answer.importance.shares.find((one) => one.name === name);
  }

  /** Return whether a hyperparameter has an effect, so that its best value is worth a mark. */
  #matters(name) {
    const share = this.#share(name);
    return share ? !hasNoEffect(share) : this.#marginal(name).explained >= LITTLE;
  }

  #marginal(name) {
    return this.#answer.hyperparameters.find((one) => one.name === name);
  }

  #isBest(name, level) {
    const { levels } = this.#marginal(name);
    const means = levels.filter(({ n }) => n).map(({ mean }) => mean);
    return level.n > 0 && means.length > 1 && level.mean === (this.#context.goal === "min" ? Math.min(...means) : Math.max(...means));
  }
}

/** Return the first hyperparameters of which at least two values have results, as many as fit; at least one. */
function fitting(hyperparameters) {
  const compared = hyperparameters.filter(({ levels }) => levels.filter(({ n }) => n).length > 1);
  let height = 0;
  return (compared.length ? compared : hyperparameters).filter(({ levels }, at) => {
    height += levels.length * ROW + 44;
    return at === 0 || height <= FITTING;
  });
}

/** Return whether a share of the importance is not larger than its error; false if no importance is known. */
const hasNoEffect = (share) => share !== undefined && share.share <= share.std;

/** Return how much a hyperparameter matters, in words; a share that is not larger than its error says nothing. */
function weightOf(levels, labels, share, explained) {
  const known = levels.flatMap(({ n }, at) => (n ? [labels[at]] : []));
  if (known.length === 1 && levels.length > 1) return `only ${known[0]} has results`;
  if (hasNoEffect(share)) return "no clear effect";
  if (share) return `importance ${percent(share.share)} ± ${percent(share.std)}`;
  const counts = levels.filter(({ n }) => n).map(({ n }) => n);
  const isThin = Math.min(...counts) < FEW;
  return `explains ${percent(explained)} of the variance${isThin ? " (few trials: may be chance)" : ""}`;
}

const KEY = "Dot: a trial; tick: mean; bar: ± 1 standard deviation, of at least 3 trials; in brackets: trials with a result, of all.";
const percent = (share) => `${(100 * share).toFixed(0)} %`;
const shorten = (label) => (label.length <= 18 ? label : `${label.slice(0, 17)}…`);

function grid(low, high, x, height) {
  return ticks(low, high, 4).flatMap((value) => [
    drawing("line", { x1: x(value), x2: x(value), y1: 0, y2: height - 16, class: "axis" }),
    words(short(value, 4), x(value), height - 3, "middle"),
  ]);
}
