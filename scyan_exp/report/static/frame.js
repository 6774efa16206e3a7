// Scales, axes, and the frame that every chart is drawn in.

function steps(low, high, count) {
  const rough = (high - low) / Math.max(count, 1);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((one) => one * power).find((one) => one >= rough);
  const found = [];
  for (let at = Math.ceil(low / step - 1e-9) * step; at <= high + step * 1e-9; at += step) found.push(Number(at.toPrecision(12)));
  return found;
}
function linear([low, high], [from, to]) {
  if (low === high) { const pad = Math.abs(low) * 0.05 || 0.5; low -= pad; high += pad; }
  const scale = (value) => from + ((value - low) / (high - low)) * (to - from);
  scale.invert = (at) => low + ((at - from) / (to - from)) * (high - low);
  scale.ticks = (count) => steps(low, high, count);
  scale.domain = [low, high];
  return scale;
}
function logarithmic([low, high], [from, to]) {
  const inner = linear([Math.log10(low), Math.log10(high)], [from, to]);
  const scale = (value) => inner(Math.log10(value));
  scale.invert = (at) => 10 ** inner.invert(at);
  scale.ticks = (count) => {
    const found = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++)
      for (const factor of [1, 2, 5]) { const tick = Number((factor * 10 ** power).toPrecision(3)); if (tick >= low * 0.999 && tick <= high * 1.001) found.push(tick); }
    return found.length > count + 2 ? found.filter((_, i) => i % Math.ceil(found.length / count) === 0) : found;
  };
  scale.domain = [low, high];
  return scale;
}
function band(names, [from, to]) {
  const position = new Map(names.map((name, i) => [String(name), i]));
  const scale = (value) => from + ((position.get(String(value)) + 0.5) / names.length) * (to - from);
  scale.invert = (at) => names[Math.max(0, Math.min(names.length - 1, Math.floor(((at - from) / (to - from)) * names.length)))];
  scale.ticks = () => names;
  scale.step = Math.abs(to - from) / names.length;
  scale.names = names;
  return scale;
}
// The scale that values ask for: names get a place each, wide ranges of numbers are logarithmic.
function fitting(values, range, pad = 0.04) {
  const given = values.filter((value) => value !== null && value !== undefined);
  if (!given.every(finite)) return band([...new Set(given.map(String))].sort(), range);
  const [low, high] = extent(given) || [0, 1];
  if (low > 0 && high / low >= 20) { const room = (high / low) ** pad; return logarithmic([low / room, high * room], range); }
  const room = (high - low) * pad;
  return linear([low - room, high + room], range);
}

function cut(text, width, size = 6.6) {
  const most = Math.max(3, Math.floor(width / size));
  return text.length <= most ? text : text.slice(0, most - 1) + "\u2026";
}
function label(text, attributes, width) {
  const whole = String(text);
  const fits = width ? cut(whole, width) : whole;
  const node = s("text", attributes, fits);
  if (fits !== whole) node.append(s("title", { text: whole }));
  return node;
}

const tickText = (value) => shown(value, 6);

// A chart's box: margins, an SVG, axes where scales are given.
function frame(host, { height, left = 52, right = 12, top = 12, bottom = 38, name, width }) {
  const plot = h("div", { class: "plot" });
  host.append(plot);
  const full = Math.max(200, width || plot.clientWidth || 320);
  const svg = s("svg", { width: full, height, viewBox: `0 0 ${full} ${height}`, role: "img", "aria-label": name });
  plot.append(svg);
  return { plot, svg, left, top, width: full - left - right, height: height - top - bottom, right: full - right, bottom: height - bottom, full };
}
function axes(box, x, y, { xLabel, yLabel, isWhole = false, xFormat = tickText, yFormat = tickText, grid = true } = {}) {
  const { svg, left, right, top, bottom } = box;
  if (y) {
    const some = y.names && y.step < 12 ? [] : y.ticks(Math.max(2, Math.floor(box.height / 44)));
    for (const tick of some) {
      if (grid) svg.append(s("line", { class: "grid", x1: left, x2: right, y1: y(tick), y2: y(tick) }));
      svg.append(label(yFormat(tick), { x: left - 7, y: y(tick) + 4, "text-anchor": "end" }, left - 8));
    }
    if (yLabel) svg.append(s("text", { x: left, y: top - 5, text: yLabel, class: "strong" }));
  }
  if (x) {
    svg.append(s("line", { class: "axis", x1: left, x2: right, y1: bottom, y2: bottom }));
    const room = x.names ? x.step - 6 : 80;
    for (const tick of x.ticks(Math.max(2, Math.floor(box.width / 74)))) {
      if (isWhole && !Number.isInteger(tick)) continue;
      svg.append(s("line", { class: "axis", x1: x(tick), x2: x(tick), y1: bottom, y2: bottom + 4 }));
      svg.append(label(xFormat(tick), { x: x(tick), y: bottom + 17, "text-anchor": "middle" }, room));
    }
    if (xLabel) svg.append(label(xLabel, { x: (left + right) / 2, y: bottom + 33, "text-anchor": "middle", class: "strong" }, box.width));
  }
}
// A canvas under the lines and the text of a frame, for what has many parts.
function canvas(box, left = box.left, top = box.top, width = box.width, height = box.height) {
  const scale = Math.max(1, devicePixelRatio || 1);
  const node = h("canvas", { width: Math.round(width * scale), height: Math.round(height * scale) });
  node.style.cssText = `left:${left}px;top:${top}px;width:${width}px;height:${height}px`;
  box.plot.prepend(node);
  const pen = node.getContext("2d");
  pen.scale(scale, scale);
  pen.translate(-left, -top);
  return pen;
}
// The position of the pointer within a chart.
function at(event, svg) {
  const frame = svg.getBoundingClientRect();
  return [event.clientX - frame.left, event.clientY - frame.top];
}
