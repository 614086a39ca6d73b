/** The rows and columns of the table: pure functions of the server's answers and the user's choices. */

import { counted, duration, metric, short, spelled, spread } from "../common/dom.js";
import { ALL } from "./answers.js";

const RESULTS = ["best", "at", "last", "curve", "status", "time"];
const NUMERIC = new Set(["#", "best", "at", "last", "time"]);

/** Return the rows of a ranking. A row has the indices of its trials; of a setting with replicates, they are a row each
 * below it, if its key is in `unfolded`.
 */
export function rowsOf(trials, ranking, unfolded = []) {
  const open = new Set(unfolded);
  return ranking.trials.flatMap((own, at) => {
    const row = {
      key: trials.id[own[0]],
      place: ranking.place[at],
      mean: ranking.mean[at],
      std: ranking.std[at],
      n: ranking.n[at],
      trials: own,
      isFolded: own.length > 1 && !open.has(trials.id[own[0]]),
      depth: 0,
    };
    if (own.length === 1 || row.isFolded) return [row];
    return [row, ...own.map((trial) => replicate(trials, trial))];
  });
}

const replicate = (trials, trial) => ({
  key: `${trials.id[trial]}:alone`,
  place: null,
  mean: trials.best[trial],
  std: null,
  n: 1,
  trials: [trial],
  isFolded: false,
  depth: 1,
  isReplicate: true,
});

/** Return the columns: those of the hyperparameters that differ and of the results, unless the user chose others. */
export function columnsOf(answer, chosen) {
  const { show = [], hide = [] } = chosen;
  const isShown = (key, usual) => (usual || show.includes(key)) && !hide.includes(key);
  const swept = answer.hparams.some((hparam) => hparam.swept);
  const hparams = answer.hparams
    .filter(({ name, differs, swept: own }) => isShown(`=${name}`, differs && (own || !swept)))
    .map((hparam) => ({ key: `=${hparam.name}`, title: hparam.name, values: hparam.values, numeric: areNumbers(hparam) }));
  const tests = answer.tests.map(({ name, values }) => ({ key: `test:${name}`, title: name, values, numeric: true, isTest: true }));
  const results = RESULTS.filter((name) => isShown(name, answer.objective || !["best", "at", "last", "curve"].includes(name)));
  return [
    { key: "#", title: "#", numeric: true },
    { key: "trial", title: "trial" },
    ...hparams,
    ...results.map((key) => ({ key, title: key, numeric: NUMERIC.has(key) })),
    ...tests.filter(({ key }) => isShown(key, true)),
  ];
}

/** Return what the menu of columns offers: each hyperparameter and each result, and whether it is shown. */
export function choicesOf(answer, columns) {
  const shown = new Set(columns.map(({ key }) => key));
  const hparams = answer.hparams.map(({ name, differs, values }) => ({
    name,
    key: `=${name}`,
    isShown: shown.has(`=${name}`),
    note: differs ? "" : `always ${spelled(values.find((value) => value !== null) ?? null)}`,
  }));
  const tests = answer.tests.map(({ name }) => ({ name, key: `test:${name}`, isShown: shown.has(`test:${name}`), note: "on the test set" }));
  return [...hparams, ...RESULTS.map((name) => ({ name, key: name, isShown: shown.has(name), note: "" })), ...tests];
}

const areNumbers = ({ values }) => values.every((value) => value === null || typeof value === "number");

/** Return the value of a row in a column, by which rows are sorted; null if it has none. */
export function valueOf(trials, row, column) {
  const [first] = row.trials;
  if (column.isTest) return meanOf(row.trials.map((trial) => column.values[trial]));
  switch (column.key) {
    case "#":
      return row.place;
    case "trial":
      return trials.number[first] ?? trials.run[first];
    case "best":
      return row.mean;
    case "at":
      return row.mean === null ? null : ofCounted(trials, row, trials.at);
    case "last":
      return ofCounted(trials, row, trials.last);
    case "curve":
      return null;
    case "status":
      return [...new Set(row.trials.map((trial) => trials.status[trial] ?? ""))].join(", ") || null;
    case "time":
      return ofCounted(trials, row, trials.seconds);
    default:
      return shared(row, row.trials.map((trial) => column.values[trial]));
  }
}

/** Return the value that all trials of a row share, else a list of their values; null for a group, which may have many. */
function shared(row, values) {
  const distinct = [...new Set(values)];
  if (distinct.length === 1) return distinct[0];
  return row.group ? null : distinct.map(spelled).join(", ");
}

/** Return the value of a single trial; of several, the mean over those that count, or over all if none counts. */
function ofCounted(trials, row, values) {
  if (row.trials.length === 1) return values[row.trials[0]];
  const own = countedTrials(trials, row.trials);
  return meanOf((own.length ? own : row.trials).map((trial) => values[trial]));
}

/** Return the trials among `own` that count in a mean: the finished ones, and runs whose state is not known. */
export const countedTrials = (trials, own) => own.filter((trial) => ["finished", null].includes(trials.status[trial]));

/** Return the mean of the numbers among some values, null if there is none. */
export function meanOf(values) {
  const found = values.filter((value) => typeof value === "number");
  return found.length ? found.reduce((sum, value) => sum + value, 0) / found.length : null;
}

/** Return the text of a row in a column. */
export function textOf(trials, row, column) {
  const value = valueOf(trials, row, column);
  if (column.isTest) return metric(value);
  switch (column.key) {
    case "#":
      return value === null ? "" : String(value);
    case "trial":
      return nameOf(trials, row);
    case "best":
      return value === null ? "" : row.std === null ? metric(value) : `${spread(value, row.std)} (${row.n})`;
    case "at":
      return value === null ? "" : short(value, 4);
    case "last":
      return metric(value);
    case "time":
      return duration(value);
    case "status":
      return statusText(trials, row);
    default:
      return value === null ? "" : spelled(value);
  }
}

/** Return rows in blocks: a row, and the replicates below it. */
export function blocksOf(rows) {
  const blocks = [];
  for (const row of rows) {
    if (row.depth) blocks.at(-1).push(row);
    else blocks.push([row]);
  }
  return blocks;
}

/** Return the short name of a row: the numbers of its trials, or the first and the last of more than three. */
export function nameOf(trials, row) {
  if (row.group) return `${row.group}: ${counted(row.trials.length, "trial")}`;
  const names = row.trials.map((trial) =>
    trials.number[trial] === null ? trials.run[trial] : String(trials.number[trial]).padStart(4, "0"),
  );
  return names.length <= 3 ? names.join(", ") : `${names[0]} … ${names.at(-1)}`;
}

function statusText(trials, row) {
  const [first] = row.trials;
  const status = trials.status[first];
  if (row.trials.length > 1) return counts(row.trials.map((trial) => trials.status[trial] ?? "unknown"));
  if (status === null) return "";
  const epochs = trials.epochs[first] ?? 0;
  if (status === "finished") return trials.attempt[first] > 1 ? `finished, attempt ${trials.attempt[first]}` : status;
  const of = trials.planned[first] === null ? "" : ` of ${trials.planned[first]}`;
  return `${status.replace("_", " ")}, ${trials.unit[first]} ${epochs}${of}`;
}

function counts(states) {
  const distinct = [...new Set(states)];
  if (distinct.length === 1) return distinct[0];
  return distinct.map((state) => `${states.filter((one) => one === state).length} ${state}`).join(", ");
}

/** Return rows sorted by `sort`, pairs of a column's key and "up" or "down"; rows without a value come last.
 *
 * Replicates stay below their setting. An empty `sort` keeps the order of the ranking.
 */
export function sorted(trials, rows, columns, sort) {
  const keys = sort
    .map(([key, direction]) => [columns.find((column) => column.key === key), direction === "up" ? 1 : -1])
    .filter(([column]) => column && !column.isTest);
  if (!keys.length) return rows;
  const blocks = blocksOf(rows).map((block) => ({ rows: block, values: keys.map(([column]) => valueOf(trials, block[0], column)) }));
  const order = (one, other) => {
    for (const [at, [, sign]] of keys.entries()) {
      const found = compare(one.values[at], other.values[at], sign);
      if (found) return found;
    }
    return 0;
  };
  return blocks.toSorted(order).flatMap((block) => block.rows);
}

const RANKS = { boolean: 0, number: 1, string: 2 };

/** Compare as the commands do: booleans, numbers by size, texts with the numbers in them by size, and null last. */
function compare(one, other, sign) {
  if (one === null || other === null) return (one === null) - (other === null);
  const kinds = RANKS[typeof one] - RANKS[typeof other];
  if (kinds) return sign * kinds;
  if (typeof one === "string") return sign * one.localeCompare(other, "en", { numeric: true });
  return sign * (Number(one) - Number(other));
}

const WORST = 0.1; // share of the values, the worst ones, that small curves cut off

/** Return the scale that all small curves share; first epochs and outliers, which are far off, do not stretch it. */
export function scaleOf({ curve }, goal) {
  const values = curve.flatMap((one) => one.values.filter((value) => value !== null)).toSorted((a, b) => a - b);
  const last = values.length - 1;
  const [below, above] = goal === "min" ? [0, WORST] : [WORST, 0];
  const low = values[Math.floor(last * below)] ?? 0;
  const high = values[Math.ceil(last * (1 - above))] ?? 1;
  const steps = curve.filter((one) => one.steps.length);
  const first = Math.min(...steps.map((one) => one.steps[0]));
  return { low, high, first, last: Math.max(...steps.map((one) => one.steps.at(-1))) };
}

/** Return the table as rows of a CSV file, with a header; a mean has its standard deviation and number in columns. */
export function csvRows(trials, rows, columns) {
  const kept = columns.filter(({ key }) => key !== "curve");
  const header = kept.flatMap(({ key, title }) => (key === "best" ? ["best", "best_std", "best_n"] : [title]));
  const cells = (row) =>
    kept.flatMap((column) => {
      if (column.key === "trial") return [row.group ?? row.trials.map((trial) => trials.id[trial]).join(" ")];
      const value = valueOf(trials, row, column);
      return column.key === "best" ? [value, row.std, row.n] : [value];
    });
  return [header, ...rows.map(cells)];
}

/** Return the hyperparameters of the best trial; null if `id` is one of the best row, or there is none to compare with.
 *
 * Of all sweeps together, only the hyperparameters that they share are known: too few to compare with.
 */
export function bestSettings({ sweep, hparams, trials, ranking }, id) {
  const at = ranking.place.indexOf(1);
  const own = ranking.trials[at] ?? [];
  if (at < 0 || sweep === ALL || own.some((trial) => trials.id[trial] === id)) return null;
  return Object.fromEntries(hparams.map(({ name, values }) => [name, values[own[0]]]));
}
