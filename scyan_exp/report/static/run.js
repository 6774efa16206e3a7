// The page of a run: the verdict, the table beside its cells, expressions, populations, training.

const run = data.run, cells = run.cells, names = run.populations;

section("summary", "Summary", (body) => {
  const { verdict, reasons, remarks } = run.trust;
  const total = cells ? cells.counts.reduce((a, b) => a + b, 0) + cells.unannotated : null;
  const facts = [
    total ? [total.toLocaleString("en"), "cells"] : null,
    [shown(run.epochs), "epochs"], [duration(run.fit_seconds), "of training"], [String(run.seed), "seed"],
    cells && cells.unannotated ? [percent(cells.unannotated / total), "of the cells fit no population"] : null];
  const hasSpread = run.metrics.some((one) => finite(one.sd));
  body.replaceChildren(
    run.sweep_report ? h("p", {}, h("a", { href: "../report.html", text: "The sweep of this job" })) : "",
    h("div", { class: "lead" },
      verdict ? h("p", { class: "verdict" + (verdict === "good" ? " good" : " warn"), text: `Verdict: ${verdict}` }) : h("p", { text: run.outcome === "completed" ? "This run has no verdict." : `This run is ${run.outcome}.` }),
      reasons.map((text) => h("p", { text: text[0].toUpperCase() + text.slice(1) + "." }))),
    run.error ? h("pre", { text: run.error }) : "",
    h("ul", { class: "facts" }, facts.filter(Boolean).map(([value, name]) => h("li", {}, h("b", { text: value }), h("span", { text: name })))),
    remarks.length ? h("div", {}, subtitle("Populations to look at"), h("ul", { class: "flags" }, remarks.map((one) => h("li", {}, h("b", { text: one.population }), ": " + one.remarks.join("; "))))) : "",
    run.metrics.length ? h("div", {}, subtitle("Metrics", hasSpread ? "The mean of the repeats, their standard deviation, and the consensus." : null), metricsTable(hasSpread)) : "",
    run.command ? h("div", {}, subtitle("The same again"), copyable(run.command)) : "");
});
function metricsTable(hasSpread) {
  const better = { minimize: "lower", maximize: "higher" };
  return h("div", { class: "scroll" }, h("table", {}, h("thead", {}, h("tr", {}, ["metric", "value", hasSpread && "sd", hasSpread && "consensus", "better"].filter(Boolean).map((text, i) => h("th", { class: i === 0 || text === "better" ? "text" : null, text })))),
    h("tbody", {}, run.metrics.map((one) => h("tr", {}, h("td", { class: "text" + (run.objectives.includes(one.name) ? " best" : ""), text: one.name + (run.objectives.includes(one.name) ? " (objective)" : "") }), h("td", { text: shown(one.value, 5) }),
      hasSpread ? [h("td", { text: shown(one.sd, 3) }), h("td", { text: shown(one.consensus, 5) })] : [], h("td", { class: "text", text: better[one.direction] || "" }))))));
}
const noCells = () => empty(run.outcome === "completed" ? "The annotated cells or the model of this run are gone, so there is nothing to draw here." : `This run is ${run.outcome}: it has annotated no cells.`);

section("table", "Table and cells", (body) => {
  body.replaceChildren();
  if (!cells) { body.append(noCells()); return; }
  body.append(note("What the knowledge table says of each population, beside the cells that were annotated so: + (red) and \u2212 (blue). Framed entries are not followed by their cells."));
  body.append(cells.flags.length ? h("ul", { class: "flags" }, cells.flags.slice(0, 40).map((one) => h("li", { text: one.text }))) : note("The cells of every population follow all of its entries."));
  if (cells.flags.length > 40) body.append(note(`And ${cells.flags.length - 40} more: see the frames.`));
  const framed = new Set(cells.flags.map((one) => `${one.population}/${one.marker}`));
  const rows = names.map((name, p) => `${name} (${cells.counts[p].toLocaleString("en")})`);
  const grids = [["Knowledge table", "Blank: not known.", cells.rho, true], ["Latent means", "In the space where the model compares cells with the table: \u22121 and +1 are what the table asks for.", cells.latent, false], ["Expression means", "Of the model\u2019s inputs: scaled, so 0 is between the cells of all populations.", cells.expression, false]];
  for (const [title, explained, values, isTable] of grids) {
    if (!values) continue;
    body.append(...subtitle(title, explained));
    heatmap(body, { name: title, rows, columns: cells.markers, cell: 17,
      fill: (r, c) => (values[r][c] === null ? null : diverging(values[r][c])),
      text: isTable ? (r, c) => (values[r][c] ? { text: values[r][c] > 0 ? "+" : "\u2212", color: "#fff" } : null) : null,
      mark: (r, c) => framed.has(`${r}/${c}`),
      tipOf: (r, c) => [names[r], `${cells.markers[c]}: ${cells.rho[r][c] === null ? "not known" : cells.rho[r][c] > 0 ? "+" : cells.rho[r][c] < 0 ? "\u2212" : "0"} in the table`, `latent mean ${shown(cells.latent[r][c], 3)}`, cells.expression ? `expression mean ${shown(cells.expression[r][c], 3)}` : ""] });
  }
});

section("expressions", "Expressions", (body) => {
  body.replaceChildren();
  if (!cells) { body.append(noCells()); return; }
  if (!cells.densities) { body.append(empty("The expressions could not be read from annotated.h5ad.")); return; }
  body.append(note("The distribution of each marker in the cells of each population, as the model sees it (scaled), each with its highest point at the same height. Point at a population to light it; click to keep it lit."));
  const lit = new Map(names.map((_, p) => [p, []]));
  let pinned = null;
  const light = (p) => { const now = p === null ? pinned : p; for (const [q, lines] of lit) for (const line of lines) { line.setAttribute("opacity", now === null ? 0.75 : now === q ? 1 : 0.07); line.setAttribute("stroke-width", now === q ? 2.4 : 1.2); } };
  const list = legend(names, names.map((_, p) => p), cells.counts.map((n) => n.toLocaleString("en")), light, "across");
  [...list.children].forEach((item, p) => item.addEventListener("click", () => { pinned = pinned === p ? null : p; light(null); }));
  body.append(list);
  const panels = h("div", { class: "panels small" });
  body.append(panels);
  for (const { marker, from, to, of } of cells.densities) {
    const panel = h("div");
    panels.append(panel);
    const box = frame(panel, { height: 128, left: 8, right: 8, top: 22, bottom: 24, name: `Densities of ${marker}` });
    const x = linear([from, to], [box.left, box.right]), y = linear([0, 1.02], [box.bottom, box.top]);
    axes(box, x, null);
    box.svg.append(label(marker, { x: box.left, y: 14, class: "title" }, box.width));
    of.forEach((values, p) => {
      if (!values.length) return;
      const step = (to - from) / values.length;
      const line = s("path", { d: "M" + values.map((value, i) => `${x(from + (i + 0.5) * step).toFixed(1)} ${y(value).toFixed(1)}`).join("L"), fill: "none", stroke: colorOf(p), "stroke-width": 1.2, opacity: 0.75 });
      line.addEventListener("pointermove", (event) => { light(p); showTip(event, [names[p], marker]); });
      line.addEventListener("pointerleave", () => { light(null); hideTip(); });
      lit.get(p).push(line);
      box.svg.append(line);
    });
  }
});

section("populations", "Populations", (body) => {
  body.replaceChildren();
  const counts = cells ? cells.counts : run.counts;
  if (counts) {
    const total = counts.reduce((a, b) => a + b, 0) + (cells ? cells.unannotated : 0);
    const order = counts.map((_, p) => p).sort((a, b) => counts[b] - counts[a]);
    body.append(...subtitle("Cells of each population"));
    const rows = order.map((p) => ({ name: names[p], value: counts[p], text: percent(counts[p] / total) }));
    if (cells && cells.unannotated) rows.push({ name: "(no population fits)", value: cells.unannotated, text: percent(cells.unannotated / total) });
    bars(body, rows, "Cells of each population");
  }
  body.append(...subtitle("Weights over the epochs", "How large the model thinks each population is."));
  if (run.weights.epoch.length < 2) { body.append(empty("Fewer than two epochs were written.")); return; }
  const holder = h("div"), two = h("div", { class: "two" }, holder);
  body.append(two);
  const chart = stacked(holder, run.weights, names);
  two.append(legend(names, chart.order, chart.last.map(percent), chart.light));
});

if (cells && cells.umap) section("umap", "UMAP", (body) => {
  const { x, y, population } = cells.umap;
  body.replaceChildren(note(`${plural(x.length, "cell")} by the model\u2019s inputs, coloured by population. Distances between islands mean little.`));
  const side = Math.min(620, body.clientWidth || 320), holder = h("div"), two = h("div", { class: "two" }, holder);
  body.append(two);
  const box = frame(holder, { height: side, left: 4, right: 4, top: 4, bottom: 4, width: Math.min(side, holder.clientWidth || side), name: "UMAP of the cells" });
  const sx = linear(extent(x), [box.left + 3, box.right - 3]), sy = linear(extent(y), [box.bottom - 3, box.top + 3]);
  const pen = canvas(box);
  const paint = (lit) => {
    pen.clearRect(0, 0, box.full, side);
    const size = x.length > 8000 ? 1.6 : 2.4;
    for (let i = 0; i < x.length; i++) {
      const p = population[i];
      pen.globalAlpha = lit === null || lit === p ? 0.8 : 0.06;
      pen.fillStyle = p < 0 ? variable("--far") : colorOf(p);
      pen.fillRect(sx(x[i]) - size / 2, sy(y[i]) - size / 2, size, size);
    }
  };
  paint(null);
  const present = names.map((_, p) => p).filter((p) => cells.counts[p]).sort((a, b) => cells.counts[b] - cells.counts[a]);
  two.append(legend(names, present, cells.counts.map((n) => n.toLocaleString("en")), paint));
  const points = x.map((value, i) => [sx(value), sy(y[i]), population[i]]);
  box.svg.addEventListener("pointermove", (event) => { const found = nearest(points, at(event, box.svg), 8); if (found) showTip(event, [found[2] < 0 ? "no population fits" : names[found[2]]]); else hideTip(); });
  box.svg.addEventListener("pointerleave", hideTip);
});

if (cells && cells.confusion) {
  let byShare = true;
  section("confusion", "Labels", function redraw(body) {
    const { labels, n_rows, counts } = cells.confusion;
    const columns = [...names, "(none)"];
    const sums = counts.map((row) => row.reduce((a, b) => a + b, 0));
    const most = Math.max(...counts.flat(), 1);
    const toggle = [["By share of the label", true], ["By number of cells", false]].map(([text, value]) => h("button", { type: "button", text, "aria-pressed": String(byShare === value), onclick: () => { byShare = value; draw("confusion"); } }));
    body.replaceChildren(note(`Cells by their label (rows) and what they are annotated as (columns).` + (n_rows < labels.length ? ` The last ${plural(labels.length - n_rows, "label")} ${labels.length - n_rows === 1 ? "has" : "have"} no row in the table, and ${labels.length - n_rows === 1 ? "is" : "are"} not counted in the metrics.` : "") + (cells.confusion.n_left_out ? ` ${plural(cells.confusion.n_left_out, "more label")} of few cells ${cells.confusion.n_left_out === 1 ? "is" : "are"} left out.` : "")), h("div", { class: "controls" }, toggle));
    const share = (r, c) => counts[r][c] / Math.max(1, sums[r]);
    const strength = (r, c) => (byShare ? share(r, c) : counts[r][c] ? Math.log1p(counts[r][c]) / Math.log1p(most) : 0);
    heatmap(body, { name: "Labels and annotation", rows: labels.map((name, r) => `${name} (${sums[r].toLocaleString("en")})`), columns, cell: 20,
      fill: (r, c) => ramp(strength(r, c)),
      text: (r, c) => { const value = byShare ? Math.round(100 * share(r, c)) : counts[r][c]; return value ? { text: byShare || value < 1000 ? String(value) : (value / 1000).toPrecision(2) + "k", color: strength(r, c) > 0.5 ? "var(--bg)" : "var(--fg)" } : null; },
      tipOf: (r, c) => [`labelled ${labels[r]}`, `annotated ${columns[c]}`, `${plural(counts[r][c], "cell")}, ${percent(share(r, c))} of the label`] });
    body.append(byShare ? note("Numbers are percent of the label.") : note("Colours are on a logarithmic scale."));
  });
}

if (run.repeats) section("repeats", "Repeats", (body) => {
  body.replaceChildren(note("The trainings of this run and their weights in the consensus."));
  repeatsOf(body, run.repeats, run.objectives[0], run.repeats.populations);
});

section("training", "Training", (body) => {
  body.replaceChildren();
  const { epoch, loss, agreement } = run.curve;
  if (!epoch.length) { body.append(empty("No epoch was written.")); return; }
  body.append(note("Epochs at a temperature, whose loss is another quantity, are left out."));
  const panels = h("div", { class: "panels" });
  body.append(panels);
  for (const [name, values] of [["loss", loss], ["agreement with the table", agreement]]) {
    if (!values.some(finite)) continue;
    const panel = h("div");
    panels.append(panel);
    const box = frame(panel, { height: 220, left: 52, top: 20, name });
    const x = linear([epoch[0], epoch[epoch.length - 1]], [box.left, box.right]), y = fitting(values.filter(finite), [box.bottom, box.top]);
    axes(box, x, y, { xLabel: "epoch", isWhole: true, yLabel: name });
    const points = epoch.map((one, i) => [x(one), y(values[i]), i]).filter(([, place]) => finite(place));
    box.svg.append(s("path", { d: "M" + points.map(([a, b]) => `${a.toFixed(1)} ${b.toFixed(1)}`).join("L"), fill: "none", stroke: "var(--accent)", "stroke-width": 1.6 }), s("path", { class: "dots", style: "stroke-width:5", d: dotPath(points) }));
    box.svg.addEventListener("pointermove", (event) => { const found = nearest(points, at(event, box.svg), 40); if (found) showTip(event, [`epoch ${epoch[found[2]]}`, `${name}: ${shown(values[found[2]], 5)}`]); else hideTip(); });
    box.svg.addEventListener("pointerleave", hideTip);
  }
});

section("files", "Files", (body) => {
  const list = [["annotated.h5ad", "annotated.h5ad"], ["result.json", "result.json"], ["train.log", "train.log"], ["metrics.csv", "metrics.csv"], ["population_weights.csv", "population_weights.csv"]];
  body.replaceChildren(
    h("ul", { class: "links" }, list.map(([name]) => h("li", {}, h("a", { href: path(name), text: name }))), run.figures.map((name) => h("li", {}, h("a", { href: path("figures", name), text: `figures/${name}` })))),
    run.config ? h("details", {}, h("summary", { text: "The config" }), h("pre", { text: run.config })) : "");
});
