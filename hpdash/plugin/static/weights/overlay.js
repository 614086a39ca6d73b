/** The view Overlay: densities at one step. Each group has a colour, its mean a thick line, its range a shaded band. */

import { axes, between, polyline, trace, within } from "./chart.js";
import { faded } from "../common/colours.js";
import {
  axisOf,
  binOf,
  ceiling,
  heightsOf,
  measured,
  meanAndRange,
  placesOf,
  present,
  quantityOf,
  scalesOf,
} from "./density.js";
import { counted, short } from "../common/dom.js";

const REACH = 40; // pixels: the pointer selects a line up to this distance
const SLACK = 1.2; // a peak above this times the median peak raises the axis only at its own step

/** Return the plan: one row for each tag, one panel for each facet. */
export function plan(scene) {
  const quantity = quantityOf(scene.selection);
  return {
    rows: scene.tags.map(({ tag, data }) => {
      const axis = axisOf(data, scene.shown, scene.selection);
      const top = ceiling(data, scene.shown, axis, quantity, { step: scene.step, slack: SLACK });
      return {
        tag,
        panels: scene.facets.map((facet) => () => panel(scene, { tag, data, facet, quantity, axis, top })),
      };
    }),
    csv: () => csv(scene),
  };
}

function panel(scene, { tag, data, facet, quantity, axis: shared, top }) {
  const free = scene.selection.x === "free";
  const axis = free ? axisOf(data, facet.runs, scene.selection) : shared;
  const groups = groupsAt(scene, data, facet, axis, quantity);
  const lines =
    scene.selection.each === "run" ? groups.flatMap((group) => group.lines) : groups.map((group) => group.strong);
  const high = free ? ceiling(data, facet.runs, axis, quantity, { step: scene.step, slack: SLACK }) : top;
  const names = groups.map(({ label, lines: { length } }) => `${label} (${counted(length, "run")})`);
  let placed = null;
  const paint = (context, width, height) => {
    const { x, y } = scalesOf(axis, high, quantity, width, height);
    axes(context, { x, y, xTitle: "weight", yTitle: quantity.name, theme: scene.theme });
    if (!lines.length) {
      Object.assign(context, { fillStyle: scene.theme.soft, textAlign: "left" });
      context.fillText(`No run here has step ${scene.step}.`, x.start + 12, (y.start + y.end) / 2);
    }
    const xs = placesOf(axis, x);
    placed = { x, y, xs, ys: lines.map((line) => heightsOf(line.values, y, true)) };
    within(context, x, y, () =>
      [paintRange, paintRuns, paintMean].forEach((part) =>
        groups.forEach((group) => part(context, scene, group, xs, y)),
      ),
    );
  };
  return {
    key: facet.key,
    title: facet.label,
    drawn: lines.length,
    runs: facet.runs,
    paint,
    label: `${tag}, ${facet.label || "all runs"}, step ${scene.step}: ${quantity.name}; ${names.join(", ")}`,
    find: (px, py) => (placed ? nearest(scene, axis, quantity, lines, placed, px, py) : null),
    mark: (context, run) => mark(context, lines, placed, run, scene.theme),
    around: (run, by) => around(scene, axis, quantity, lines, placed, run, by),
  };
}

/** Return the groups with a run that has the step: the lines of their runs, their mean and range. */
function groupsAt(scene, data, facet, axis, quantity) {
  const chosen = new Set(facet.runs);
  return scene.groups
    .map((group) => {
      const having = present(
        data,
        group.runs.filter((run) => chosen.has(run)),
      ).filter((series) => series.row.has(scene.step));
      const lines = having.map((series) => ({
        run: series.run,
        label: group.label,
        colour: group.colour,
        values: measured(series, series.row.get(scene.step), axis, quantity),
      }));
      if (!lines.length) return null;
      const range = meanAndRange(lines.map((line) => line.values));
      return {
        ...group,
        lines,
        range,
        strong: { label: group.label, colour: group.colour, values: range.mean, runs: lines.length },
      };
    })
    .filter((group) => group);
}

function paintRange(context, scene, { lines, range, colour }, xs, y) {
  if (lines.length > 1) between(context, xs, heightsOf(range.low, y), heightsOf(range.high, y), faded(colour, 0.13));
}

function paintRuns(context, scene, { lines, colour }, xs, y) {
  if (scene.selection.each !== "run" || lines.length < 2) return;
  context.strokeStyle = faded(colour, Math.max(0.14, Math.min(0.75, 2 / Math.sqrt(lines.length))));
  context.lineWidth = lines.length > 30 ? 0.7 : 1;
  for (const line of lines) {
    context.beginPath();
    trace(context, xs, heightsOf(line.values, y, true));
    context.stroke();
  }
}

function paintMean(context, scene, { range, colour }, xs, y) {
  polyline(context, xs, heightsOf(range.mean, y, true), colour, 2.4);
}

function nearest(scene, axis, quantity, lines, placed, px, py) {
  const bin = binOf(axis, placed.x.invert(px));
  if (bin < 0) return null;
  let [found, least] = [-1, REACH];
  placed.ys.forEach((ys, at) => {
    const away = Math.abs(ys[bin + 1] - py);
    if (away < least) [found, least] = [at, away];
  });
  return found < 0 ? null : hit(scene, axis, quantity, lines, placed, found, bin);
}

function hit(scene, axis, quantity, lines, placed, at, bin) {
  const { run, runs, label, values } = lines[at];
  return {
    run,
    runs: run === undefined ? null : [run],
    x: placed.xs[bin + 1],
    y: placed.ys[at][bin + 1],
    title: run === undefined ? `${label}, mean of ${counted(runs, "run")}` : scene.overview.runs[run].name,
    about: run,
    lines: [
      `weight ${short(axis.edges[bin])} to ${short(axis.edges[bin + 1])}`,
      `${quantity.name.replace(", log scale", "")} ${short(values[bin])}`,
      `step ${scene.step}`,
    ],
  };
}

/** Return the hit after a move with the keyboard: the peak of the line that is `by` lines after the line of `run`. */
function around(scene, axis, quantity, lines, placed, run, by) {
  if (!lines.length || !placed) return null;
  const now = lines.findIndex((line) => line.run === run && run !== undefined);
  const at = now < 0 ? (by > 0 ? 0 : lines.length - 1) : (now + by + lines.length) % lines.length;
  const { values } = lines[at];
  return hit(scene, axis, quantity, lines, placed, at, values.indexOf(Math.max(...values)));
}

function mark(context, lines, placed, run, theme) {
  const at = lines.findIndex((line) => line.run === run);
  if (at < 0 || !placed) return;
  within(context, placed.x, placed.y, () => {
    polyline(context, placed.xs, placed.ys[at], theme.paper, 6);
    polyline(context, placed.xs, placed.ys[at], lines[at].colour, 3);
  });
}

/** Return the drawn values as rows, one for each run and bin. */
function csv(scene) {
  const quantity = quantityOf({ ...scene.selection, y: scene.selection.y === "log" ? "density" : scene.selection.y });
  const rows = scene.tags.flatMap(({ tag, data }) =>
    present(data, scene.shown).flatMap((series) => {
      if (!series.row.has(scene.step)) return [];
      const axis = axisOf(data, scene.shown, scene.selection);
      const values = measured(series, series.row.get(scene.step), axis, quantity);
      return Array.from(values, (value, at) => [
        tag,
        scene.overview.runs[series.run].name,
        scene.step,
        axis.edges[at],
        axis.edges[at + 1],
        value,
      ]);
    }),
  );
  return [["tag", "run", "step", "from", "to", quantity.name], ...rows];
}
