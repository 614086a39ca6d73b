/** The entry point of the Weights tab: TensorBoard imports this module and calls `render`. */

import { start } from "../common/start.js";
import { App } from "./app.js";

/** Make the page and load its data. */
export const render = () => start("Weights", new URL("style.css", import.meta.url).href, new App());
