/** The user's choices, which the link contains. */

import { areBrushes } from "./brush.js";

const TEXTS = ["sweep", "where", "objective", "goal", "open", "against", "view", "metric", "by", "stage", "group", "smooth", "over", "range"];
const LISTS = ["show", "hide", "unfolded", "order", "ticked", "pair"];

/** Return the choices in a link's entries; invalid entries are ignored. */
export function decode(entries) {
  const chosen = {};
  for (const key of TEXTS) if (typeof entries[key] === "string") chosen[key] = entries[key];
  for (const key of LISTS) {
    const value = parsed(entries[key]);
    if (Array.isArray(value) && value.every((item) => typeof item === "string")) chosen[key] = value;
  }
  const brush = parsed(entries.brush);
  if (areBrushes(brush)) chosen.brush = brush;
  const sort = parsed(entries.sort);
  const fits = (pair) => Array.isArray(pair) && typeof pair[0] === "string" && ["up", "down"].includes(pair[1]);
  if (Array.isArray(sort) && sort.every(fits)) chosen.sort = sort;
  return chosen;
}

/** Return the choices as entries of a link; what has its default is left out. */
export function encode(chosen) {
  const size = (value) => (typeof value === "object" ? Object.keys(value).length : value.length);
  const set = Object.entries(chosen).filter(([, value]) => value !== undefined && size(value));
  return Object.fromEntries(set.map(([key, value]) => [key, TEXTS.includes(key) ? value : JSON.stringify(value)]));
}

/** Return the sort after a click on a header: the other direction, then none; with Shift, as a further key. */
export function sortedBy(sort, key, first, isFurther) {
  const second = first === "up" ? "down" : "up";
  const now = sort.find(([name]) => name === key)?.[1];
  const next = now === undefined ? first : now === first ? second : null;
  const others = isFurther ? sort.filter(([name]) => name !== key) : [];
  if (isFurther && now !== undefined && next) return sort.map((pair) => (pair[0] === key ? [key, next] : pair));
  return next ? [...others, [key, next]] : others;
}

/** Return the choices for another sweep: only the view stays. */
export const ofSweep = ({ view }, sweep) => (sweep === undefined ? { view } : { view, sweep });

/** Return a list with an item, or without it if the list has it. */
export const toggled = (list, item) => (list.includes(item) ? list.filter((one) => one !== item) : [...list, item]);

/** Return the lists of columns that the user shows or hides, after a column was shown or hidden. */
export function shownColumns({ show = [], hide = [] }, name, isShown) {
  const without = (list) => list.filter((one) => one !== name);
  return isShown ? { show: [...without(show), name], hide: without(hide) } : { show: without(show), hide: [...without(hide), name] };
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
