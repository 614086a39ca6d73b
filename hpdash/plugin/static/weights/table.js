/** The sortable table with the statistics of every shown run at the step; it highlights runs, as the charts do. */

import { button, element, short, spelled } from "../common/dom.js";
import { differing, valueOf } from "./selection.js";

const MOST = 100; // rows that are shown until the user asks for all
const MEASURES = [
  ["mean", "mean"],
  ["std", "std"],
  ["min", "min"],
  ["p1", "p1"],
  ["p50", "median"],
  ["p99", "p99"],
  ["max", "max"],
  ["near_zero", "near 0", "share of the weights with |w| ≤ 0.001"],
  ["nonfinite", "non-finite", "share of the weights that are NaN or infinite"],
  ["from_start", "from start", "Wasserstein-1 distance to the run’s first step in this data"],
  ["reference", "to reference", "Wasserstein-1 distance to the mean distribution of the reference group"],
];
const SHARES = new Set(["near_zero", "nonfinite"]);

/** The table; `onSort` is called with the chosen column, `onRun` with the run at the pointer, undefined for none. */
export class Table {
  #scene = null;
  #all = false;

  constructor({ onSort, onRun }) {
    Object.assign(this, { onSort, onRun, head: element("thead"), body: element("tbody"), caption: element("caption") });
    this.more = button("", () => {
      this.#all = true;
      this.#draw();
    });
    const table = element("table", {}, this.caption, this.head, this.body);
    this.whole = element(
      "section",
      { className: "below" },
      element(
        "div",
        { className: "scroll", tabIndex: 0, role: "region", "aria-label": "Statistics of the runs" },
        table,
      ),
      this.more,
    );
  }

  /** Show a scene's runs. */
  show(scene) {
    this.#scene = scene;
    this.#draw();
  }

  /** Highlight a run's rows. */
  highlight(run) {
    for (const row of this.body.rows)
      row.classList.toggle("meant", run !== undefined && Number(row.dataset.run) === run);
  }

  #draw() {
    const { sort } = this.#scene.selection;
    const { columns, rows } = tableOf(this.#scene);
    const sorted = sortRows(rows, columns, sort);
    const shown = this.#all ? sorted : sorted.slice(0, MOST);
    const focused = this.head.contains(document.activeElement) ? document.activeElement.dataset.sort : undefined;
    this.caption.textContent = captionOf(this.#scene);
    this.head.replaceChildren(element("tr", {}, ...columns.map((column) => header(column, sort, this.onSort))));
    this.body.replaceChildren(...shown.map((row) => this.#row(row, columns)));
    if (focused !== undefined)
      [...this.head.querySelectorAll("button")].find(({ dataset }) => dataset.sort === focused)?.focus();
    this.more.hidden = shown.length === sorted.length;
    this.more.textContent = `Show all ${sorted.length.toLocaleString("en")} rows`;
  }

  #row(row, columns) {
    const point = { pointerenter: () => this.onRun(row.run), pointerleave: () => this.onRun(undefined) };
    return element("tr", { data: { run: row.run }, on: point }, ...columns.map((column) => cell(row, column)));
  }
}

function captionOf({ selection, step, spread, grouped }) {
  const named = !spread || !grouped ? "" : `; to reference: ${selection.by}=${spelled(spread.reference)}`;
  return `${step === undefined ? "No step" : `At step ${step}`}, in weight units${named}`;
}

function header(column, sort, onSort) {
  const [name, down] = [sort.replace(/^-/, ""), sort.startsWith("-")];
  const now = name === column.key ? (down ? "descending" : "ascending") : "none";
  const next = now === "ascending" ? `-${column.key}` : column.key;
  const arrow = { ascending: " ↑", descending: " ↓", none: "" }[now];
  return element(
    "th",
    { scope: "col", "aria-sort": now, className: column.text ? "text" : "" },
    button(column.title + arrow, () => onSort(next), {
      title: column.about ?? column.title,
      data: { sort: column.key },
    }),
  );
}

function cell(row, { key, text, swatch }) {
  const value = row.cells[key];
  const said = text ? spelled(value) : SHARES.has(key) ? percent(value) : value === null ? "…" : short(value, 3);
  const made = element("td", {
    text: said,
    className: text ? "text" : "",
    title: key === "run" ? row.name : text ? said : String(value),
  });
  if (swatch && row.colour) {
    const square = element("span", { className: "swatch" });
    square.style.background = row.colour;
    made.prepend(square);
  }
  return made;
}

const percent = (share) => (Number.isFinite(share) ? `${short(share * 100, 3)} %` : "–");

/** Return the table's columns and its rows, one for each tag and run. */
export function tableOf(scene) {
  const { overview, shown, tags } = scene;
  const names = differing(overview, shown);
  const columns = [
    ...(tags.length > 1 ? [{ key: "tag", title: "tag", text: true }] : []),
    { key: "run", title: "run", text: true, swatch: true },
    ...names.map((name) => ({ key: `=${name}`, title: name, text: true })),
    ...MEASURES.filter(([key]) => key !== "reference" || scene.grouped).map(([key, title, about]) => ({
      key,
      title,
      about,
    })),
  ];
  const colours = new Map(scene.groups.flatMap(({ colour, runs }) => runs.map((run) => [run, colour])));
  const rows = tags.flatMap(({ tag, data }) =>
    shown
      .filter((run) => data.runs.has(run))
      .map((run) => ({
        run,
        name: overview.runs[run].name,
        colour: colours.get(run),
        cells: {
          tag,
          run: overview.runs[run].label,
          ...settings(overview.runs[run], names),
          ...numbers(scene, tag, data, run),
        },
      })),
  );
  return { columns, rows };
}

const settings = (run, names) => Object.fromEntries(names.map((name) => [`=${name}`, valueOf(run, name)]));

function numbers(scene, tag, data, run) {
  const series = data.runs.get(run);
  const row = series.row.get(scene.step);
  const known = (key) => (row === undefined ? NaN : series.statistic(key, row));
  const values = Object.fromEntries(MEASURES.map(([key]) => [key, known(key)]));
  values.nonfinite = row === undefined ? NaN : (series.nonfinite?.[row] ?? 0);
  values.reference = toReference(scene, tag, run);
  return values;
}

/** Return a run's distance to the reference group at the step; null until it has been loaded, NaN if unknown. */
function toReference({ spread, step }, tag, run) {
  if (!spread) return null;
  const found = spread?.tags.find((one) => one.tag === tag);
  const at = found?.steps.indexOf(step) ?? -1;
  return at < 0 ? NaN : (found.to_reference.find((one) => one.run === run)?.raw[at] ?? NaN);
}

/** Return rows sorted by a column: numbers by size, texts with the numbers in them by size, missing values last. */
export function sortRows(rows, columns, sort) {
  const [key, sign] = sort.startsWith("-") ? [sort.slice(1), -1] : [sort, 1];
  if (!columns.some((column) => column.key === key)) return rows;
  const missing = (value) => value === null || Number.isNaN(value);
  return rows.toSorted((one, other) => {
    const [a, b] = [one.cells[key], other.cells[key]];
    if (missing(a) || missing(b)) return missing(a) - missing(b);
    if (typeof a === "number" && typeof b === "number") return sign * (a - b);
    return sign * String(a).localeCompare(String(b), "en", { numeric: true });
  });
}
