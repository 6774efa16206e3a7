// Parallel coordinates: a line a job over its parameters and its objectives. A brush on an axis
// keeps the jobs within it, here, in the table and in the curves.

function parallelCoordinates(host) {
  const holder = h("div");
  const chips = h("div", { class: "controls", "aria-label": "Brushes" });
  host.append(holder, chips);
  let box = null, pen = null, axesOf = [];

  function keys() {
    const more = ["accuracy", "table_agreement"].filter((name) => sweep.metrics.includes(name) && !sweep.objectives.some((one) => one.name === name));
    const named = sweep.objectives.map((one) => one.name).filter((name) => sweep.metrics.includes(name));
    return [...sweep.varied.slice(0, 9), ...named, ...more];
  }
  function build() {
    holder.replaceChildren();
    const jobs = allJobs();
    const some = keys().map(columnOf).filter((column) => column && jobs.some((job) => column.get(job) !== null));
    if (some.length < 2 || !jobs.length) { holder.append(empty("There is nothing to compare yet: at least one job must be completed.")); return; }
    box = frame(holder, { height: 300, left: 34, right: 46, top: 46, bottom: 16, name: "Parallel coordinates of the jobs" });
    pen = canvas(box, 0, 0, box.full, 300);
    axesOf = some.map((column, i) => {
      const scale = fitting(jobs.map(column.get), [box.bottom, box.top]);
      return { column, scale, x: box.left + (i / (some.length - 1)) * box.width };
    });
    axesOf.forEach(drawAxis);
    paint();
  }
  function drawAxis(axis, i) {
    const { svg, top, bottom, width } = box;
    const { column, scale, x } = axis;
    const room = width / Math.max(1, axesOf.length - 1);
    const isLast = i === axesOf.length - 1;
    svg.append(s("line", { class: "axis", x1: x, x2: x, y1: top, y2: bottom }));
    svg.append(label(column.title, { x: isLast ? box.full - 2 : x, y: i % 2 && room < 120 ? top - 28 : top - 12, class: "title", "text-anchor": isLast ? "end" : i ? "middle" : "start" }, Math.max(70, room * (room < 120 ? 1.7 : 0.95))));
    for (const tick of ticksOf(column, scale)) svg.append(label(shown(tick, 6), { x: x + 6, y: scale(tick) + 4, style: "paint-order:stroke;stroke:var(--bg);stroke-width:3px" }, Math.max(34, room - 10)));
    const brush = s("rect", { class: "brush", x: x - 9, width: 18, y: 0, height: 0, visibility: "hidden" });
    const hit = s("rect", { class: "hit", x: x - 13, width: 26, y: top - 6, height: bottom - top + 12, tabindex: 0, role: "button",
      "data-axis": column.key, "aria-label": `Brush ${column.key}: space steps through its thirds, Escape clears` });
    axis.brush = brush;
    let start = null;
    hit.addEventListener("pointerdown", (event) => { start = at(event, svg)[1]; hit.setPointerCapture(event.pointerId); event.preventDefault(); });
    hit.addEventListener("pointermove", (event) => { if (start !== null) mark(axis, start, at(event, svg)[1]); });
    hit.addEventListener("pointerup", (event) => { if (start === null) return; const end = at(event, svg)[1]; mark(axis, start, end, true); start = null; });
    hit.addEventListener("pointercancel", () => { start = null; });
    hit.addEventListener("keydown", (event) => {
      if (event.key === "Escape") { state.brushes.delete(column.key); axis.third = null; brushed(); }
      else if (event.key === " " || event.key === "Enter") {
        axis.third = ((axis.third ?? 3) + 2) % 3;
        const third = (bottom - top) / 3;
        mark(axis, top + axis.third * third, top + (axis.third + 1) * third, true);
      } else return;
      event.preventDefault();
    });
    svg.append(brush, hit);
    showBrush(axis);
  }
  function ticksOf(column, scale) {  // of few values the values themselves
    const values = [...new Set(allJobs().map(column.get).filter(finite))];
    return !scale.names && values.length <= 5 && sweep.varied.includes(column.key) ? values : scale.ticks(5);
  }
  function mark(axis, from, to, isDone = false) {
    const low = Math.max(box.top - 6, Math.min(from, to)), high = Math.min(box.bottom + 6, Math.max(from, to));
    const { scale, column } = axis;
    if (high - low < 4) state.brushes.delete(column.key);
    else if (scale.names) state.brushes.set(column.key, new Set(scale.names.filter((name) => scale(name) >= low && scale(name) <= high)));
    else state.brushes.set(column.key, [scale.invert(high), scale.invert(low)]);
    brushed(isDone);
  }
  function brushed() {
    axesOf.forEach(showBrush);
    show();
  }
  function showBrush(axis) {
    const brush = state.brushes.get(axis.column.key);
    axis.brush.setAttribute("visibility", brush ? "visible" : "hidden");
    if (!brush) return;
    const half = axis.scale.names ? axis.scale.step / 2 : 0;
    const places = [...brush].map((value) => axis.scale(value)).filter(finite);
    const low = Math.min(...places) - half, high = Math.max(...places) + half;
    if (finite(low) && finite(high)) { axis.brush.setAttribute("y", low); axis.brush.setAttribute("height", Math.max(1, high - low)); }
  }
  function showChips() {
    chips.replaceChildren(...[...state.brushes].map(([key, brush]) => {
      const range = brush instanceof Set ? [...brush].join(", ") : `${shown(brush[0], 3)} to ${shown(brush[1], 3)}`;
      return h("button", { type: "button", class: "chip", text: `${shortKey(key)}: ${range} \u00d7`, "aria-label": `Remove the brush on ${key}`, onclick: () => { state.brushes.delete(key); brushed(); } });
    }));
  }
  function line(job) {
    let isOpen = false;
    pen.beginPath();
    for (const { column, scale, x } of axesOf) {
      const value = column.get(job);
      const y = value === null || value === undefined ? NaN : scale(value);
      if (!finite(y)) { isOpen = false; continue; }
      if (isOpen) pen.lineTo(x, y); else pen.moveTo(x, y);
      isOpen = true;
    }
    pen.stroke();
  }
  function paint() {
    if (!pen || !box.svg.isConnected) return;
    pen.clearRect(0, 0, box.full, 300);
    const shownJobs = new Set(visible().map((job) => job.number));
    const [far, accent, warn] = ["--far", "--accent", "--warn"].map(variable);
    const order = [...byNumber.values()].sort((a, b) => goodness(a) - goodness(b));
    pen.lineWidth = order.length > 200 ? 0.8 : 1.4;
    pen.globalAlpha = 0.22;
    pen.strokeStyle = far;
    for (const job of order) if (!shownJobs.has(job.number)) line(job);
    pen.globalAlpha = order.length > 200 ? 0.55 : 0.9;
    for (const job of order) if (shownJobs.has(job.number)) { pen.strokeStyle = mixed(far, accent, goodness(job) ** 2); line(job); }
    pen.globalAlpha = 1;
    pen.lineWidth = 3;
    for (const [number, color] of [[state.chosen, accent], [state.hovered, warn]]) if (byNumber.has(number)) { pen.strokeStyle = color; line(byNumber.get(number)); }
  }
  on("shown", showChips);
  on("shownLater", paint);
  on("hoveredLater", paint);
  on("chosen", paint);
  build();
  showChips();
  return { build, paint };
}
