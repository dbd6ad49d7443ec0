"use strict";
(() => {
  const table = document.getElementById("trials");
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const status = document.getElementById("shown");
  const number = (text) => (text.trim() === "" || Number.isNaN(Number(text)) ? null : Number(text));

  const compare = (a, b) => {
    const [x, y] = [number(a), number(b)];
    if (x !== null && y !== null) return x - y;
    if (x !== null || y !== null) return x === null ? 1 : -1;
    return a.localeCompare(b);
  };

  const sort = (column, falling) => {
    const cell = (row) => row.cells[column].textContent;
    const empty = (row) => cell(row).trim() === "";
    rows.sort((r, s) => empty(r) - empty(s) || (falling ? -1 : 1) * compare(cell(r), cell(s)));
    body.append(...rows);
    [...table.tHead.rows[0].cells].forEach((head, i) => {
      if (i === column) head.setAttribute("aria-sort", falling ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
  };

  table.tHead.querySelectorAll("button").forEach((button) => {
    const head = button.parentElement;
    button.addEventListener("click", () => sort(head.cellIndex, head.getAttribute("aria-sort") === "ascending"));
  });

  const filter = document.getElementById("filter");
  const show = () => {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
      count += !row.hidden;
    }
    status.textContent = `${count} of ${rows.length} trials`;
  };
  filter.addEventListener("input", show);
  show();

  const curves = JSON.parse(document.getElementById("curves").textContent);
  const dialog = document.getElementById("trial");
  const SPACE = "http://www.w3.org/2000/svg";
  const make = (name, attributes, text) => {
    const element = document.createElementNS(SPACE, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    if (text !== undefined) element.textContent = text;
    return element;
  };

  const plot = (title, series) => {
    const [width, height, left, bottom, top] = [520, 240, 56, 34, 28];
    const values = series.flatMap((s) => s.values).filter((v) => v !== null);
    const svg = make("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": title });
    svg.append(make("text", { x: left, y: 16, class: "title" }, title));
    if (!values.length) {
      svg.append(make("text", { x: left, y: height / 2 }, "no values: λ = 0 has no joint loss"));
      return svg;
    }
    const length = Math.max(...series.map((s) => s.values.length));
    let [low, high] = [Math.min(...values), Math.max(...values)];
    if (low === high) [low, high] = [low - 0.5, high + 0.5];
    const x = (i) => left + ((width - left - 12) * i) / Math.max(1, length - 1);
    const y = (v) => height - bottom - ((height - bottom - top) * (v - low)) / (high - low);
    for (const tick of [low, (low + high) / 2, high]) {
      svg.append(make("line", { x1: left, x2: width - 12, y1: y(tick), y2: y(tick), class: "grid" }));
      svg.append(make("text", { x: left - 6, y: y(tick) + 4, "text-anchor": "end" }, tick.toPrecision(3)));
    }
    for (const i of [0, length - 1]) {
      svg.append(make("text", { x: x(i), y: height - 12, "text-anchor": i ? "end" : "start" }, `epoch ${i + 1}`));
    }
    series.forEach((s, k) => {
      const points = s.values.map((v, i) => (v === null ? null : `${x(i).toFixed(1)},${y(v).toFixed(1)}`));
      svg.append(make("polyline", { points: points.filter(Boolean).join(" "), class: `line line${k}` }));
      svg.append(make("text", { x: width - 12, y: 16 + 14 * k, "text-anchor": "end", class: `name${k}` }, s.name));
    });
    return svg;
  };

  const open = (key) => {
    const [objective, test, generator, discriminator] = curves[key];
    const place = document.getElementById("plots");
    dialog.querySelector("h2").textContent = key;
    place.replaceChildren(
      plot("accuracy", [
        { name: dialog.dataset.objective, values: objective },
        { name: "test accuracy", values: test },
      ]),
      plot("generator joint loss L_G", [{ name: "", values: generator }]),
      plot("discriminator joint loss L_D", [{ name: "", values: discriminator }]),
    );
    dialog.showModal();
  };
  body.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-key]");
    if (button) open(button.dataset.key);
  });
})();
