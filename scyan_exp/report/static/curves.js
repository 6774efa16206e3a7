// The loss of every job over the epochs; the hovered job is lit. Dragging zooms, a double click
// shows all again.

function curves(host) {
  const values = { quantity: "loss", zoom: null };
  const holder = h("div");
  const quantities = [["loss", "loss"], ["agreement", "agreement with the table"]];
  const buttons = quantities.map(([key, text]) => h("button", { type: "button", text, onclick: () => { values.quantity = key; values.zoom = null; build(); } }));
  const reset = h("button", { type: "button", text: "Show all", onclick: () => { values.zoom = null; build(); } });
  host.append(h("div", { class: "controls" }, buttons, reset), holder);
  let box = null, pen = null, x = null, y = null;

  const has = (job) => job.curve.epoch.length > 0;
  function domains() {
    if (values.zoom) return values.zoom;
    const some = visible().filter(has);
    const epochs = extent(some.flatMap((job) => extent(job.curve.epoch) || [])) || [0, 1];
    const all = some.flatMap((job) => job.curve[values.quantity].filter(finite));
    const [low, high] = extent(all) || [0, 1];
    // The first epochs are far above the rest, where the jobs differ: the height is for the rest.
    const later = some.flatMap((job) => job.curve[values.quantity].slice(job.curve.epoch.length > 3 ? 1 : 0)).filter(finite);
    const top = values.quantity === "loss" ? Math.min(high, low + 1.6 * (quantile(later, 0.9) - low)) : high;
    const pad = (top - low) * 0.04 || 0.5;
    return [[epochs[0], Math.max(epochs[1], epochs[0] + 1)], [values.quantity === "loss" ? low - pad : Math.max(low, quantile(all, 0.02)) - pad, top + pad]];
  }
  function build() {
    buttons.forEach((button, i) => button.setAttribute("aria-pressed", quantities[i][0] === values.quantity ? "true" : "false"));
    reset.hidden = !values.zoom;
    holder.replaceChildren();
    box = null;
    if (!allJobs().some(has)) { holder.append(empty("No job has written an epoch yet.")); return; }
    box = frame(holder, { height: 340, left: 56, top: 20, name: "Curves of the jobs" });
    const [ofX, ofY] = domains();
    x = linear(ofX, [box.left, box.right]);
    y = linear(ofY, [box.bottom, box.top]);
    axes(box, x, y, { xLabel: "epoch", isWhole: true, yLabel: quantities.find(([key]) => key === values.quantity)[1] });
    pen = canvas(box);
    const cover = s("rect", { x: box.left, y: box.top, width: box.width, height: box.height, fill: "transparent" });
    const drag = s("rect", { class: "brush", visibility: "hidden" });
    let start = null;
    cover.addEventListener("pointerdown", (event) => { if (event.pointerType !== "touch") { start = at(event, box.svg); cover.setPointerCapture(event.pointerId); } });
    cover.addEventListener("pointermove", (event) => {
      const now = at(event, box.svg);
      if (start) return stretch(drag, start, now);
      const found = near(now);
      hover(found ? found.number : null);
      if (found) showTip(event, [called(found), `epoch ${found.epoch}: ${shown(found.value, 5)}`]); else hideTip();
    });
    cover.addEventListener("pointerup", (event) => {
      const end = at(event, box.svg), from = start;
      start = null;
      drag.setAttribute("visibility", "hidden");
      if (from && Math.abs(end[0] - from[0]) > 8 && Math.abs(end[1] - from[1]) > 8) {
        const order = (a, b) => (a < b ? [a, b] : [b, a]);
        values.zoom = [order(x.invert(from[0]), x.invert(end[0])), order(y.invert(from[1]), y.invert(end[1]))];
        build();
      } else { const found = near(end); if (found) choose(found.number); }
    });
    cover.addEventListener("pointerleave", () => { hover(null); hideTip(); });
    cover.addEventListener("dblclick", () => { values.zoom = null; build(); });
    box.svg.append(drag, cover);
    paint();
  }
  function stretch(drag, [x0, y0], [x1, y1]) {
    for (const [name, value] of Object.entries({ x: Math.min(x0, x1), y: Math.min(y0, y1), width: Math.abs(x1 - x0), height: Math.abs(y1 - y0), visibility: "visible" })) drag.setAttribute(name, value);
  }
  function near([px, py]) {
    let found = null, least = 14;
    for (const job of visible()) {
      const { epoch } = job.curve, of = job.curve[values.quantity];
      for (let i = 0; i < epoch.length; i++) {
        if (epoch[i] === null || !finite(of[i]) || Math.abs(x(epoch[i]) - px) > 12) continue;
        const away = Math.abs(y(of[i]) - py) + Math.abs(x(epoch[i]) - px) / 4;
        if (away < least) { least = away; found = { number: job.number, epoch: epoch[i], value: of[i], name: job.name }; }
      }
    }
    return found && { ...byNumber.get(found.number), epoch: found.epoch, value: found.value };
  }
  function line(job) {
    const { epoch } = job.curve, of = job.curve[values.quantity];
    let isOpen = false, points = 0;
    pen.beginPath();
    for (let i = 0; i < epoch.length; i++) {
      if (epoch[i] === null || !finite(of[i])) { isOpen = isOpen && epoch[i] !== null; continue; }
      if (isOpen) pen.lineTo(x(epoch[i]), y(of[i])); else pen.moveTo(x(epoch[i]), y(of[i]));
      isOpen = true;
      points++;
    }
    if (points === 1) { const i = of.findIndex(finite); pen.arc(x(epoch[i]), y(of[i]), 2, 0, 7); }
    pen.stroke();
  }
  function paint() {
    if (!box || !box.svg.isConnected) return;
    pen.save();
    pen.clearRect(box.left, box.top, box.width, box.height);
    pen.beginPath();
    pen.rect(box.left, box.top, box.width, box.height);
    pen.clip();
    const [far, accent, warn] = ["--far", "--accent", "--warn"].map(variable);
    const some = visible().filter(has).sort((a, b) => goodness(a) - goodness(b));
    pen.lineJoin = "round";
    pen.lineWidth = some.length > 200 ? 0.7 : 1.3;
    pen.globalAlpha = some.length > 200 ? 0.5 : 0.9;
    for (const job of some) { pen.strokeStyle = isDone(job) ? mixed(far, accent, goodness(job) ** 2) : far; line(job); }
    pen.globalAlpha = 1;
    pen.lineWidth = 2.6;
    for (const [number, color] of [[state.chosen, accent], [state.hovered, warn]]) if (byNumber.has(number) && has(byNumber.get(number))) { pen.strokeStyle = color; line(byNumber.get(number)); }
    pen.restore();
  }
  on("shownLater", build);
  on("hoveredLater", paint);
  on("chosen", paint);
  build();
  return { build, paint };
}
