/** Brushes: the parts of axes that the user selects. A brush is {from, to} for numbers, {in: values} for others. */

import { short, spelled } from "../common/dom.js";

/** Return the condition, in the language of the filter, that a text and the brushes ask for together; "" for none. */
export function conditionOf(where, brushes = {}) {
  const parts = Object.entries(brushes).map(([name, brush]) => condition(name, brush));
  if (where) parts.unshift(parts.length ? `(${where})` : where);
  return parts.join(" and ");
}

function condition(name, brush) {
  const quoted = name.includes("`") ? `"${name}"` : `\`${name}\``;
  if ("in" in brush) return `${quoted} in (${brush.in.map(literal).join(", ")})`;
  return `${quoted} >= ${brush.from} and ${quoted} <= ${brush.to}`;
}

/** Return a value as the language of the filter has it; it knows no escapes in texts. */
function literal(value) {
  if (typeof value !== "string") return String(value);
  return value.includes('"') ? `'${value}'` : `"${value}"`;
}

/** Return the brushes with one more, or without it if it is null. */
export function withBrush(brushes = {}, name, brush) {
  const others = Object.fromEntries(Object.entries(brushes).filter(([key]) => key !== name));
  return brush ? { ...others, [name]: brush } : others;
}

/** Return a brush as text: `learning_rate 0.001–0.01`. */
export function brushText(name, brush) {
  if ("in" in brush) return `${name} ${brush.in.map(spelled).join(", ")}`;
  return `${name} ${short(brush.from, 3)}–${short(brush.to, 3)}`;
}

/** Return whether a value of a link is a set of brushes. */
export function areBrushes(value) {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return false;
  const isPlain = (one) => ["string", "number", "boolean"].includes(typeof one);
  return Object.values(value).every(
    (brush) =>
      brush !== null &&
      typeof brush === "object" &&
      (Array.isArray(brush.in) ? brush.in.every(isPlain) : typeof brush.from === "number" && typeof brush.to === "number"),
  );
}
