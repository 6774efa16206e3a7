// The page of a sweep that runs: its own server sends what changed, and what runs now.

let news = data.status || { state: "unknown", text: "", running: [] };
let draws = 0;  // for tests: how often something was told

section("now", "Now", (body) => {
  const waiting = allJobs().filter((job) => job.outcome === "not run");
  const next = waiting.length ? note(`Next: ${waiting.slice(0, 3).map(called).join(", ")}` + (waiting.length > 3 ? `, and ${waiting.length - 3} more` : "") + ".") : null;
  if (!news.running.length) { body.replaceChildren(note(news.text)); return; }
  const far = (one) => (one.max_epochs ? `${one.epoch} of ${one.max_epochs}` : String(one.epoch));
  const heads = ["job", "epochs", "loss", "for"];
  body.replaceChildren(h("div", { class: "scroll" }, h("table", { "aria-label": "Running jobs" },
    h("thead", {}, h("tr", {}, heads.map((text, i) => h("th", { scope: "col", class: i ? null : "text", text })))),
    h("tbody", {}, news.running.map((one) => h("tr", {},
      h("td", { class: "text", text: called(byNumber.get(one.number) || { number: one.number, name: "" }) + (one.repeat ? ` (${one.repeat})` : "") }),
      h("td", { text: far(one) }), h("td", { text: shown(one.loss) }), h("td", { text: duration(one.seconds) })))))), ...(next ? [next] : []));
});
const first = document.getElementById("now");
first.parentNode.prepend(first);
navigation.prepend(navigation.querySelector('[href="#now"]'));

function tellNews(value) {
  news = value;
  draw("now");
  window.scyanReport.status(news.text);
}
tellNews(news);

const source = new EventSource("events?since=" + encodeURIComponent(data.version));
source.addEventListener("update", (event) => {
  const { jobs, sweep: parts } = JSON.parse(event.data);
  // Sections that are made once: for repeats, and for what there is to improve.
  const hasNew = jobs.some((job) => job.repeats) && !drawn.has("repeats");
  if (hasNew || (parts.objectives && parts.objectives.length !== sweep.objectives.length)) { location.reload(); return; }
  window.scyanReport.update({ jobs, sweep: parts });
  document.body.dataset.updates = ++draws;
});
source.addEventListener("status", (event) => tellNews(JSON.parse(event.data)));
source.addEventListener("error", () => {
  const time = new Date().toLocaleTimeString();
  window.scyanReport.status(`No news since ${time}: scyan-exp watch has ended, or cannot be reached. The page stays, and asks again.`);
});
