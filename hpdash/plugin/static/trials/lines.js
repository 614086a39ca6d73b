/** A small chart of one metric over steps, with training and validation in one picture. */

import { counted, drawing, element, metric, short } from "../common/dom.js";

const [WIDTH, HEIGHT] = [380, 120];
const MARGIN = { left: 52, right: 10, top: 8, bottom: 20 };

/** Return a figure with curves `{name, steps, values, isDashed, colour}`; the name of the metric is its caption. */
export function lineChart(caption, curves) {
  const points = curves.flatMap(({ values }) => values.filter((value) => value !== null));
  const steps = curves.flatMap((curve) => curve.steps);
  const [low, high] = padded(Math.min(...points), Math.max(...points));
  const [first, last] = [Math.min(...steps), Math.max(...steps)];
  const x = (step) =>
    MARGIN.left + ((step - first) / Math.max(last - first, 1)) * (WIDTH - MARGIN.left - MARGIN.right);
  const y = (value) => HEIGHT - MARGIN.bottom - ((value - low) / (high - low)) * (HEIGHT - MARGIN.top - MARGIN.bottom);
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
    ...axes(low, high, first, last, x, y),
    ...paths,
  );
  const drawn = points.length ? curves.length : 0;
  const legend = curves.map((curve) => key(curve));
  return element(
    "figure",
    { className: "lines", data: { drawn } },
    element("figcaption", {}, element("strong", { text: caption }), ...legend),
    svg,
  );
}

const described = (curves) =>
  curves.map(({ name, values }) => `${name} ${counted(values.length, "value")}, last ${metric(values.at(-1))}`).join("; ");

function key({ name, isDashed, colour }) {
  const line = drawing("line", { x1: 0, x2: 18, y1: 5, y2: 5, stroke: colour, "stroke-width": 2 });
  if (isDashed) line.setAttribute("stroke-dasharray", "4 3");
  return element("span", { className: "key" }, drawing("svg", { width: 18, height: 10, "aria-hidden": "true" }, line), name);
}

function axes(low, high, first, last, x, y) {
  const text = (words, at, top, anchor) => {
    const made = drawing("text", { x: at, y: top, "text-anchor": anchor });
    made.textContent = words;
    return made;
  };
  const line = (x1, y1, x2, y2) => drawing("line", { x1, y1, x2, y2, class: "axis" });
  const levels = [low, (low + high) / 2, high];
  return [
    ...levels.map((level) => line(MARGIN.left, y(level), WIDTH - MARGIN.right, y(level))),
    ...levels.map((level) => text(short(level, 3), MARGIN.left - 6, y(level) + 4, "end")),
    text(String(first), x(first), HEIGHT - 5, "middle"),
    text(String(last), x(last), HEIGHT - 5, last > first ? "end" : "middle"),
  ];
}

/** Widen a range a little; a range without width gets one. */
function padded(low, high) {
  if (!Number.isFinite(low)) return [0, 1];
  const margin = high > low ? (high - low) * 0.05 : Math.abs(low) * 0.05 || 0.5;
  return [low - margin, high + margin];
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
