/** The table of trials: only the rows in view are in the document, so that thousands of trials scroll smoothly. */

import { button, drawing, element, keyed } from "../common/dom.js";
import { pathOf } from "./axes.js";
import { valueOf } from "./rows.js";

const HEIGHT = 28; // pixels of a row, as in the style sheet
const SPARE = 12; // rows above and below those in view
const SAMPLED = 400; // rows whose texts are measured for the width of a column
const [LEAST, MOST] = [44, 240]; // pixels of a column
const FIRST = { best: null, "#": "up", time: "down" }; // the direction of the first click; of "best" it is the goal's
const SPARK = [84, 18];
const MOST_CURVES = 20; // in the cell of a group

/** The table; these are called with the user's choice: `onSort(key, first, isFurther)`, `onOpen(id or null)`,
 * `onCompare(id)` for a trial to compare with the open one, `onFold(key)`, and `onTick(ids)`.
 */
export class Grid {
  #rows = [];
  #columns = [];
  #context = null;
  #active = -1;

  constructor({ onSort, onOpen, onCompare, onFold, onTick }) {
    Object.assign(this, { onSort, onOpen, onCompare, onFold, onTick });
    this.head = element("div", { role: "row", className: "head" });
    this.body = element("div", { role: "rowgroup", className: "body" });
    this.whole = element(
      "div",
      {
        className: "grid",
        tabIndex: 0,
        role: "grid",
        "aria-label": "Trials",
        on: { scroll: () => this.#draw(), keydown: (event) => this.#press(event) },
      },
      element("div", { role: "rowgroup", className: "heads" }, this.head),
      this.body,
    );
    new ResizeObserver(() => this.#draw()).observe(this.whole);
  }

  /** Show rows; `context` has `trials`, `sort`, `open` and `against` (ids), `ticks` (a Map from ids to colours), `goal`,
   * and `text(row, column)`. */
  show(rows, columns, context) {
    const active = this.#rows[this.#active]?.key;
    this.#rows = rows;
    this.#columns = columns;
    this.#context = context;
    this.#active = rows.findIndex((row) => row.key === active);
    this.whole.setAttribute("aria-rowcount", rows.length + 1);
    this.whole.setAttribute("aria-colcount", columns.length);
    this.whole.style.setProperty("--columns", this.#widths().map((width) => `${width}px`).join(" "));
    this.body.style.height = `${rows.length * HEIGHT}px`;
    keyed(
      this.head,
      columns,
      ({ key }) => key,
      (column) => this.#header(column),
      (cell, column) => this.#dressHeader(cell, column),
    );
    this.#draw();
  }

  /** Highlight the rows of a trial, null for none. */
  highlight(id) {
    for (const row of this.body.children) row.classList.toggle("meant", id !== null && row.dataset.trial === id);
  }

  #widths() {
    const pen = element("canvas").getContext("2d");
    const family = getComputedStyle(this.whole).fontFamily;
    const measured = (text, weight = 400) => {
      pen.font = `${weight} 13px ${family}`;
      return pen.measureText(text).width;
    };
    const stride = Math.max(1, Math.ceil(this.#rows.length / SAMPLED));
    const sampled = this.#rows.filter((_, at) => at % stride === 0);
    return this.#columns.map((column) => {
      if (column.key === "curve") return SPARK[0] + 20;
      const texts = new Set(sampled.map((row) => this.#context.text(row, column)));
      const widest = Math.max(measured(column.title, 600) + 16, ...[...texts].map((text) => measured(text, 600)));
      const beside = { "#": 22, trial: 16, status: 16 }[column.key] ?? 0; // pixels of its box, arrow or dot
      return Math.ceil(Math.min(MOST, Math.max(LEAST, widest + 20 + beside)));
    });
  }

  #header(column) {
    const press = (event) => {
      const goal = this.#context.goal === "min" ? "up" : "down";
      this.onSort(column.key, FIRST[column.key] === null ? goal : (FIRST[column.key] ?? "up"), event.shiftKey);
    };
    const sorts = column.key !== "curve" && !column.isTest;
    const inner = sorts ? button("", null, { on: { click: press } }) : element("span");
    return element("div", { role: "columnheader", data: { column: column.title } }, inner);
  }

  #dressHeader(cell, column) {
    const at = this.#context.sort.findIndex(([key]) => key === column.key);
    const direction = this.#context.sort[at]?.[1];
    const which = this.#context.sort.length > 1 && at >= 0 ? String(at + 1) : "";
    cell.firstChild.textContent = column.title + ({ up: " ↑", down: " ↓" }[direction] ?? "") + which;
    const titles = { curve: "the objective over epochs" };
    if (column.isTest) titles[column.key] = "on the test set, after `hpdash evaluate`; it cannot be sorted by, because whoever selects by it makes it too good";
    cell.firstChild.title = titles[column.key] ?? `Sort by ${column.title}; Shift adds a key`;
    cell.classList.toggle("test", Boolean(column.isTest));
    cell.setAttribute("aria-sort", { up: "ascending", down: "descending" }[direction] ?? "none");
    cell.classList.toggle("number", Boolean(column.numeric));
  }

  /** Put the rows in view into the document. */
  #draw() {
    if (!this.#context) return;
    const top = Math.max(0, Math.floor(this.whole.scrollTop / HEIGHT) - SPARE);
    const count = Math.ceil(this.whole.clientHeight / HEIGHT) + 2 * SPARE;
    const shown = this.#rows.slice(top, top + count).map((row, at) => ({ row, at: top + at }));
    keyed(
      this.body,
      shown,
      ({ row }) => row.key,
      ({ row }) => this.#row(row),
      (made, { row, at }) => this.#dress(made, row, at),
    );
    const active = this.#rows[this.#active];
    if (active) this.whole.setAttribute("aria-activedescendant", `row-${this.#active}`);
    else this.whole.removeAttribute("aria-activedescendant");
  }

  #row(row) {
    return element("div", {
      role: "row",
      on: {
        click: (event) => {
          this.#active = this.#rows.findIndex(({ key }) => key === row.key);
          this.whole.focus({ preventScroll: true });
          if (event.target.closest("[data-tick]")) this.#tick(this.#rows[this.#active]);
          else if (row.group || event.target.closest("[data-fold]")) this.onFold(row.key);
          else this.#openRow(this.#rows[this.#active], event.ctrlKey || event.metaKey);
        },
      },
    });
  }

  #idsOf(row) {
    return row.trials.map((trial) => this.#context.trials.id[trial]);
  }

  #tick(row) {
    if (!row.group) this.onTick(this.#idsOf(row));
  }

  #openRow(row, isCompared) {
    const id = this.#context.trials.id[row.trials[0]];
    const { open } = this.#context;
    if (isCompared && open && id !== open) this.onCompare(id);
    else this.onOpen(id === open ? null : id);
    this.#draw();
  }

  #dress(made, row, at) {
    const { trials, open, against } = this.#context;
    const [first] = row.trials;
    made.id = `row-${at}`;
    made.style.transform = `translateY(${at * HEIGHT}px)`;
    if (row.group) made.dataset.group = row.group;
    else made.dataset.trial = trials.id[first];
    made.dataset.status = row.group ? "" : (trials.status[first] ?? "");
    made.setAttribute("aria-rowindex", at + 2);
    made.setAttribute("aria-selected", String(!row.group && trials.id[first] === open));
    if (hasRows(row)) made.setAttribute("aria-expanded", String(!row.isFolded));
    else made.removeAttribute("aria-expanded");
    made.classList.toggle("active", at === this.#active);
    made.classList.toggle("against", !row.group && trials.id[first] === against);
    made.classList.toggle("first", row.place === 1);
    made.classList.toggle("replicate", Boolean(row.isReplicate));
    made.dataset.depth = row.depth;
    keyed(
      made,
      this.#columns,
      ({ key }) => key,
      (column) => element("div", { role: "gridcell", className: `cell ${column.numeric ? "number" : ""}` }),
      (cell, column) => this.#fill(cell, row, column),
    );
  }

  #fill(cell, row, column) {
    const { trials, text } = this.#context;
    if (column.key === "curve") return fillCurve(cell, row.trials.slice(0, MOST_CURVES).map((trial) => trials.curve[trial]), this.#context.scale);
    const said = text(row, column);
    const colour = column.key === "#" && !row.group ? this.#idsOf(row).map((id) => this.#context.ticks.get(id) ?? "").join() : "";
    const mark = `${said}|${row.trials.length}|${row.isFolded}|${colour}`;
    if (cell.mark === mark) return undefined;
    cell.mark = mark;
    cell.replaceChildren(said);
    cell.title = column.key === "status" ? (trials.reason[row.trials[0]] ?? said) : String(valueOf(trials, row, column) ?? "");
    if (column.key === "#" && !row.group) cell.prepend(tick(colour));
    if (column.key === "trial" && hasRows(row)) cell.prepend(fold(row));
    if (column.key === "status" && said && !row.group) cell.prepend(element("span", { className: "dot" }));
    return undefined;
  }

  #press(event) {
    if (event.target !== this.whole) return; // a header's button has its own keys
    const page = Math.max(1, Math.floor(this.whole.clientHeight / HEIGHT) - 2);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    const row = this.#rows[this.#active];
    if (event.key in steps) this.#move(this.#active + steps[event.key]);
    else if (event.key === "Enter" && row?.group) this.onFold(row.key);
    else if (event.key === "Enter" && row) this.#openRow(row, event.shiftKey);
    else if (event.key === " " && row) this.#tick(row);
    else if (event.key === "Escape") this.onOpen(null);
    else if (event.key === "ArrowRight" && row?.isFolded) this.onFold(row.key);
    else if (event.key === "ArrowLeft" && row && hasRows(row) && !row.isFolded) this.onFold(row.key);
    else return;
    event.preventDefault();
  }

  #move(to) {
    this.#active = Math.min(Math.max(to, 0), this.#rows.length - 1);
    const top = this.#active * HEIGHT;
    const { scrollTop, clientHeight } = this.whole;
    if (top < scrollTop) this.whole.scrollTop = top;
    else if (top + 2 * HEIGHT > scrollTop + clientHeight) this.whole.scrollTop = top + 2 * HEIGHT - clientHeight;
    this.#draw();
  }
}

/** Return the box that ticks a row; `colours` are those of its trials, with commas, empty for one that is not ticked. */
function tick(colours) {
  const box = element("input", { type: "checkbox", tabIndex: -1, title: "Tick to keep it on top and in every chart (space)", data: { tick: "" } });
  const own = colours.split(",");
  box.checked = own.every(Boolean);
  box.indeterminate = !box.checked && own.some(Boolean);
  box.style.accentColor = own.find(Boolean) ?? "";
  return box;
}

/** Return whether a row can show rows below it: those of its replicates, or of its group. */
const hasRows = (row) => Boolean(row.group) || row.trials.length > 1;

const fold = (row) =>
  element("button", {
    type: "button",
    tabIndex: -1,
    className: "fold",
    text: row.isFolded ? "▸" : "▾",
    title: row.isFolded ? `Show its ${row.trials.length} trials` : "Hide its trials",
    data: { fold: "" },
  });

/** Draw curves into a cell, all rows on the same scale: values from `low` to `high`, steps from `first` to `last`. */
function fillCurve(cell, curves, { low, high, first, last }) {
  const mark = JSON.stringify([curves, low, high, first, last]);
  if (cell.mark === mark) return;
  cell.mark = mark;
  const [width, height] = SPARK;
  const share = (value) => Math.min(Math.max((value - low) / (high - low || 1), 0), 1);
  const y = (value) => height - 2 - share(value) * (height - 4);
  const x = (step) => 2 + ((step - first) / Math.max(last - first, 1)) * (width - 4);
  const paths = curves.map((curve) => drawing("path", { d: pathOf(curve.values, (at) => x(curve.steps[at]), y) }));
  cell.replaceChildren(
    drawing("svg", { width, height, viewBox: `0 0 ${width} ${height}`, class: "spark", "aria-hidden": "true" }, ...paths),
  );
}
