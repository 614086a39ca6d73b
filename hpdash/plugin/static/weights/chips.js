/** The filters, which are also the legend: the values of each hyperparameter, and a search in the runs' names. */

import { arrange, button, clipped, counted, element, short, spelled } from "../common/dom.js";
import { palette } from "../common/colours.js";
import { FOLDER, RUN } from "./state.js";

const FEW = 12; // with at most this many values, each has a chip
const ROWS = 4; // hyperparameters that are shown until the user asks for more

/** The filters; `change` is called with the changed keys of the selection. */
export class Chips {
  #change;
  #scene = null;
  #chips = new Map(); // elements by key, kept so that they keep the focus and get both clicks of a double click
  #wait = null;
  #open = false;

  constructor(change) {
    this.#change = change;
    this.groups = element("div", { className: "groups" });
    this.search = element("input", {
      type: "search",
      placeholder: "runs: text or /regex/",
      "aria-label": "Show runs with this in their name",
      data: { control: "contains" },
      on: { input: () => this.#type() },
    });
    this.said = element("output", { className: "soft", data: { control: "count" } });
    this.clear = button("Show all", () => this.#all(), { data: { control: "clear" } });
    this.more = button("", () => {
      this.#open = !this.#open;
      this.set(this.#scene);
    });
    this.whole = element(
      "div",
      { className: "filters" },
      element("div", { className: "groups" }, this.groups, this.more),
      element("div", { className: "row find" }, this.search, this.said, this.clear),
    );
  }

  /** Show the filters of a scene. */
  set(scene) {
    const { selection, overview, shown, dimensions } = scene;
    this.#scene = scene;
    if (document.activeElement !== this.search) this.search.value = selection.contains;
    const rows = listed(dimensions, selection);
    const few = this.#open ? rows : rows.slice(0, ROWS);
    arrange(
      this.groups,
      few.map((dimension) => this.#group(dimension, scene)),
    );
    this.more.hidden = rows.length <= ROWS;
    this.more.textContent = this.#open ? "Fewer filters" : counted(rows.length - ROWS, "more filter");
    const all = overview.runs.length;
    this.said.textContent =
      shown.length === all ? counted(all, "run") : `${shown.length.toLocaleString("en")} of ${counted(all, "run")}`;
    this.clear.hidden = shown.length === all;
  }

  #type() {
    clearTimeout(this.#wait);
    this.#wait = setTimeout(() => this.#change({ contains: this.search.value || undefined }), 200);
  }

  #all() {
    this.search.value = "";
    this.#change({ hide: undefined, range: undefined, contains: undefined });
  }

  #group(dimension, scene) {
    const { name, label, values } = dimension;
    const coloured = name === scene.selection.by;
    const colours = coloured ? palette(values, scene.theme.dark) : null;
    const few = values.length <= FEW;
    const made = this.#keep(name, () => element("div", { role: "group", "aria-label": label, data: { hparam: name } }));
    const title = this.#keep(`name ${name}`, () =>
      element("span", { className: "name", text: `${clipped(label, 32)}:` }),
    );
    const parts = few
      ? values.map((value) => this.#chip(dimension, value, scene.selection, colours))
      : this.#wide(dimension, scene.selection, colours);
    made.className = coloured ? "group legend" : "group";
    arrange(made, [title, ...parts]);
    return made;
  }

  #keep(key, make) {
    if (!this.#chips.has(key)) this.#chips.set(key, make());
    return this.#chips.get(key);
  }

  #chip({ name, values, label }, value, { hide }, colours) {
    const chip = this.#keep(`chip ${JSON.stringify([name, value])}`, () =>
      button(clipped(name === RUN ? value : spelled(value), 34), null, {
        className: "chip",
        data: { value: JSON.stringify(value) },
        title: `${label} = ${spelled(value)}. Click: hide or show. Double click or Alt-click: only this.`,
      }),
    );
    chip.onclick = ({ altKey, detail }) => {
      const hidden = hiddenOf(hide, name);
      const now =
        detail === 2
          ? others(values, value, [])
          : altKey
            ? others(values, value, hidden)
            : toggled(values, value, hidden);
      this.#change({ hide: { ...hide, [name]: now } });
    };
    chip.setAttribute("aria-pressed", String(!hiddenOf(hide, name).includes(value)));
    chip.querySelector(".swatch")?.remove();
    if (colours) chip.prepend(swatch(colours.get(value)));
    return chip;
  }

  #wide({ name, values, label }, { range }, colours) {
    const numbers = values.filter((value) => typeof value === "number");
    const scale = colours ? [gradient(colours, values)] : [];
    if (numbers.length < 2)
      return [...scale, element("span", { className: "soft", text: counted(values.length, "value") })];
    const ends = Object.hasOwn(range, name) ? range[name] : [null, null];
    const field = (at, hint) =>
      element("input", {
        type: "number",
        step: "any",
        value: ends[at] ?? "",
        placeholder: short(hint),
        "aria-label": `${label} ${at ? "to" : "from"}`,
        on: {
          change: ({ target }) =>
            this.#change({
              range: { ...range, [name]: ends.with(at, target.value === "" ? null : Number(target.value)) },
            }),
        },
      });
    return [...scale, field(0, Math.min(...numbers)), element("span", { text: "to" }), field(1, Math.max(...numbers))];
  }
}

/** Return the dimensions to filter by; those of the colours and the facets, and the folder, come first. */
function listed(dimensions, { by, facet }) {
  const first = [by, facet, FOLDER];
  const rank = ({ name }) => first.indexOf(name) + 1 || first.length + 1;
  return dimensions
    .filter(({ name, values, differs }) => differs && (name !== RUN || (name === by && values.length <= FEW)))
    .sort((one, other) => rank(one) - rank(other));
}

const hiddenOf = (hide, name) => (Object.hasOwn(hide, name) ? hide[name] : []);

/** Return the hidden values after hiding a value or showing it again; if all would be hidden, none is. */
function toggled(values, value, hidden) {
  const now = hidden.includes(value) ? hidden.filter((one) => one !== value) : [...hidden, value];
  return now.length === values.length ? [] : now;
}

/** Return all values but one as hidden; if exactly these are hidden already, none. */
function others(values, value, hidden) {
  const rest = values.filter((one) => one !== value);
  return rest.length === hidden.length && !hidden.includes(value) ? [] : rest;
}

function swatch(colour) {
  const made = element("span", { className: "swatch" });
  made.style.background = colour;
  return made;
}

function gradient(colours, values) {
  const made = element("span", { className: "gradient", title: `from ${spelled(values[0])} up` });
  made.style.background = `linear-gradient(to right, ${values
    .filter((value) => value !== null)
    .map((value) => colours.get(value))
    .join(", ")})`;
  return made;
}
