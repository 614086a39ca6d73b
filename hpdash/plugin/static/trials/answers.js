/** The answers of the route `trials`: as they arrive, and with what has changed since an earlier one. */

import { get } from "../common/request.js";

export const ALL = "*"; // the choice of all sweeps

/** Return the answer to a query at the current `version`; what an earlier answer to the same query has is not loaded. */
export async function loadTrials(query, version, before = null) {
  const asked = String(query);
  const known = before?.asked === asked ? before : null;
  if (known?.version === version) return known;
  const found = await get(`trials?${query}${known ? `&since=${known.version}` : ""}`);
  return { ...(known ? patched(known, found) : unpacked(found)), asked };
}

/** Return an answer of the route `trials` in which each trial's curve has its own steps. */
function unpacked(answer) {
  const { steps, at, values } = answer.trials.curve;
  const curve = values.map((own, trial) => ({ steps: steps[at[trial]], values: own }));
  const { id } = answer.trials;
  const names = answer.sweep === ALL ? { run: id, number: id.map(() => null) } : {}; // a number alone is not unique
  return { ...answer, trials: { ...answer.trials, ...names, curve } };
}

/** Return the answer that the server would give now, from an unpacked earlier one and what has changed since.
 *
 * `patch` is such an answer itself if the server no longer knows the earlier one.
 */
function patched(before, patch) {
  const fresh = unpacked(patch);
  if (patch.since === undefined) return fresh;
  const ids = patch.ids ?? before.trials.id;
  const from = new Map(before.trials.id.map((id, at) => [id, at]));
  const to = new Map(patch.changed.map((at, place) => [at, place]));
  const joined = (old, own) => ids.map((id, at) => (to.has(at) ? own[to.get(at)] : old[from.get(id)]));
  const withValues = (part) => fresh[part].map((each, at) => ({ ...each, values: joined(before[part][at].values, each.values) }));
  const trials = Object.fromEntries(Object.entries(fresh.trials).map(([name, own]) => [name, joined(before.trials[name], own)]));
  return { ...fresh, trials, hparams: withValues("hparams"), tests: withValues("tests") };
}
