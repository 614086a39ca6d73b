/** The scene, which the views draw: the overview, the complete selection, groups, facets, data and theme. */

import { counted, short } from "../common/dom.js";
import { commonSteps, dimensionsOf, groupsOf, shownRuns } from "./selection.js";
import { resolve, RUN } from "./state.js";

/** Apply the user's choices to an overview; `filled` adds the data. */
export function sceneOf(overview, chosen, theme) {
  const dimensions = dimensionsOf(overview);
  const selection = resolve(chosen, overview, dimensions);
  const named = (name) => dimensions.find((dimension) => dimension.name === name);
  const shown = shownRuns(overview, selection);
  const groups = groupsOf(overview, named(selection.by), shown, theme.dark);
  const apart = selection.facet ? groupsOf(overview, named(selection.facet), shown, theme.dark) : [];
  const facets = apart.length
    ? apart.map(({ value, label, runs }) => ({ key: JSON.stringify(value), label, runs }))
    : [{ key: "all", label: "", runs: shown }];
  const grouped = selection.by !== "" && !selection.by.startsWith(":"); // by a hyperparameter
  return {
    overview,
    dimensions,
    selection,
    theme,
    shown,
    groups,
    grouped,
    facets,
    tags: [],
    steps: [],
    step: undefined,
    spread: null,
  };
}

/** Return the queries for a scene's data.
 *
 * `distributions` is a list with a query for each tag; `spread` is a function from a list of tags to one query.
 */
export function queriesOf({ overview, selection, shown, groups, grouped }) {
  const bins = selection.x === "free" ? 240 : 60; // free axes show only a part of the bins
  const distributions = selection.tags.map((tag) => {
    const query = new URLSearchParams({ sweep: overview.sweep, tag, bins, clip: selection.clip });
    if (overview.runs.length > 1000 && plain(selection.contains)) query.set("contains", selection.contains);
    return String(query);
  });
  const spread = (tags) => {
    const by = grouped ? selection.by : "";
    const query = new URLSearchParams([["sweep", overview.sweep], ...tags.map((tag) => ["tag", tag]), ["by", by]]);
    if (shown.length < overview.runs.length) query.set("runs", places(shown));
    if (by && groups.some(({ value }) => value === selection.reference))
      query.set("reference", JSON.stringify(selection.reference));
    return String(query);
  };
  return { distributions, spread };
}

const plain = (text) => text && !/^\/.*\/i?$/.test(text);

/** Format sorted indices as `0,3,5-9`. */
function places(numbers) {
  const parts = [];
  for (const number of numbers) {
    const last = parts.at(-1);
    if (last && number === last[1] + 1) last[1] = number;
    else parts.push([number, number]);
  }
  return parts.map(([first, last]) => (first === last ? first : `${first}-${last}`)).join(",");
}

/** Return the scene with its data and the shown step. */
export function filled(scene, answers, spread) {
  const tags = answers.map((data) => ({ tag: data.tag, data }));
  const series = tags.flatMap(({ data }) => scene.shown.map((run) => data.runs.get(run)).filter(Boolean));
  const { steps, all } = commonSteps(series);
  return { ...scene, tags, steps, all, step: stepOf(scene.selection.step, steps, series), spread };
}

/** Return the last step up to the chosen one; by default, the last that more than half of the series have. */
function stepOf(wanted, steps, series) {
  if (wanted === "last") return steps.at(-1);
  if (wanted !== undefined) return steps.findLast((one) => one <= wanted) ?? steps[0];
  return steps.findLast((one) => 2 * series.filter(({ row }) => row.has(one)).length > series.length) ?? steps.at(-1);
}

/** Return notes on a tag: how many runs have the step, which share lies outside the axis, what is damaged. */
export function notesOf(scene, { data }) {
  const having = scene.shown.map((run) => data.runs.get(run)).filter(Boolean);
  const now = having.filter((series) => series.row.has(scene.step)).length;
  const notes = [];
  if (now < scene.shown.length && scene.selection.view === "overlay")
    notes.push(
      `${now} of ${counted(scene.shown.length, "run")} ${now === 1 ? "has" : "have"} this tag at step ${scene.step}`,
    );
  if (data.outside > 0 && !["bands", "spread"].includes(scene.selection.view))
    notes.push(`${short(data.outside * 100, 2)} % of all values lie outside the axis`);
  if (data.left_out.runs) notes.push(`${counted(data.left_out.runs, "run")} left out: ${data.left_out.reason}`);
  const told = data.damage.slice(0, 3);
  const more = data.damage.length - told.length;
  if (told.length) notes.push(`cannot be read: ${told.join("; ")}${more ? `, and ${more} more` : ""}`);
  return notes.length ? [notes.join(" · ")] : [];
}

/** Return notes on what is missing: the chosen sweep, steps, runs, tags and hyperparameters. */
export function warningsOf({ overview, tags, selection }) {
  const said = [];
  if (selection.sweep !== undefined && selection.sweep !== overview.sweep)
    said.push(`There is no sweep ${selection.sweep} here: ${overview.sweep} is shown.`);
  const sampled = tags.map(({ data }) => data.sampled).find(Boolean);
  if (sampled)
    said.push(
      `TensorBoard shows ${sampled.kept} of at least ${counted(sampled.of, "step")}. ` +
        "To see all: hpdash board LOGDIR, or --samples_per_plugin=histograms=1000000.",
    );
  if (overview.left_out.runs)
    said.push(`${counted(overview.left_out.runs, "run")} left out. To narrow: point --logdir at one sweep.`);
  if (overview.left_out.tags)
    said.push(`${counted(overview.left_out.tags, "tag")} left out. To narrow: point --logdir at one sweep.`);
  if (overview.hparams_from === "none" && selection.by === RUN)
    said.push("No hyperparameters are logged: a colour is a run.");
  return said;
}
