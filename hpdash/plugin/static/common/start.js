/** Start the page of a tab. */

import { element } from "./dom.js";

const BASE = new URL("base.css", import.meta.url).href;

/** Load the style sheets of a tab, show its page and start it; `page` has `whole`, an element, and `start()`. */
export async function start(title, sheet, page) {
  document.documentElement.lang = "en";
  document.title = title;
  await Promise.all([BASE, sheet].map(styled));
  document.body.append(page.whole);
  await page.start();
}

/** Load a style sheet; resolves when it is loaded, or if that fails. */
function styled(href) {
  return new Promise((done) =>
    document.head.append(element("link", { rel: "stylesheet", href, on: { load: done, error: done } })),
  );
}
