/** Apply the selection to the overview: which runs are shown, in which groups, and at which steps.
 *
 * A dimension is a hyperparameter, the folder of a run, or the run itself. A unit is a group, or one run of a group.
 * Runs are given by their indices in the overview.
 */

import { palette } from "../common/colours.js";
import { spelled } from "../common/dom.js";
import { FOLDER, RUN } from "./state.js";

/** Return the dimensions: hyperparameters, then the folder if there are several, then the run itself. */
export function dimensionsOf(overview) {
  const folders = [...new Set(overview.runs.map(folder))];
  const ours = overview.hparams.map((hparam) => ({ ...hparam, label: hparam.name }));
  const runs = { name: RUN, label: "run", values: overview.runs.map((run) => run.name), differs: true };
  const where = { name: FOLDER, label: "folder", values: folders, differs: true };
  return [...ours, ...(folders.length > 1 && folders.length < overview.runs.length ? [where] : []), runs];
}

const folder = (run) => (run.name.includes("/") ? run.name.slice(0, run.name.indexOf("/")) : ".");

/** Return a run's value of a dimension, null if it has none. */
export function valueOf(run, name) {
  if (name === RUN) return run.name;
  if (name === FOLDER) return folder(run);
  return Object.hasOwn(run.hparams, name) ? run.hparams[name] : null;
}

/** Return the indices of the runs that pass all filters. */
export function shownRuns(overview, selection) {
  const matches = matcher(selection.contains);
  const hidden = Object.entries(selection.hide).map(([name, values]) => [name, new Set(values)]);
  const ranges = Object.entries(selection.range);
  const shown = (run) =>
    matches(run.name) &&
    hidden.every(([name, values]) => !values.has(valueOf(run, name))) &&
    ranges.every(([name, [low, high]]) => inside(valueOf(run, name), low, high));
  return overview.runs.flatMap((run, at) => (shown(run) ? [at] : []));
}

const inside = (value, low, high) =>
  typeof value === "number" && (low === null || value >= low) && (high === null || value <= high);

/** Return a test of names: contains a text, or matches a /regular expression/; an invalid expression is a text. */
export function matcher(text) {
  const [, pattern, flags] = /^\/(.+)\/(i?)$/.exec(text) ?? [];
  try {
    const expression = pattern === undefined ? null : new RegExp(pattern, flags);
    if (expression) return (name) => expression.test(name);
  } catch {
    /* the user has not finished typing the expression */
  }
  return (name) => name.toLowerCase().includes(text.toLowerCase());
}

/** Group runs by a dimension's values, in the values' order: `[{value, label, colour, runs}]`. */
export function groupsOf(overview, dimension, runs, dark) {
  if (!dimension) return [{ value: null, label: "all runs", colour: palette(["all"], dark).get("all"), runs }];
  const colours = palette(dimension.values, dark);
  const found = new Map(dimension.values.map((value) => [value, []]));
  for (const run of runs) found.get(valueOf(overview.runs[run], dimension.name))?.push(run);
  return [...found]
    .filter(([, members]) => members.length)
    .map(([value, members]) => ({
      value,
      label: labelOf(overview, dimension, value, members),
      colour: colours.get(value),
      runs: members,
    }));
}

function labelOf(overview, dimension, value, members) {
  if (dimension.name === RUN) return overview.runs[members[0]].label;
  return `${dimension.label}=${spelled(value)}`;
}

/** Return the units of some runs: the groups, or each of their runs, as the selection says. */
export function unitsOf(scene, runs) {
  const chosen = new Set(runs);
  const groups = scene.groups.map((group) => ({ ...group, runs: group.runs.filter((run) => chosen.has(run)) }));
  const filled = groups.filter((group) => group.runs.length);
  if (scene.selection.each === "group") return filled;
  return filled.flatMap((group) =>
    group.runs.map((run) => ({ ...group, label: scene.overview.runs[run].label, runs: [run] })),
  );
}

/** Return the slider's `steps`, and `all` steps of any series.
 *
 * A series spans the steps from its first to its last. The slider has each step that is in all series that span it.
 * So a run that ended early hides no step of the others, and if TensorBoard keeps only a sample of the steps, common
 * steps are compared. If at most one step is left, the slider has all steps.
 */
export function commonSteps(series) {
  const counts = new Map();
  for (const { steps } of series) for (const step of steps) counts.set(step, (counts.get(step) ?? 0) + 1);
  const all = [...counts.keys()].sort((a, b) => a - b);
  const spans = series.filter(({ steps }) => steps.length).map(({ steps }) => [steps[0], steps.at(-1)]);
  const firsts = spans.map(([first]) => first).sort((a, b) => a - b);
  const lasts = spans.map(([, last]) => last).sort((a, b) => a - b);
  const common = all.filter((step) => counts.get(step) === rank(firsts, step + 0.5) - rank(lasts, step));
  return { steps: common.length > 1 || all.length < 2 ? common : all, all };
}

/** Return how many of the sorted numbers are below a limit. */
function rank(sorted, limit) {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < limit) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Return the names of the hyperparameters that differ between the given runs. */
export function differing(overview, runs) {
  return overview.hparams
    .filter(({ name, differs }) => differs && new Set(runs.map((run) => valueOf(overview.runs[run], name))).size > 1)
    .map(({ name }) => name);
}
