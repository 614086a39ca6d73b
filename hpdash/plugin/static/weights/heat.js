/** The view Heat: the density at each weight and step as a colour; a panel for each unit, one scale for each tag. */

import { axes, crisp, labels, linear, logarithmic, segment } from "./chart.js";
import { ramp } from "../common/colours.js";
import { axisOf, binOf, ceiling, MARGIN, meanAt, quantityOf } from "./density.js";
import { short } from "../common/dom.js";
import { closest } from "./bands.js";
import { csvOverSteps, hitOf, panelsOf, stepsOf, titleOf } from "./ridges.js";

const SLACK = 1.5; // peaks above this times the median peak are left out of the scale and get the last colour
const LEGEND = 58; // width in pixels of the colour scale at the right

/** Return the plan: one row for each tag, one panel for each unit of each facet. */
export function plan(scene) {
  const quantity = quantityOf(scene.selection);
  const colours = ramp(scene.theme.dark);
  return {
    rows: scene.tags.map(({ tag, data }) => {
      const axis = axisOf(data, scene.shown, scene.selection);
      const top = ceiling(data, scene.shown, axis, quantity, { slack: SLACK });
      return {
        tag,
        panels: panelsOf(scene, data, (facet, unit) =>
          panel(scene, { tag, data, facet, unit, axis, top, quantity, colours }),
        ),
      };
    }),
    csv: () => csvOverSteps(scene),
  };
}

function panel(scene, { tag, data, facet, unit, axis: shared, top, quantity, colours }) {
  const axis = scene.selection.x === "free" ? axisOf(data, unit.runs, scene.selection) : shared;
  const steps = stepsOf(data, unit.runs);
  const columns = steps.map((step) => meanAt(data, unit.runs, step, axis, quantity));
  const level = quantity.log ? logarithmic([top / 1e4, top], [0, 255]) : linear([0, top], [0, 255]);
  const cut = columns.some((column) => column.some((value) => value > top * 1.001));
  const image = picture(columns, axis.centres.length, level, colours);
  let placed = null;
  const paint = (context, width, height) => {
    placed = place(axis, steps, width, height);
    paintCells(context, image, placed, steps);
    axes(context, { ...placed, xTitle: "step", yTitle: "weight", theme: scene.theme, grid: false });
    paintLegend(context, placed, { level, colours, quantity, cut }, scene.theme);
    context.strokeStyle = scene.theme.ink;
    const at = steps.indexOf(scene.step);
    if (at < 0) return;
    context.setLineDash([3, 3]);
    segment(context, crisp(placed.x(steps[at])), placed.y.start, crisp(placed.x(steps[at])), placed.y.end);
    context.setLineDash([]);
  };
  return {
    key: `${facet.key} ${unit.runs.join()}`,
    title: titleOf(scene, facet, unit),
    colour: unit.colour,
    drawn: steps.length,
    runs: unit.runs,
    framed: true,
    paint,
    label: `${tag}, ${titleOf(scene, facet, unit)}: ${quantity.name} at each weight and step`,
    find: (px, py) => (placed ? nearest(scene, { axis, steps, columns, unit, quantity, placed }, px, py) : null),
    mark: () => {},
  };
}

/** Return an image with one pixel for each step (x) and bin (y), the greatest weight at the top. */
function picture(columns, bins, level, colours) {
  const image = new ImageData(columns.length, bins);
  columns.forEach((column, step) =>
    column.forEach((value, bin) => {
      const shade = Math.max(0, Math.min(255, Math.round(level(value)))) * 3;
      image.data.set(
        [colours[shade], colours[shade + 1], colours[shade + 2], 255],
        ((bins - 1 - bin) * columns.length + step) * 4,
      );
    }),
  );
  const canvas = new OffscreenCanvas(columns.length, bins);
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

/** Return the scales; a cell reaches half-way to the previous and to the next step. */
function place(axis, steps, width, height) {
  const half = steps.length > 1 ? [(steps[1] - steps[0]) / 2, (steps.at(-1) - steps.at(-2)) / 2] : [0.5, 0.5];
  const x = linear([steps[0] - half[0], steps.at(-1) + half[1]], [MARGIN.left, width - LEGEND]);
  const y = linear([axis.edges[0], axis.edges.at(-1)], [height - MARGIN.bottom, MARGIN.top]);
  const whole = () =>
    linear([x.low, x.high], [x.start, x.end])
      .ticks()
      .filter((tick) => Number.isInteger(tick) && tick >= steps[0]);
  return { x: Object.assign(x, { ticks: steps.length > 1 ? whole : () => steps }), y };
}

function paintCells(context, image, { x, y }, steps) {
  context.imageSmoothingEnabled = false;
  steps.forEach((step, at) => {
    const left = Math.round(at ? x((steps[at - 1] + step) / 2) : x.start);
    const right = Math.round(at < steps.length - 1 ? x((step + steps[at + 1]) / 2) : x.end);
    context.drawImage(image, at, 0, 1, image.height, left, y.end, Math.max(right - left, 1), y.start - y.end);
  });
}

function paintLegend(context, { x, y }, { level, colours, quantity, cut }, theme) {
  const left = x.end + 10;
  for (let pixel = Math.floor(y.end); pixel < y.start; pixel++) {
    const shade = Math.round(((y.start - pixel) / (y.start - y.end)) * 255) * 3;
    context.fillStyle = `rgb(${colours[shade] ?? 0} ${colours[shade + 1] ?? 0} ${colours[shade + 2] ?? 0})`;
    context.fillRect(left, pixel, 9, 1);
  }
  const place = (value) => y.start - (level(value) / 255) * (y.start - y.end);
  const places = level.ticks().filter((value) => !cut || place(value) > y.end + 14);
  const texts = labels(places);
  Object.assign(context, { fillStyle: theme.soft, textBaseline: "middle", textAlign: "left" });
  places.forEach((value, at) => context.fillText(texts[at], left + 13, place(value)));
  if (cut) context.fillText(`≥ ${short(level.high, 2)}`, left + 13, y.end + 3);
  context.textBaseline = "alphabetic";
  context.textAlign = "right";
  context.fillText(quantity.name, left + LEGEND - 12, y.end - 8);
  context.textAlign = "left";
}

function nearest(scene, { axis, steps, columns, unit, quantity, placed }, px, py) {
  const bin = binOf(axis, placed.y.invert(py));
  if (bin < 0 || px < placed.x.start || px > placed.x.end) return null;
  const at = closest(steps, placed.x.invert(px));
  return hitOf(scene, unit, steps[at], {
    x: placed.x(steps[at]),
    y: placed.y(axis.centres[bin]),
    lines: [
      `weight ${short(axis.edges[bin])} to ${short(axis.edges[bin + 1])}`,
      `${quantity.name.replace(", log scale", "")} ${short(columns[at][bin])}`,
    ],
  });
}
