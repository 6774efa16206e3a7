// A grid of colours, on a canvas: thousands of cells are cheap.

const RAMP = [[0, "#f3f6fa", "#1c2127"], [1, "#123f78", "#9fd0ff"]];
function ramp(share) {
  const dark = document.documentElement.dataset.theme === "dark" ? 2 : 1;
  return mixed(RAMP[0][dark], RAMP[1][dark], Math.max(0, Math.min(1, share)));
}
// -1 (blue) to 1 (red), through the paper's own colour.
function diverging(value) {
  const dark = document.documentElement.dataset.theme === "dark";
  const middle = dark ? "#2a2e35" : "#f5f5f3";
  const share = Math.min(1, Math.abs(value) / 1.2);
  return mixed(middle, value < 0 ? (dark ? "#5aa9f0" : "#2166ac") : (dark ? "#f08a6c" : "#b2182b"), share);
}

// rows and columns are names; fill(r, c) gives a colour or null; text and tipOf(r, c) are optional.
function heatmap(host, { rows, columns, fill, text, mark, tipOf, onclick, name, cell, rowColors, lit }) {
  const available = host.clientWidth || 320;
  const longest = Math.max(...rows.map((row) => row.length), 4);
  const left = rows.length > 150 ? 24 : Math.min(longest * 6.7 + 14, available * 0.42, 260);
  const size = cell || Math.max(rows.length > 60 ? 3 : 16, Math.min(22, 900 / rows.length));
  const wide = Math.max(columns.length > 60 ? 5 : 15, Math.min(46, (available - left - 14) / columns.length));
  const top = Math.min(Math.max(...columns.map((one) => one.length), 3) * 5.2 + 16, 130);
  const width = left + wide * columns.length + 40;
  const plot = { height: top + size * rows.length + 6, left, right: 40, top, bottom: 6, name, width };
  const box = frame(host, plot);
  box.plot.classList.add("wide");
  const pen = canvas(box, left, top, wide * columns.length, size * rows.length);
  const gap = size > 8 && wide > 8 ? 1 : 0;
  rows.forEach((_, r) => columns.forEach((_, c) => {
    const color = fill(r, c);
    if (color === null) return;
    pen.fillStyle = color;
    pen.fillRect(left + c * wide, top + r * size, wide - gap, size - gap);
  }));
  if (size >= 10) rows.forEach((row, r) => box.svg.append(label(row, { x: left - 7, y: top + (r + 0.5) * size + 4, "text-anchor": "end", class: lit === r ? "title" : "strong" }, left - 8)));
  const every = Math.ceil(10 / wide);
  columns.forEach((column, c) => { if (c % every === 0) box.svg.append(label(column, { transform: `translate(${left + (c + 0.5) * wide + 3},${top - 6}) rotate(-60)`, class: "strong" }, 126)); });
  rows.forEach((_, r) => columns.forEach((_, c) => {
    const [x, y] = [left + (c + 0.5) * wide, top + (r + 0.5) * size];
    const said = text && size >= 13 ? text(r, c) : null;
    if (said) box.svg.append(s("text", { x: x - gap / 2, y: y + 3.6, "text-anchor": "middle", text: said.text, style: `fill:${said.color};font-size:10px` }));
    if (mark && mark(r, c)) box.svg.append(s("rect", { x: left + c * wide + 0.75, y: top + r * size + 0.75, width: wide - gap - 1.5, height: size - gap - 1.5, style: "fill:none;stroke:var(--warn);stroke-width:1.8" }));
  }));
  const cover = s("rect", { x: left, y: top, width: wide * columns.length, height: size * rows.length, fill: "transparent" });
  const cellAt = (event) => { const [x, y] = at(event, box.svg); return [Math.min(rows.length - 1, Math.max(0, Math.floor((y - top) / size))), Math.min(columns.length - 1, Math.max(0, Math.floor((x - left) / wide)))]; };
  cover.addEventListener("pointermove", (event) => showTip(event, tipOf(...cellAt(event))));
  cover.addEventListener("pointerleave", hideTip);
  if (onclick) cover.addEventListener("click", (event) => onclick(...cellAt(event)));
  box.svg.append(cover);
}
function colorScale(from, to, color, steps = 12) {
  const strip = h("i");
  strip.style.background = `linear-gradient(90deg, ${Array.from({ length: steps }, (_, i) => color(i / (steps - 1))).join(",")})`;
  return h("div", { class: "scale" }, h("span", { text: from }), strip, h("span", { text: to }));
}
