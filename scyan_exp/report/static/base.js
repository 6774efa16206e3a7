"use strict";
// What every part of the page uses: elements, numbers in words, the tip, sections, the theme.
// Text of users goes into text nodes and attributes alone; nothing here parses markup.

const data = JSON.parse(document.getElementById("data").textContent);
const SVG = "http://www.w3.org/2000/svg";

function make(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "text") node.textContent = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat()) {
    if (child !== null && child !== undefined) node.append(child);
  }
  return node;
}
const h = (tag, attributes, ...children) => make(document.createElement(tag), attributes, children);
const s = (tag, attributes, ...children) => make(document.createElementNS(SVG, tag), attributes, children);

// Numbers -----------------------------------------------------------------------------------

function shown(value, digits = 4) {
  if (value === null || value === undefined || value === "") return "\u2013";
  if (Array.isArray(value)) return value.map((one) => shown(one, digits)).join(", ");
  if (typeof value !== "number") return String(value);
  if (Number.isInteger(value)) return Math.abs(value) >= 10000 ? value.toLocaleString("en") : String(value);
  const size = Math.abs(value);
  if (size >= 10000 || size < 1e-4) return value.toPrecision(digits).replace(/\.?0+(e|$)/, "$1");
  return String(Number(value.toPrecision(digits)));
}
function percent(share) {
  if (share === null || share === undefined) return "\u2013";
  if (share === 0) return "0%";
  if (share > 0 && share < 0.0005) return "<0.1%";
  return (100 * share).toFixed(share < 0.1 ? 1 : 0) + "%";
}
function duration(seconds) {
  if (seconds === null || seconds === undefined) return "\u2013";
  if (seconds < 90) return shown(seconds, 3) + " s";
  if (seconds < 5400) return (seconds / 60).toFixed(1) + " min";
  return (seconds / 3600).toFixed(1) + " h";
}
const plural = (n, word) => `${n.toLocaleString("en")} ${word}${n === 1 ? "" : "s"}`;
const finite = (value) => typeof value === "number" && Number.isFinite(value);
const extent = (values) => {
  let low = Infinity, high = -Infinity;
  for (const value of values) if (finite(value)) { if (value < low) low = value; if (value > high) high = value; }
  return low <= high ? [low, high] : null;
};
function quantile(values, share) {
  const sorted = values.filter(finite).sort((a, b) => a - b);
  return sorted.length ? sorted[Math.round(share * (sorted.length - 1))] : null;
}
const shortKey = (key) => key.replace(/^(model|dataset|trainer|table)\./, "");

// Colours: hues and lightness of neighbours differ, so that they part without the hue too ----

const COLORS = [
  "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#7a6fb5", "#b8b03a",
  "#882255", "#44aa99", "#ddcc77", "#4a5fa5", "#cc6677", "#2f8f4e", "#aa88cc", "#8c6d31",
  "#88ccee", "#a04020", "#99b83c", "#5c4a8a", "#e8a5b0", "#1f7a8c", "#c7962c", "#777f8a",
];
const colorOf = (index) => COLORS[index % COLORS.length];
const variable = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
function rgb(hex) { return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)); }
function mixed(from, to, share) {
  const [a, b] = [rgb(from), rgb(to)];
  return `rgb(${a.map((one, i) => Math.round(one + (b[i] - one) * share)).join(",")})`;
}

// The tip -----------------------------------------------------------------------------------

const tip = document.getElementById("tip");
function showTip(event, lines) {
  tip.textContent = lines.filter((line) => line !== null && line !== "").join("\n");
  tip.hidden = false;
  const box = tip.getBoundingClientRect();
  tip.style.left = Math.max(4, Math.min(event.clientX + 14, innerWidth - box.width - 6)) + "px";
  tip.style.top = Math.max(4, event.clientY + 16 + box.height > innerHeight ? event.clientY - box.height - 10 : event.clientY + 16) + "px";
}
const hideTip = () => { tip.hidden = true; };

// Sections: each is drawn by a function, again when the width or the theme changes -----------

const drawn = new Map();
const navigation = h("div");
document.getElementById("nav").append(navigation);

function section(id, title, draw) {
  const body = h("div");
  document.getElementById("main").append(h("section", { id, "aria-label": title }, h("h2", { text: title }), body));
  navigation.append(h("a", { href: "#" + id, text: title }));
  drawn.set(id, () => draw(body));
  drawn.get(id)();
}
function draw(...ids) { for (const id of ids.length ? ids : drawn.keys()) if (drawn.has(id)) drawn.get(id)(); }
const note = (text) => h("p", { class: "note", text });
const empty = (text) => h("p", { class: "note empty", text });
function subtitle(text, explained) {
  return [h("h3", { text }), explained ? note(explained) : null].filter(Boolean);
}
function copyable(text) {
  const code = h("pre", { text });
  const button = h("button", { type: "button", text: "Copy" });
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {  // a browser that keeps the clipboard from files
      getSelection().selectAllChildren(code);
      document.execCommand("copy");
    }
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
  return h("div", { class: "copy" }, code, button);
}
// A link into the folder: each part of the path is escaped, so that no name becomes a protocol.
const path = (...parts) => "./" + parts.join("/").split("/").filter((one) => one !== "").map(encodeURIComponent).join("/");

// The theme ---------------------------------------------------------------------------------

const button = document.getElementById("theme");
function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  button.textContent = theme === "dark" ? "Light" : "Dark";
  button.setAttribute("aria-label", `Change to the ${theme === "dark" ? "light" : "dark"} theme`);
}
const preferred = matchMedia("(prefers-color-scheme: dark)");
setTheme(preferred.matches ? "dark" : "light");
preferred.addEventListener("change", (event) => { setTheme(event.matches ? "dark" : "light"); draw(); });
button.addEventListener("click", () => {
  setTheme(document.documentElement.dataset.theme === "dark" ? "light" : "dark");
  draw();
});
let before = innerWidth, waiting = 0;
addEventListener("resize", () => {
  if (innerWidth === before) return;
  before = innerWidth;
  clearTimeout(waiting);
  waiting = setTimeout(() => draw(), 120);
});
