/** TensorBoard around the page: its theme, its reloads, its link. Everything works without it, too. */

const PREFIX = "p.hpdash_weights."; // what TensorBoard sets apart in the link for a plugin, and keeps
const KEPT = "hpdash_weights";

/** Return TensorBoard's window, or our own where the page is open alone. */
function host() {
  try {
    return window.parent.location.href ? window.parent : window;
  } catch {
    return window;
  }
}

/** Read the selection from the link, else from what this tab of the browser last had. */
export function readLink() {
  const parts = host()
    .location.hash.slice(1)
    .split("&")
    .map((part) => part.split("="));
  const ours = parts.filter(([key, value]) => value !== undefined && decoded(key).startsWith(PREFIX));
  if (ours.length)
    return Object.fromEntries(ours.map(([key, value]) => [decoded(key).slice(PREFIX.length), decoded(value)]));
  try {
    return JSON.parse(sessionStorage.getItem(KEPT)) ?? {};
  } catch {
    return {};
  }
}

/** Write the selection into the link, beside what TensorBoard and other plugins have there. */
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
    sessionStorage.setItem(KEPT, JSON.stringify(entries));
  } catch {
    /* a browser that forbids it: the link is enough */
  }
}

/** Return the link to what is shown. */
export const link = () => host().location.href;

/** Call back when somebody has changed the link by hand. */
export function onLink(callback) {
  host().addEventListener("hashchange", () => host().location.hash.includes(PREFIX) && callback());
}

/** Say whether the ground is dark: as TensorBoard's is, alone as the system's. */
export function isDark() {
  const outer = host();
  if (outer !== window) return outer.document.body.classList.contains("dark-mode");
  return matchMedia("(prefers-color-scheme: dark)").matches;
}

/** Call back when the ground changes. */
export function onDark(callback) {
  const outer = host();
  if (outer === window) matchMedia("(prefers-color-scheme: dark)").addEventListener("change", callback);
  else new MutationObserver(callback).observe(outer.document.body, { attributes: true, attributeFilter: ["class"] });
}

/** Call back when TensorBoard has reloaded, by its button or its timer (its experimental plugin API). */
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
