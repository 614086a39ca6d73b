/** The charts "layer by layer": the ratio of each group's mean spread and change to those of the reference group. */

import { axes, crisp, logarithmic, segment } from "./chart.js";
import { clipped, short, spelled } from "../common/dom.js";

const KINDS = [
  ["spread", "How far apart the runs are", "more alike", "less alike"],
  ["change", "How much a step changes them", "smoother", "less smooth"],
];
const ROW = 26;
const RATIOS = [0.1, 0.2, 0.3, 0.5, 0.7, 0.85, 1, 1.2, 1.5, 2, 3, 5, 10];

/** Return functions that make the two panels, spread and change, with one row for each layer's tag. */
export function layerPanels(scene, tags) {
  const all = KINDS.map(([kind]) => tags.flatMap((found, row) => dotsOf(scene, found, row, kind)));
  const reach = 1.15 * Math.max(1.5, ...all.flat().map(({ ratio }) => Math.max(ratio, 1 / ratio)));
  return KINDS.map(
    ([kind, title, less, more], at) =>
      () =>
        panel(scene, { kind, title, less, more, dots: all[at], tags, reach }),
  );
}

function dotsOf(scene, { groups }, row, kind) {
  const reference = groups.find((group) => group.value === scene.spread.reference);
  return groups
    .filter((group) => group !== reference)
    .flatMap((group) => {
      const [own, other] = [group[kind].mean, reference?.[kind].mean];
      if (!own || !other) return [];
      const colour = scene.groups.find((one) => one.value === group.value)?.colour ?? scene.theme.soft;
      return [0, 1]
        .map((scaled) => ({
          row,
          group,
          colour,
          scaled,
          own: own[scaled],
          other: other[scaled],
          ratio: own[scaled] / other[scaled],
        }))
        .filter(({ ratio }) => ratio > 0 && Number.isFinite(ratio));
    });
}

function panel(scene, { kind, title, less, more, dots, tags, reach }) {
  const names = apart(tags.map(({ tag }) => tag)).map((name) => clipped(name, 26));
  const unit = (scaled) => (scaled ? "divided by std" : "in weight units");
  const said = ({ row, group, ratio, scaled }) =>
    `${names[row]} ${spelled(group.value)} ${unit(scaled)} ${short(ratio, 3)}`;
  let placed = null;
  const paint = (context, width, height) => {
    const left = 14 + Math.max(...names.map((name) => context.measureText(name).width));
    const x = logarithmic([1 / reach, reach], [left, width - 20]);
    if (reach < 12) x.ticks = () => RATIOS.filter((ratio) => ratio > 1 / reach && ratio < reach);
    const y = Object.assign((row) => 36 + ROW * (row + 0.5), { start: height - 36, end: 30, ticks: () => [] });
    axes(context, {
      x,
      y,
      xTitle: `ratio to ${scene.spread.by}=${spelled(scene.spread.reference)}`,
      theme: scene.theme,
    });
    paintRows(context, scene.theme, { names, x, y, less, more });
    placed = dots.map((dot) => ({ ...dot, px: x(dot.ratio), py: y(dot.row) + offset(scene, dot) }));
    paintDots(context, scene.theme, placed);
  };
  return {
    key: `layers ${kind}`,
    title,
    drawn: dots.length,
    runs: [],
    paint,
    height: 78 + ROW * tags.length,
    label: `${title}, layer by layer, as a ratio to ${spelled(scene.spread.reference)}: ${dots.map(said).join("; ")}`,
    find: (px, py) => nearest(placed, tags, kind, px, py),
    mark: () => {},
  };
}

/** Return the vertical offset of a group's dots within a row, so that groups do not overlap. */
function offset(scene, { group }) {
  const others = scene.groups.filter(({ value }) => value !== scene.spread.reference);
  const at = others.findIndex(({ value }) => value === group.value);
  return others.length > 1 ? (at / (others.length - 1) - 0.5) * Math.min(ROW * 0.6, 6 * others.length) : 0;
}

function paintRows(context, theme, { names, x, y, less, more }) {
  context.fillStyle = theme.ink;
  context.textAlign = "right";
  context.textBaseline = "middle";
  context.strokeStyle = theme.line;
  names.forEach((name, row) => {
    context.fillText(name, x.start - 8, y(row));
    segment(context, x.start, crisp(y(row)), x.end, crisp(y(row)));
  });
  context.strokeStyle = theme.ink;
  segment(context, crisp(x(1)), y.end, crisp(x(1)), y.start);
  context.fillStyle = theme.soft;
  context.textBaseline = "alphabetic";
  context.fillText(`← ${less}`, x(1) - 8, y.end - 8);
  context.textAlign = "left";
  context.fillText(`${more} →`, x(1) + 8, y.end - 8);
}

function paintDots(context, theme, dots) {
  for (const { px, py, scaled, colour } of dots) {
    context.beginPath();
    context.arc(px, py, 5, 0, 2 * Math.PI);
    context.fillStyle = scaled ? colour : theme.paper;
    context.fill();
    context.strokeStyle = colour;
    context.lineWidth = 2;
    context.stroke();
  }
}

function nearest(placed, tags, kind, px, py) {
  const near = (placed ?? [])
    .map((dot) => ({ dot, away: Math.hypot(dot.px - px, dot.py - py) }))
    .sort((a, b) => a.away - b.away)[0];
  if (!near || near.away > 30) return null;
  const { row, group, scaled, own, other, ratio } = near.dot;
  return {
    x: near.dot.px,
    y: near.dot.py,
    title: `${tags[row].tag}: ${spelled(group.value)}`,
    lines: [
      `${kind} ${scaled ? "divided by std" : "in weight units"}`,
      `${short(own, 3)} against ${short(other, 3)} = ${short(ratio, 3)}×`,
    ],
  };
}

/** Return names without the first and last path parts that all share, if a name is long; at least one part is left. */
function apart(names) {
  const parts = names.map((name) => name.split("/"));
  const most = Math.min(...parts.map(({ length }) => length)) - 1;
  const shared = (at) => parts.every((one) => one.at(at) === parts[0].at(at));
  let [start, end] = [0, 0];
  while (start < most && shared(start)) start += 1;
  while (start + end < most && shared(-1 - end)) end += 1;
  return names.length > 1 && names.some((name) => name.length > 26)
    ? parts.map((one) => one.slice(start, one.length - end).join("/"))
    : names;
}
