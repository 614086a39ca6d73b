/** The view Ridges: the densities of a run, or a group's mean, one behind the other, with the last step in front. */

import { axes, labels, linear, polyline, segment, ticks } from "./chart.js";
import { faded, mixed } from "../common/colours.js";
import { axisOf, binOf, ceiling, heightsOf, MARGIN, meanAt, placesOf, present, quantityOf } from "./density.js";
import { clipped, counted, short } from "../common/dom.js";
import { unitsOf } from "./selection.js";

const SLACK = 3; // peaks above this times the median peak do not raise the scale, and are cut
const OVERLAP = 0.3; // share of the panel's height that the highest ridge takes

/** Return the plan: one row for each tag, one panel for each unit (group or run) of each facet. */
export function plan(scene) {
  const quantity = { ...quantityOf(scene.selection), log: false };
  const draws = { ...scene, quantity, logs: scene.selection.y === "log" };
  return {
    rows: scene.tags.map(({ tag, data }) => {
      const axis = axisOf(data, scene.shown, scene.selection);
      const top = ceiling(data, scene.shown, axis, quantity, { slack: SLACK });
      return {
        tag,
        panels: panelsOf(scene, data, (facet, unit) => panel(draws, { tag, data, facet, unit, axis, top })),
      };
    }),
    csv: () => csvOverSteps(scene),
  };
}

/** Return a function that makes a panel, for each unit of each facet that has the tag. */
export function panelsOf(scene, data, make) {
  return scene.facets.flatMap((facet) =>
    unitsOf(scene, facet.runs)
      .filter((unit) => present(data, unit.runs).length)
      .map((unit) => () => make(facet, unit)),
  );
}

/** Return the title of the panel of a unit in a facet. */
export const titleOf = (scene, facet, unit) => [unit.label, facet.label].filter(Boolean).join(" · ");

/** Return the steps that any of the runs has, in order. */
export const stepsOf = (data, runs) =>
  [...new Set(present(data, runs).flatMap((series) => series.steps))].sort((a, b) => a - b);

function panel(scene, { tag, data, facet, unit, axis: shared, top }) {
  const { quantity, logs, step: now, theme } = scene;
  const free = scene.selection.x === "free";
  const axis = free ? axisOf(data, unit.runs, scene.selection) : shared;
  const high = free ? ceiling(data, unit.runs, axis, quantity, { slack: SLACK }) : top;
  const ridges = stepsOf(data, unit.runs).map((step) => ({
    step,
    values: meanAt(data, unit.runs, step, axis, quantity),
  }));
  const share = (value) =>
    logs ? Math.max(0, 1 + Math.log10(Math.max(value / high, 1e-4)) / 4) : Math.min(value / high, 1.15);
  let placed = null;
  const paint = (context, width, height) => {
    placed = place(axis, ridges, share, width, height);
    paintAxes(
      context,
      placed,
      ridges,
      theme,
      logs ? `step, ridges: ${quantity.name} (log)` : `step, ridges: ${quantity.name}`,
    );
    ridges.forEach(({ step }, at) => paintRidge(context, placed, at, ridges.length, unit.colour, step === now, theme));
  };
  return {
    key: `${facet.key} ${unit.runs.join()}`,
    title: titleOf(scene, facet, unit),
    colour: unit.colour,
    drawn: ridges.length,
    runs: unit.runs,
    framed: true,
    paint,
    label: `${tag}, ${titleOf(scene, facet, unit)}: ${quantity.name} over weight at ${counted(ridges.length, "step")}`,
    find: (px, py) => (placed ? nearest(scene, { axis, ridges, unit, placed }, px, py) : null),
    mark: () => {},
  };
}

function place(axis, ridges, share, width, height) {
  const x = linear([axis.edges[0], axis.edges.at(-1)], [MARGIN.left, width - MARGIN.right]);
  const tall = (height - MARGIN.top - MARGIN.bottom) * (ridges.length > 1 ? OVERLAP : 0.9);
  const [back, front] = [MARGIN.top + tall, height - MARGIN.bottom];
  const bases = ridges.map((_, at) => (ridges.length > 1 ? back + ((front - back) * at) / (ridges.length - 1) : front));
  const xs = placesOf(axis, x);
  return {
    x,
    xs,
    front,
    back,
    bases,
    ys: ridges.map(({ values }, at) => heightsOf(values, (value) => bases[at] - share(value) * tall)),
  };
}

function paintAxes(context, placed, ridges, theme, title) {
  const { x, front, bases } = placed;
  const y = Object.assign(() => front, { start: front, end: MARGIN.top, ticks: () => [] });
  axes(context, { x, y, xTitle: "weight", yTitle: title, theme });
  const wanted = ticks(0, ridges.length - 1, Math.max(2, Math.floor((front - placed.back) / 16))).filter(
    (at) => Number.isInteger(at) && at < ridges.length,
  );
  context.fillStyle = theme.soft;
  context.textAlign = "right";
  context.textBaseline = "middle";
  for (const at of wanted)
    context.fillText(labels([ridges[at].step])[0] === "0" ? "0" : String(ridges[at].step), x.start - 5, bases[at]);
}

function paintRidge(context, { xs, ys, bases, x }, at, count, colour, now, theme) {
  context.beginPath();
  context.moveTo(x.start, bases[at]);
  xs.forEach((px, place) => context.lineTo(px, ys[at][place]));
  context.lineTo(x.end, bases[at]);
  const shade = mixed(theme.paper, colour, 0.35 + (0.65 * (at + 1)) / count);
  context.fillStyle = faded(mixed(theme.paper, colour, 0.22), count > 40 ? 0.75 : 0.9);
  context.fill();
  polyline(context, xs, ys[at], now ? theme.ink : shade, now ? 2 : 1.1);
  if (!now) return;
  context.strokeStyle = theme.ink;
  context.lineWidth = 0.8;
  segment(context, x.start - 4, bases[at], x.end, bases[at]);
}

function nearest(scene, { axis, ridges, unit, placed }, px, py) {
  const bin = binOf(axis, placed.x.invert(px));
  if (bin < 0) return null;
  const away = placed.ys.map((ys) => Math.abs(ys[bin + 1] - py));
  const at = away.lastIndexOf(Math.min(...away)); // of equally near ridges, the one in front
  return hitOf(scene, unit, ridges[at].step, {
    x: placed.xs[bin + 1],
    y: placed.ys[at][bin + 1],
    lines: [
      `weight ${short(axis.edges[bin])} to ${short(axis.edges[bin + 1])}`,
      `${scene.quantity.name} ${short(ridges[at].values[bin])}`,
    ],
  });
}

/** Return the hit at a step of a unit: the tooltip's texts and position, and the step that a click selects. */
export function hitOf(scene, unit, step, { x, y, lines }) {
  const alone = unit.runs.length === 1 ? unit.runs[0] : undefined;
  return {
    run: alone,
    about: alone,
    step,
    x,
    y,
    lines: [...lines, `step ${step}`],
    title:
      alone === undefined
        ? `${clipped(unit.label)}, mean of ${counted(unit.runs.length, "run")}`
        : scene.overview.runs[alone].name,
  };
}

/** Return the drawn values as rows, one for each unit, step and bin. */
export function csvOverSteps(scene) {
  const quantity = { ...quantityOf({ y: scene.selection.y === "count" ? "count" : "density" }) };
  const rows = scene.tags.flatMap(({ tag, data }) =>
    unitsOf(scene, scene.shown).flatMap((unit) => {
      const axis = axisOf(data, scene.shown, scene.selection);
      return stepsOf(data, unit.runs).flatMap((step) =>
        Array.from(meanAt(data, unit.runs, step, axis, quantity), (value, at) => [
          tag,
          unit.label,
          unit.runs.length,
          step,
          axis.edges[at],
          axis.edges[at + 1],
          value,
        ]),
      );
    }),
  );
  return [["tag", "of", "runs", "step", "from", "to", quantity.name], ...rows];
}
