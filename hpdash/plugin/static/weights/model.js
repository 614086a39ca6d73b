/** Requests to the server: answers are unpacked, and cached by address and version. */

import { get } from "../common/request.js";

const MOST = 24; // answers in the cache

/** Make a model. `overview()` always asks the server; the others use the cache, and return {promise, value or null}. */
export function createModel() {
  const kept = new Map(); // the cache: from version and address to {promise, value}

  function keep(address, version, unpack) {
    const key = `${version} ${address}`;
    const found = kept.get(key) ?? ask(key, address, unpack);
    kept.delete(key); // the entry used last is the last of the Map
    kept.set(key, found);
    for (const old of [...kept.keys()].slice(0, -MOST)) kept.delete(old);
    return found;
  }

  function ask(key, address, unpack) {
    const entry = { value: null };
    entry.promise = get(address).then(
      (answer) => (entry.value = unpack(answer)),
      (error) => {
        kept.delete(key);
        throw error;
      },
    );
    return entry;
  }

  return {
    overview: (sweep) => get(sweep === undefined ? "overview" : `overview?${new URLSearchParams({ sweep })}`),
    distributions: (query, version) => keep(`distributions?${query}`, version, unpackDistributions),
    spread: (query, version) => keep(`spread?${query}`, version, (answer) => answer),
  };
}

/** Unpack an answer of `distributions`; `runs` becomes a Map from the index of a run to its series. */
export function unpackDistributions(answer) {
  const columns = new Map(answer.statistics.map((name, at) => [name, at]));
  const edges = Float64Array.from(unpack(answer.edges_f32, Float32Array));
  const runs = new Map(answer.runs.map((run) => [run.run, series(run, answer.steps, columns, edges.length - 1)]));
  return { ...answer, edges, columns, runs };
}

/** Unpack a run's series: one row for each step, in order; `row` is a Map from a step to the index of its row. */
function series(run, steps, columns, bins) {
  const at = unpack(run.at_i32, Int32Array);
  const density = unpack(run.density_u16, Uint16Array);
  const statistics = unpack(run.statistics_f32, Float32Array);
  const own = Array.from(at, (place) => steps[place]);
  return {
    run: run.run,
    steps: own,
    row: new Map(own.map((step, row) => [step, row])),
    unit: run.unit,
    bins,
    density,
    values: unpack(run.values_f32 ?? "", Float32Array),
    nonfinite: run.nonfinite_f32 ? unpack(run.nonfinite_f32, Float32Array) : null,
    peaks: peaks(density, bins, run.unit, own.length),
    statistic: (name, row) => (columns.has(name) ? statistics[row * columns.size + columns.get(name)] : NaN),
  };
}

function peaks(density, bins, unit, rows) {
  return Float64Array.from({ length: rows }, (_, row) => {
    let most = 0;
    for (let at = row * bins; at < (row + 1) * bins; at++) if (density[at] > most) most = density[at];
    return most * unit;
  });
}

/** Decode a packed array: base64 of little-endian numbers. */
function unpack(text, Kind) {
  const bytes = Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  return new Kind(bytes.buffer);
}
