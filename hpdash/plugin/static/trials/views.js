/** The charts above the table: which view is chosen, and what it asks the server for. */

import { chooser, element, segmented } from "../common/dom.js";
import { get } from "../common/request.js";
import { Curves, RANK, TRIAL } from "./curves.js";
import { Effects } from "./effects.js";
import { withBrush } from "./brush.js";
import { Parallel } from "./parallel.js";
import { Search } from "./search.js";
import { Timeline } from "./timeline.js";

export const VIEWS = ["overview", "curves", "parallel", "effects", "search", "timeline", "table"];
const TITLES = {
  overview: "Overview",
  curves: "Curves",
  parallel: "Parallel",
  effects: "Effects",
  search: "Search",
  timeline: "Timeline",
  table: "Table only",
};
// the charts of each view; except `parallel`, each has a route of its name
const USES = {
  overview: ["curves", "effects"],
  curves: ["curves"],
  parallel: ["parallel"],
  effects: ["effects"],
  search: ["search"],
  timeline: ["timeline"],
  table: [],
};
const SMOOTH = [["", "nothing"], ["0.6", "a little (0.6)"], ["0.9", "much (0.9)"]]; // weights of TensorBoard's smoothing
const RANGES = [["", "no outliers"], ["all", "all values"]];
const HEIGHTS = { overview: 310, curves: 400 };

/** The views; `change(patch)` gets choices, `onOpen(id)` the trial to open, `onMean(id or null)` the one at the pointer. */
export class Views {
  #turn = 0;
  #asked = {}; // by chart, the version and address of the answer
  #addresses = {}; // by chart, the address of the answer
  #answers = {};
  #best = { base: "", ids: new Set() }; // the trials that every answer of the route `curves` to this address has
  #isWaiting = false; // for an answer that takes seconds
  #context = null;
  #drawn = []; // what the charts show now

  constructor({ change, onOpen, onMean }) {
    const onBrush = (name, brush) => change({ brush: withBrush(this.#context.chosen.brush, name, brush) });
    this.curves = new Curves({ onMean, onOpen });
    this.effects = new Effects({ onFilter: onBrush, onStage: (stage) => change({ stage }), onPair: (pair) => change({ pair }) });
    this.parallel = new Parallel({ onMean, onOpen, onBrush, onOrder: (order) => change({ order }) });
    this.view = segmented("view", "View", VIEWS.map((name) => [name, TITLES[name]]), (view) => change({ view }));
    this.metric = chooser("metric", "Metric", (metric) => change({ metric }));
    this.smooth = chooser("smooth", "Smooth", (smooth) => change({ smooth }));
    this.over = chooser("over", "Over", (over) => change({ over }));
    this.range = chooser("range", "Axis", (range) => change({ range }));
    this.by = chooser("by", "Colour by", (by) => change({ by }));
    const openNumber = (number) => onOpen(this.#context.answer.trials.id[this.#context.answer.trials.number.indexOf(number)]);
    this.search = new Search({ onOpen: openNumber });
    this.timeline = new Timeline({ onOpen });
    this.all = { curves: this.curves, parallel: this.parallel, effects: this.effects, search: this.search, timeline: this.timeline };
    const line = element("div", { className: "line" }, this.view.whole, this.metric.whole, this.by.whole, this.smooth.whole, this.over.whole, this.range.whole);
    this.charts = element("div", { className: "charts" }, ...Object.values(this.all).map(({ whole }) => whole));
    this.whole = element("section", { className: "views", "aria-label": "Charts" }, line, this.charts);
    new ResizeObserver(() => this.#draw()).observe(this.charts);
  }

  /** Show the chosen view; `context` has `answer` (of the route `trials`), `ranking`, `query`, `chosen`, `where`, `dark`,
   * `ticks` (a Map from the ids of ticked trials to colours) and `isLive`: whether a sweep runs. */
  show(context) {
    if (this.#context?.answer.sweep !== context.answer.sweep) {
      for (const kept of [this.#asked, this.#addresses, this.#answers]) for (const name of Object.keys(kept)) delete kept[name];
    }
    this.#context = context;
    const { chosen, answer } = context;
    const view = VIEWS.includes(chosen.view) ? chosen.view : "overview";
    this.view.set(view);
    this.charts.dataset.view = view;
    const uses = USES[view];
    for (const [name, { whole }] of Object.entries(this.all)) whole.hidden = !uses.includes(name);
    for (const { whole } of [this.metric, this.by, this.smooth, this.over, this.range]) whole.hidden = view !== "curves";
    this.over.set([["", `${unitOf(answer)}s`], ["time", "time"]], chosen.over === "time" ? "time" : "");
    this.smooth.set(SMOOTH, SMOOTH.some(([weight]) => weight === chosen.smooth) ? chosen.smooth : "");
    this.range.set(RANGES, chosen.range === "all" ? "all" : "");
    const own = answer.objective?.name ?? "";
    this.metric.set([["", own || "–"], ...answer.metrics.filter((name) => name !== own).map((name) => [name, name])], chosen.metric ?? "");
    const differing = answer.hparams.filter(({ differs }) => differs).map(({ name }) => [name, name]);
    this.by.set([["", context.ticks.size ? "the ticked trials" : "the best trial"], [RANK, "rank"], [TRIAL, "trial"], ...differing], chosen.by ?? "");
    this.#load(uses.filter((name) => name !== "parallel"));
  }

  #load(uses) {
    this.#turn += 1;
    this.#draw();
    for (const name of uses) this.#ask(name, this.#turn);
  }

  /** Ask for what a chart draws, unless it has it; an answer to an earlier choice is ignored. */
  async #ask(name, mine) {
    const { query, chosen, where, answer } = this.#context;
    const own = {
      curves: [["metric", chosen.metric], ["over", this.charts.dataset.view === "curves" ? chosen.over : ""]].filter(([, value]) => value),
      effects: [...(chosen.stage === "finished" ? [] : [["stage", "rung"]]), ...this.#pair().map((name) => ["pair", name])],
    }[name];
    const base = `${name}?${new URLSearchParams([...query, ...(where ? [["where", where]] : []), ...(own ?? [])])}`;
    const address = name === "curves" ? this.#withTrials(base) : base;
    const key = `${answer.version} ${address}`;
    if (this.#asked[name] === key) {
      this.all[name].whole.dataset.busy = "false";
      return;
    }
    const { whole, caption } = this.all[name];
    whole.dataset.busy = String(this.#addresses[name] !== address); // not while a running sweep is followed
    if (!this.#answers[name]) caption.textContent = "computing …";
    try {
      const found = await get(address);
      if (mine !== this.#turn) return;
      Object.assign(this.#asked, { [name]: key });
      Object.assign(this.#addresses, { [name]: address });
      if (name === "curves") this.#best = { base, ids: new Set(found.lines.slice(0, found.best).map(({ id }) => id)) };
      this.#answers[name] = found;
      this.#draw();
      if (found.is_whole === false && !this.#context.isLive) await this.#askWhole(name, key, address);
    } catch (error) {
      if (mine === this.#turn) caption.textContent = error.message;
    }
    whole.dataset.busy = "false";
  }

  /** Ask for what an answer left out because it takes seconds; one request at a time. Another answer may be shown by then. */
  async #askWhole(name, key, address) {
    this.all[name].whole.dataset.busy = "false";
    if (this.#isWaiting) return;
    this.#isWaiting = true;
    const found = await get(`${address}&importance=whole`).finally(() => (this.#isWaiting = false));
    if (this.#asked[name] !== key) return;
    this.#answers[name] = found;
    this.#draw();
  }

  /** Return the two hyperparameters whose interaction is wanted; none for the foremost two, and where none is drawn. */
  #pair() {
    const { pair = [] } = this.#context.chosen;
    const differs = (name) => this.#context.answer.hparams.some((one) => one.name === name && one.differs);
    return this.charts.dataset.view === "effects" && pair.length === 2 && pair.every(differs) ? pair : [];
  }

  /** Return the address of the curves with the trials that are open or ticked, unless they are among the best ones. */
  #withTrials(base) {
    const { chosen, ticks } = this.#context;
    const best = this.#best.base === base ? this.#best.ids : new Set();
    const further = [chosen.open, chosen.against, ...ticks.keys()].filter((id) => id && !best.has(id));
    return further.reduce((address, id) => `${address}&${new URLSearchParams({ trial: id })}`, base);
  }

  /** Draw the charts, unless nothing that they show has changed: a sort of the table draws none of them. */
  #draw() {
    if (!this.#context) return;
    const { answer, ranking, chosen, dark, ticks } = this.#context;
    const view = this.charts.dataset.view;
    const own = [chosen.by, chosen.smooth, chosen.range, chosen.brush, chosen.order, [...ticks]].map((choice) => JSON.stringify(choice));
    const drawn = [view, answer, ranking, dark, this.charts.clientWidth, ...Object.values(this.#answers), ...own];
    if (drawn.length === this.#drawn.length && drawn.every((one, at) => one === this.#drawn[at])) return;
    this.#drawn = drawn;
    const goal = answer.objective?.goal;
    const best = bestTrials(ranking);
    const shared = { unit: unitOf(answer), trials: answer.trials, hparams: answer.hparams, goal, dark, ticks, best: new Set(best.map((at) => answer.trials.id[at])) };
    if (this.#answers.curves) this.curves.show(this.#answers.curves, { ...shared, by: chosen.by, isOverTime: view === "curves" && chosen.over === "time", isWhole: view === "curves" && chosen.range === "all", smooth: view === "curves" ? Number(chosen.smooth) || 0 : 0, hasCounterpart: view === "curves", height: HEIGHTS[view] ?? HEIGHTS.overview });
    if (view === "parallel") {
      const selected = new Set(this.#context.ranking.trials.flat());
      this.parallel.show({ answer, selected, brushes: chosen.brush ?? {}, order: chosen.order, goal, dark, ticks });
    }
    if (this.#answers.search) this.search.show(this.#answers.search, new Set(best.map((at) => answer.trials.number[at])), unitOf(answer));
    if (this.#answers.timeline) this.timeline.show(this.#answers.timeline, unitOf(answer));
    if (this.#answers.effects) this.effects.show(this.#answers.effects, { goal, unit: unitOf(answer), isShort: view === "overview" });
  }
}

/** Return the indices of the trials of the best row: several, if it has replicates. */
const bestTrials = ({ trials, place }) => trials[place.indexOf(1)] ?? [];

/** Return what the steps of the trials are called, "epoch" or "step". */
const unitOf = ({ trials }) => trials.unit[0] ?? "epoch";
