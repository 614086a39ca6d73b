/** The selection: the user's choices, which the link contains, and defaults that depend on the data. */

export const VIEWS = ["overlay", "ridges", "bands", "heat", "spread"];
export const CLIPS = [0.99, 0.999, 0.9999, 1];
export const RUN = ":run"; // the name of the dimension "run", in place of a hyperparameter's name
export const ALL_SWEEPS = "*"; // the choice of all sweeps
export const FOLDER = ":folder"; // the name of the dimension "folder"

const CHOICES = { view: VIEWS, x: ["shared", "free"], y: ["density", "count", "log"], each: ["run", "group"] };
const TEXTS = ["sweep", "by", "facet", "contains", "sort"];
const JSONS = ["reference", "hide", "range", "tags"];

/** Return the choices in a link's entries; invalid entries are ignored. */
export function decode(entries) {
  const chosen = {};
  for (const [key, values] of Object.entries(CHOICES)) if (values.includes(entries[key])) chosen[key] = entries[key];
  for (const key of TEXTS) if (typeof entries[key] === "string") chosen[key] = entries[key];
  for (const key of JSONS) {
    const value = parsed(entries[key]);
    if (value !== undefined && fits(key, value)) chosen[key] = value;
  }
  if (CLIPS.includes(Number(entries.clip))) chosen.clip = Number(entries.clip);
  if (entries.step === "last") chosen.step = "last";
  if (/^\d+$/.test(entries.step ?? "")) chosen.step = Number(entries.step);
  return chosen;
}

/** Return the choices as entries of a link. */
export function encode(chosen) {
  return Object.fromEntries(
    Object.entries(chosen).map(([key, value]) => [key, JSONS.includes(key) ? JSON.stringify(value) : String(value)]),
  );
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function fits(key, value) {
  if (key === "reference") return value === null || typeof value !== "object";
  if (key === "tags") return Array.isArray(value) && value.every((tag) => typeof tag === "string");
  if (value === null || typeof value !== "object" || Array.isArray(value)) return false;
  return Object.values(value).every((list) => Array.isArray(list) && (key === "hide" || list.length === 2));
}

/** Return the complete selection: the choices that fit the overview, and defaults for all others. */
export function resolve(chosen, overview, dimensions) {
  const names = dimensions.map((dimension) => dimension.name);
  const known = (name) => name !== undefined && (name === "" || names.includes(name));
  const by = known(chosen.by) ? chosen.by : defaultBy(dimensions);
  const facet = known(chosen.facet) ? chosen.facet : defaultFacet(dimensions, by);
  const values = dimensions.find((dimension) => dimension.name === by)?.values ?? [];
  const tags = (chosen.tags ?? []).filter((name) => overview.tags.some((tag) => tag.name === name));
  return {
    view: "overlay",
    x: "shared",
    y: "density",
    clip: 0.999,
    contains: "",
    hide: {},
    range: {},
    sort: "",
    ...chosen,
    each: chosen.each ?? (["overlay"].includes(chosen.view ?? "overlay") ? "run" : "group"),
    by,
    facet,
    tags: tags.length ? tags : defaultTags(overview),
    reference: values.includes(chosen.reference) ? chosen.reference : baseline(values),
  };
}

const OFF = [false, "none", "default"]; // as in analysis/spread.py, which also has None

/** Return the value of the reference group: the first that means "off" or "unset", else the first. */
const baseline = (values) => values.find((value) => value === null || OFF.includes(value)) ?? values[0] ?? null;

/** Return the dimension to colour by: the first with an "off" value, else the first that differs, else the run.
 *
 * Only dimensions with at most 12 values count.
 */
function defaultBy(dimensions) {
  const few = dimensions.filter(
    ({ name, values, differs }) => differs && name !== RUN && values.length > 1 && values.length <= 12,
  );
  const treatment = few.find(({ values }) => values.some((value) => OFF.includes(value)));
  return (treatment ?? few[0] ?? dimensions.find(({ name }) => name === RUN)).name;
}

function defaultFacet(dimensions, by) {
  const free = dimensions.filter(
    ({ name, values, swept }) => swept && name !== by && values.length > 1 && values.length <= 4,
  );
  return by === RUN || by === FOLDER ? "" : (free[0]?.name ?? "");
}

/** Return the tags with kernels first, and those of output layers after the others; else in the given order. */
export function ordered(tags) {
  const rank = ({ name }) => !isKernel(name) * 2 + /(^|[./_-])(output|logits|predictions|head)([./_-]|$)/i.test(name);
  return [...tags].sort((one, other) => rank(one) - rank(other));
}

/** Return whether a tag is a kernel, such as `hidden_2/kernel`, `dense/kernel_0` or `fc1.weight`; not a gradient. */
export const isKernel = (name) => /^(?!gradients\/)(.*[./_])?(kernel|weights?)([:_]0)?(\/histogram)?$/i.test(name);

function defaultTags(overview) {
  const tags = ordered(overview.tags);
  const kernels = tags.filter((tag) => isKernel(tag.name));
  const most = overview.runs.length > 60 ? 1 : 3; // they fit on a screen and load fast
  return (kernels.length ? kernels : tags).slice(0, most).map((tag) => tag.name);
}
