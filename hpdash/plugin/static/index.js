/** The Weights tab's entry: TensorBoard imports it and calls `render`. */

import { App } from "./app.js";
import { element } from "./dom.js";

/** Draw the page. */
export async function render() {
  document.documentElement.lang = "en";
  document.title = "Weights";
  await styled();
  const app = new App();
  document.body.append(app.whole);
  await app.start();
}

/** Load the styles before anything is drawn. */
function styled() {
  const href = new URL("style.css", import.meta.url).href;
  return new Promise((done) =>
    document.head.append(element("link", { rel: "stylesheet", href, on: { load: done, error: done } })),
  );
}
