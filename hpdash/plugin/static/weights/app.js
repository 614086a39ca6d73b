/** The page: connects the controls, the model and the stage, and holds the user's choices and the current scene. */

import { button, element } from "../common/dom.js";
import { saveCsv } from "../common/files.js";
import * as host from "../common/host.js";
import * as bands from "./bands.js";
import { Chips } from "./chips.js";
import { createExports, savePng, tableRows } from "./export.js";
import * as heat from "./heat.js";
import { createModel } from "./model.js";
import * as overlay from "./overlay.js";
import * as ridges from "./ridges.js";
import { filled, notesOf, queriesOf, sceneOf, warningsOf } from "./scene.js";
import { Slider } from "./slider.js";
import * as spread from "./spread.js";
import { Stage } from "./stage.js";
import { decode, encode, isKernel } from "./state.js";
import { Table } from "./table.js";
import { Toolbar } from "./toolbar.js";

const PLANS = { overlay, ridges, bands, heat, spread };
const AGAIN = 3000; // milliseconds until an empty page asks again, because TensorBoard may still be loading
const WRITE = 250; // milliseconds until the link is written, because browsers limit how often it may change
const PATIENCE = 3; // maximum number of times in a row that the overview is loaded again after a newer answer
const LAYERS = 24; // maximum number of kernels that the spread view compares

/** The page as an element; `start` loads the data and draws them. */
export class App {
  #model = createModel();
  #chosen = decode(host.readLink());
  #overview = null;
  #scene = null;
  #plan = null;
  #turn = 0; // number of the current selection; answers for an earlier selection are ignored
  #newer = 0; // number of answers in a row that were newer than the overview
  #looking = null;
  #writing = null;

  constructor() {
    const change = (patch) => this.#change(patch);
    const onRun = (run) => this.#highlight(run);
    this.stage = new Stage({
      onRun,
      onStep: (step) => change({ step: step === this.#scene.steps.at(-1) ? "last" : step }),
    });
    this.table = new Table({ onRun, onSort: (sort) => change({ sort }) });
    this.slider = new Slider((step) => change({ step }));
    this.toolbar = new Toolbar(change, this.#exports());
    this.chips = new Chips(change);
    this.warnings = element("div", { className: "warnings" });
    this.message = element("div", { className: "message", role: "status" });
    const skeleton = element(
      "div",
      { className: "skeleton", "aria-hidden": "true" },
      element("div"),
      element("div"),
      element("div"),
    );
    const main = element(
      "main",
      {},
      this.toolbar.whole,
      this.chips.whole,
      this.warnings,
      this.stage.whole,
      this.slider.whole,
      this.table.whole,
      this.stage.tooltip.whole,
    );
    this.whole = element("div", { id: "hpdash", data: { state: "loading" } }, this.message, skeleton, main);
  }

  /** Subscribe to TensorBoard's events, load the data and draw them. */
  start() {
    host.onDark(() => this.#dress());
    host.onReload(() => this.#load());
    host.onLink(() => {
      const before = this.#chosen.sweep;
      this.#chosen = decode(host.readLink());
      if (this.#chosen.sweep === before) this.#refresh();
      else this.#load();
    });
    addEventListener("pagehide", () => this.#write());
    this.#dress();
    return this.#load();
  }

  #exports() {
    const named = (ending) => `${this.#scene.selection.view}.${ending}`;
    return createExports({
      csv: () => saveCsv(named("csv"), this.#plan.csv()),
      table: () => saveCsv("table.csv", tableRows(this.#scene)),
      png: () => savePng(named("png"), this.stage, this.#scene),
      link: () => {
        this.#write();
        return host.link();
      },
    });
  }

  #state(name, ...said) {
    this.whole.dataset.state = name;
    this.message.replaceChildren(...said);
  }

  /** Load the overview; draw again only if its version has changed. */
  async #load() {
    clearTimeout(this.#looking);
    try {
      const found = await this.#model.overview(this.#chosen.sweep);
      if (!found.runs.length || !found.tags.length) return this.#empty();
      const busy = this.whole.dataset.state !== "ready" || this.whole.dataset.busy;
      if (this.#overview?.version === found.version && !busy) return undefined;
      this.#overview = found;
    } catch (error) {
      return this.#failed(error);
    }
    return this.#refresh();
  }

  #empty() {
    this.#overview = null;
    this.#turn += 1;
    this.#looking = setTimeout(() => this.#load(), AGAIN);
    const code = (text) => element("code", { text });
    this.#state(
      "empty",
      element("h2", { text: "No histograms here." }),
      element(
        "p",
        {},
        "Log them with ",
        code("hpdash sweep …"),
        " or ",
        code("keras.callbacks.TensorBoard(histogram_freq=1)"),
        ".",
      ),
      element("p", { className: "soft", text: "This page looks again by itself." }),
    );
  }

  #failed(error) {
    this.whole.dataset.busy = "";
    const retry = () => {
      this.#state("loading");
      this.#load();
    };
    this.#state(
      "error",
      element("h2", { text: "This cannot be drawn." }),
      element("p", { text: error.message }),
      button("Retry", retry, { data: { control: "retry" } }),
    );
  }

  #change(patch) {
    const kept = "sweep" in patch ? ofAnySweep(this.#chosen) : this.#chosen;
    const entries = Object.entries({ ...kept, ...patch }).filter(([, value]) => value !== undefined);
    this.#chosen = Object.fromEntries(entries);
    clearTimeout(this.#writing);
    this.#writing = setTimeout(() => this.#write(), WRITE);
    if ("sweep" in patch) this.#load();
    else this.#refresh();
  }

  #write() {
    host.writeLink(encode(this.#chosen));
  }

  /** Draw the selection: at once if its data are cached, else when they arrive, unless the selection has changed. */
  #refresh() {
    if (!this.#overview) return undefined;
    this.#turn += 1;
    const bare = sceneOf(this.#overview, this.#chosen, theme());
    this.toolbar.set(bare);
    this.chips.set(bare);
    const asked = this.#ask(bare);
    if (asked.every((entry) => entry.value)) return this.#draw(bare, asked);
    this.whole.dataset.busy = "true";
    return this.#wait(bare, asked, this.#turn);
  }

  async #wait(bare, asked, mine) {
    try {
      const answers = await Promise.all(asked.map((entry) => entry.promise));
      if (mine !== this.#turn) return;
      const newer = answers.some(({ version }) => version !== this.#overview.version); // runs may have new indices
      this.#newer = newer ? this.#newer + 1 : 0;
      if (newer && this.#newer <= PATIENCE) await this.#load();
      else this.#draw(bare, asked);
    } catch (error) {
      if (mine === this.#turn) this.#failed(error);
    }
  }

  /** Request the distributions of each chosen tag; for the view Spread, also the spread of these and of kernels. */
  #ask(bare) {
    const { version, tags } = this.#overview;
    const queries = queriesOf(bare);
    const asked = queries.distributions.map((query) => this.#model.distributions(query, version));
    if (bare.selection.view !== "spread" || !bare.shown.length) return asked;
    const kernels = tags
      .map(({ name }) => name)
      .filter(isKernel)
      .slice(0, LAYERS);
    return [...asked, this.#model.spread(queries.spread([...new Set([...kernels, ...bare.selection.tags])]), version)];
  }

  #draw(bare, asked) {
    const answers = asked.map((entry) => entry.value);
    const measured = answers.length > bare.selection.tags.length ? answers.pop() : null;
    this.#scene = filled(bare, answers, measured);
    this.whole.dataset.busy = "";
    if (this.whole.dataset.state !== "ready") this.#state("ready");
    this.warnings.replaceChildren(...warningsOf(this.#scene).map((text) => element("p", { text })));
    this.slider.set(this.#scene.steps, this.#scene.step, this.#scene.all.length);
    this.#plan = planOf(this.#scene);
    this.stage.show(this.#plan, this.#scene);
    requestAnimationFrame(() => this.#fillTable(this.#turn));
  }

  /** Fill the table; fill it again when the distances to the reference arrive. */
  #fillTable(mine) {
    if (mine !== this.#turn) return;
    const scene = this.#scene;
    if (!scene.spread && scene.shown.length && scene.grouped) {
      const entry = this.#model.spread(queriesOf(scene).spread(scene.selection.tags), this.#overview.version);
      this.#scene = { ...scene, spread: entry.value };
      if (!entry.value)
        entry.promise.then(
          () => this.#fillTable(mine),
          () => {},
        ); // on an error, the table keeps its placeholders
    }
    this.table.show(this.#scene);
  }

  #highlight(run) {
    this.stage.highlight(run);
    this.table.highlight(run);
  }

  /** Use light or dark colours, as TensorBoard does. */
  #dress() {
    document.documentElement.classList.toggle("dark", host.isDark());
    if (this.#scene?.theme.dark !== host.isDark()) this.#refresh();
  }
}

/** Return the choices that fit any sweep; filters, tags, the reference and the step fit only the one they were made for. */
function ofAnySweep(chosen) {
  const { view, x, y, each, clip, by, facet, sort } = chosen;
  return { view, x, y, each, clip, by, facet, sort };
}

/** Return the plan of the selected view, with notes on each tag. */
function planOf(scene) {
  const { view } = scene.selection;
  if (!scene.shown.length)
    return {
      rows: [{ tag: "No run is shown", said: ["Every run is filtered out. Show some again above."], panels: [] }],
      csv: () => [],
    };
  const plan = PLANS[view].plan(scene);
  if (view === "spread") return plan;
  return { ...plan, rows: plan.rows.map((row, at) => ({ ...row, said: notesOf(scene, scene.tags[at]) })) };
}

/** Return the colours of the page, read from the style sheet. */
function theme() {
  const styles = getComputedStyle(document.documentElement);
  const named = (name) => styles.getPropertyValue(`--${name}`).trim();
  return { dark: host.isDark(), paper: named("paper"), ink: named("ink"), soft: named("soft"), line: named("line") };
}
