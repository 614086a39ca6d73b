/** What the parallel coordinates draw on their canvas beside the lines, and the sizes of the chart. */

export const HEIGHT = 300;
export const TOP = 14; // pixels above the axes
export const BOTTOM = 44; // pixels below them, for the rail of values that are not set

/** Clear a canvas of this width; return its context. */
export function prepared(canvas, width) {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = width * ratio;
  canvas.height = HEIGHT * ratio;
  canvas.style.height = `${HEIGHT}px`;
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  return pen;
}

/** Write the text of a mark left of its axis, legible above lines. */
export function outlined(pen, text, x, y, ink, paper) {
  pen.textAlign = "right";
  pen.textBaseline = "middle";
  pen.lineWidth = 3;
  pen.strokeStyle = paper;
  pen.strokeText(text, x - 6, y);
  pen.fillStyle = ink;
  pen.fillText(text, x - 6, y);
}

/** Draw a selected part of an axis, as shares of its length. */
export function bar(pen, x, [low, high], colour) {
  pen.globalAlpha = 0.35;
  pen.fillStyle = colour;
  pen.fillRect(x - 7, TOP + low * (HEIGHT - TOP - BOTTOM), 14, Math.max(3, (high - low) * (HEIGHT - TOP - BOTTOM)));
  pen.globalAlpha = 1;
}

/** Draw a line through points. */
export function stroked(pen, points) {
  pen.beginPath();
  points.forEach(([x, y], at) => pen[at ? "lineTo" : "moveTo"](x, y));
  pen.stroke();
}
