/** The step slider: chooses the step that the charts show, or plays all steps. */

import { button, counted, element } from "../common/dom.js";

const WALK = 12_000; // most milliseconds for playing all steps, unless there are more than 200 steps

/** The slider; `onStep` is called with the chosen step, or with "last" for the last one. */
export class Slider {
  #steps = [];
  #at = 0;
  #timer = null;
  #onStep;

  constructor(onStep) {
    this.#onStep = onStep;
    const part = (text, label, control, place) =>
      button(text, () => this.#move(place()), { title: label, "aria-label": label, data: { control } });
    this.range = element("input", {
      type: "range",
      min: 0,
      step: 1,
      "aria-label": "step",
      data: { control: "step" },
      on: { input: () => this.#move(Number(this.range.value)) },
    });
    this.said = element("output");
    this.play = button("", () => (this.#timer ? this.#stop() : this.#start()), { data: { control: "play" } });
    this.whole = element(
      "div",
      { className: "steps", role: "group", "aria-label": "Step" },
      part("|◀", "First step", "first", () => 0),
      part("◀", "Previous step", "previous", () => this.#at - 1),
      this.play,
      part("▶", "Next step", "next", () => this.#at + 1),
      part("▶|", "Last step", "last", () => this.#steps.length - 1),
      this.range,
      this.said,
    );
    document.addEventListener("keydown", (event) => this.#keys(event));
    this.#label();
  }

  /** Set the slider's steps, the shown one, and the number of all steps, including those not in common. */
  set(steps, step, all) {
    this.#steps = steps;
    this.#at = Math.max(0, steps.indexOf(step));
    Object.assign(this.range, { max: Math.max(steps.length - 1, 0), value: this.#at, disabled: steps.length < 2 });
    const common = all > steps.length ? `; ${steps.length} of ${counted(all, "step")} in common` : "";
    this.said.textContent = steps.length ? `step ${step} of ${steps.at(-1)}${common}` : "no steps";
    this.range.setAttribute("aria-valuetext", this.said.textContent);
    for (const one of this.whole.querySelectorAll("button")) one.disabled = steps.length < 2;
  }

  #go(place) {
    this.#at = Math.max(0, Math.min(place, this.#steps.length - 1));
    this.#onStep(this.#at === this.#steps.length - 1 ? "last" : this.#steps[this.#at]);
  }

  #move(place) {
    this.#stop();
    this.#go(place);
  }

  #start() {
    const last = () => this.#at >= this.#steps.length - 1;
    if (last()) this.#go(0);
    const pace = Math.max(60, Math.min(500, WALK / this.#steps.length));
    this.#timer = setInterval(() => (last() ? this.#stop() : this.#go(this.#at + 1)), pace);
    this.#label();
  }

  #stop() {
    clearInterval(this.#timer);
    this.#timer = null;
    this.#label();
  }

  #label() {
    this.play.textContent = this.#timer ? "❚❚ Pause" : "▶ Play";
    this.play.setAttribute("aria-pressed", String(Boolean(this.#timer)));
  }

  /** Move with the arrow keys, unless the focused element uses them. */
  #keys(event) {
    const place = { ArrowLeft: this.#at - 1, ArrowRight: this.#at + 1, Home: 0, End: this.#steps.length - 1 }[
      event.key
    ];
    const busy =
      event.target.closest?.("input, select, textarea, .scroll") || event.ctrlKey || event.metaKey || event.altKey;
    if (place === undefined || busy || this.#steps.length < 2) return;
    event.preventDefault();
    this.#move(place);
  }
}
