// The jobs as a table. Only the rows in view are in the page, so 1,000 jobs sort at once.

const ROW = 30, AROUND = 12;

function jobsTable(host) {
  const body = h("tbody");
  const head = h("thead");
  const table = h("table", { "aria-label": "Jobs", "aria-rowcount": 0 }, head, body);
  const box = h("div", { class: "scroll jobs", tabindex: -1 }, table);
  host.append(box);
  let rows = [], fields = [], best = new Map(), first = -1, last = -1, whole = false, wide = [];

  function widths() {  // of the whole column, so that scrolling moves nothing
    return fields.map((column) => {
      const texts = allJobs().map((job) => textOf(column, job).length);
      return Math.min(34, Math.max(column.title.length + 2, ...texts)) + "ch";
    });
  }
  function headers(isNew = false) {
    fields = columns();
    if (isNew) wide = widths();
    head.replaceChildren(h("tr", {}, fields.map((column, i) => {
      const isSorted = state.sort.key === column.key;
      const way = isSorted ? (state.sort.down ? "descending" : "ascending") : null;
      const button = h("button", { type: "button", title: `Sort by ${column.key}`, onclick: () => sortBy(column), text: column.title + (isSorted ? (state.sort.down ? " \u2193" : " \u2191") : "") });
      const cell = h("th", { class: column.kind === "text" ? "text" : null, scope: "col", "aria-sort": way }, button);
      cell.style.minWidth = `calc(${wide[i]} + 1.4rem)`;
      return cell;
    })));
    best = new Map(sweep.objectives.map((one) => {
      const values = extent(allJobs().filter((job) => isDone(job) && isRated(job)).map((job) => job.metrics[one.name]));
      return [one.name, values && values[one.direction === "maximize" ? 1 : 0]];
    }));
  }
  function sortBy(column) {
    const isSame = state.sort.key === column.key;
    const objective = sweep.objectives.find((one) => one.name === column.key);
    state.sort = { key: column.key, down: isSame ? !state.sort.down : !!objective && objective.direction === "maximize" };
    headers();
    refresh();
    box.scrollTop = 0;
    head.querySelectorAll("button")[fields.findIndex((one) => one.key === column.key)].focus();
  }
  function rowOf(job, at) {
    const row = h("tr", { tabindex: 0, "data-job": job.number, "aria-rowindex": at + 2, "aria-selected": job.number === state.chosen ? "true" : "false",
      onclick: () => choose(job.number), onpointerenter: () => hover(job.number), onpointerleave: () => hover(null),
      onkeydown: (event) => moved(event, job.number, at) },
      fields.map((column) => cellOf(column, job)));
    return row;
  }
  function moved(event, number, at) {
    if (event.key === "Enter" || event.key === " ") choose(number);
    else if (event.key === "ArrowDown" || event.key === "ArrowUp") focus(at + (event.key === "ArrowDown" ? 1 : -1));
    else return;
    event.preventDefault();
  }
  function focus(at) {
    if (at < 0 || at >= rows.length) return;
    const top = at * ROW;
    if (top < box.scrollTop + ROW || top > box.scrollTop + box.clientHeight - 2 * ROW) box.scrollTop = top - box.clientHeight / 2;
    render();
    const row = body.querySelector(`[data-job="${rows[at].number}"]`);
    if (row) row.focus({ preventScroll: true });
  }
  function cellOf(column, job) {
    const cell = h("td", { class: column.kind === "text" ? "text" : null });
    if (column.key === "folder") { cell.append(...linksOf(job)); return cell; }
    cell.textContent = textOf(column, job);
    if (best.has(column.key) && column.get(job) === best.get(column.key) && isDone(job)) cell.className = "best";
    if ((column.key === "outcome" && isFailure(job)) || (column.key === "verdict" && job.verdict === "do not use")) cell.classList.add("warn");
    return cell;
  }
  const space = (rowsHigh) => { const cell = h("td", { colspan: fields.length }); cell.style.height = rowsHigh * ROW + "px"; return h("tr", { class: "space", "aria-hidden": "true" }, cell); };
  function render(force = false) {
    const from = whole ? 0 : Math.max(0, Math.floor(box.scrollTop / ROW) - AROUND);
    const to = whole ? rows.length : Math.min(rows.length, Math.ceil((box.scrollTop + Math.max(box.clientHeight, 480)) / ROW) + AROUND);
    if (!force && from === first && to === last) return;
    [first, last] = [from, to];
    const parts = rows.slice(from, to).map((job, i) => rowOf(job, from + i));
    if (from) parts.unshift(space(from));
    if (to < rows.length) parts.push(space(rows.length - to));
    body.replaceChildren(...parts);
  }
  function refresh() {
    rows = sorted();
    table.setAttribute("aria-rowcount", rows.length + 1);
    render(true);
  }
  box.addEventListener("scroll", () => render(), { passive: true });
  addEventListener("beforeprint", () => { whole = true; render(true); });
  addEventListener("afterprint", () => { whole = false; render(true); });
  on("shown", refresh);
  on("chosen", () => { for (const row of body.children) if (row.dataset.job) row.setAttribute("aria-selected", Number(row.dataset.job) === state.chosen ? "true" : "false"); });
  on("hovered", () => { for (const row of body.children) row.classList.toggle("lit", state.hovered !== null && Number(row.dataset.job) === state.hovered); });
  headers(true);
  refresh();
  return {
    refresh() { headers(true); refresh(); },
    // Jobs that changed: their rows alone, unless the order may be another.
    update(numbers) {
      const now = sorted();
      if (now.length !== rows.length || now.some((job, i) => job.number !== rows[i].number)) { rows = now; render(true); return; }
      rows = now;
      for (const row of [...body.children]) {
        const number = Number(row.dataset.job);
        if (numbers.has(number)) {
          const at = rows.findIndex((job) => job.number === number);
          const hadFocus = row === document.activeElement;
          const fresh = rowOf(rows[at], at);
          row.replaceWith(fresh);
          if (hadFocus) fresh.focus({ preventScroll: true });
        }
      }
    },
  };
}
function textOf(column, job) {
  if (column.key === "folder") return "report log " + (job.folder || "");
  const value = column.get(job);
  return column.kind === "text" && (value === null || value === "") ? "" : shown(value, 5);
}
function linksOf(job) {
  if (job.folder === null) return ["no folder"];
  if (linkTo(job) === null) return [job.folder];
  const links = [h("a", { href: linkTo(job) + "/", text: job.folder + "/", tabindex: -1 })];
  if (job.has_report) links.push(" ", h("a", { href: linkTo(job, "report.html"), text: "report", tabindex: -1 }));
  return links;
}
