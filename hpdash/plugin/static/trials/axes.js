/** Axes and paths of the charts, as SVG. */

import { drawing, short } from "../common/dom.js";

/** Return round numbers from `low` to `high`, about `count` of them. */
export function ticks(low, high, count = 5) {
  const rough = (high - low) / Math.max(count, 1);
  if (!(rough > 0)) return [low];
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((times) => times * unit).find((one) => one >= rough);
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, at) => (first + at) * step);
}

/** Widen a range by 4 % at each end; a range without width gets one. */
export function padded(low, high) {
  if (!Number.isFinite(low) || !Number.isFinite(high)) return [0, 1];
  const margin = high > low ? (high - low) * 0.04 : Math.abs(low) * 0.05 || 0.5;
  return [low - margin, high + margin];
}

/** Return a function that maps a range to pixels. */
export const scaled = (low, high, start, end) => (value) =>
  start + ((value - low) / (high - low || 1)) * (end - start);

/** Return a text of a chart. */
export function words(text, x, y, anchor = "start", more = {}) {
  const made = drawing("text", { x, y, "text-anchor": anchor, ...more });
  made.textContent = text;
  return made;
}

/** Return the horizontal lines of a value axis, with their numbers on the left. */
export function levels(low, high, y, left, right, count = 4) {
  return ticks(low, high, count).flatMap((level) => [
    drawing("line", { x1: left, x2: right, y1: y(level), y2: y(level), class: "axis" }),
    words(short(level, 4), left - 6, y(level) + 4, "end"),
  ]);
}

/** Return the numbers of a step axis below a chart. */
export function steps(first, last, x, bottom, count = 6) {
  return ticks(first, last, count)
    .filter((step) => Number.isInteger(step))
    .map((step) => words(step.toLocaleString("en"), x(step), bottom + 14, "middle"));
}

/** Return the path of a curve; a missing value interrupts it, and a value between two missing ones is a dot. */
export function pathOf(values, x, y) {
  let path = "";
  values.forEach((value, at) => {
    if (value === null) return;
    const begins = at === 0 || values[at - 1] === null;
    path += `${begins ? "M" : "L"}${x(at).toFixed(1)} ${y(value).toFixed(1)}`;
    if (begins && (values[at + 1] ?? null) === null) path += "h.01";
  });
  return path;
}

/** Return the range of an axis: all values but the share `worst` of those that are worst by the goal, a little wider. */
export function rangeOf(values, goal, worst) {
  const known = values.filter((value) => typeof value === "number");
  if (goal === "min") return padded(Math.min(...known), quantile(known, 1 - worst));
  if (goal === "max") return padded(quantile(known, worst), Math.max(...known));
  return padded(Math.min(...known), Math.max(...known));
}

/** Return a quantile of numbers, from 0 to 1; NaN of none. */
function quantile(values, share) {
  const ordered = values.filter((value) => Number.isFinite(value)).toSorted((a, b) => a - b);
  return ordered.length ? ordered[Math.round(share * (ordered.length - 1))] : NaN;
}
