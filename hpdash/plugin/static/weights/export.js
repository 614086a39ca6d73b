/** What the user can save: the drawn numbers and the table as CSV, the charts as one PNG, and the link. */

import { button, element } from "../common/dom.js";
import { copy, save } from "../common/files.js";
import { FONT, prepare } from "./chart.js";
import { tableOf } from "./table.js";

/** Return the table as rows, with a header. */
export function tableRows(scene) {
  const { columns, rows } = tableOf(scene);
  const body = rows.map((row) => [row.name, scene.step, ...columns.map(({ key }) => row.cells[key])]);
  return [["name", "step", ...columns.map(({ title }) => title)], ...body];
}

/** Save the charts, placed as on the page, as one PNG; it has two pixels per CSS pixel unless that is too large. */
export function savePng(name, stage, scene) {
  const outer = stage.whole.getBoundingClientRect();
  const [width, height] = [outer.width + 32, outer.height + 56];
  const canvas = element("canvas");
  const ratio = Math.min(2, 16_000 / height, 16_000 / width);
  const context = prepare(canvas, width, height, ratio);
  context.fillStyle = scene.theme.paper;
  context.fillRect(0, 0, width, height);
  paintLegend(context, scene);
  paintTexts(context, stage.whole, outer, scene.theme);
  for (const { base, panel, size } of stage.panels) {
    const box = base.getBoundingClientRect();
    const copy = element("canvas");
    panel.paint(prepare(copy, ...size, ratio), ...size);
    context.drawImage(copy, 16 + box.left - outer.left, 44 + box.top - outer.top, ...size);
  }
  canvas.toBlob((blob) => save(name, blob));
}

function paintLegend(context, { groups, step, theme, selection }) {
  let left = 16;
  context.textBaseline = "middle";
  for (const { label, colour } of groups.slice(0, 12)) {
    context.fillStyle = colour;
    context.fillRect(left, 18, 10, 10);
    context.fillStyle = theme.ink;
    context.fillText(label, left + 15, 24);
    left += context.measureText(label).width + 32;
  }
  context.fillStyle = theme.soft;
  context.fillText(selection.view === "overlay" ? `step ${step}` : "", left, 24);
}

/** Paint the headings and captions where they are on the page. */
function paintTexts(context, whole, outer, theme) {
  context.textBaseline = "top";
  for (const node of whole.querySelectorAll("h2, .said p, figcaption span:last-child")) {
    const box = node.getBoundingClientRect();
    if (!box.width) continue;
    context.font = node.tagName === "H2" ? FONT.replace("11px", "600 13px") : FONT.replace("11px", "12px");
    context.fillStyle = node.tagName === "P" ? theme.soft : theme.ink;
    lines(context, node.textContent, box.width + 2).forEach((text, at) =>
      context.fillText(text, 16 + box.left - outer.left, 46 + box.top - outer.top + at * 17),
    );
  }
}

function lines(context, text, width) {
  const found = [""];
  for (const word of text.split(" ")) {
    const tried = `${found.at(-1)} ${word}`.trim();
    if (context.measureText(tried).width <= width || !found.at(-1)) found[found.length - 1] = tried;
    else found.push(word);
  }
  return found;
}

/** Make the buttons that save or copy. */
export function createExports({ csv, table, png, link }) {
  const whole = element("div", { className: "exports" });
  const linked = button("Link", () => copy(link(), linked), {
    title: "Copy the link to what is shown",
    data: { control: "link" },
  });
  whole.append(
    button("CSV", csv, { title: "Save what is drawn as numbers", data: { control: "csv" } }),
    button("Table", table, { title: "Save the table as CSV", data: { control: "table-csv" } }),
    button("PNG", png, { title: "Save the charts as a picture", data: { control: "png" } }),
    linked,
  );
  return whole;
}
