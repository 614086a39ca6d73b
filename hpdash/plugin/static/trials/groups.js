/** Rows grouped by a column: a row for each of its values, with the mean over its trials, and the rows that have it. */

import { spelled } from "../common/dom.js";
import { blocksOf, countedTrials, meanOf, sorted, valueOf } from "./rows.js";

/** Return what the table can be grouped by, as pairs of a column's key and title: what differs, and the status. */
export function groupings({ hparams }) {
  const differing = hparams.filter(({ differs }) => differs).map(({ name }) => [`=${name}`, name]);
  return [["", "setting"], ...differing, ["status", "status"]];
}

/** Return the column with this key, by which the table can be grouped; null if there is none. */
export function groupColumn({ hparams }, key) {
  if (key === "status") return { key, title: key };
  const found = hparams.find(({ name }) => `=${name}` === key);
  return found ? { key, title: found.name, values: found.values } : null;
}

/** Return the rows of the groups; each is followed by the rows that it has if its key is in `unfolded`.
 *
 * Groups are sorted by `sort`, as rows are; without it, the best mean comes first.
 */
export function grouped(trials, rows, column, { columns, sort, goal, unfolded = [] }) {
  const members = new Map();
  for (const block of blocksOf(rows)) {
    const value = valueOf(trials, block[0], column);
    members.set(value, [...(members.get(value) ?? []), block]);
  }
  const groups = [...members].map(([value, blocks]) => groupRow(trials, column, value, blocks, unfolded));
  const usual = [["best", goal === "min" ? "up" : "down"]];
  const below = (group) => group.blocks.flat().map((row) => ({ ...row, depth: row.depth + 1 }));
  return sorted(trials, groups, columns, sort.length ? sort : usual).flatMap((group) => [group, ...(group.isFolded ? [] : below(group))]);
}

/** Return the row of a group. Its mean, standard deviation and number are those of its trials, as in the view Effects. */
function groupRow(trials, column, value, blocks, unfolded) {
  const own = blocks.flatMap(([row]) => row.trials);
  const values = countedTrials(trials, own).map((trial) => trials.best[trial]).filter((best) => best !== null);
  const mean = meanOf(values);
  const key = `${column.key}=${JSON.stringify(value)}`;
  return {
    key,
    place: null,
    mean,
    std: values.length > 1 ? Math.sqrt(values.reduce((sum, one) => sum + (one - mean) ** 2, 0) / (values.length - 1)) : null,
    n: values.length,
    trials: own,
    isFolded: !unfolded.includes(key),
    depth: 0,
    group: `${column.title} ${spelled(value)}`,
    blocks,
  };
}
