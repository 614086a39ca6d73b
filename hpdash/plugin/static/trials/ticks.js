/** The trials that the user has ticked: they come first in the table, and their lines have colours of their own. */

import { palette } from "../common/colours.js";
import { button, element, keyed } from "../common/dom.js";
import { blocksOf } from "./rows.js";

/** Return a Map from each ticked trial's id to its colour, without those that the sweep does not have. */
export function coloursOf(ticked = [], trials, dark) {
  const known = ticked.filter((id) => trials.id.includes(id));
  const colours = palette(known, dark);
  colours.delete(null);
  return colours;
}

/** Return the ids that are ticked after the trials `ids` of a row were ticked, or unticked if all of them were. */
export function withTicks(ticked = [], ids) {
  const others = ticked.filter((id) => !ids.includes(id));
  return ids.every((id) => ticked.includes(id)) ? others : [...others, ...ids];
}

/** Return the rows, the ticked ones first. */
export function tickedFirst(trials, rows, colours) {
  if (!colours.size) return rows;
  const isTicked = (block) => block.some((row) => row.trials.some((trial) => colours.has(trials.id[trial])));
  const blocks = blocksOf(rows);
  return [...blocks.filter(isTicked), ...blocks.filter((block) => !isTicked(block))].flat();
}

/** The ticked trials, as a row of chips; a click on one takes its tick away. `onTick(ids)` gets the ids to untick. */
export class Ticks {
  constructor(onTick) {
    this.onTick = onTick;
    this.chips = element("span", { className: "brushes" });
    this.clear = button("untick all", () => onTick([...this.ids]), { className: "chip" });
    this.whole = element("div", { className: "line ticks", data: { control: "ticks" } }, this.chips, this.clear);
  }

  /** Show the ticked trials; `colours` is a Map from their ids to their colours. */
  show(colours, sweep) {
    this.ids = [...colours.keys()];
    this.whole.hidden = !colours.size;
    const dress = (chip, id) => {
      chip.textContent = `${id.startsWith(`${sweep}/`) ? id.slice(sweep.length + 1) : id} ×`;
      chip.style.boxShadow = `inset 4px 0 ${colours.get(id)}`;
    };
    keyed(this.chips, this.ids, (id) => id, (id) => button("", () => this.onTick([id]), { className: "chip", title: "Untick this trial", data: { ticked: id } }), dress);
  }
}
