/** Densities as they are drawn: their x-axis, the quantity, the height of the y-axis, and the mean of a group. */

import { linear, logarithmic } from "./chart.js";

export const MARGIN = { left: 50, right: 12, top: 24, bottom: 36 };
const BINS = 60; // least number of bins on an axis, if the server sent as many
const DEEP = 1e4; // a logarithmic axis starts at its top divided by this

/** Return the quantity on the y-axis: its name, its factor for a density (`of`), and whether it is logarithmic. */
export function quantityOf({ y }) {
  if (y === "count")
    return { name: "values per bin", of: (series, row, width) => width * (series.values[row] ?? NaN), log: false };
  return { name: y === "log" ? "density, log scale" : "density", of: () => 1, log: y === "log" };
}

/** Return the n bins that are drawn: all of a tag, or, if each panel has its own axis, those with these runs' values.
 *
 * `edges` [n + 1] and `centres` [n] are weights. One drawn bin joins `factor` of the server's bins, from `first` on.
 */
export function axisOf(data, runs, selection) {
  const all = data.edges.length - 1;
  const [first, last] = selection.x === "free" ? extent(data, runs, selection.clip) : [0, all];
  const factor = Math.max(1, Math.floor((last - first) / BINS));
  const count = Math.ceil((last - first) / factor);
  const edges = Float64Array.from({ length: count + 1 }, (_, at) => data.edges[Math.min(first + at * factor, all)]);
  return {
    edges,
    centres: Float64Array.from({ length: count }, (_, at) => (edges[at] + edges[at + 1]) / 2),
    first,
    factor,
  };
}

/** Return the range [first, last) of bins that contains the share `clip` of the runs' values over all steps. */
function extent(data, runs, clip) {
  const bins = data.edges.length - 1;
  const sums = new Float64Array(bins);
  for (const series of present(data, runs)) {
    for (let at = 0; at < series.density.length; at++) sums[at % bins] += series.density[at] * series.unit;
  }
  const cut = (sums.reduce((sum, part) => sum + part, 0) * (1 - clip)) / 2;
  const [first, last] = [past(sums, cut), bins - past(sums.toReversed(), cut)];
  return last > first ? [Math.max(first - 1, 0), Math.min(last + 1, bins)] : [0, bins];
}

/** Return how many numbers from the start add up to at most `cut`. */
function past(sums, cut) {
  let [at, sum] = [0, sums[0]];
  while (at < sums.length - 1 && sum <= cut) sum += sums[++at];
  return at;
}

/** Return the series of those runs that have the tag. */
export const present = (data, runs) => runs.map((run) => data.runs.get(run)).filter((series) => series !== undefined);

/** Return a run's quantity in each drawn bin, at one of its rows (steps). */
export function measured(series, row, axis, quantity) {
  const { first, factor, edges } = axis;
  const values = new Float64Array(edges.length - 1);
  const base = row * series.bins + first;
  const most = series.bins - first;
  for (let at = 0; at < values.length; at++) {
    let sum = 0;
    const end = Math.min((at + 1) * factor, most);
    for (let bin = at * factor; bin < end; bin++) sum += series.density[base + bin];
    values[at] = (sum / (end - at * factor)) * series.unit * quantity.of(series, row, edges[at + 1] - edges[at]);
  }
  return values;
}

/** Return the mean, the least and the greatest value of some lines in each bin. */
export function meanAndRange(lines) {
  const mean = new Float64Array(lines[0].length);
  const [low, high] = [Float64Array.from(lines[0]), Float64Array.from(lines[0])];
  for (const line of lines) {
    for (let at = 0; at < line.length; at++) {
      mean[at] += line[at] / lines.length;
      if (line[at] < low[at]) low[at] = line[at];
      if (line[at] > high[at]) high[at] = line[at];
    }
  }
  return { mean, low, high };
}

/** Return the mean line of some runs at a step, null if none of them has the step. */
export function meanAt(data, runs, step, axis, quantity) {
  const having = present(data, runs).filter((series) => series.row.has(step));
  if (!having.length) return null;
  return meanAndRange(having.map((series) => measured(series, series.row.get(step), axis, quantity))).mean;
}

/** Return the top of a tag's y-axis: the highest peak of any step that is at most `slack` times the median peak.
 *
 * If `step` is given, the top is at least the peak of this step. So the axis changes little while the slider moves, and
 * a step with an extreme peak (initial biases are all 0) does not flatten the others.
 */
export function ceiling(data, runs, axis, quantity, { step, slack }) {
  const width = axis.edges[1] - axis.edges[0];
  const peaks = new Map();
  for (const series of present(data, runs)) {
    series.peaks.forEach((peak, row) => {
      const height = peak * quantity.of(series, row, width);
      const own = series.steps[row];
      if (height > (peaks.get(own) ?? 0)) peaks.set(own, height);
    });
  }
  const sorted = [...peaks.values()].sort((a, b) => a - b);
  const usual = sorted.filter((peak) => peak <= slack * sorted[sorted.length >> 1]);
  return Math.max(usual.at(-1) ?? 0, step === undefined ? 0 : (peaks.get(step) ?? 0)) || 1;
}

/** Return the scales of a panel: x over the bins; y from 0 or, if logarithmic, from `top` / `DEEP`, to above `top`. */
export function scalesOf(axis, top, quantity, width, height) {
  const x = linear([axis.edges[0], axis.edges.at(-1)], [MARGIN.left, width - MARGIN.right]);
  const range = [height - MARGIN.bottom, MARGIN.top];
  return { x, y: quantity.log ? logarithmic([top / DEEP, top * 1.5], range) : linear([0, top * 1.05], range) };
}

/** Return the x-coordinates of the points of a density's line: the bins' centres and both ends of the axis. */
export function placesOf(axis, x) {
  return [x.start, ...Array.from(axis.centres, x), x.end];
}

/** Return the y-coordinates of these points; with `gaps`, values below the axis are NaN. */
export function heightsOf(values, y, gaps = false) {
  const inner = Array.from(values, (value) => (gaps && value < y.low ? NaN : y(value)));
  return [inner[0], ...inner, inner.at(-1)];
}

/** Return the index of the bin that contains a value, -1 if none does. */
export function binOf(axis, value) {
  const count = axis.edges.length - 1;
  const at = Math.floor(((value - axis.edges[0]) / (axis.edges[count] - axis.edges[0])) * count);
  return at >= 0 && at < count ? at : -1;
}
