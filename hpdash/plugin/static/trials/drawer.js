/** The drawer on the right of the table: everything about one trial. */

import { button, counted, duration, element, metric, spelled } from "../common/dom.js";
import { copy } from "../common/files.js";
import { lineChart } from "./lines.js";

const VALIDATION = "validation/";
const TRAINED = "var(--train)";
const VALIDATED = "var(--accent)";

/** The drawer; `onClose()` is called when the user closes it. */
export class Drawer {
  #mark = "";

  constructor({ onClose }) {
    this.title = element("h2");
    this.content = element("div", { className: "content" });
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

  /** Show a trial; `best` are the hyperparameters of the best trial, to compare with, or null for the best itself. */
  show(trial, best) {
    const { version, ...content } = trial;
    const mark = JSON.stringify([content, best]);
    if (this.#mark === mark && !this.whole.hidden) return; // so that its focus and what is selected in it stay
    this.#mark = mark;
    this.whole.hidden = false;
    this.whole.dataset.trial = trial.id;
    this.title.textContent = trial.id;
    const top = this.whole.scrollTop;
    const open = new Set([...this.content.querySelectorAll("details[open]")].map(({ dataset }) => dataset.part));
    const parts = [facts(trial), error(trial), settings(trial, best), curves(trial), attempts(trial), layers(trial)];
    this.content.replaceChildren(...[...parts, recipe(trial), origin(trial)].filter(Boolean));
    for (const part of this.content.querySelectorAll("details")) if (open.has(part.dataset.part)) part.open = true;
    this.whole.scrollTop = top;
  }

  /** Say why a trial cannot be shown. */
  fail(id, sentence) {
    this.#mark = "";
    this.whole.hidden = false;
    this.whole.dataset.trial = id;
    this.title.textContent = id;
    this.content.replaceChildren(element("p", { text: sentence }));
  }

  /** Hide the drawer. */
  close() {
    this.whole.hidden = true;
    delete this.whole.dataset.trial;
  }
}

const escape = (onClose) => (event) => event.key === "Escape" && onClose();

/** Return a section with a heading; of a folded one, the heading opens it. */
function section(title, ...children) {
  return element("section", {}, element("h3", { text: title }), ...children);
}

function folded(title, ...children) {
  return element("details", { data: { part: title } }, element("summary", { text: title }), ...children);
}

function facts(trial) {
  const { objective } = trial;
  const parts = [
    trial.status?.replace("_", " "),
    trial.attempt > 1 ? `attempt ${trial.attempt}` : "",
    trial.trained === null ? "" : `${trial.trained} ${trial.sweep === null ? "steps" : "epochs"}`,
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

function settings(trial, best) {
  const swept = trial.swept.filter((name) => name in trial.hparams);
  const names = swept.length ? swept : Object.keys(trial.hparams);
  const rest = swept.length ? Object.keys(trial.hparams).filter((name) => !swept.includes(name)) : [];
  if (!names.length) return null;
  const row = (name) => {
    const value = trial.hparams[name] ?? null;
    const other = best?.[name] ?? null;
    const differs = best !== null && other !== value;
    return element(
      "tr",
      { className: differs ? "differs" : "" },
      element("th", { scope: "row", text: name }),
      element("td", { text: spelled(value) }),
      element("td", { className: "soft", text: differs ? `best: ${spelled(other)}` : "" }),
    );
  };
  const more = rest.length ? [folded(`${rest.length} settings that the sweep does not vary`, table(rest.map(row)))] : [];
  return section("Settings", table(names.map(row)), ...more);
}

const table = (rows) => element("table", {}, element("tbody", {}, ...rows));

/** Return a chart for each metric: the training curve dashed, the validation curve solid. */
function curves(trial) {
  const metrics = new Map();
  for (const [tag, curve] of Object.entries(trial.curves)) {
    const isValidation = tag.startsWith(VALIDATION);
    const name = (isValidation ? tag.slice(VALIDATION.length) : tag).replace(/^epoch_/, "");
    const own = { ...curve, name: isValidation ? "validation" : "training", isDashed: !isValidation };
    const drawn = { ...own, colour: isValidation ? VALIDATED : TRAINED };
    metrics.set(name, [...(metrics.get(name) ?? []), drawn]);
  }
  const charts = [...metrics].map(([name, both]) => [both.length, lineChart(name, both)]);
  const main = charts.filter(([count]) => count > 1).map(([, chart]) => chart);
  const others = charts.filter(([count]) => count === 1).map(([, chart]) => chart);
  if (!charts.length) return null;
  if (!main.length) return section("Curves", ...others);
  const more = others.length ? [folded(`${others.length} more curves`, ...others)] : [];
  return section("Curves", ...main, ...more);
}

function attempts(trial) {
  if (trial.history.length < 3) return null;
  const lines = trial.history.map(({ attempt, state, epochs, reason }) => {
    const after = epochs === null ? "" : ` after ${counted(epochs, "epoch")}`;
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

function recipe(trial) {
  if (!trial.recipe) return null;
  const pressed = button("Copy", () => copy(trial.recipe, pressed));
  return folded("Train it again", element("p", { className: "soft" }, "A sweep file with this trial alone. ", pressed), element("pre", { text: trial.recipe }));
}

function origin(trial) {
  const digest = trial.result?.weights_sha256;
  const lines = [`folder ${trial.folder}`, digest ? `SHA-256 of the weights ${digest}` : ""].filter(Boolean);
  return folded("Where it is", ...lines.map((text) => element("p", { className: "soft", text })));
}
