/** Which runs are shown, in which groups and panels: the selection applied to what there is. */

import { palette } from "./colours.js";
import { spelled } from "./dom.js";
import { FOLDER, RUN } from "./state.js";

/** List what runs can be told apart by: hyperparameters, then folders, then each run by itself. */
export function dimensionsOf(overview) {
  const folders = [...new Set(overview.runs.map(folder))];
  const ours = overview.hparams.map((hparam) => ({ ...hparam, label: hparam.name }));
  const runs = { name: RUN, label: "run", values: overview.runs.map((run) => run.name), differs: true };
  const where = { name: FOLDER, label: "folder", values: folders, differs: true };
  return [...ours, ...(folders.length > 1 && folders.length < overview.runs.length ? [where] : []), runs];
}

const folder = (run) => (run.name.includes("/") ? run.name.slice(0, run.name.indexOf("/")) : ".");

/** Return a run's value of a dimension; null where it has none, or of no dimension. */
export function valueOf(run, name) {
  if (name === RUN) return run.name;
  if (name === FOLDER) return folder(run);
  return Object.hasOwn(run.hparams, name) ? run.hparams[name] : null;
}

/** Return the places of the runs that the filters let through. */
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

/** Match names with a text, or with a regular expression between slashes; one that is wrong matches as text. */
export function matcher(text) {
  const [, pattern, flags] = /^\/(.+)\/(i?)$/.exec(text) ?? [];
  try {
    const expression = pattern === undefined ? null : new RegExp(pattern, flags);
    if (expression) return (name) => expression.test(name);
  } catch {
    /* not finished typing */
  }
  return (name) => name.toLowerCase().includes(text.toLowerCase());
}

/** Part runs by a dimension's values, in their order: `[{value, label, colour, runs}]`. */
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

/** Return what is drawn as one: the groups, or each of their runs. */
export function unitsOf(scene, runs) {
  const chosen = new Set(runs);
  const groups = scene.groups.map((group) => ({ ...group, runs: group.runs.filter((run) => chosen.has(run)) }));
  const filled = groups.filter((group) => group.runs.length);
  if (scene.selection.each === "group") return filled;
  return filled.flatMap((group) =>
    group.runs.map((run) => ({ ...group, label: scene.overview.runs[run].label, runs: [run] })),
  );
}

/** Return the steps that a slider goes through: those that every run has that was logged before and after them.
 *
 * So a run that ended early hides no step of the others, and where TensorBoard keeps a sample only common steps are
 * compared; all steps where that leaves none.
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

/** Count the sorted numbers below a limit. */
function rank(sorted, limit) {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < limit) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Describe a run by the hyperparameters that differ among those shown: `[[name, value]]`. */
export function differing(overview, runs) {
  return overview.hparams
    .filter(({ name, differs }) => differs && new Set(runs.map((run) => valueOf(overview.runs[run], name))).size > 1)
    .map(({ name }) => name);
}
