/** How two hyperparameters act together: a table of the mean result for each pair of their values. */

import { chooser, element, metric } from "../common/dom.js";

/** The table and the choice of the two hyperparameters; `onPair([rows, columns])` is called with another choice. */
export class Interaction {
  #pair = [];

  constructor(onPair) {
    const choose = (place) => (name) => {
      const [rows, columns] = this.#pair;
      const other = place ? rows : columns;
      const swapped = name === other ? [columns, rows] : null; // the same one twice: the two change places
      onPair(swapped ?? (place ? [rows, name] : [name, columns]));
    };
    this.rows = chooser("crossed", "Together:", choose(0));
    this.columns = chooser("with", "and", choose(1));
    this.sentence = element("span", { className: "soft" });
    this.table = element("table", { className: "pairs" });
    const line = element("div", { className: "line" }, this.rows.whole, this.columns.whole, this.sentence);
    this.whole = element("section", { className: "interaction", hidden: true, "aria-label": "Two hyperparameters together" }, line, this.table);
  }

  /** Show an answer of the route `effects`; `goal` is that of the objective. */
  show({ interaction, interaction_sentence: sentence, hyperparameters, labels }, goal) {
    this.whole.hidden = !interaction;
    if (!interaction) return;
    const { rows, columns, cells } = interaction;
    this.#pair = [rows.name, columns.name];
    const names = hyperparameters.map(({ name }) => [name, name]);
    this.rows.set(names, rows.name);
    this.columns.set(names, columns.name);
    this.sentence.textContent = sentence;
    const means = cells.flat().filter(({ n }) => n).map(({ mean }) => mean);
    const ends = goal === "min" ? [Math.max(...means), Math.min(...means)] : [Math.min(...means), Math.max(...means)];
    const head = element("tr", {}, element("th", { text: `${rows.name} ↓  ${columns.name} →` }), ...labels[columns.name].map((text) => element("th", { text, scope: "col" })));
    const body = cells.map((row, at) => element("tr", {}, element("th", { text: labels[rows.name][at], scope: "row" }), ...row.map((one) => cell(one, ends))));
    this.table.replaceChildren(element("caption", { text: "Mean result and, in brackets, number of trials" }), element("thead", {}, head), element("tbody", {}, ...body));
    this.table.dataset.drawn = means.length;
  }
}

/** Return a cell: the better its mean, the more of the accent's colour it has. */
function cell({ mean, n }, [worst, best]) {
  if (!n) return element("td", { text: "–" });
  const share = best === worst ? 0 : (mean - worst) / (best - worst);
  const made = element("td", { text: `${metric(mean)} (${n})`, className: mean === best ? "best" : "" });
  made.style.background = `color-mix(in srgb, var(--accent) ${Math.round(share * 45)}%, transparent)`;
  return made;
}
