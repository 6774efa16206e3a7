// The page of a sweep: its sections from top to bottom, and what changes when jobs do.

const fewest = (n, what) => empty(`This needs ${what}.`);
const VANISHED = 0.0005;  // share of the cells
let table = null, parallel = null, curve = null, describe = () => {}, counted = () => {};

section("summary", "Summary", (body) => {
  const failed = allJobs().filter(isFailure);
  const best = byNumber.get(sweep.best);
  const counts = allJobs().filter(isDone).length;
  body.replaceChildren(
    h("div", { class: "lead" }, sweep.headline.map((text, i) => h("p", { text, class: text.startsWith("But do not use") ? "warn" : i ? null : "muted" }))),
    h("ul", { class: "facts" }, facts(best, counts).map(([value, name]) => h("li", {}, h("b", { text: value }), h("span", { text: name })))),
    ...(failed.length ? [h("p", { class: "warn" }, `${plural(failed.length, "job")} failed: `, h("a", { href: "#failures", text: "see why" }), ".")] : []),
    ...(best ? bestConfig(best) : []));
});
function facts(best, n) {
  const found = [[`${n} of ${byNumber.size}`, "jobs completed"]];
  if (best) {
    found.push([shown(objectiveOf(best)), `best ${mainObjective().name}`]);
    if (mainObjective().name !== "accuracy" && finite(best.metrics.accuracy)) found.push([shown(best.metrics.accuracy, 3), "its accuracy"]);
    if (best.verdict) found.push([best.verdict, "its verdict"]);
  }
  if (finite(sweep.spread)) found.push(["\u00b1 " + shown(sweep.spread, 3), "spread over seeds"]);
  const seconds = allJobs().reduce((sum, job) => sum + (job.seconds ?? job.fit_seconds ?? 0), 0);
  if (seconds) found.push([duration(seconds), "of all jobs together"]);
  return found;
}
function bestConfig(best) {
  if (!best.command && !sweep.best_command) return [];
  return [...subtitle("The best config", sweep.best_command ? "Its experiment stands in the folder of the search." : "As a command."), copyable(sweep.best_command || best.command)];
}

section("jobs", "Jobs", (body) => {
  if (table) { table.refresh(); parallel.build(); describe(); return; }
  const filter = h("input", { id: "filter", type: "search", "aria-label": "Filter the jobs", placeholder: "Filter: words, accuracy>0.9, outcome=failed" });
  const count = h("span", { class: "note", id: "count", role: "status" });
  const clear = h("button", { type: "button", text: "Clear", onclick: () => { filter.value = state.filter = ""; state.brushes.clear(); show(); parallel.build(); } });
  filter.addEventListener("input", () => { state.filter = filter.value; show(); });
  counted = () => { count.textContent = visible().length === byNumber.size ? plural(byNumber.size, "job") : `${visible().length} of ${plural(byNumber.size, "job")}`; };
  on("shown", counted);
  body.append(note("A line is a job; the stronger its colour, the better. Drag along an axis to keep the jobs within; click it to let go. Choose a job by its row."));
  parallel = parallelCoordinates(body);
  body.append(h("div", { class: "controls" }, filter, count, clear));
  table = jobsTable(body);
  const detail = h("div", { id: "detail" });
  body.append(detail);
  describe = () => detail.replaceChildren(...(chosen() ? [details(chosen())] : []));
  on("chosen", describe);
  counted();
  describe();
});
function details(job) {
  const links = linkTo(job) === null ? [] : [
    h("li", {}, h("a", { href: linkTo(job) + "/", text: "folder" })), h("li", {}, h("a", { href: linkTo(job, "train.log"), text: "log" })),
    job.has_report ? h("li", {}, h("a", { href: linkTo(job, "report.html"), text: "its report" })) : null,
    ...job.figures.map((name) => h("li", {}, h("a", { href: linkTo(job, "figures", name), text: name.replace(/\.png$/, "").replaceAll("_", " ") })))];
  return h("div", { class: "detail", role: "region", "aria-label": "The chosen job" },
    h("h3", { text: called(job) }),
    h("p", {}, h("span", { text: job.outcome, class: isFailure(job) ? "warn" : null }), job.verdict ? "; verdict: " : null,
      job.verdict ? h("span", { class: "verdict" + (job.verdict === "good" ? "" : " warn"), text: job.verdict }) : null),
    job.reasons.length ? h("ul", { class: "flags" }, job.reasons.map((text) => h("li", { text }))) : null,
    job.error ? h("pre", { text: job.error }) : null,
    links.length ? h("ul", { class: "links", "aria-label": "Files of the job" }, links) : null,
    job.command ? copyable(job.command) : null);
}

section("parameters", "Parameters", (body) => {
  body.replaceChildren();
  const objective = mainObjective();
  if (!sweep.varied.length || !objective || !allJobs().some((job) => finite(objectiveOf(job)))) { body.append(fewest(1, "completed jobs that differ in an override")); return; }
  sweep.objectives.forEach((one, which) => {
    body.append(...subtitle(`${one.name} against each parameter`, which ? null : `${one.direction === "maximize" ? "Higher" : "Lower"} is better. A dot is a job; a ring with a line is the mean of a value and the standard deviation of its jobs.`));
    const panels = h("div", { class: "panels" });
    body.append(panels);
    for (const key of sweep.varied) against(panels, key, which);
  });
  if (sweep.effects.length) {
    body.append(...subtitle("What mattered", sweep.effects_words));
    bars(body, sweep.effects.map((one) => ({ name: shortKey(one.parameter), value: one.share, text: percent(one.share) })), "Importance of each parameter");
  } else if (sweep.objectives.length === 1) body.append(note("How much each parameter matters is told of searches with four trials or more, and of sweeps that try each value at least twice."));
});
function against(host, key, which) {
  const panel = h("div");
  host.append(panel);
  const all = allJobs().filter((job) => finite(objectiveOf(job, which)) && job.overrides[key] !== undefined);
  const box = frame(panel, { height: 220, left: 52, top: 20, name: `${sweep.objectives[which].name} against ${key}` });
  const values = all.map((job) => job.overrides[key]);
  const distinct = [...new Set(values)];
  const isRepeated = distinct.length <= 6 && values.length >= 2 * distinct.length;
  const x = fitting(isRepeated || values.length < 3 ? values.map(String) : values, [box.left, box.right]);
  if (x.names) x.names.sort((a, b) => (Number.isNaN(Number(a)) || Number.isNaN(Number(b)) ? (a < b ? -1 : 1) : a - b));
  const scale = x.names ? band(x.names, [box.left, box.right]) : x;
  const y = fitting(all.map((job) => objectiveOf(job, which)), [box.bottom, box.top], 0.06);
  axes(box, scale, y, { xLabel: shortKey(key), yLabel: sweep.objectives[which].name, xFormat: (value) => shown(Number.isNaN(Number(value)) ? value : Number(value), 3) });
  const points = all.map((job) => [scale(job.overrides[key]), y(objectiveOf(job, which)), job]);
  box.svg.append(s("path", { class: "dots", style: points.length > 300 ? "stroke-width:4;opacity:.5" : scale.names ? "opacity:.45" : null, d: dotPath(points) }));
  if (scale.names) for (const value of scale.names) {
    const own = all.filter((job) => String(job.overrides[key]) === value).map((job) => objectiveOf(job, which));
    const mean = own.reduce((a, b) => a + b, 0) / own.length;
    const sd = own.length > 1 ? Math.sqrt(own.reduce((sum, one) => sum + (one - mean) ** 2, 0) / (own.length - 1)) : 0;
    if (sd) box.svg.append(s("line", { class: "range", x1: scale(value), x2: scale(value), y1: Math.max(box.top, y(mean + sd)) || box.top, y2: Math.min(box.bottom, y(mean - sd)) || box.bottom }));
    box.svg.append(s("circle", { class: "mean", cx: scale(value), cy: y(mean), r: 4.5 }));
  }
  pointed(box, points);
}
function pointed(box, points) {
  const ring = s("circle", { class: "ring", r: 6, visibility: "hidden" });
  box.svg.append(ring);
  box.svg.addEventListener("pointermove", (event) => {
    const found = nearest(points, at(event, box.svg));
    ring.setAttribute("visibility", found ? "visible" : "hidden");
    if (!found) { hideTip(); hover(null); return; }
    ring.setAttribute("cx", found[0]);
    ring.setAttribute("cy", found[1]);
    hover(found[2].number);
    showTip(event, [called(found[2]), ...sweep.objectives.map((one, i) => `${one.name}: ${shown(objectiveOf(found[2], i), 5)}`)]);
  });
  box.svg.addEventListener("pointerleave", () => { ring.setAttribute("visibility", "hidden"); hideTip(); hover(null); });
  box.svg.addEventListener("click", (event) => { const found = nearest(points, at(event, box.svg)); if (found) choose(found[2].number); });
}

if (sweep.objectives.length > 1) section("front", "Pareto front", (body) => {
  body.replaceChildren(note(`Jobs that no other job beats in ${sweep.objectives.map((one) => one.name).join(" and ")} at once, joined by a line: ${sweep.front.map((n) => "job " + n).join(", ") || "none yet"}.`));
  const [a, b] = sweep.objectives;
  const all = allJobs().filter((job) => finite(objectiveOf(job, 0)) && finite(objectiveOf(job, 1)));
  if (!all.length) { body.append(fewest(1, "a completed job")); return; }
  const box = frame(body, { height: 340, left: 60, top: 22, name: "Pareto front" });
  const x = fitting(all.map((job) => objectiveOf(job, 0)), [box.left, box.right]);
  const y = fitting(all.map((job) => objectiveOf(job, 1)), [box.bottom, box.top]);
  const better = (one) => (one.direction === "maximize" ? "higher is better" : "lower is better");
  axes(box, x, y, { xLabel: `${a.name} (${better(a)})`, yLabel: `${b.name} (${better(b)})` });
  const points = all.map((job) => [x(objectiveOf(job, 0)), y(objectiveOf(job, 1)), job]);
  const front = points.filter(([, , job]) => sweep.front.includes(job.number)).sort((p, q) => p[0] - q[0]);
  box.svg.append(s("path", { class: "dots faint", d: dotPath(points) }), s("path", { fill: "none", stroke: "var(--accent)", "stroke-width": 1.5, d: front.length ? "M" + front.map(([px, py]) => `${px} ${py}`).join("L") : "" }), s("path", { class: "dots", d: dotPath(front) }));
  pointed(box, points);
});

if (sweep.objectives.length === 1) section("seeds", "Seeds", (body) => {
  body.replaceChildren();
  const some = sweep.groups.slice(0, 25);
  if (!some.some((group) => group.n > 1)) { body.append(empty("Every config was trained once. Sweep seed=0,1,2 as well, or set repeats=3, to see how much of a difference is chance.")); return; }
  body.append(note(`Configs that are equal but for the seed: mean ${mainObjective().name} (ring), standard deviation (line), and each job (dots); the best first. Where the lines overlap, the difference may be chance.` + (sweep.groups.length > 25 ? ` The best 25 of ${sweep.groups.length} configs.` : "")));
  const left = Math.min(340, (body.clientWidth || 320) * 0.45);
  const box = frame(body, { height: some.length * 26 + 56, left, right: 18, top: 6, bottom: 42, name: "Mean and spread over seeds" });
  const x = fitting(some.flatMap((group) => [...group.values, group.mean - (group.sd ?? 0), group.mean + (group.sd ?? 0)]), [box.left, box.right]);
  for (const tick of x.ticks(6)) box.svg.append(s("line", { class: "grid", x1: x(tick), x2: x(tick), y1: box.top, y2: box.bottom }));
  axes(box, x, null, { xLabel: mainObjective().name });
  const points = [];
  some.forEach((group, i) => {
    const y = box.top + i * 26 + 13;
    box.svg.append(label(group.name.split(" ").map(shortKey).join(" ") || "all jobs", { x: left - 10, y: y + 4, "text-anchor": "end", class: "strong" }, left - 12));
    const own = group.jobs.map((number, j) => [x(group.values[j]), y, byNumber.get(number)]);
    points.push(...own);
    if (group.sd) box.svg.append(s("line", { class: "range", x1: x(group.mean - group.sd), x2: x(group.mean + group.sd), y1: y, y2: y }));
    box.svg.append(s("path", { class: "dots", style: "stroke-width:6", d: dotPath(own) }), s("circle", { class: "mean", cx: x(group.mean), cy: y, r: 4.5 }));
  });
  pointed(box, points);
});

section("training", "Training", (body) => {
  if (curve) { curve.build(); return; }
  body.append(note("A line is a job; the stronger its colour, the better; the chosen one is thick. Epochs at a temperature, whose loss is another quantity, are left out. Drag to zoom."));
  curve = curves(body);
});

section("populations", "Populations", (body) => {
  body.replaceChildren();
  const job = chosen();
  const names = sweep.populations;
  if (!job || !names.length) { body.append(empty("No job has written the weights of its populations yet.")); return; }
  const select = h("select", { id: "chosen", "aria-label": "The job whose weights are shown", onchange: () => choose(Number(select.value)) },
    allJobs().map((one) => h("option", { value: one.number, text: called(one), selected: one.number === job.number })));
  body.append(...subtitle("Weights over the epochs", "How large the model thinks each population is. A population that thins out to nothing has vanished."), h("div", { class: "controls" }, h("label", { for: "chosen", text: "Job" }), select));
  if (job.weights.epoch.length < 2) body.append(empty("This job has written fewer than two epochs."));
  else {
    const holder = h("div"), two = h("div", { class: "two" }, holder);
    body.append(two);
    const chart = stacked(holder, job.weights, names);
    two.append(legend(names, chart.order, chart.last.map(percent), chart.light));
  }
  shares(body);
});
function shares(body) {
  const some = sorted().filter((job) => job.shares).slice(0, 300);
  body.append(...subtitle("Share of the cells given to each population", `A row is a job, in the order of the table; stronger is more, on a logarithmic scale. Framed: vanished, less than 5 in 10,000 cells.` + (some.some((job) => job.shares_of === "weights") ? " Of jobs without annotated cells: the weight." : "")));
  if (!some.length) { body.append(empty("No job has annotated cells yet.")); return; }
  const lacks = (r, c) => some[r].shares[c] === null || some[r].shares[c] === undefined;  // not in its table
  const gone = (r, c) => !lacks(r, c) && some[r].shares[c] < VANISHED;
  heatmap(body, {
    name: "Shares of the populations", rows: some.map((job) => `${job.number}` + (some.length <= 60 && job.name ? ` ${job.name.split(" ").map(shortKey).join(" ")}` : "")), columns: sweep.populations,
    fill: (r, c) => (lacks(r, c) || gone(r, c) ? variable("--bg") : ramp(Math.log(some[r].shares[c] / VANISHED) / Math.log(0.5 / VANISHED))),
    mark: some.length <= 60 ? gone : null,
    tipOf: (r, c) => [called(some[r]), `${sweep.populations[c]}: ${percent(some[r].shares[c])}` + (lacks(r, c) ? " (not in its table)" : gone(r, c) ? " (vanished)" : "")],
    onclick: (r) => choose(some[r].number),
  });
  body.append(colorScale("0.05%", "50%", ramp));
  const vanished = sweep.populations.map((name, c) => [name, some.filter((_, r) => gone(r, c)).length]).filter(([, n]) => n).sort((p, q) => q[1] - p[1]);
  body.append(note(vanished.length ? `Vanished: ${vanished.map(([name, n]) => `${name} (in ${plural(n, "job")})`).join(", ")}.` : "No population vanished in any of these jobs."));
}

section("agreement", "Agreement", (body) => {
  const found = sweep.agreement;
  body.replaceChildren();
  if (!found) { body.append(fewest(2, "two completed jobs that annotated the same cells")); return; }
  const between = found.shares.flatMap((row, r) => row.filter((_, c) => c !== r));
  const low = Math.min(...between);
  body.append(note(`Share of the cells (${found.n_cells.toLocaleString("en")} looked at) that two jobs give the same population, ${percent(low)} to ${percent(Math.max(...between))}. The best job comes first.` + (found.n_left_out ? ` ${plural(found.n_left_out, "job")} of other cells, or further down, ${found.n_left_out === 1 ? "is" : "are"} left out.` : "")));
  const size = found.jobs.length > 40 ? 8 : 24;
  heatmap(body, {
    name: "Pairwise agreement", rows: found.jobs.map(String), columns: found.jobs.map(String), cell: size,
    fill: (r, c) => (r === c ? variable("--soft") : ramp((found.shares[r][c] - low) / Math.max(1e-6, 1 - low))),
    text: size >= 20 ? (r, c) => (r === c ? null : { text: (100 * found.shares[r][c]).toFixed(0), color: (found.shares[r][c] - low) / Math.max(1e-6, 1 - low) > 0.5 ? "var(--bg)" : "var(--fg)" }) : null,
    tipOf: (r, c) => [`${percent(found.shares[r][c])} of the cells alike`, called(byNumber.get(found.jobs[r])), called(byNumber.get(found.jobs[c]))],
    onclick: (r) => choose(found.jobs[r]),
  });
  body.append(colorScale(percent(low), "100%", ramp));
});

if (allJobs().some((job) => job.repeats)) section("repeats", "Repeats", (body) => {
  body.replaceChildren();
  const job = chosen();
  if (!job || !job.repeats) { body.append(empty("The chosen job has no repeats.")); return; }
  body.append(note(`The trainings of ${called(job)}, which differ in the seed, and their consensus.`));
  repeatsOf(body, job.repeats, mainObjective() && mainObjective().name, job.repeats.populations);
});

section("failures", "Failures", (body) => {
  const failed = allJobs().filter((job) => isFailure(job) || job.error);
  body.replaceChildren();
  if (!failed.length) { body.append(empty("No job failed.")); return; }
  for (const job of failed.slice(0, 200)) {
    const log = linkTo(job, "train.log");
    body.append(h("h3", { text: `${called(job)} (${job.outcome})` }), h("pre", { text: job.error || "It left no message." }), log ? h("p", {}, h("a", { href: log, text: "its log" })) : "");
  }
  if (failed.length > 200) body.append(note(`And ${failed.length - 200} more: filter the jobs by outcome=failed.`));
});

on("chosen", () => draw("populations", "repeats"));
on("shownLater", () => { if (drawn.has("populations")) draw("populations"); });

// What a live page calls: jobs that changed, each whole, and the parts of the sweep that did.
window.scyanReport = {
  update({ jobs = [], sweep: parts = {} }) {
    const isNew = jobs.some((job) => !byNumber.has(job.number));
    for (const job of jobs) byNumber.set(job.number, job);
    const changed = Object.keys(parts).filter((key) => JSON.stringify(parts[key]) !== JSON.stringify(sweep[key]));
    Object.assign(sweep, parts);
    if (!jobs.length && !changed.length) return;
    if (state.chosen === null && byNumber.size) state.chosen = sweep.best ?? [...byNumber.keys()][0];
    forget();
    ranks = null;
    const columnsChanged = changed.some((key) => ["varied", "metrics", "objectives"].includes(key));
    if (isNew || columnsChanged) table.refresh(); else table.update(new Set(jobs.map((job) => job.number)));
    parallel.build();
    curve.build();
    if (jobs.some((job) => job.number === state.chosen)) describe();
    draw("summary", "parameters", "front", "seeds", "populations", "failures", "repeats");
    if (changed.includes("agreement")) draw("agreement");
    counted();
  },
  status(text) {
    let line = document.getElementById("status");
    if (!line) document.querySelector("header").append(line = h("p", { id: "status", role: "status" }));
    line.textContent = text;
    line.hidden = !text;
  },
  jobs: allJobs,
};
