/** The drawer on the right of the table: everything about one trial, and how it differs from another one. */

import { button, counted, duration, element, metric, spelled } from "../common/dom.js";
import { copy } from "../common/files.js";
import { lineChart } from "./lines.js";
import { stripChart } from "./strips.js";

const VALIDATION = "validation/";
const TRAINED = "var(--train)";
const VALIDATED = "var(--accent)";
export const NARROW = matchMedia("(max-width: 900px)"); // as in the style sheet: the drawer covers the page
const OTHER = "var(--soft)"; // the curves of the trial that it is compared with

/** The drawer; `onClose()` is called when the user closes it, `onCompare(id)` with the trial to compare with, or null. */
export class Drawer {
  #mark = "";

  constructor({ onClose, onCompare }) {
    this.onCompare = onCompare;
    this.title = element("h2");
    this.content = element("div", { className: "content" });
    this.weights = element("section", { hidden: true });
    this.whole = element(
      "aside",
      { className: "drawer", data: { drawer: "" }, hidden: true, "aria-label": "Trial", on: { keydown: escape(onClose) } },
      element("header", {}, this.title, button("×", onClose, { title: "Close", className: "close", "aria-label": "Close" })),
      this.content,
    );
  }

  /** Say that a trial is being loaded. */
  wait(id) {
    this.fail(id, "loading …");
  }

  /** Show a trial; `other` is the trial that the user compares it with, or null.
   *
   * Without one, its settings are compared with `best`, those of the best trial; null if it is the best itself.
   */
  show(trial, best, other) {
    const { version, ...content } = trial;
    const mark = JSON.stringify([content, best, other?.id, other?.version]);
    if (this.#mark === mark && !this.whole.hidden) return; // so that its focus and what is selected in it stay
    this.#mark = mark;
    this.whole.hidden = false;
    this.whole.dataset.trial = trial.id;
    this.whole.dataset.against = other?.id ?? "";
    this.title.textContent = other ? `${trial.id} and ${shortName(other)}` : trial.id;
    const top = this.whole.scrollTop;
    const open = new Set([...this.content.querySelectorAll("details[open]")].map(({ dataset }) => dataset.part));
    const reference = other ? { name: shortName(other), settings: other.hparams } : best && { name: "best", settings: best };
    const head = [facts(trial), other && factsOf(other), this.#comparing(trial, other), error(trial)];
    if (this.weights.dataset.of !== trial.id) this.weights.hidden = true; // until `showWeights`
    const parts = [settings(trial, reference), curves(trial, other), this.weights, attempts(trial), layers(trial)];
    this.content.replaceChildren(...[...head, ...parts, output(trial), recipe(trial), origin(trial)].filter(Boolean));
    for (const part of this.content.querySelectorAll("details")) if (open.has(part.dataset.part)) part.open = true;
    this.whole.scrollTop = top;
  }

  /** Show how the weights of the open trial changed: an answer of the route `weights`. */
  showWeights(id, { strips, left_out: others }, dark) {
    this.weights.dataset.of = id;
    const more = others ? [element("p", { className: "soft", text: `${counted(others, "more histogram")}: see Weights.` })] : [];
    this.weights.replaceChildren(element("h3", { text: "Weights, from the first to the last step" }), ...strips.map((strip) => stripChart(strip, dark)), ...more);
    this.weights.hidden = !strips.length;
  }

  /** Return the button that starts or ends a comparison. */
  #comparing(trial, other) {
    if (other) return button("Stop comparing", () => this.onCompare(null), { data: { control: "alone" } });
    const title = "Then open another trial. Or Ctrl-click (⌘-click) another row, or press Shift-Enter on it";
    return button("Compare with another trial", () => this.onCompare(trial.id), { title, data: { control: "compare" } });
  }

  /** Ask the user to open the other trial. */
  hint() {
    this.content.querySelector("[data-control=compare]")?.replaceWith(
      element("p", { className: "soft", role: "status", text: "Open the trial to compare with, in the table or in a chart." }),
    );
  }

  /** Say why a trial cannot be shown. */
  fail(id, sentence) {
    this.#mark = "";
    this.whole.hidden = false;
    this.whole.dataset.trial = id;
    this.title.textContent = id;
    this.content.replaceChildren(element("p", { text: sentence }));
  }

  /** In a narrow window, take the other parts of the page out of reach while the drawer is open and covers them. */
  cover(parts, isOpen) {
    const covers = isOpen && NARROW.matches;
    for (const { whole } of parts) whole.inert = covers;
    if (covers && !this.whole.contains(document.activeElement)) setTimeout(() => this.whole.querySelector(".close").focus());
  }

  /** Hide the drawer. */
  close() {
    this.whole.hidden = true;
    delete this.whole.dataset.trial;
  }
}

/** Return the name of a trial within its sweep. */
const shortName = ({ id }) => id.slice(id.lastIndexOf("/") + 1);

const escape = (onClose) => (event) => event.key === "Escape" && onClose();

/** Return a section with a heading; of a folded one, the heading opens it. */
function section(title, ...children) {
  return element("section", {}, element("h3", { text: title }), ...children);
}

function folded(title, ...children) {
  return element("details", { data: { part: title } }, element("summary", { text: title }), ...children);
}

/** Return the result of the trial that another one is compared with. */
function factsOf(other) {
  const { objective, best, epoch, status } = other;
  const result = objective && best !== null ? `${metric(best)} ${objective.name} at ${epoch}` : (status ?? "").replace("_", " ");
  return element("p", { className: "soft other", text: `${shortName(other)}: ${result}` });
}

function facts(trial) {
  const { objective } = trial;
  const parts = [
    trial.status?.replace("_", " "),
    trial.attempt > 1 ? `attempt ${trial.attempt}` : "",
    trial.trained === null ? "" : `${trial.trained} ${trial.unit + "s"}`,
    duration(trial.time),
    trial.seed === null ? "" : `seed ${trial.seed}`,
  ];
  const best = objective && trial.best !== null ? `${metric(trial.best)} ` : "";
  return element(
    "section",
    {},
    best ? element("p", { className: "value" }, element("strong", { text: best }), `${objective.name} at ${trial.epoch}`) : "",
    element("p", { text: parts.filter(Boolean).join(" · ") }),
    ...trial.caveats.map((text) => element("p", { className: "soft", text })),
    links(trial),
  );
}

/** Return links to the same trial in other tabs of TensorBoard. */
function links(trial) {
  const filter = encodeURIComponent(trial.run);
  const exact = encodeURIComponent(`^${trial.run.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}(/|$)`);
  const link = (text, href) => element("a", { text, href, target: "_top" });
  const page = window.parent.location.pathname;
  const sweep = trial.sweep === null ? "" : `&p.hpdash_weights.sweep=${encodeURIComponent(trial.sweep)}`;
  const weights = link("Weights", `${page}#hpdash_weights${sweep}&p.hpdash_weights.contains=${filter}`);
  const series = link("Time Series", `${page}?runFilter=${exact}#timeseries`);
  return element("p", { className: "links" }, "Open in ", weights, " · ", series);
}

function error(trial) {
  const found = trial.result;
  if (!found?.error) return null;
  const trace = found.traceback ? [folded("Traceback", element("pre", { text: found.traceback }))] : [];
  return section("Error", element("pre", { className: "error", text: found.error }), ...trace);
}

/** Return the settings; `reference` has the `settings` that they are compared with and whose they are, or is null. */
function settings(trial, reference) {
  const swept = trial.swept.filter((name) => name in trial.hparams);
  const names = swept.length ? swept : Object.keys(trial.hparams);
  const rest = swept.length ? Object.keys(trial.hparams).filter((name) => !swept.includes(name)) : [];
  if (!names.length) return null;
  const row = (name) => {
    const value = trial.hparams[name] ?? null;
    const other = reference?.settings[name] ?? null;
    const differs = reference !== null && other !== value;
    return element(
      "tr",
      { className: differs ? "differs" : "" },
      element("th", { scope: "row", text: name }),
      element("td", { text: spelled(value) }),
      element("td", { className: "soft", text: differs ? `${reference.name}: ${spelled(other)}` : "" }),
    );
  };
  const more = rest.length ? [folded(`${counted(rest.length, "setting")} that the sweep does not vary`, table(rest.map(row)))] : [];
  return section("Settings", table(names.map(row)), ...more);
}

const table = (rows) => element("table", {}, element("tbody", {}, ...rows));

/** Return a chart for each metric: the training curve dashed, the validation curve solid; those of `other` in grey. */
function curves(trial, other) {
  const metrics = curvesOf(trial);
  const others = other ? curvesOf(other) : new Map();
  const charts = [...metrics].map(([name, both]) => {
    const theirs = (others.get(name) ?? []).map((curve) => ({ ...curve, name: `${shortName(other)} ${curve.name}`, colour: OTHER }));
    return [both.length, lineChart(name, [...theirs, ...both])];
  });
  const main = charts.filter(([count]) => count > 1).map(([, chart]) => chart);
  const single = charts.filter(([count]) => count === 1).map(([, chart]) => chart);
  if (!charts.length) return null;
  if (!main.length) return section("Curves", ...single);
  const more = single.length ? [folded(`${single.length} more curves`, ...single)] : [];
  return section("Curves", ...main, ...more);
}

/** Return the curves of a trial for each metric. */
function curvesOf(trial) {
  const metrics = new Map();
  for (const [tag, curve] of Object.entries(trial.curves)) {
    const isValidation = tag.startsWith(VALIDATION);
    const name = (isValidation ? tag.slice(VALIDATION.length) : tag).replace(/^epoch_/, "");
    const own = { ...curve, name: isValidation ? "validation" : "training", isDashed: !isValidation };
    const drawn = { ...own, colour: isValidation ? VALIDATED : TRAINED };
    metrics.set(name, [...(metrics.get(name) ?? []), drawn]);
  }
  return metrics;
}

function attempts(trial) {
  if (trial.history.length < 3) return null;
  const lines = trial.history.map(({ attempt, state, epochs, reason }) => {
    const after = epochs === null ? "" : ` after ${counted(epochs, trial.unit)}`;
    return element("li", { text: `attempt ${attempt}: ${state.replace("_", " ")}${after}${reason ? `: ${reason}` : ""}` });
  });
  return section("Attempts", element("ol", {}, ...lines));
}

function layers(trial) {
  const count = trial.result?.parameters;
  if (!trial.layers.length && !count) return null;
  const rows = trial.layers.map((layer) =>
    element("tr", {}, ...Object.values(layer).map((value) => element("td", { text: cell(value) }))),
  );
  const head = element("thead", {}, element("tr", {}, ...Object.keys(trial.layers[0] ?? {}).map((name) => element("th", { text: name }))));
  const title = count ? `Layers (${count.toLocaleString("en")} parameters)` : "Layers";
  return folded(title, element("table", {}, head, element("tbody", {}, ...rows)));
}

const cell = (value) => (value === null ? "" : Array.isArray(value) ? value.join(" × ") : String(value));

/** Return the end of what a program printed; null for a trial that is no program or has printed nothing. */
const output = (trial) => (trial.output ? folded("Its output", element("pre", { text: trial.output })) : null);

function recipe(trial) {
  if (!trial.recipe) return null;
  const pressed = button("Copy", () => copy(trial.recipe, pressed));
  return folded("Train it again", element("p", { className: "soft" }, "A sweep file with this trial alone. ", pressed), element("pre", { text: trial.recipe }));
}

function origin(trial) {
  const digest = trial.result?.weights_sha256;
  const lines = [trial.folder === null ? "" : `folder ${trial.folder}`, digest ? `SHA-256 of the weights ${digest}` : ""].filter(Boolean);
  return folded("Where it is", ...lines.map((text) => element("p", { className: "soft", text })));
}
