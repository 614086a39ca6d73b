/** The controls above the charts: tags, grouping, view, axes, and the buttons that save. */

import { chooser, element, segmented, spelled } from "../common/dom.js";
import { Picker } from "./picker.js";
import { ALL_SWEEPS, CLIPS, RUN } from "./state.js";

const VIEWS = [
  ["overlay", "Overlay", "All runs’ densities at one step"],
  ["ridges", "Ridges", "Densities over the steps, one behind the other"],
  ["bands", "Bands", "Quantiles over the steps"],
  ["heat", "Heat", "Density at each value and step"],
  ["spread", "Spread", "How far apart the runs of a group are, and how much each changes"],
];
const EACH = [
  ["run", "runs", "One line or panel for each run"],
  ["group", "groups", "One line or panel for each group: the mean of its runs"],
];
const X = [
  ["shared", "shared", "One weight axis for each tag"],
  ["free", "free", "Axes of its own for each panel"],
];
const Y = [
  ["density", "density", "Share of the weights per unit of weight"],
  ["count", "count", "Weights in a bin"],
  ["log", "log", "Density on a logarithmic scale"],
];
const NONE = ["", "nothing"];

/** The toolbar; `change` is called with the changed keys of the selection, `exports` is the last element. */
export class Toolbar {
  constructor(change, exports) {
    this.sweep = chooser("sweep", "Sweep", (value) => change({ sweep: value }));
    this.picker = new Picker((tags) => change({ tags }));
    this.by = chooser("colour", "Colour by", (value) => change({ by: value, reference: undefined }));
    this.facet = chooser("facet", "Facet by", (value) => change({ facet: value }));
    this.reference = chooser("reference", "Reference", (value) => change({ reference: JSON.parse(value) }));
    this.view = segmented("view", "View", VIEWS, (value) => change({ view: value }));
    this.each = segmented("each", "Draw", EACH, (value) => change({ each: value }));
    this.x = segmented("x", "Weight axis", X, (value) => change({ x: value }));
    this.y = segmented("y", "Measure", Y, (value) => change({ y: value }));
    this.clip = chooser("clip", "clip", (value) => change({ clip: Number(value) }));
    this.clip.whole.title = "Share of all values that the weight axis holds";
    const { sweep, picker, by, facet, reference, view, each, x, clip, y } = this;
    const what = row(sweep.whole, picker.whole, by.whole, facet.whole, reference.whole);
    const how = row(view.whole, named("draw", each), named("x", x), clip.whole, named("y", y), exports);
    this.whole = element("div", { className: "toolbar" }, what, how);
  }

  /** Set the options of all controls, and the chosen ones. */
  set({ selection, overview, dimensions, grouped }) {
    const { by, facet, clip, reference, view } = selection;
    const offered = dimensions.filter(({ differs, name }) => differs || name === by || name === facet);
    const names = [NONE, ...offered.map(({ name, label }) => [name, name === RUN ? "each run" : label])];
    const values = dimensions.find(({ name }) => name === by)?.values ?? [];
    const references = values.map((value) => [JSON.stringify(value), spelled(value)]);
    const clips = CLIPS.map((share) => [String(share), `${share * 100} %`]);
    this.sweep.set(sweepsOf(overview), overview.sweep);
    this.sweep.whole.hidden = overview.sweeps.length < 2;
    this.picker.set(overview.tags, selection.tags);
    this.by.set(names, by);
    this.facet.set(names, facet);
    this.reference.set(references, JSON.stringify(reference));
    this.reference.whole.hidden = values.length < 2 || !grouped;
    this.clip.set(clips, String(clip));
    for (const key of ["view", "each", "x", "y"]) this[key].set(selection[key]);
    dim({ each: this.each, x: this.x, y: this.y, clip: this.clip }, view);
  }
}

/** Return the sweeps to choose from, the newest first, then all of them. */
function sweepsOf({ sweeps }) {
  const listed = sweeps.map(({ name, runs }) => [name, `${name || "runs without a sweep"} (${runs})`]);
  return [...listed, [ALL_SWEEPS, "all sweeps"]];
}

const row = (...parts) => element("div", { className: "row" }, ...parts);
const named = (text, part) => element("div", { className: "field" }, element("span", { text }), part.whole);

/** Disable the controls that have no effect on a view. */
function dim(parts, view) {
  const off = { spread: ["each", "x", "y", "clip"], bands: ["y", "clip"] }[view] ?? [];
  for (const [name, part] of Object.entries(parts)) {
    for (const one of part.whole.querySelectorAll("button, select")) one.disabled = off.includes(name);
    (part.whole.closest(".field") ?? part.whole).classList.toggle("off", off.includes(name));
  }
}
