/** Save what is on the page as a picture. */

import { element } from "./dom.js";
import { save } from "./files.js";

// what a style sheet may set for an element that is copied; a picture has no style sheet
const STYLES = [
  "align-items", "background-color", "border", "border-radius", "box-sizing", "color", "display", "fill", "fill-opacity", "flex",
  "flex-wrap", "float", "font", "gap", "grid-template-columns", "height", "inset", "list-style", "margin", "opacity", "overflow",
  "padding", "position", "stroke", "stroke-dasharray", "stroke-width", "text-align", "text-anchor", "visibility", "white-space", "width",
]; // prettier-ignore
const MOST = 16_000; // pixels of a canvas on a side
const MARGIN = 12;

/** Save elements, below each other, as a PNG file, with two pixels for each CSS pixel unless that is too large. */
export async function savePicture(name, parts, paper) {
  const boxes = parts.map((part) => part.getBoundingClientRect());
  const width = Math.ceil(Math.max(...boxes.map((box) => box.width))) + 2 * MARGIN;
  const height = Math.ceil(boxes.reduce((sum, box) => sum + box.height, 0)) + 2 * MARGIN;
  const ratio = Math.min(2, MOST / width, MOST / height);
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(drawingOf(parts.map(copyOf), width, height))}`;
  await image.decode();
  const canvas = element("canvas", { width: width * ratio, height: height * ratio });
  const pen = canvas.getContext("2d");
  pen.fillStyle = paper;
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.drawImage(image, 0, 0, canvas.width, canvas.height);
  canvas.toBlob((blob) => save(name, blob));
}

/** Return an SVG file, as text, that contains HTML elements. */
function drawingOf(copies, width, height) {
  const page = element("div", {}, ...copies);
  page.style.padding = `${MARGIN}px`;
  const content = new XMLSerializer().serializeToString(page);
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}"><foreignObject width="100%" height="100%">${content}</foreignObject></svg>`;
}

/** Return a copy of an element that looks the same without the page's style sheets; a canvas becomes an image. */
function copyOf(original) {
  const copy = original.tagName === "CANVAS" ? element("img", { src: original.toDataURL() }) : original.cloneNode(false);
  const look = getComputedStyle(original);
  for (const style of STYLES) copy.style?.setProperty(style, look.getPropertyValue(style));
  const isShown = (child) => child.nodeType !== Node.ELEMENT_NODE || getComputedStyle(child).display !== "none";
  copy.append(...[...original.childNodes].filter(isShown).map((child) => (child.nodeType === Node.ELEMENT_NODE ? copyOf(child) : child.cloneNode())));
  return copy;
}
