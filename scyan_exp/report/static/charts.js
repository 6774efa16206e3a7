// Charts that both pages have.

// Dots as one path: a line without length and with round ends is a dot, and thousands are cheap.
const dotPath = (points) => points.map(([x, y]) => `M${x.toFixed(1)} ${y.toFixed(1)}h0`).join("");

function nearest(points, [x, y], most = 18) {
  let found = null, least = most * most;
  for (const point of points) {
    const away = (point[0] - x) ** 2 + (point[1] - y) ** 2;
    if (away < least) { least = away; found = point; }
  }
  return found;
}

// Horizontal bars with their values behind them: [{name, value, text}].
function bars(host, rows, name) {
  const width = host.clientWidth || 320;
  const left = Math.min(230, width * 0.42);
  const box = frame(host, { height: rows.length * 24 + 10, left, right: 58, top: 4, bottom: 6, name });
  const x = linear([0, Math.max(...rows.map((row) => row.value), 1e-9)], [box.left, box.right]);
  rows.forEach((row, i) => {
    const y = box.top + i * 24;
    box.svg.append(label(row.name, { x: left - 8, y: y + 15, "text-anchor": "end", class: "strong" }, left - 10));
    box.svg.append(s("rect", { class: "bar", x: box.left, y: y + 3, height: 15, width: Math.max(1, x(row.value) - box.left) }));
    box.svg.append(s("text", { x: x(row.value) + 6, y: y + 15, text: row.text }));
  });
}

// Weights as areas on top of each other: {epoch, of}. Clicking or hovering a name lights its area.
function stacked(host, weights, names, lit) {
  const { epoch, of } = weights;
  const box = frame(host, { height: 340, left: 44, top: 16, name: "Weights of the populations over the epochs" });
  const x = linear([epoch[0], epoch[epoch.length - 1]], [box.left, box.right]);
  const y = linear([0, 1], [box.bottom, box.top]);
  axes(box, x, y, { xLabel: "epoch", isWhole: true, yLabel: "weight", yFormat: percent, grid: false });
  const last = of.map((values) => values[values.length - 1] ?? 0);
  const order = names.map((_, i) => i).sort((a, b) => last[b] - last[a]);
  const areas = new Map();
  const base = epoch.map(() => 0);
  for (const p of order) {
    const low = base.map((value, i) => `${x(epoch[i]).toFixed(1)} ${y(value).toFixed(1)}`);
    epoch.forEach((_, i) => { base[i] += of[p][i] ?? 0; });
    const high = base.map((value, i) => `${x(epoch[i]).toFixed(1)} ${y(value).toFixed(1)}`);
    const area = s("path", { d: `M${low.join("L")}L${high.reverse().join("L")}Z`, fill: colorOf(p), stroke: "var(--bg)", "stroke-width": 0.5 });
    area.addEventListener("pointermove", (event) => {
      const i = closest(epoch, x.invert(at(event, box.svg)[0]));
      showTip(event, [names[p], `epoch ${epoch[i]}: ${percent(of[p][i])} of the cells`]);
    });
    area.addEventListener("pointerleave", hideTip);
    areas.set(p, area);
    box.svg.append(area);
  }
  return { order, last, light(p) { for (const [q, area] of areas) area.setAttribute("opacity", p === null || p === q ? 1 : 0.18); } };
}
function closest(sorted, value) {
  let best = 0;
  for (let i = 1; i < sorted.length; i++) if (Math.abs(sorted[i] - value) < Math.abs(sorted[best] - value)) best = i;
  return best;
}

// The names of populations with their colours and a number each.
function legend(names, order, texts, light, extra = "") {
  const list = h("ul", { class: "legend " + extra });
  for (const p of order) {
    const swatch = h("i");
    swatch.style.background = colorOf(p);
    list.append(h("li", {
      tabindex: light ? 0 : null,
      onpointerenter: light && (() => light(p)), onpointerleave: light && (() => light(null)),
      onfocus: light && (() => light(p)), onblur: light && (() => light(null)),
    }, swatch, h("span", { text: names[p] }), h("b", { text: texts ? texts[p] : "" })));
  }
  return list;
}

// Members of a run with repeats: weight and agreement of each, and which populations differ.
function repeatsOf(host, repeats, metric, populations) {
  const rows = repeats.members.map((one) => h("tr", {},
    h("td", { class: "text", text: one.name }), h("td", { text: shown(one.weight, 3) }), h("td", { text: percent(one.agreement) }),
    h("td", { text: metric ? shown(one.metrics[metric]) : "" })));
  host.append(h("div", { class: "scroll" }, h("table", {},
    h("thead", {}, h("tr", {}, h("th", { class: "text", text: "training" }), h("th", { text: "weight in the consensus" }),
      h("th", { text: "same as the consensus" }), h("th", { text: metric || "" }))), h("tbody", {}, rows))));
  if (!populations || !populations.length) return;
  host.append(...subtitle("Populations by disagreement", "Mean weight of the trainings that agree with the consensus, over the cells given each population; the least agreed first."));
  bars(host, populations.map((one) => ({ name: one.name, value: one.agreement, text: percent(one.agreement) })), "Agreement on each population");
}
