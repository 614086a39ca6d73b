"use strict";
addEventListener("DOMContentLoaded", () => {
  // Show only the charts of the chosen option: `data-each` charts after the menu belong to each option
  for (const choice of document.querySelectorAll(".choice")) {
    const select = choice.querySelector("select"), each = +choice.dataset.each;
    const charts = [];
    for (let next = choice.closest(".fragment").nextElementSibling; charts.length < each * select.length; next = next.nextElementSibling)
      charts.push(next);
    const show = () => charts.forEach((chart, at) => {
      chart.hidden = Math.floor(at / each) !== select.selectedIndex;
      if (!chart.hidden) Plotly.Plots.resize(chart.querySelector(".plot"));
    });
    select.addEventListener("change", show);
    show();
  }

  addEventListener("beforeprint", () => { // keep two charts side by side, as on the screen
    for (const plot of document.querySelectorAll("figure.half .plot")) Plotly.relayout(plot, { width: 335 });
  });

  // A click on a column sorts by it, a second click reverses the order; rows without a value stay last
  const key = (row, at) => row.cells[at].dataset.key ?? row.cells[at].textContent;
  function compare(one, other) {
    if (one === "" || other === "") return (one === "") - (other === "");
    return one - other || (Number.isNaN(one - other) ? one.localeCompare(other, "en", { numeric: true }) : 0);
  }
  for (const table of document.querySelectorAll(".sortable")) {
    const head = [...table.tHead.rows[0].cells];
    for (const [at, cell] of head.entries()) {
      const sort = () => {
        const down = cell.getAttribute("aria-sort") === "ascending";
        head.forEach((other) => other.removeAttribute("aria-sort"));
        cell.setAttribute("aria-sort", down ? "descending" : "ascending");
        const order = (one, other) => {
          const [a, b] = [key(one, at), key(other, at)];
          return down && a !== "" && b !== "" ? compare(b, a) : compare(a, b);
        };
        table.tBodies[0].append(...[...table.tBodies[0].rows].sort(order));
      };
      cell.tabIndex = 0;
      cell.addEventListener("click", sort);
      cell.addEventListener("keydown", (event) => { if (event.key === "Enter") sort(); });
    }
  }
});
