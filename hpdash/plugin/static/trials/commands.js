/** The menu of commands to copy: the tab only reads, so sweeps are continued in a terminal. */

import { button, dropDown, element, keyed } from "../common/dom.js";
import { copy } from "../common/files.js";

/** Make the menu; `set(commands)` fills it with pairs of a title and a command. It is hidden if there are none. */
export function commandMenu() {
  const list = element("div", { className: "options" });
  const said = element("p", { className: "soft", text: "A click copies the command for a terminal." });
  const whole = dropDown("commands", "Commands", said, list);
  const set = (commands) => {
    whole.hidden = !commands.length;
    keyed(list, commands, ([title]) => title, entry, (made, [, command]) => {
      made.lastChild.textContent = command;
    });
  };
  return { whole, set };
}

function entry([title]) {
  const text = element("code");
  const pressed = button(title, () => copy(text.textContent, pressed));
  return element("div", { className: "command" }, pressed, text);
}
