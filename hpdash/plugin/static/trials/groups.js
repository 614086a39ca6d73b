/** Rows grouped by a column: a row for each of its values, with the mean over its trials, and the rows that have it. */

import { duration, metric, spelled } from "../common/dom.js";
import { blocksOf, countedTrials, meanOf, sorted, valueOf } from "./rows.js";

const RESULTS = { status: "status", best: "best", at: "epoch of the best", last: "last", time: "time" };
const MOST_NUMBERS = 8; // distinct numbers that are a group each; more are grouped into bins, as in the view Effects
const BINS = 4;

/** Return what the table can be grouped by, as pairs of a column's key and title: what differs, and the results. */
export function groupings({ hparams, objective }) {
  const differing = hparams.filter(({ differs }) => differs).map(({ name }) => [`=${name}`, name]);
  const results = Object.entries(RESULTS).filter(([key]) => objective || ["status", "time"].includes(key));
  return [["", "setting"], ...differing, ...results];
}

/** Return the column with this key, by which the table can be grouped; null if there is none. */
export function groupColumn({ hparams }, key) {
  if (Object.hasOwn(RESULTS, key)) return { key, title: RESULTS[key] };
  const found = hparams.find(({ name }) => `=${name}` === key);
  return found ? { key, title: found.name, values: found.values } : null;
}

/** Return the rows of the groups; each is followed by the rows that it has if its key is in `unfolded`.
 *
 * Groups are sorted by `sort`, as rows are; without it, the best mean comes first.
 */
export function grouped(trials, rows, column, { columns, sort, goal, unfolded = [] }) {
  const members = new Map();
  const blocks = blocksOf(rows);
  const name = namer(blocks.map(([row]) => ({ value: valueOf(trials, row, column), times: row.trials.length })), column);
  for (const block of blocks) {
    const { key, label } = name(valueOf(trials, block[0], column));
    const group = members.get(key) ?? { label, own: [] };
    members.set(key, group);
    group.own.push(block);
  }
  const groups = [...members].map(([key, { label, own }]) => groupRow(trials, column, key, label, own, unfolded));
  const usual = [["best", goal === "min" ? "up" : "down"]];
  const below = (group) => group.blocks.flat().map((row) => ({ ...row, depth: row.depth + 1 }));
  return sorted(trials, groups, columns, sort.length ? sort : usual).flatMap((group) => [group, ...(group.isFolded ? [] : below(group))]);
}

/** Return a function that maps a value to its group's key and label: the value or, of many numbers, a range at quantiles.
 *
 * `found` has the value of each row, and how many trials have it. The rule is the one of `group_runs` in
 * analysis/effects.py.
 */
function namer(found, { key, values }) {
  const format = { best: metric, last: metric, time: duration }[key] ?? spelled;
  const text = (value) => (typeof value === "number" ? format(value) : spelled(value));
  const numbers = found.filter(({ value }) => typeof value === "number");
  const distinct = new Set(numbers.map(({ value }) => value));
  const hasTexts = Boolean(values) && found.some(({ value }) => value !== null && typeof value !== "number");
  const alone = (value) => ({ key: JSON.stringify(value), label: text(value) });
  if (distinct.size <= MOST_NUMBERS || hasTexts) return alone;
  const all = numbers.flatMap(({ value, times }) => Array(times).fill(value)).toSorted((one, other) => one - other);
  const edges = Array.from({ length: BINS - 1 }, (_, at) => all[Math.ceil((all.length * (at + 1)) / BINS) - 1]);
  const binOf = (value) => edges.filter((edge) => edge < value).length;
  const names = Array.from({ length: BINS }, (_, bin) => {
    const own = all.filter((value) => binOf(value) === bin);
    return own.length ? (own[0] === own.at(-1) ? text(own[0]) : `${text(own[0])} to ${text(own.at(-1))}`) : "";
  });
  return (value) => (typeof value === "number" ? { key: `range ${binOf(value)}`, label: names[binOf(value)] } : alone(value));
}

/** Return the row of a group. Its mean, standard deviation and number are those of its trials, as in the view Effects. */
function groupRow(trials, column, groupKey, label, blocks, unfolded) {
  const own = blocks.flatMap(([row]) => row.trials);
  const values = countedTrials(trials, own).map((trial) => trials.best[trial]).filter((best) => best !== null);
  const mean = meanOf(values);
  const key = `${column.key}=${groupKey}`;
  return {
    key,
    place: null,
    mean,
    std: values.length > 1 ? Math.sqrt(values.reduce((sum, one) => sum + (one - mean) ** 2, 0) / (values.length - 1)) : null,
    n: values.length,
    trials: own,
    isFolded: !unfolded.includes(key),
    depth: 0,
    group: `${column.title} ${label}`,
    blocks,
  };
}
