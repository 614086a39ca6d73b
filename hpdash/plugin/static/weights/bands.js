/** The view Bands: quantiles over the steps, for each group or run; a group's are the means of its runs' quantiles. */

import { axes, between, crisp, linear, polyline, segment, whole, within } from "./chart.js";
import { faded } from "../common/colours.js";
import { MARGIN, present } from "./density.js";
import { short } from "../common/dom.js";
import { hitOf, stepsOf } from "./ridges.js";
import { unitsOf } from "./selection.js";

const LEVELS = ["p1", "p25", "p50", "p75", "p99"];
const CROWD = 8; // with more units (groups or runs) than this, only their medians are drawn

/** Return the plan: one row for each tag, one panel for each facet. */
export function plan(scene) {
  return {
    rows: scene.tags.map(({ tag, data }) => {
      const drawn = scene.facets.map((facet) =>
        unitsOf(scene, facet.runs)
          .filter((unit) => present(data, unit.runs).length)
          .map((unit) => ({ ...unit, ...quantiles(data, unit.runs) })),
      );
      const all = span(drawn.flat());
      return {
        tag,
        panels: scene.facets.map(
          (facet, at) => () =>
            panel(scene, tag, facet, drawn[at], scene.selection.x === "free" ? span(drawn[at]) : all),
        ),
      };
    }),
    csv: () => csv(scene),
  };
}

/** Return the mean quantiles of some runs at each step that any of them has. */
function quantiles(data, runs) {
  const steps = stepsOf(data, runs);
  const having = present(data, runs);
  const levels = LEVELS.map((level) =>
    Float64Array.from(steps, (step) => {
      const values = having
        .filter((series) => series.row.has(step))
        .map((series) => series.statistic(level, series.row.get(step)));
      const finite = values.filter(Number.isFinite);
      return finite.length ? finite.reduce((sum, value) => sum + value, 0) / finite.length : NaN;
    }),
  );
  return { steps, levels };
}

/** Return the ends of the axes that contain all bands, with a margin. */
function span(units) {
  let [low, high, first, last] = [Infinity, -Infinity, Infinity, -Infinity];
  for (const { steps, levels } of units) {
    for (const value of [...levels[0], ...levels[4]])
      if (Number.isFinite(value)) [low, high] = [Math.min(low, value), Math.max(high, value)];
    [first, last] = [Math.min(first, steps[0]), Math.max(last, steps.at(-1))];
  }
  if (low > high) [low, high] = [-1, 1];
  if (first > last) [first, last] = [0, 1];
  const margin = (high - low) * 0.04 || Math.abs(high) * 0.01 || 1e-6;
  return { low: low - margin, high: high + margin, first, last: last > first ? last : first + 1 };
}

function panel(scene, tag, facet, units, ends) {
  const crowd = units.length > CROWD;
  const names = units.map(({ label }) => label).slice(0, 12);
  let placed = null;
  return {
    key: facet.key,
    title: facet.label,
    drawn: units.length,
    runs: facet.runs,
    note: crowd ? "Too many for bands: medians only. Choose “groups”, or filter." : "",
    label: `${tag}, ${facet.label || "all runs"}: quantiles of the weights over the steps; ${names.join(", ")}`,
    paint: (context, width, height) => {
      placed = paint(context, scene, units, ends, width, height);
    },
    find: (px, py) => (placed ? nearest(scene, units, placed, px, py) : null),
    mark: (context, run) => mark(context, units, placed, run),
  };
}

function paint(context, scene, units, { low, high, first, last }, width, height) {
  const crowd = units.length > CROWD;
  const x = whole(linear([first, last], [MARGIN.left, width - MARGIN.right]));
  const y = linear([low, high], [height - MARGIN.bottom, MARGIN.top]);
  const yTitle = crowd ? "weight: medians" : "weight: median, quartiles, 1st and 99th percentile";
  axes(context, { x, y, xTitle: "step", yTitle, theme: scene.theme });
  within(context, x, y, () => {
    if (!crowd) units.forEach((unit) => paintBands(context, unit, x, y));
    units.forEach((unit) => paintMedian(context, unit, x, y, crowd ? 1 : 2.2));
    context.strokeStyle = scene.theme.soft;
    context.setLineDash([3, 3]);
    segment(context, crisp(x(scene.step)), y.start, crisp(x(scene.step)), y.end);
    context.setLineDash([]);
  });
  return { x, y };
}

function mark(context, units, placed, run) {
  const unit = units.find(({ runs }) => runs.length === 1 && runs[0] === run);
  if (!unit || !placed) return;
  within(context, placed.x, placed.y, () => paintMedian(context, unit, placed.x, placed.y, 4));
}

function paintMedian(context, { steps, levels, colour }, x, y, width) {
  polyline(context, steps.map(x), Array.from(levels[2], y), colour, width);
}

function paintBands(context, { steps, levels, colour }, x, y) {
  const xs = steps.map(x);
  const [low, lower, , upper, high] = levels.map((level) => Array.from(level, y));
  between(context, xs, low, high, faded(colour, 0.06)); // light, so that bands can overlap
  between(context, xs, lower, upper, faded(colour, 0.16));
  for (const edge of [low, lower, upper, high]) polyline(context, xs, edge, colour, 1);
}

function nearest(scene, units, { x, y }, px, py) {
  let [found, least] = [null, Infinity];
  for (const unit of units) {
    const at = closest(unit.steps, x.invert(px));
    const away = Math.min(...unit.levels.map((level) => Math.abs(y(level[at]) - py)));
    if (away < least) [found, least] = [{ unit, at }, away];
  }
  if (!found) return null;
  const { unit, at } = found;
  const said = LEVELS.map((level, place) => `${level.replace("p50", "median")} ${short(unit.levels[place][at])}`);
  return hitOf(scene, unit, unit.steps[at], { x: x(unit.steps[at]), y: y(unit.levels[2][at]), lines: said.reverse() });
}

/** Return the index of the number in a list that is closest to a value. */
export function closest(numbers, value) {
  let best = 0;
  numbers.forEach((number, at) => {
    if (Math.abs(number - value) < Math.abs(numbers[best] - value)) best = at;
  });
  return best;
}

function csv(scene) {
  const rows = scene.tags.flatMap(({ tag, data }) =>
    unitsOf(scene, scene.shown).flatMap((unit) => {
      const { steps, levels } = quantiles(data, unit.runs);
      return steps.map((step, at) => [tag, unit.label, unit.runs.length, step, ...levels.map((level) => level[at])]);
    }),
  );
  return [["tag", "of", "runs", "step", ...LEVELS], ...rows];
}
