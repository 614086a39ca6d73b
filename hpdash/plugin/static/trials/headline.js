/** The sentence about the best trial, above the charts. */

import { element } from "../common/dom.js";

/** Say a headline; what won is bold: all up to the name of the best trial, which is in parentheses. */
export function sayHeadline(made, text) {
  if (made.textContent === text) return;
  const end = text.indexOf("), ") + 1;
  made.replaceChildren(...(end ? [element("strong", { text: text.slice(0, end) }), text.slice(end)] : [text]));
}
