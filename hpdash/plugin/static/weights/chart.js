/** Charts on a canvas: scales, ticks, axes and lines. Sizes are in CSS pixels; the canvas has the screen's pixels. */

export const FONT = '11px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';

/** Clear a canvas, give it a size in CSS pixels, and return its context. */
export function prepare(canvas, width, height, ratio = window.devicePixelRatio || 1) {
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w || canvas.height !== h) Object.assign(canvas, { width: w, height: h });
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  context.font = FONT;
  return context;
}

/** Make a linear scale: a function from a value to pixels, with its ends, its inverse and its ticks. */
export function linear([low, high], [start, end]) {
  const reach = high - low || 1;
  const scale = (value) => start + ((value - low) / reach) * (end - start);
  const count = Math.max(2, Math.floor(Math.abs(end - start) / (start > end ? 30 : 48)));
  return Object.assign(scale, {
    low,
    high,
    start,
    end,
    invert: (pixel) => low + ((pixel - start) / (end - start)) * reach,
    ticks: () => ticks(low, high, count),
  });
}

/** Limit a scale's ticks to integers, because steps are integers; change and return the scale. */
export function whole(scale) {
  const every = scale.ticks;
  return Object.assign(scale, { ticks: () => every().filter(Number.isInteger) });
}

/** Make a logarithmic scale. Each tick has digits of its own; values up to `low` are placed at the start. */
export function logarithmic([low, high], range) {
  const inner = linear([Math.log10(low), Math.log10(high)], range);
  const scale = (value) => inner(value > low ? Math.log10(value) : inner.low);
  return Object.assign(scale, {
    low,
    high,
    start: inner.start,
    end: inner.end,
    invert: (pixel) => 10 ** inner.invert(pixel),
    ticks: () => decades(low, high, Math.max(2, Math.floor(Math.abs(range[1] - range[0]) / 30))),
    labels: (places) => places.flatMap((place) => labels([place])),
  });
}

/** Return multiples of 1, 2 or 5 times a power of ten from `low` to `high`: at most `most`, at least two. */
export function ticks(low, high, most) {
  if (!(Number.isFinite(high - low) && high > low)) return [low];
  const size = 10 ** Math.floor(Math.log10((high - low) / most));
  const amount = (step) => Math.floor(high / step + 1e-9) - Math.ceil(low / step - 1e-9) + 1;
  const steps = [1, 2, 5, 10, 20].map((factor) => factor * size).filter((one) => amount(one) > 1);
  const step = steps.find((one) => amount(one) <= most) ?? steps.at(-1) ?? size;
  const first = Math.ceil(low / step - 1e-9);
  return Array.from({ length: amount(step) }, (_, at) => (first + at) * step);
}

function decades(low, high, most) {
  const [first, last] = [Math.ceil(Math.log10(low) - 1e-9), Math.floor(Math.log10(high) + 1e-9)];
  const powers = Array.from({ length: last - first + 1 }, (_, at) => 10 ** (first + at));
  if (powers.length < 3) {
    const fine = [1, 2, 5].flatMap((factor) =>
      [first - 1, ...powers.map(Math.log10)].map((power) => factor * 10 ** power),
    );
    return fine.filter((one) => one >= low * 0.999 && one <= high * 1.001).sort((a, b) => a - b);
  }
  const every = Math.ceil(powers.length / most);
  return powers.filter((_, at) => at % every === 0);
}

/** Format ticks with the fewest significant digits that show their values. */
export function labels(values) {
  const most = Math.max(...values.map(Math.abs));
  for (let digits = 1; digits < 8; digits++) {
    const texts = values.map((value) => Number(value.toPrecision(digits)));
    if (values.every((value, at) => Math.abs(texts[at] - value) <= 1e-6 * most))
      return texts.map((text) => spell(text, most));
  }
  return values.map((value) => value.toPrecision(4));
}

function spell(value, most) {
  const text =
    Math.abs(value) <= 1e-9 * most
      ? "0"
      : most >= 1e6 || most < 1e-4
        ? value.toExponential().replace("e+", "e")
        : String(value);
  return text.replace(/-/g, "−");
}

/** Draw the axes of a chart: a light grid, ticks, `xTitle` below the x-axis and `yTitle` above the y-axis. */
export function axes(context, { x, y, xTitle = "", yTitle = "", theme, grid = true }) {
  context.save();
  context.lineWidth = 1;
  context.strokeStyle = theme.line;
  context.fillStyle = theme.soft;
  if (y) yAxis(context, x, y, grid);
  if (x) xAxis(context, x, y, theme);
  context.textBaseline = "alphabetic";
  context.textAlign = "right";
  if (xTitle) context.fillText(xTitle, x.end, y.start + 30);
  context.textAlign = "left";
  if (yTitle) context.fillText(yTitle, 4, y.end - 8);
  context.restore();
}

function yAxis(context, x, y, grid) {
  const places = y.ticks();
  const texts = (y.labels ?? labels)(places);
  context.textAlign = "right";
  context.textBaseline = "middle";
  places.forEach((place, at) => {
    const pixel = crisp(y(place));
    if (grid) segment(context, x.start, pixel, x.end, pixel);
    context.fillText(texts[at], x.start - 5, pixel);
  });
}

function xAxis(context, x, y, theme) {
  const places = x.ticks();
  const texts = (x.labels ?? labels)(places);
  context.textAlign = "center";
  context.textBaseline = "top";
  context.strokeStyle = theme.soft;
  segment(context, x.start, crisp(y.start), x.end, crisp(y.start));
  places.forEach((place, at) => {
    const pixel = crisp(x(place));
    segment(context, pixel, y.start, pixel, y.start + 4);
    context.fillText(texts[at], pixel, y.start + 6);
  });
}

/** Return the nearest coordinate at which a line of one pixel is sharp. */
export const crisp = (pixel) => Math.round(pixel - 0.5) + 0.5;

/** Draw one straight line. */
export function segment(context, x0, y0, x1, y1) {
  context.beginPath();
  context.moveTo(x0, y0);
  context.lineTo(x1, y1);
  context.stroke();
}

/** Add a line through points to the current path; a NaN in `ys` is a gap. */
export function trace(context, xs, ys) {
  let pen = false;
  for (let at = 0; at < xs.length; at++) {
    if (Number.isNaN(ys[at])) pen = false;
    else if (pen) context.lineTo(xs[at], ys[at]);
    else {
      context.moveTo(xs[at], ys[at]);
      context.lineTo(xs[at], ys[at]); // a single point is then a dot
      pen = true;
    }
  }
}

/** Draw a line through points. */
export function polyline(context, xs, ys, colour, width = 1.5) {
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.lineJoin = context.lineCap = "round";
  context.beginPath();
  trace(context, xs, ys);
  context.stroke();
}

/** Fill the area between two lines over the same points; a NaN in either line is a gap. */
export function between(context, xs, lower, upper, colour) {
  context.fillStyle = colour;
  for (let start = 0; start < xs.length; start++) {
    if (Number.isNaN(lower[start] + upper[start])) continue;
    let end = start;
    while (end + 1 < xs.length && !Number.isNaN(lower[end + 1] + upper[end + 1])) end++;
    context.beginPath();
    for (let at = start; at <= end; at++) context.lineTo(xs[at], upper[at]);
    for (let at = end; at >= start; at--) context.lineTo(xs[at], lower[at]);
    context.fill();
    start = end;
  }
}

/** Call `draw` with drawing limited to the area between the ends of two scales. */
export function within(context, x, y, draw) {
  context.save();
  context.beginPath();
  context.rect(
    Math.min(x.start, x.end),
    Math.min(y.start, y.end) - 1,
    Math.abs(x.end - x.start),
    Math.abs(y.start - y.end) + 2,
  );
  context.clip();
  draw();
  context.restore();
}
