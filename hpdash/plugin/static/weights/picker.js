/** The tag picker: the shown tags as chips, and a list of all tags with a search field. */

import { arrange, button, clipped, counted, element } from "../common/dom.js";
import { ordered } from "./state.js";

const MOST = 200; // tags in the list at once

/** The picker; `choose` is called with the new list of shown tags. */
export class Picker {
  #tags = [];
  #chosen = [];
  #choose;

  constructor(choose) {
    this.#choose = choose;
    this.chips = element("span", { className: "chips" });
    this.search = element("input", {
      type: "search",
      placeholder: "Find a tag",
      "aria-label": "Find a tag",
      data: { control: "tag-search" },
      on: { input: () => this.#fill(), keydown: (event) => this.#enter(event) },
    });
    this.list = element("div", { className: "options" });
    this.said = element("p", { className: "soft" });
    this.menu = this.#menu();
    this.whole = element("div", { className: "field tags" }, element("span", { text: "Tags" }), this.chips, this.menu);
    document.addEventListener("pointerdown", ({ target }) => {
      if (!this.menu.contains(target)) this.menu.open = false;
    });
  }

  /** Set all tags, and the names of the shown ones. */
  set(tags, names) {
    [this.#tags, this.#chosen] = [tags, names];
    const removable = names.length > 1;
    arrange(
      this.chips,
      names.map((name) =>
        button(`${clipped(name, 40)}${removable ? " ×" : ""}`, () => this.#toggle(name), {
          className: "chip",
          title: removable ? `${name}: click to remove` : name,
        }),
      ),
    );
    if (this.menu.open) this.#fill();
  }

  #menu() {
    const all = button("All found", () => this.#choose([...new Set([...this.#chosen, ...this.#names()])]));
    const only = button("Only found", () => this.#names().length && this.#choose(this.#names()));
    return element(
      "details",
      {
        className: "menu",
        data: { control: "tags" },
        on: { toggle: () => this.menu.open && this.#open(), keydown: (event) => this.#close(event) },
      },
      element("summary", { text: "+ tags", "aria-label": "Choose tags" }),
      element(
        "div",
        { className: "sheet" },
        this.search,
        element("div", { className: "row" }, all, only),
        this.list,
        this.said,
      ),
    );
  }

  #found() {
    const text = this.search.value.trim().toLowerCase();
    return ordered(this.#tags).filter(({ name }) => name.toLowerCase().includes(text));
  }

  #names() {
    return this.#found()
      .slice(0, MOST)
      .map(({ name }) => name);
  }

  #open() {
    this.#fill();
    this.search.focus();
  }

  #close(event) {
    if (event.key !== "Escape") return;
    this.menu.open = false;
    this.menu.firstChild.focus();
  }

  #enter(event) {
    const [first] = this.#names();
    if (event.key === "Enter" && first !== undefined) this.#toggle(first);
  }

  #fill() {
    const matching = this.#found();
    this.list.replaceChildren(...matching.slice(0, MOST).map((tag) => this.#option(tag)));
    this.said.hidden = matching.length > 0 && matching.length <= MOST;
    this.said.textContent = matching.length
      ? `${counted(matching.length - MOST, "tag")} more: type a part of the name.`
      : "No tag has that in its name.";
  }

  #option({ name, runs }) {
    const box = element("input", {
      type: "checkbox",
      checked: this.#chosen.includes(name),
      data: { tag: name },
      on: { change: () => this.#toggle(name) },
    });
    return element(
      "label",
      { title: name },
      box,
      element("span", { text: clipped(name, 70) }),
      element("span", { className: "soft", text: counted(runs.length, "run") }),
    );
  }

  /** Show a tag or remove it; the last one is not removed. */
  #toggle(name) {
    const rest = this.#chosen.filter((one) => one !== name);
    if (rest.length === this.#chosen.length) this.#choose([...rest, name]);
    else if (rest.length) this.#choose(rest);
    else this.#fill();
  }
}
