/** The colours of values: they depend only on the list of all values and on the theme, and are equal in all views. */

// Okabe & Ito 2008, "Color Universal Design", without black and yellow, invisible on a dark or white page
const CATEGORIES = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"];
const MORE = {
  light: ["#004A73", "#8A3C00", "#00614A", "#8F4673", "#8F6300", "#2A7AA8"],
  dark: ["#99C7E0", "#EEBF99", "#99D8C7", "#EBC9DC", "#F5D999", "#BBE1F6"],
};
// viridis (Smith & van der Walt 2015); PART is the range of it that is visible on a light or a dark page
const VIRIDIS = ["#440154", "#472D7B", "#3B528B", "#2C728E", "#21918C", "#28AE80", "#5EC962", "#ADDC30", "#FDE725"];
const PART = { light: [0, 0.6], dark: [0.4, 1] };
const HEAT = {
  light: ["#FFFFFF", "#D5EEB3", "#73C8BD", "#2498C1", "#234DA0", "#081D58"],
  dark: ["#14171B", "#2E1E5C", "#35568C", "#21908D", "#74CF58", "#FDE725"],
};
const ABSENT = "#8C8C8C";
// least contrast of a line with the page: WCAG 2.2, 1.4.11 requires 3; on a dark page, thin lines need more
const ENOUGH = { light: 2.9, dark: 4.5 };

/** Return a Map from each value to its colour; the colours follow the order of the values. */
export function palette(values, dark) {
  const ground = dark ? "dark" : "light";
  const present = values.filter((value) => value !== null);
  const names = [...CATEGORIES, ...MORE[ground]];
  const ordered = present.length > 2 && present.every((value) => typeof value === "number");
  const shades =
    ordered || present.length > names.length
      ? present.map((_, at) => sequence(at / Math.max(present.length - 1, 1), ground))
      : names;
  return new Map([[null, ABSENT], ...present.map((value, at) => [value, legible(shades[at], dark)])]);
}

/** Return the colour of a line for a share from 0 to 1, legible on the page; 1 is the colour that stands out most. */
export const rampColour = (share, dark) =>
  legible(sequence(dark ? share : 1 - share, dark ? "dark" : "light"), dark);

/** Return the colour of the scale for ordered values at a position from 0 to 1. */
function sequence(place, ground) {
  const [low, high] = PART[ground];
  return hex(between(VIRIDIS, low + place * (high - low)));
}

/** Return 256 colours for densities, starting with the page's background, as bytes [256 * 3]. */
export function ramp(dark) {
  const stops = HEAT[dark ? "dark" : "light"];
  return Uint8ClampedArray.from({ length: 768 }, (_, at) => between(stops, Math.floor(at / 3) / 255)[at % 3]);
}

/** Mix two colours; `share` is the share of the second, from 0 to 1. */
export const mixed = (first, second, share) => hex(between([first, second], share));

/** Return a colour with an opacity. */
export const faded = (colour, opacity) =>
  `${colour}${Math.round(opacity * 255)
    .toString(16)
    .padStart(2, "0")}`;

function between(stops, place) {
  const start = Math.min(Math.floor(place * (stops.length - 1)), stops.length - 2);
  const share = place * (stops.length - 1) - start;
  const [low, high] = [rgb(stops[start]), rgb(stops[start + 1])];
  return low.map((part, at) => part + (high[at] - part) * share);
}

/** Mix a colour with the text colour until its contrast with the page is at least `ENOUGH`. */
function legible(colour, dark) {
  const [paper, ink] = dark ? ["#14171B", "#FFFFFF"] : ["#FFFFFF", "#000000"];
  for (let share = 0; share < 0.6; share += 0.04) {
    const tried = mixed(colour, ink, share);
    if (contrast(tried, paper) >= ENOUGH[dark ? "dark" : "light"]) return tried;
  }
  return colour;
}

function contrast(one, other) {
  const [high, low] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (high + 0.05) / (low + 0.05);
}

function luminance(colour) {
  const [r, g, b] = rgb(colour)
    .map((part) => part / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

const rgb = (colour) => [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
const hex = (parts) => `#${parts.map((part) => Math.round(part).toString(16).padStart(2, "0")).join("")}`;
