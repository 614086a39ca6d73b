/** The view Spread: how far apart the runs of each group are, and how much each changes from step to step. */

import { axes, linear, polyline, whole, within } from "./chart.js";
import { MARGIN } from "./density.js";
import { counted, short } from "../common/dom.js";
import { closest } from "./bands.js";
import { layerPanels } from "./layers.js";
import { isKernel } from "./state.js";

const FAR = 2; // a value at step 0 above this times the greatest later one is an arrow and does not raise the axis
const CHARTS = [
  ["spread", "raw", "Spread: how far apart the runs are", "W1 between runs, weight units"],
  ["spread", "scaled", "Spread, divided by std", "W1 between runs / std"],
  ["change", "raw", "Change: how much a step changes a run", "W1 per step, weight units"],
  ["change", "scaled", "Change, divided by std", "W1 per step / std"],
];

/** Return the plan: first the charts layer by layer, then a row for each chosen tag with sentences and four charts. */
export function plan(scene) {
  const kernels = scene.spread.tags.filter(({ tag }) => isKernel(tag));
  const compared = (kernels.length ? kernels : scene.spread.tags).filter(({ groups }) => groups.length > 1);
  const shown = scene.selection.tags.map((tag) => scene.spread.tags.find((found) => found.tag === tag)).filter(Boolean);
  return {
    rows: [...(compared.length ? [layers(scene, compared)] : []), ...shown.map((found) => row(scene, found))],
    csv: () => csv(scene),
  };
}

function layers(scene, tags) {
  return {
    tag: "Layer by layer",
    said: ["Mean over the steps of the training, as a ratio. Open: in weight units; filled: divided by std."],
    panels: layerPanels(scene, tags),
    least: 360,
  };
}

function row(scene, found) {
  const verdicts = found.verdicts.map((sentence) =>
    sentence.startsWith(`${found.tag}, `) ? sentence.slice(found.tag.length + 2) : sentence,
  );
  const trained = found.steps.filter((step) => step > 0).length;
  const facts = verdicts.length
    ? ""
    : `${counted(found.groups[0]?.runs.length ?? 0, "run")}, ${trained} of ${counted(found.logged, "step")} in common.`;
  const apart = found.start === 0 ? "Open circles: at, or from, the initial weights (step 0); not in the means." : "";
  const panels = CHARTS.map(
    ([kind, unit, title, axis]) =>
      () =>
        panel(scene, found, { kind, unit, title, axis }),
  );
  return {
    tag: found.tag,
    verdict: verdicts.length > 0,
    said: [...verdicts, found.note, facts, apart].filter(Boolean),
    panels: found.steps.length ? panels : [],
    least: 250,
  };
}

function panel(scene, found, { kind, unit, title, axis }) {
  const lines = found.groups
    .map((group) => line(scene, found, group, kind, unit))
    .filter(({ values }) => values.some(Number.isFinite));
  const trained = lines.flatMap(({ values, apart }) =>
    values.filter((value, at) => Number.isFinite(value) && !(apart && at === 0)),
  );
  const all = Math.max(0, ...lines.flatMap(({ values }) => values.filter(Number.isFinite)));
  const usual = Math.max(0, ...trained);
  const top = (usual && all > usual * FAR ? usual : all || 1) * 1.12;
  const [first, last] = [found.steps[0] ?? 0, found.steps.at(-1) ?? 1];
  const lasts = lines.map(({ label, values }) => `${label} ${short(values.at(-1), 3)}`);
  let placed = null;
  const paint = (context, width, height) => {
    const x = whole(linear([first, last > first ? last : first + 1], [MARGIN.left, width - MARGIN.right]));
    const y = linear([0, top], [height - MARGIN.bottom, MARGIN.top]);
    axes(context, { x, y, xTitle: "step", yTitle: lines.length ? axis : "", theme: scene.theme });
    placed = { x, y };
    if (!lines.length) return nothing(context, kind, x, y, scene.theme);
    const box = { start: x.start - 6, end: x.end + 6 };
    within(context, box, { start: y.start, end: 0 }, () => {
      let over = 0;
      for (const one of lines) over += paintLine(context, one, { x, y, over }, scene.theme);
    });
  };
  return {
    key: `${found.tag} ${kind} ${unit}`,
    title,
    drawn: lines.length,
    runs: [],
    paint,
    height: 200,
    label: `${found.tag}, ${title}; at the last step: ${lasts.join(", ")}`,
    find: (px, py) => (placed ? nearest(lines, axis, placed, px, py) : null),
    mark: () => {},
  };
}

function line(scene, found, group, kind, unit) {
  const known = scene.grouped && scene.groups.find(({ value }) => value === group.value);
  const drawn = known || { label: "all runs", colour: scene.theme.soft };
  const values = group[kind][unit].map((value) => value ?? NaN);
  return {
    label: drawn.label,
    colour: drawn.colour,
    runs: group.runs.length,
    steps: group[kind].steps,
    values,
    apart: found.start === 0,
  };
}

/** Draw a group's line; the value at or from the initial weights is an open circle that is not joined to the line.
 *
 * If this value is above the axis, draw it at the top, below the `over` earlier ones, and return 1; else return 0.
 */
function paintLine(context, { steps, values, colour, apart }, { x, y, over }, theme) {
  const from = apart ? 1 : 0;
  const [xs, ys] = [steps.map(x), values.map(y)];
  polyline(context, xs.slice(from), ys.slice(from), colour, 2.2);
  context.fillStyle = colour;
  if (steps.length - from <= 30) for (let at = from; at < xs.length; at++) dot(context, xs[at], ys[at], 2.4, true);
  if (!apart || Number.isNaN(values[0])) return 0;
  const [beyond, top] = [ys[0] < y.end, y.end + 5 + over * 13];
  context.strokeStyle = colour;
  context.fillStyle = theme.paper;
  dot(context, xs[0], beyond ? top : ys[0], 4);
  context.fillStyle = colour;
  context.textBaseline = "middle";
  if (beyond) context.fillText(`↑ ${short(values[0], 3)}`, xs[0] + 8, top);
  return Number(beyond);
}

function dot(context, x, y, radius, bare = false) {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fill();
  if (!bare) context.stroke();
}

function nothing(context, kind, x, y, theme) {
  context.fillStyle = theme.soft;
  context.textAlign = "center";
  const why = kind === "spread" ? "Needs two runs in a group." : "Needs two steps in common.";
  context.fillText(why, (x.start + x.end) / 2, (y.start + y.end) / 2);
  context.textAlign = "left";
}

function nearest(lines, axis, { x, y }, px, py) {
  const points = lines
    .map((one) => ({ ...one, at: closest(one.steps, x.invert(px)) }))
    .filter(({ values, at }) => Number.isFinite(values[at]));
  const [found] = points.sort((a, b) => Math.abs(y(a.values[a.at]) - py) - Math.abs(y(b.values[b.at]) - py));
  if (!found) return null;
  const { label, runs, steps, values, at } = found;
  return {
    x: x(steps[at]),
    y: Math.max(y(values[at]), y.end),
    step: steps[at],
    title: `${label}, ${counted(runs, "run")}`,
    lines: [`${axis}: ${short(values[at])}`, `step ${steps[at]}`],
  };
}

/** Return the measures as rows, one for each tag, group, measure and step. */
function csv(scene) {
  const rows = scene.spread.tags.flatMap(({ tag, groups }) =>
    groups.flatMap((group) =>
      ["spread", "change", "drift"].flatMap((kind) =>
        group[kind].steps.map((step, at) => [
          tag,
          scene.spread.by,
          group.value,
          group.runs.length,
          kind,
          step,
          group[kind].raw[at],
          group[kind].scaled[at],
        ]),
      ),
    ),
  );
  return [["tag", "by", "value", "runs", "measure", "step", "raw", "scaled"], ...rows];
}
