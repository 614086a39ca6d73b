"use strict";
(() => {
  const night = matchMedia("(prefers-color-scheme: dark)");
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const hidden = new Set(); // labels of the groups that are hidden in all charts
  const charts = [];
  let runs = true;

  function template(paper) {
    const ink = paper ? "#000" : css("--ink"), line = paper ? "#ccc" : css("--line");
    const axis = { gridcolor: line, linecolor: line, zerolinecolor: line, automargin: true, title: { standoff: 12 } };
    return { layout: {
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", xaxis: axis, yaxis: axis,
      font: { color: ink, size: 13, family: css("font-family") || "system-ui, sans-serif" },
      hoverlabel: { bgcolor: paper ? "#fff" : css("--wash"), bordercolor: line, font: { color: ink }, namelength: -1 },
    } };
  }

  const CONFIG = { responsive: true, displaylogo: false, modeBarButtonsToRemove: ["select2d", "lasso2d", "toggleSpikelines"] };

  function button(text, pressed, press, swatch) {
    const made = document.createElement("button");
    made.type = "button";
    made.setAttribute("aria-pressed", String(pressed));
    if (swatch) {
      const square = document.createElement("span");
      square.className = "swatch";
      square.style.background = swatch;
      made.append(square);
    } else made.className = "tool";
    made.append(text);
    made.title = text;
    made.addEventListener("click", () => press(made));
    return made;
  }

  const press = (made, on) => made.setAttribute("aria-pressed", String(on));

  function show() { // apply the buttons to every chart
    for (const { plot } of charts) {
      const ours = plot.data.map((trace, at) => at).filter((at) => plot.data[at].meta && plot.data[at].meta.role);
      if (!ours.length) continue;
      const seen = ours.map((at) => {
        const { legendgroup, meta } = plot.data[at];
        return !hidden.has(legendgroup) && (runs || meta.role !== "run");
      });
      Plotly.restyle(plot, { visible: seen }, ours);
    }
    for (const made of document.querySelectorAll("button[data-group]")) press(made, !hidden.has(made.dataset.group));
    for (const made of document.querySelectorAll("button.runs")) press(made, runs);
  }

  function legend(figure) {
    const { legend = [], log } = figure.layout.meta || {};
    const bar = document.createElement("div");
    bar.className = "controls";
    for (const [label, colour] of legend) {
      const made = button(label, true, () => {
        if (!hidden.delete(label)) hidden.add(label);
        show();
      }, colour);
      made.dataset.group = label;
      bar.append(made);
    }
    const tools = [];
    if (figure.data.some((trace) => trace.meta && trace.meta.role === "run")) {
      tools.push(button("single runs", runs, () => { runs = !runs; show(); }));
      tools[0].classList.add("runs");
    }
    if (log) tools.push(button("log y", figure.layout.yaxis.type === "log", (made) => {
      const on = made.getAttribute("aria-pressed") !== "true";
      press(made, on);
      Plotly.relayout(made.closest("figure").querySelector(".plot"), { "yaxis.type": on ? "log" : "linear", "yaxis.autorange": true });
    }));
    if (tools.length) tools[0].classList.add("apart");
    bar.append(...tools);
    return bar;
  }

  function steps(plot, frames) {
    const bar = document.createElement("div"), slider = document.createElement("input"), said = document.createElement("output");
    let timer = null;
    const go = (at) => {
      slider.value = at;
      said.textContent = frames[at].name;
      slider.setAttribute("aria-valuetext", frames[at].name);
      return Plotly.animate(plot, [frames[at].name],
        { mode: "immediate", frame: { duration: 0, redraw: false }, transition: { duration: 0 } });
    };
    const stop = () => { clearInterval(timer); timer = null; play.textContent = "▶ play"; };
    const play = button("▶ play", false, () => {
      if (timer) return stop();
      play.textContent = "❚❚ pause";
      let at = +slider.value === frames.length - 1 ? -1 : +slider.value;
      timer = setInterval(() => { at += 1; go(at); if (at >= frames.length - 1) stop(); }, 350);
    });
    play.removeAttribute("aria-pressed");
    bar.className = "controls steps";
    Object.assign(slider, { type: "range", min: 0, max: frames.length - 1, step: 1, value: frames.length - 1 });
    slider.setAttribute("aria-label", "step");
    slider.addEventListener("input", () => { stop(); go(+slider.value); });
    said.textContent = frames[frames.length - 1].name;
    bar.append(play, slider, said);
    return bar;
  }

  const figures = JSON.parse(document.getElementById("figures").textContent);
  for (const [at, figure] of figures.entries()) {
    const plot = document.getElementById(`chart-${at}`);
    const owner = plot.closest("figure");
    figure.layout = { ...figure.layout, template: template(false), autosize: true };
    Plotly.newPlot(plot, { data: figure.data, layout: figure.layout, frames: figure.frames || [], config: CONFIG });
    if (owner.classList.contains("wide") && figure.layout.meta) plot.before(legend(figure));
    if ((figure.frames || []).length > 1) plot.after(steps(plot, figure.frames));
    charts.push({ plot });
  }

  const dress = (paper) => charts.forEach(({ plot }) =>
    Plotly.relayout(plot, { template: template(paper), ...(paper ? { width: 680 } : { width: null, autosize: true }) }));
  night.addEventListener("change", () => dress(false));
  addEventListener("beforeprint", () => dress(true));
  addEventListener("afterprint", () => dress(false));
})();
