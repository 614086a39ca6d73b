/** Functions that make HTML elements and format values. Names are always inserted as text, never as markup. */

/** Make an element. `on` is {event: handler}, `data` {key: value}; the rest are properties, or else attributes. */
export function element(name, { text, on = {}, data = {}, ...rest } = {}, ...children) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  for (const [event, handler] of Object.entries(on)) made.addEventListener(event, handler);
  Object.assign(made.dataset, data);
  for (const [key, value] of Object.entries(rest)) {
    if (key in made) made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

/** Make a button; `press` is called on a click, and may be null if the caller adds a handler. */
export function button(text, press, rest = {}) {
  return element("button", { type: "button", text, on: press ? { click: press } : {}, ...rest });
}

/** Make a row of buttons of which one is pressed: `choose` is called on a click, `set(value)` presses a button. */
export function segmented(control, label, options, choose) {
  const buttons = options.map(([value, text, title = ""]) =>
    button(text, () => choose(value), { data: { value, ...(control === "view" ? { view: value } : {}) }, title }),
  );
  const whole = element(
    "div",
    { className: "segmented", role: "group", "aria-label": label, data: { control } },
    ...buttons,
  );
  const set = (value) =>
    buttons.forEach((one) => one.setAttribute("aria-pressed", String(one.dataset.value === value)));
  return { whole, set };
}

/** Make a labelled select element; `set(options, value)` sets its options `[value, text]` and the chosen value. */
export function chooser(control, label, choose) {
  const select = element("select", { data: { control }, on: { change: () => choose(select.value) } });
  const set = (options, value) => {
    const known = JSON.stringify(options);
    if (select.known !== known)
      select.replaceChildren(...options.map(([key, text]) => element("option", { value: key, text })));
    select.known = known;
    select.value = value;
    select.title = options.find(([key]) => key === value)?.[1] ?? "";
  };
  return { whole: element("label", { className: "field" }, element("span", { text: label }), select), set };
}

/** Make a menu that opens below its title; Escape and a click elsewhere close it. */
export function dropDown(control, title, ...content) {
  const sheet = element("div", { className: "sheet" }, ...content);
  const whole = element("details", { className: "menu", data: { control } }, element("summary", { text: title }), sheet);
  whole.addEventListener("keydown", (event) => {
    if (event.key === "Escape") whole.open = false;
  });
  document.addEventListener("pointerdown", (event) => {
    if (!whole.contains(event.target)) whole.open = false;
  });
  return whole;
}

/** Give an element exactly these children; those that are in place are not touched, so that they keep the focus. */
export function arrange(parent, children) {
  const wanted = new Set(children);
  for (const child of [...parent.childNodes]) if (!wanted.has(child)) child.remove();
  children.forEach((child, at) => {
    if (parent.childNodes[at] !== child) parent.insertBefore(child, parent.childNodes[at] ?? null);
  });
}

/** Set an element's text, unless it has it already: screen readers read out what changes. */
export function say(made, text) {
  if (made.textContent !== text) made.textContent = text;
}

/** Arrange one child for each item: `key(item)` names it, `make(item)` makes it, `update(child, item)` fills it.
 *
 * The child of a key that was there before is used again, so that its focus and its state stay.
 */
export function keyed(parent, items, key, make, update) {
  const known = new Map([...parent.children].map((child) => [child.key, child]));
  const children = items.map((item) => {
    const name = key(item);
    const child = known.get(name) ?? Object.assign(make(item), { key: name });
    update(child, item);
    return child;
  });
  arrange(parent, children);
}

/** Make an SVG element with attributes. */
export function drawing(name, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** Format a number with at most `digits` significant digits, as %g does. */
export function short(value, digits = 4) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 10 ** Math.max(digits, 6)))
    return trimmed(value.toExponential(digits - 1)).replace("-", "−");
  return trimmed(value.toPrecision(digits)).replace("-", "−");
}

function trimmed(text) {
  const [mantissa, exponent] = text.split("e");
  const plain = mantissa.includes(".") ? mantissa.replace(/\.?0+$/, "") : mantissa;
  return exponent === undefined ? plain : `${plain}e${exponent.replace("+", "")}`;
}

/** Return a hyperparameter's value as text. */
export const spelled = (value) =>
  value === null ? "unset" : typeof value === "number" ? short(value, 6) : String(value);

/** Format a metric as the commands do: four decimals, or four significant digits if it is very small or large. */
export function metric(value) {
  if (typeof value !== "number") return value ?? "";
  const size = Math.abs(value);
  return value === 0 || (size >= 0.001 && size < 1000) ? value.toFixed(4) : short(value, 4);
}

/** Format a mean and its standard deviation with the same decimals, as the commands do. */
export function spread(mean, std) {
  const usual = Math.abs(mean) >= 0.001 && Math.abs(mean) < 1000;
  return `${metric(mean)} ± ${usual && typeof std === "number" ? std.toFixed(4) : metric(std)}`;
}

/** Format seconds as `4.2s`, `1:05` or `2:03:04`. */
export function duration(seconds) {
  if (typeof seconds !== "number") return "";
  if (Math.round(seconds * 10) / 10 < 60) return `${seconds.toFixed(1)}s`;
  const whole = Math.round(seconds);
  const two = (number) => String(number).padStart(2, "0");
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

/** Format a number with its noun: `1 run`, `1,200 runs`. */
export const counted = (count, thing) => `${count.toLocaleString("en")} ${thing}${count === 1 ? "" : "s"}`;

/** Return a name of at most `most` characters; of a longer one, the middle is left out. */
export const clipped = (name, most = 60) =>
  name.length <= most ? name : `${name.slice(0, most / 2 - 1)}…${name.slice(1 - most / 2)}`;
