/** Requests to the server half of the tab. */

const HERE = import.meta.url;
const BASE = HERE.match(/^.*\/plugin\/[^/]+\//)?.[0] ?? new URL("../", HERE).href; // where the tab's routes are

/** The error of a request; its message is the server's sentence. */
export class Refused extends Error {}

/** Return the answer to a request; `address` is a route with its query. Throws Refused with a sentence. */
export async function get(address) {
  const response = await fetch(new URL(address, BASE), { headers: { Accept: "application/json" } }).catch(
    () => {
      throw new Refused("TensorBoard does not answer. Is it still running? Start it again, then retry.");
    },
  );
  const answer = await response.json().catch(() => {
    throw new Refused(`TensorBoard answered ${response.status} without saying why.`);
  });
  if (!response.ok) throw new Refused(answer.error ?? `TensorBoard answered ${response.status}.`);
  return answer;
}
