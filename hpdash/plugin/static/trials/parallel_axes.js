/** The axes of the parallel coordinates: where each value of each trial lies. */

import { short, spelled } from "../common/dom.js";
import { ticks } from "./axes.js";

const FAR = 100; // an axis is logarithmic if its greatest number is so many times its least one

/** Return the axes: one for each hyperparameter that differs, in the order that the user chose, and the objective's. */
export function axesOf(answer, order = []) {
  const differing = answer.hparams.filter(({ differs }) => differs);
  const swept = differing.filter((hparam) => hparam.swept);
  const names = (swept.length ? swept : differing).map(({ name, values }) => ({ name, key: name, values }));
  const { objective, trials } = answer;
  const best = objective ? [{ name: objective.name, key: "best", values: trials.best, isObjective: true }] : [];
  const all = [...names, ...best].map(axis);
  const place = ({ key }) => (order.includes(key) ? order.indexOf(key) : order.length);
  return all.toSorted((one, other) => place(one) - place(other));
}

/** Return an axis; `share(value)` is its place from 0 (top) to 1, null for a value that lies on a rail below. */
function axis({ name, key, values, isObjective = false }) {
  const present = [...new Set(values.filter((value) => value !== null))];
  const numbers = present.filter((value) => typeof value === "number");
  const isNumeric = numbers.length > 0 && present.every((value) => typeof value === "number" || isNonFinite(value));
  const made = { name, key, values, isObjective, isNumeric };
  if (isNumeric) return { ...made, ...numeric(numbers, isObjective) };
  const ordered = present.toSorted((one, other) => spelled(one).localeCompare(spelled(other), "en", { numeric: true }));
  const place = new Map(ordered.map((value, at) => [value, (at + 0.5) / ordered.length]));
  return {
    ...made,
    marks: ordered.map((value) => ({ text: spelled(value), share: place.get(value) })),
    share: (value) => place.get(value) ?? null,
    within: (top, bottom) => {
      const chosen = ordered.filter((value) => place.get(value) >= top && place.get(value) <= bottom);
      return chosen.length ? { in: chosen } : null;
    },
    range: (brush) => ("in" in brush ? extent(brush.in.map((value) => place.get(value)).filter((one) => one !== undefined), 0.5 / ordered.length) : null),
  };
}

const isNonFinite = (value) => ["NaN", "Infinity", "-Infinity"].includes(value);
const extent = (shares, margin) => (shares.length ? [Math.min(...shares) - margin, Math.max(...shares) + margin] : null);

function numeric(numbers, isObjective) {
  const [least, most] = [Math.min(...numbers), Math.max(...numbers)];
  const isLog = !isObjective && least > 0 && most / least >= FAR;
  const to = isLog ? Math.log10 : (value) => value;
  const from = isLog ? (value) => 10 ** value : (value) => value;
  const [low, high] = most > least ? [to(least), to(most)] : [to(least) - 1, to(least) + 1];
  const share = (value) => (typeof value === "number" ? 1 - (to(value) - low) / (high - low) : null);
  const at = (place) => from(low + (1 - place) * (high - low));
  const marked = isLog ? powers(low, high) : ticks(low, high, 5);
  return {
    isLog,
    marks: (marked.length > 1 ? marked : [least, most]).map((value) => ({ text: short(value, 3), share: share(value) })),
    share,
    within: (top, bottom) => ({ from: rounded(at(bottom), true), to: rounded(at(top), false) }),
    range: (brush) => ("from" in brush ? [share(brush.to), share(brush.from)] : null),
  };
}

/** Round the end of a brush to six digits, downwards or upwards, so that no value in it is lost. */
function rounded(value, isDown) {
  if (value === 0) return 0;
  const unit = 10 ** (Math.floor(Math.log10(Math.abs(value))) - 5);
  const steps = isDown ? Math.floor(value / unit) : Math.ceil(value / unit);
  return Number((steps * unit).toPrecision(7));
}

function powers(low, high) {
  const found = Array.from({ length: Math.floor(high) - Math.ceil(low) + 1 }, (_, at) => 10 ** (Math.ceil(low) + at));
  return found.length > 1 ? found : [10 ** low, 10 ** high];
}
