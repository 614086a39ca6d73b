/** A small chart of one metric over steps, with training and validation in one picture. */

import { counted, drawing, element, metric } from "../common/dom.js";
import { levels, padded, pathOf, scaled, steps } from "./axes.js";

const [WIDTH, HEIGHT] = [380, 130];
const MARGIN = { left: 52, right: 10, top: 8, bottom: 20 };

/** Return a figure with curves `{name, steps, values, isDashed, colour}`; the name of the metric is its caption. */
export function lineChart(caption, curves) {
  const points = curves.flatMap(({ values }) => values.filter((value) => value !== null));
  const all = curves.flatMap((curve) => curve.steps);
  const [low, high] = padded(Math.min(...points), Math.max(...points));
  const [first, last] = [Math.min(...all), Math.max(...all)];
  const x = scaled(first, Math.max(last, first + 1), MARGIN.left, WIDTH - MARGIN.right);
  const y = scaled(low, high, HEIGHT - MARGIN.bottom, MARGIN.top);
  const paths = curves.map((curve) =>
    drawing("path", {
      d: pathOf(curve.values, (at) => x(curve.steps[at]), y),
      class: "curve",
      stroke: curve.colour,
      "stroke-dasharray": curve.isDashed ? "4 3" : "none",
    }),
  );
  const svg = drawing(
    "svg",
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `${caption}: ${described(curves)}` },
    ...levels(low, high, y, MARGIN.left, WIDTH - MARGIN.right, 3),
    ...steps(first, last, x, HEIGHT - MARGIN.bottom),
    ...paths,
  );
  return element(
    "figure",
    { className: "lines", data: { drawn: points.length ? curves.length : 0 } },
    element("figcaption", {}, element("strong", { text: caption }), ...curves.map(legendOf)),
    svg,
  );
}

const described = (curves) =>
  curves
    .map(({ name, values }) => `${name} ${counted(values.length, "value")}, last ${metric(values.at(-1))}`)
    .join("; ");

/** Return the entry of a curve in a legend. */
export function legendOf({ name, isDashed, colour }) {
  const dashes = isDashed ? { "stroke-dasharray": "4 3" } : {};
  const line = drawing("line", { x1: 0, x2: 18, y1: 5, y2: 5, stroke: colour, "stroke-width": 2, ...dashes });
  const sample = drawing("svg", { width: 18, height: 10, "aria-hidden": "true" }, line);
  return element("span", { className: "key" }, sample, name);
}
