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

/** Replace an element's children, unless it already has exactly these. */
export function arrange(parent, children) {
  const same =
    parent.childNodes.length === children.length && children.every((child, at) => parent.childNodes[at] === child);
  if (!same) parent.replaceChildren(...children);
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

/** Format a number with its noun: `1 run`, `1,200 runs`. */
export const counted = (count, thing) => `${count.toLocaleString("en")} ${thing}${count === 1 ? "" : "s"}`;

/** Return a name of at most `most` characters; of a longer one, the middle is left out. */
export const clipped = (name, most = 60) =>
  name.length <= most ? name : `${name.slice(0, most / 2 - 1)}…${name.slice(1 - most / 2)}`;
