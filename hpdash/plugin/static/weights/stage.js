/** The stage: draws the panels of a plan on canvases, highlights runs, and handles the pointer and the keyboard. */

import { prepare } from "./chart.js";
import { arrange, counted, element } from "../common/dom.js";
import { Tooltip } from "./tooltip.js";

const MOST = 48; // maximum number of panels that are drawn

/** The stage; it draws the first `MOST` panels of a plan.
 *
 * `onRun` is called with the run at the pointer, undefined for none; `onStep` with the step that was clicked.
 */
export class Stage {
  #scene = null;
  #shown = []; // the drawn panels, in order
  #kept = new Map(); // elements of rows and panels by key, used again by later plans
  #width = 0;

  constructor({ onRun, onStep }) {
    Object.assign(this, { onRun, onStep, tooltip: new Tooltip() });
    this.left = element("p", { className: "soft", hidden: true });
    this.rows = element("div", { className: "rows" });
    this.whole = element("div", { className: "charts", data: { drawn: "" } }, this.rows, this.left);
    new ResizeObserver(() => this.#scene && this.whole.clientWidth !== this.#width && this.#paint()).observe(
      this.whole,
    );
  }

  /** The drawn panels, each as `{panel, base, size}`. */
  get panels() {
    return this.#shown;
  }

  /** Show a plan of a scene. */
  show(plan, scene) {
    this.#scene = scene;
    this.#shown = [];
    let room = MOST;
    const sections = plan.rows.map((row) => {
      const panels = row.panels.slice(0, Math.max(room, 0));
      room -= row.panels.length;
      return this.#row(row, panels);
    });
    arrange(this.rows, sections);
    this.left.hidden = room >= 0;
    this.left.textContent =
      room < 0
        ? `${counted(-room, "panel")} more not drawn: filter runs, choose “groups”, fewer tags or another facet.`
        : "";
    this.#paint();
  }

  /** Highlight a run in every panel; undefined for none. */
  highlight(run) {
    const meant = (panel) => run !== undefined && Boolean(panel.framed) && panel.runs.includes(run);
    for (const made of this.#shown) {
      made.whole.classList.toggle("meant", meant(made.panel));
      if (!made.size || (run === undefined && !made.marked)) continue;
      const context = prepare(made.top, ...made.size);
      made.marked = run !== undefined;
      if (made.marked) made.panel.mark(context, run);
    }
  }

  #row(row, panels) {
    const made = this.#keep(`row ${row.tag}`, () => makeRow());
    made.heading.textContent = row.tag;
    made.said.className = row.verdict ? "said verdict" : "said";
    made.said.replaceChildren(...(row.said ?? []).map((text) => element("p", { text })));
    made.panels.style.setProperty("--least", `${row.least ?? 270}px`);
    arrange(
      made.panels,
      panels.map((make) => this.#panel(row, make())),
    );
    return made.whole;
  }

  #panel(row, panel) {
    const made = this.#keep(`panel ${row.tag} ${panel.key}`, () => this.#makePanel());
    made.panel = panel;
    made.swatch.style.background = panel.colour ?? "";
    made.swatch.hidden = !panel.colour;
    made.title.textContent = panel.title ?? "";
    made.caption.hidden = !panel.title;
    made.note.textContent = panel.note ?? "";
    made.plot.setAttribute("aria-label", panel.label);
    this.#shown.push(made);
    return made.whole;
  }

  #keep(key, make) {
    if (!this.#kept.has(key)) this.#kept.set(key, make());
    return this.#kept.get(key);
  }

  #makePanel() {
    const made = {
      base: element("canvas"),
      top: element("canvas", { className: "top" }),
      swatch: element("span", { className: "swatch" }),
      title: element("span"),
      note: element("p", { className: "soft" }),
      panel: null,
      marked: false,
    };
    made.caption = element("figcaption", {}, made.swatch, made.title);
    made.plot = element(
      "div",
      {
        className: "plot",
        tabIndex: 0,
        role: "img",
        on: {
          pointermove: (event) => this.#tell(made, at(made, event)),
          pointerleave: () => this.#tell(made, null),
          click: (event) => this.#step(at(made, event)),
          keydown: (event) => this.#keys(made, event),
          blur: () => this.#tell(made, null),
        },
      },
      made.base,
      made.top,
    );
    made.whole = element("figure", { className: "panel" }, made.caption, made.plot, made.note);
    return made;
  }

  /** Paint every panel. All sizes are read before painting, so that the browser computes the layout only once. */
  #paint() {
    this.#width = this.whole.clientWidth;
    if (!this.#width) return; // the tab is hidden; the ResizeObserver paints when it is shown again
    const tall = this.rows.childElementCount > 1 ? 230 : 330;
    const widths = this.#shown.map((made) => made.plot.clientWidth);
    this.#shown.forEach((made, place) => paintPanel(made, widths[place], tall));
    Object.assign(this.whole.dataset, {
      drawn: this.#shown.reduce((sum, made) => sum + made.panel.drawn, 0),
      view: this.#scene.selection.view,
      step: this.#scene.step,
    });
  }

  #tell(made, hit) {
    made.plot.style.cursor = hit?.step === undefined ? "" : "pointer";
    this.onRun(hit?.run);
    if (hit) this.tooltip.show(made.plot, hit, this.#scene);
    else this.tooltip.hide();
  }

  #step(hit) {
    if (hit?.step !== undefined) this.onStep(hit.step);
  }

  /** Show the tooltip by keys: up and down move from line to line, Escape hides it. */
  #keys(made, event) {
    const by = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (event.key === "Escape") this.#tell(made, null);
    if (by === undefined || !made.panel.around) return;
    event.preventDefault();
    this.#tell(made, made.panel.around(this.tooltip.run, by));
  }
}

function makeRow() {
  const [heading, said, panels] = [element("h2"), element("div"), element("div", { className: "panels" })];
  return {
    heading,
    said,
    panels,
    whole: element("section", {}, element("div", { className: "heading" }, heading, said), panels),
  };
}

function paintPanel(made, width, tall) {
  const height = made.panel.height ?? Math.round(Math.min(Math.max(width * 0.56, 190), tall));
  made.size = [width, height];
  made.plot.style.height = `${height}px`;
  made.panel.paint(prepare(made.base, width, height), width, height);
  if (made.marked) prepare(made.top, width, height);
  made.marked = false;
  made.whole.dataset.drawn = made.panel.drawn;
}

function at(made, event) {
  const box = made.plot.getBoundingClientRect();
  return made.panel.find(event.clientX - box.left, event.clientY - box.top);
}
