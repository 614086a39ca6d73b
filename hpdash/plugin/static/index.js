/** The entry point of the Weights tab: TensorBoard imports this module and calls `render`. */

import { App } from "./app.js";
import { element } from "./dom.js";

/** Make the page and load its data. */
export async function render() {
  document.documentElement.lang = "en";
  document.title = "Weights";
  await styled();
  const app = new App();
  document.body.append(app.whole);
  await app.start();
}

/** Load the style sheet; resolves when it is loaded, or if that fails. */
function styled() {
  const href = new URL("style.css", import.meta.url).href;
  return new Promise((done) =>
    document.head.append(element("link", { rel: "stylesheet", href, on: { load: done, error: done } })),
  );
}
