/** The page: loads the trials, asks every two seconds whether they have changed, and shows them as the user chose. */

import { button, element, keyed, say } from "../common/dom.js";
import { saveCsv } from "../common/files.js";
import * as host from "../common/host.js";
import { savePicture } from "../common/picture.js";
import { get } from "../common/request.js";
import { ALL, loadTrials } from "./answers.js";
import { conditionOf } from "./brush.js";
import { Controls } from "./controls.js";
import { Drawer, NARROW } from "./drawer.js";
import { Grid } from "./grid.js";
import { groupColumn, grouped } from "./groups.js";
import { sayHeadline } from "./headline.js";
import { bestSettings, choicesOf, columnsOf, csvRows, rowsOf, scaleOf, sorted, textOf } from "./rows.js";
import { decode, encode, ofSweep, shownColumns, sortedBy, toggled } from "./state.js";
import { Ticks, coloursOf, tickedFirst, withTicks } from "./ticks.js";
import { Views } from "./views.js";

const ASK = 2000; // milliseconds between two questions for the version
const WRITE = 250; // milliseconds until the link is written, because browsers limit how often it may change

/** The page as an element; `start` loads the data and shows them. */
export class App {
  #chosen = decode(host.readLink());
  #listed = null; // the last answer of the route `sweeps`
  #answer = null; // of the route `trials`
  #scale = null; // of the small curves
  #ranking = null; // of the trials that the filter selects
  #where = ""; // the filter that is applied; it differs from the chosen one while that is invalid
  #notes = []; // sentences that must be shown with the trials
  #loading = false;
  #shown = ""; // what the drawer shows: the version and the query
  #comparing = null; // the trial that the next opened one is compared with
  #turn = 0; // answers to an earlier choice are ignored
  #writing = null;

  constructor() {
    const change = (patch) => this.#change(patch);
    this.controls = new Controls({ change, csv: () => this.#save(), png: () => this.#savePicture(), link: () => this.#link() });
    this.headline = element("p", { className: "headline", data: { headline: "" }, role: "status" });
    this.notes = element("div", { className: "notes" });
    this.trouble = element("p", { className: "wrong", role: "alert" });
    this.grid = new Grid({
      onSort: (key, first, isFurther) => change({ sort: sortedBy(this.#chosen.sort ?? [], key, first, isFurther) }),
      onOpen: (open) => this.#open(open ?? ""),
      onCompare: (open) => change({ open, against: this.#chosen.open }),
      onTick: (ids) => change({ ticked: withTicks(this.#chosen.ticked, ids) }),
      onFold: (key) => change({ unfolded: toggled(this.#chosen.unfolded ?? [], key) }),
    });
    this.ticks = new Ticks((ids) => change({ ticked: withTicks(this.#chosen.ticked, ids) }));
    this.views = new Views({ change, onOpen: (open) => this.#open(open), onMean: (id) => this.grid.highlight(id) });
    this.drawer = new Drawer({ onClose: () => this.#close(), onCompare: (id) => this.#compare(id) });
    this.message = element("div", { className: "message", role: "status" });
    const skeleton = element("div", { className: "skeleton", "aria-hidden": "true" }, element("div"), element("div"));
    const split = element("div", { className: "split" }, this.grid.whole, this.drawer.whole);
    const main = element("main", {}, this.controls.whole, this.trouble, this.headline, this.notes, this.views.whole, this.ticks.whole, split);
    this.whole = element("div", { id: "hpdash", data: { state: "loading" } }, this.message, skeleton, main);
  }

  /** Load the data, show them, and follow their changes. */
  async start() {
    const dress = () => {
      document.documentElement.classList.toggle("dark", host.isDark());
      this.#show();
    };
    host.onDark(dress);
    NARROW.addEventListener("change", () => this.#show());
    dress();
    host.onLink(() => {
      this.#chosen = decode(host.readLink());
      this.#load();
    });
    addEventListener("pagehide", () => this.#write());
    await this.#load();
    setInterval(() => this.#ask(), ASK);
  }

  /** Load again if the version has changed; not while the page cannot be seen, nor while it loads. */
  async #ask() {
    if (document.hidden || !this.whole.offsetParent || this.#loading) return;
    try {
      const { version } = await get("version");
      say(this.trouble, "");
      if (version !== this.#answer?.version || this.whole.dataset.state !== "ready") await this.#load();
    } catch (error) {
      if (this.#answer) say(this.trouble, error.message);
      else this.#failed(error);
    }
  }

  /** Load and show what is chosen; if only the filter has changed, without asking for the sweeps again. */
  async #load(isFilterOnly = false) {
    this.#turn += 1;
    const mine = this.#turn;
    this.#loading = true;
    try {
      const found = await this.#answers(isFilterOnly ? this.#listed : null);
      if (mine !== this.#turn) return;
      if (found) this.#take(found);
      else this.#empty();
    } catch (error) {
      if (mine === this.#turn) this.#failed(error);
    } finally {
      if (mine === this.#turn) this.#loading = false;
    }
  }

  /** Return the server's answers to the current choices; null if there are no trials. `listed` are known sweeps.
   *
   * All must be of one version, because a ranking has indices of trials. If the logs change in between, it asks again.
   */
  async #answers(listed, tries = 5) {
    this.#listed = listed ?? (await get("sweeps"));
    const { version, sweeps, warnings } = this.#listed;
    if (!sweeps.length) return null;
    const { sweep: wanted } = this.#chosen;
    const known = sweeps.some(({ name }) => (name ?? "") === wanted) || (wanted === ALL && sweeps.length > 1);
    if (wanted !== undefined && !known) this.#chosen = ofSweep(this.#chosen, undefined); // it has been deleted
    const query = this.#query({ sweep: known ? wanted : (sweeps[0].name ?? "") });
    const [answer, note] = await this.#trials(query, version);
    const where = conditionOf(this.#chosen.where, this.#chosen.brush);
    const filtered = where ? await get(`ranking?${new URLSearchParams([...query, ["where", where]])}`) : {};
    const { ranking = answer.ranking, wrong = "" } = filtered;
    const versions = new Set([version, answer.version, filtered.version ?? answer.version]);
    if (versions.size > 1 && tries) return this.#answers(null, tries - 1);
    if (filtered.version && filtered.version !== answer.version) throw new Error("The logs change too fast to apply the filter.");
    const notes = [...answer.caveats, ...(note ? [note] : []), ...warnings];
    return { answer, ranking: ranking ?? answer.ranking, wrong, where: wrong ? "" : where, notes };
  }

  /** Return the trials and a note; if they do not have the chosen objective, those by the sweep's own. */
  async #trials(query, version) {
    try {
      return [await loadTrials(query, version, this.#answer), ""];
    } catch (error) {
      if (!query.has("objective")) throw error;
      const wanted = query.get("objective");
      query.delete("objective");
      query.delete("goal");
      this.#chosen = { ...this.#chosen, objective: "", goal: "" };
      return [await loadTrials(query, version), `no trial has the metric ${wanted}: ranked by the sweep's own objective`];
    }
  }

  #take({ answer, ranking, wrong, where, notes }) {
    if (answer !== this.#answer) this.#scale = scaleOf(answer.trials, answer.objective?.goal);
    this.#answer = answer;
    this.#ranking = ranking;
    this.#where = where;
    this.#notes = notes;
    this.controls.setWrong(wrong);
    this.#show();
  }

  #query(more) {
    const { objective = "", goal = "" } = this.#chosen;
    const given = Object.entries({ objective, goal, ...more }).filter(([key, value]) => value || key === "sweep");
    return new URLSearchParams(given);
  }

  #empty() {
    this.#answer = null;
    const code = (text) => element("code", { text });
    this.#state(
      "empty",
      element("h2", { text: "No trials here yet." }),
      element("p", {}, "Run a sweep with ", code("hpdash sweep …"), ", or log runs with any tool that TensorBoard reads."),
      element("p", { className: "soft", text: "This page looks again by itself." }),
    );
  }

  #failed(error) {
    const retry = button("Retry", () => this.#load(), { data: { control: "retry" } });
    this.#state("error", element("h2", { text: "The trials cannot be shown." }), element("p", { text: error.message }), retry);
  }

  #state(name, ...said) {
    this.whole.dataset.state = name;
    this.message.replaceChildren(...said);
  }

  /** Keep a choice, write it into the link, and show it; only some choices need another answer of the server. */
  #change(patch) {
    this.#chosen = { ...this.#chosen, ...patch };
    clearTimeout(this.#writing);
    this.#writing = setTimeout(() => this.#write(), WRITE);
    if ("sweep" in patch) this.#chosen = ofSweep(this.#chosen, patch.sweep);
    if (["sweep", "objective"].some((key) => key in patch)) this.#load();
    else if ("where" in patch || "brush" in patch) this.#load(true);
    else this.#show();
  }

  #write() {
    host.writeLink(encode(this.#chosen));
  }

  #link() {
    this.#write();
    return host.link();
  }

  #close() {
    this.#change({ open: "", against: "" });
    this.grid.whole.focus();
  }

  /** Open a trial; if the user is comparing, next to the trial to compare with. */
  #open(id) {
    const against = this.#comparing ?? this.#chosen.against ?? "";
    this.#comparing = null;
    this.#change({ open: id, against: id && id !== against ? against : "" });
  }

  /** Compare the trial that is opened next with a trial; null to stop comparing. */
  #compare(id) {
    this.#comparing = id;
    if (id === null) this.#change({ against: "" });
    else this.drawer.hint();
  }

  #table() {
    const { trials } = this.#answer;
    const columns = columnsOf(this.#answer, this.#chosen);
    const { sort = [], unfolded, group, ticked } = this.#chosen;
    const ticks = coloursOf(ticked, trials, host.isDark());
    const rows = sorted(trials, rowsOf(trials, this.#ranking, unfolded), columns, sort);
    const by = groupColumn(this.#answer, group);
    if (!by) return { trials, columns, ticks, rows: tickedFirst(trials, rows, ticks) };
    return { trials, columns, ticks, rows: grouped(trials, rows, by, { columns, sort, goal: this.#answer.objective?.goal, unfolded }) };
  }

  #show() {
    if (!this.#answer) return;
    this.#state("ready");
    const { trials, columns, rows, ticks } = this.#table();
    const { sort = [], open = "", against = "" } = this.#chosen;
    const onColumn = (name, isShown) => this.#change(shownColumns(this.#chosen, name, isShown));
    const choices = choicesOf(this.#answer, columns);
    this.controls.set({ sweeps: this.#listed.sweeps, answer: this.#answer, ranking: this.#ranking, chosen: this.#chosen, choices, onColumn });
    sayHeadline(this.headline, this.#ranking.headline);
    keyed(this.notes, this.#notes, (text) => text, (text) => element("p", { text }), () => {});
    const text = (row, column) => textOf(trials, row, column);
    this.grid.show(rows, columns, { trials, sort, open, against, ticks, text, scale: this.#scale, goal: this.#answer.objective?.goal });
    this.ticks.show(ticks, this.#answer.sweep);
    this.#showOpen(open); // asks the server before the charts do, because the user waits for it
    const query = this.#query({ sweep: this.#answer.sweep });
    this.views.show({ answer: this.#answer, ranking: this.#ranking, query, chosen: this.#chosen, where: this.#where, dark: host.isDark(), ticks, isLive: this.#listed.sweeps.some((sweep) => sweep.is_live) });
  }

  async #showOpen(id) {
    this.drawer.cover([this.controls, this.views, this.ticks, this.grid], Boolean(id));
    if (!id) {
      this.drawer.close();
      return;
    }
    const { version, trials } = this.#answer;
    const { against = "" } = this.#chosen;
    const missing = [id, against].find((one) => one && !trials.id.includes(one));
    if (missing !== undefined) {
      this.#shown = "";
      this.drawer.fail(id, `There is no trial ${missing} in this sweep.`);
      return;
    }
    const addresses = [id, against].filter(Boolean).map((one) => `trial?${this.#query({ id: one })}`);
    const key = `${version} ${addresses}`;
    if (this.#shown === key && !this.drawer.whole.hidden) return;
    if (this.drawer.whole.dataset.trial !== id) this.drawer.wait(id);
    const isCurrent = () => this.#chosen.open === id && (this.#chosen.against ?? "") === against;
    try {
      const [trial, other = null] = await Promise.all(addresses.map(get));
      if (!isCurrent()) return;
      this.#shown = key;
      this.drawer.show(trial, bestSettings(this.#answer, id), other);
    } catch (error) {
      this.#shown = "";
      if (isCurrent()) this.drawer.fail(id, error.message);
      return;
    }
    const weights = await get(`weights?${new URLSearchParams({ id })}`).catch(() => null); // the next version asks again
    if (weights && isCurrent()) this.drawer.showWeights(id, weights, host.isDark());
  }

  #save() {
    const { trials, columns, rows } = this.#table();
    saveCsv(`${this.#answer.sweep || "trials"}.csv`, csvRows(trials, rows, columns));
  }

  #savePicture() {
    const paper = getComputedStyle(document.body).backgroundColor;
    return savePicture(`${this.#answer.sweep || "trials"}.png`, [this.headline, this.views.charts], paper);
  }
}
