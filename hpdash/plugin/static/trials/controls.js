/** The controls above the table: sweep, objective, filter, columns, and what can be saved. */

import { button, chooser, counted, dropDown, duration, element, keyed, say } from "../common/dom.js";
import { copy } from "../common/files.js";
import { ALL } from "./answers.js";
import { commandMenu } from "./commands.js";
import { brushText, withBrush } from "./brush.js";
import { groupColumn, groupings } from "./groups.js";

const WAIT = 250; // milliseconds after the last key before a filter is applied
const ENDED = new Set(["finished", "pruned", "failed", "diverged", "timed_out"]);
const SEPARATOR = "\u0000"; // between the metric and the goal in the value of an option

/** The controls; `change(patch)` gets choices, `csv()` saves the table, `png()` the charts, `link()` returns the address. */
export class Controls {
  #typing = null;

  constructor({ change, csv, png, link }) {
    this.sweep = chooser("sweep", "Sweep", (value) => change({ sweep: value }));
    this.objective = chooser("objective", "Objective", (value) => {
      const [objective, goal] = value.split(SEPARATOR);
      change({ objective, goal: goal ?? "", sort: [], brush: withBrush(this.chosen.brush, "best", null) });
    });
    this.filter = element("input", {
      type: "search",
      "aria-label": "Filter: a condition on hyperparameters, results and fields",
      data: { control: "filter" },
      on: { input: () => this.#type(change), change: () => this.#typed(change) },
    });
    this.brushes = element("span", { className: "brushes" });
    this.onState = (where) => change({ where: where === this.chosen.where ? "" : where });
    this.onBrush = (name) => change({ brush: withBrush(this.chosen.brush, name, null) });
    this.wrong = element("p", { className: "wrong", role: "alert" });
    this.group = chooser("group", "Group by", (group) => change({ group, unfolded: [] }));
    this.commands = commandMenu();
    this.columns = menu((key, isShown) => this.onColumn(key, isShown));
    this.counts = element("span", { className: "counts", role: "status" });
    this.live = element("span", { className: "live" });
    const linked = button("Link", () => copy(link(), linked), { title: "Copy the link to what is shown", data: { control: "link" } });
    const save = button("CSV", csv, { title: "Save the table as CSV", data: { control: "csv" } });
    const draw = button("PNG", png, { title: "Save the charts as a picture", data: { control: "png" } });
    this.whole = element(
      "div",
      { className: "controls" },
      element("div", { className: "line" }, this.sweep.whole, this.counts, this.live, element("span", { className: "fill" }), this.objective.whole),
      element("div", { className: "line" }, this.filter, this.brushes, this.group.whole, this.columns.whole, this.commands.whole, save, draw, linked),
      this.wrong,
    );
  }

  #type(change) {
    clearTimeout(this.#typing);
    this.#typing = setTimeout(() => this.#typed(change), WAIT);
  }

  #typed(change) {
    clearTimeout(this.#typing);
    this.#typing = null;
    const where = this.filter.value.trim();
    if (where !== (this.chosen?.where ?? "")) change({ where });
  }

  /** Show the choices; `answer` is that of the route `trials`, `ranking` the ranking that is shown. */
  set({ sweeps, answer, ranking, chosen, choices, onColumn }) {
    Object.assign(this, { onColumn, chosen });
    keyed(
      this.brushes,
      Object.entries(chosen.brush ?? {}),
      ([name]) => name,
      ([name]) => button("", () => this.onBrush(name), { className: "chip", data: { brush: name } }),
      (chip, [name, brush]) => {
        chip.textContent = `${brushText(name, brush)} ×`;
        chip.title = "Take this selection back";
      },
    );
    const all = sweeps.length > 1 ? [[ALL, `all sweeps (${sweeps.length})`]] : [];
    this.sweep.set([...sweeps.map((sweep) => [sweep.name ?? "", nameOf(sweep)]), ...all], answer.sweep);
    this.commands.set(answer.commands);
    this.objective.set(objectives(answer), valueOf(answer.objective));
    this.objective.whole.title = answer.objective?.reason ?? "";
    if (document.activeElement !== this.filter && !this.#typing) this.filter.value = chosen.where ?? "";
    this.filter.placeholder = `filter, for example: ${example(answer)}`;
    this.columns.set(choices);
    this.group.set(groupings(answer), groupColumn(answer, chosen.group) ? chosen.group : "");
    const counts = JSON.stringify([ranking.states, ranking.missing]);
    const isName = answer.hparams.some(({ name }) => name === "status"); // a condition would be about the hyperparameter
    if (this.counts.dataset.counts !== counts) this.counts.replaceChildren(...states(ranking, isName ? null : this.onState));
    this.counts.dataset.counts = counts;
    const sweep = sweeps.find(({ name }) => (name ?? "") === answer.sweep);
    this.live.textContent = sweep?.is_live ? `● live${leftText(sweep.seconds_left)}` : "";
  }

  /** Say why a filter cannot be applied; "" if it can. */
  setWrong(sentence) {
    say(this.wrong, sentence);
    this.filter.setAttribute("aria-invalid", String(Boolean(sentence)));
  }
}

/** Return the text of a sweep in the picker: its number of trials, and what is not done. */
function nameOf({ name, planned, is_live: isLive, states: counted_ }) {
  if (name === null) return `runs without a sweep (${planned})`;
  const done = Object.entries(counted_).reduce((sum, [state, count]) => sum + (ENDED.has(state) ? count : 0), 0);
  return `${name} (${planned}${isLive ? ", running" : done < planned ? `, ${planned - done} not done` : ""})`;
}

/** Return an example of a condition, with the first hyperparameter that differs. */
function example({ hparams }) {
  const [first] = hparams.filter(({ differs }) => differs);
  const value = first?.values.find((one) => one !== null);
  if (value === undefined) return "status = finished";
  if (!/^[\w/]+$/.test(first.name)) return "status = finished";
  if (typeof value === "number" && !Number.isInteger(value)) return `${first.name} > ${Number(value.toPrecision(2))}`;
  return typeof value === "string" && !/^[\w.]+$/.test(value) ? `${first.name} = "${value}"` : `${first.name} = ${value}`;
}

const leftText = (seconds) => (seconds === null ? "" : `, about ${duration(Math.max(seconds, 1))} left`);

/** Return the objectives to choose from, each with the goal that the server knows for it, or both. */
function objectives({ objective, metrics }) {
  const own = objective ? [[valueOf(objective), `${objective.name} (${objective.goal})`]] : [["", "none"]];
  const others = metrics
    .filter((name) => name !== objective?.name)
    .flatMap((name) => [
      [`${name}${SEPARATOR}max`, `${name} (max)`],
      [`${name}${SEPARATOR}min`, `${name} (min)`],
    ]);
  return [...own, ...others];
}

const valueOf = (objective) => (objective ? `${objective.name}${SEPARATOR}${objective.goal}` : "");

/** Return how many trials are shown and how many of them are in each state. */
function states({ states: counted_, missing }, onState) {
  const all = Object.values(counted_).reduce((sum, count) => sum + count, 0);
  const parts = Object.entries(counted_).filter(([state]) => state !== "unknown");
  const texts = parts.map(([state, count]) => {
    const text = `${count.toLocaleString("en")} ${state.replace("_", " ")}`;
    const dot = element("span", { className: "dot" });
    if (!onState) return element("span", { data: { status: state } }, dot, text);
    const on = { click: () => onState(`status = ${state}`) };
    return element("button", { type: "button", className: "state", title: "Show only these trials; again for all", data: { status: state }, on }, dot, text);
  });
  const waiting = missing ? [element("span", { text: `${missing.toLocaleString("en")} not started` })] : [];
  return [element("span", { text: counted(all, "trial") }), ...texts, ...waiting];
}

/** Make a menu of columns with check boxes; `set(choices)` fills it with `{name, isShown, note}`. */
function menu(onColumn) {
  const find = element("input", { type: "search", placeholder: "find a column", "aria-label": "Find a column", on: { input: () => draw() } });
  const options = element("div", { className: "options" });
  let choices = [];
  const draw = () => {
    const found = choices.filter(({ name }) => name.toLowerCase().includes(find.value.toLowerCase()));
    keyed(options, found, ({ key }) => key, option, dress);
  };
  const option = ({ name, key }) => {
    const box = element("input", { type: "checkbox", on: { change: () => onColumn(key, box.checked) } });
    return element("label", {}, box, element("span", { text: name }), element("span", { className: "soft" }));
  };
  const dress = (made, { isShown, note }) => {
    made.firstChild.checked = isShown;
    made.lastChild.textContent = note;
  };
  const whole = dropDown("columns", "Columns", find, options);
  return {
    whole,
    set: (found) => {
      choices = found;
      draw();
    },
  };
}
