/** What a page uses of TensorBoard: its theme, its reloads and its address. The page also works alone. */

const PLUGIN = new URL(import.meta.url).pathname.match(/\/plugin\/([^/]+)\//)?.[1] ?? "hpdash"; // each tab loads its own copy of this module
const PREFIX = `p.${PLUGIN}.`; // TensorBoard keeps entries of the address with a plugin's prefix

/** Return TensorBoard's window, or this window if the page is open alone. */
function host() {
  try {
    return window.parent.location.href ? window.parent : window;
  } catch {
    return window;
  }
}

/** Return the entries of the selection in the address, else those that this browser tab stored last. */
export function readLink() {
  const parts = host()
    .location.hash.slice(1)
    .split("&")
    .map((part) => part.split("="));
  const ours = parts.filter(([key, value]) => value !== undefined && decoded(key).startsWith(PREFIX));
  if (ours.length)
    return Object.fromEntries(ours.map(([key, value]) => [decoded(key).slice(PREFIX.length), decoded(value)]));
  try {
    return JSON.parse(sessionStorage.getItem(PLUGIN)) ?? {};
  } catch {
    return {};
  }
}

/** Write the entries of the selection into the address; entries of TensorBoard and other plugins stay. */
export function writeLink(entries) {
  const { history, location } = host();
  const parts = location.hash
    .slice(1)
    .split("&")
    .filter((part) => part && !decoded(part.split("=")[0]).startsWith(PREFIX));
  const ours = Object.entries(entries).map(([key, value]) => `${PREFIX}${key}=${encodeURIComponent(value)}`);
  const hash = `#${[...parts, ...ours].join("&")}`;
  if (hash !== location.hash) history.replaceState(history.state, "", hash);
  try {
    sessionStorage.setItem(PLUGIN, JSON.stringify(entries));
  } catch {
    /* the browser forbids storage: the address is enough */
  }
}

/** Return the address, which contains the selection. */
export const link = () => host().location.href;

/** Call `callback` when the user has changed the address. */
export function onLink(callback) {
  host().addEventListener("hashchange", () => host().location.hash.includes(PREFIX) && callback());
}

/** Return whether the theme is dark: TensorBoard's theme, or the system's if the page is open alone. */
export function isDark() {
  const outer = host();
  if (outer !== window) return outer.document.body.classList.contains("dark-mode");
  return matchMedia("(prefers-color-scheme: dark)").matches;
}

/** Call `callback` when the theme changes. */
export function onDark(callback) {
  const outer = host();
  if (outer === window) matchMedia("(prefers-color-scheme: dark)").addEventListener("change", callback);
  else new MutationObserver(callback).observe(outer.document.body, { attributes: true, attributeFilter: ["class"] });
}

/** Call `callback` when TensorBoard has reloaded its data; this uses its experimental plugin API. */
export function onReload(callback) {
  if (host() === window) return;
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = ({ data }) => {
    const { type, id, isReply } = JSON.parse(data);
    if (isReply) return;
    port1.postMessage(JSON.stringify({ type, id, payload: null, error: null, isReply: true }));
    if (type === "experimental.DataReloaded") callback();
  };
  window.parent.postMessage("experimental.bootstrap", "*", [port2]);
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
