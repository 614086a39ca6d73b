/** Save files that the page has made, and copy texts. */

import { element } from "./dom.js";

/** Save rows as a CSV file. */
export function saveCsv(name, rows) {
  const lines = rows.map((row) => row.map(field).join(","));
  save(name, new Blob([`${lines.join("\r\n")}\r\n`], { type: "text/csv;charset=utf-8" }));
}

/** Return a field of a CSV file; a quote is put before a text that a spreadsheet would run as a formula. */
function field(value) {
  if (typeof value === "number") return Number.isFinite(value) ? String(value) : "";
  const text = value === null || value === undefined ? "" : String(value);
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** Save a blob as a file. */
export function save(name, blob) {
  const address = URL.createObjectURL(blob);
  element("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

/** Copy a text to the clipboard, and show "Copied" on the button `pressed` for a moment. */
export async function copy(text, pressed) {
  const before = pressed.textContent;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    copyByHand(text);
  }
  pressed.textContent = "Copied";
  setTimeout(() => {
    pressed.textContent = before;
  }, 1500);
}

function copyByHand(text) {
  const area = element("textarea", { value: text });
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}
