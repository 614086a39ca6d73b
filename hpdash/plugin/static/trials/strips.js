/** Small pictures of how the weights of one trial changed: at each step, the density of a layer's weights. */

import { ramp } from "../common/colours.js";
import { element, short } from "../common/dom.js";

const [WIDTH, HEIGHT] = [360, 56];

/** Return a figure; `strip` is one of the answer of the route `weights`. Steps go from left to right. */
export function stripChart({ tag, steps, low, high, densities }, dark) {
  const canvas = element("canvas", { width: steps.length, height: densities[0].length, role: "img", "aria-label": described(tag, steps, low, high) });
  canvas.style.width = `${WIDTH}px`;
  canvas.style.height = `${HEIGHT}px`;
  paint(canvas, densities, ramp(dark));
  const ends = element("span", { className: "soft", text: `${short(low, 3)} to ${short(high, 3)}; steps ${steps[0]} to ${steps.at(-1)}` });
  return element("figure", { className: "strip", data: { strip: tag } }, element("figcaption", {}, element("strong", { text: tag }), " ", ends), canvas);
}

/** Paint one pixel for each step and bin; the browser enlarges it. The greatest weights are on top. */
function paint(canvas, densities, colours) {
  const [columns, bins] = [densities.length, densities[0].length];
  const pen = canvas.getContext("2d");
  const image = pen.createImageData(columns, bins);
  densities.forEach((own, column) =>
    own.forEach((density, bin) => {
      const at = 4 * ((bins - 1 - bin) * columns + column);
      const colour = 3 * Math.round(density * 255);
      image.data.set([colours[colour], colours[colour + 1], colours[colour + 2], 255], at);
    }),
  );
  pen.putImageData(image, 0, 0);
}

const described = (tag, steps, low, high) =>
  `Density of the values of ${tag}, from ${short(low, 3)} to ${short(high, 3)}, at ${steps.length} steps from ${steps[0]} to ${steps.at(-1)}`;
