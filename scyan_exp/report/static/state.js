// The jobs of the sweep, which of them are shown, in which order, and which one is chosen.

const sweep = data.sweep;
const byNumber = new Map(data.jobs.map((job) => [job.number, job]));
const allJobs = () => [...byNumber.values()];
const state = {
  filter: "",
  brushes: new Map(),  // key of a column -> [low, high], or a set of names
  sort: { key: "number", down: false },
  chosen: null,
  hovered: null,
};
const objectives = () => sweep.objectives;
const mainObjective = () => (sweep.objectives.length ? sweep.objectives[0] : null);
const isDone = (job) => job.outcome === "completed";
const isFailure = (job) => ["failed", "lost", "timed out"].includes(job.outcome);
function objectiveOf(job, which = 0) {
  const objective = sweep.objectives[which];
  if (!objective || !isDone(job)) return null;
  return job.metrics[objective.name] ?? (Array.isArray(job.objective) ? job.objective[which] : job.objective);
}
const called = (job) => `job ${job.number}` + (job.name ? `: ${job.name}` : "");
const linkTo = (job, ...parts) => (job.folder === null || job.folder.startsWith("/") ? null : path(job.folder, ...parts));

// Columns of the table, and what a filter or a brush can ask for ------------------------------

function columns() {
  const of = (key, get, kind = "number", title = key) => ({ key, get, kind, title });
  const names = sweep.objectives.map((one) => one.name);
  const own = names.filter((name) => sweep.metrics.includes(name));
  const others = sweep.metrics.filter((name) => !names.includes(name));
  const first = others.filter((name) => ["accuracy", "f1_macro"].includes(name));
  const rest = others.filter((name) => !first.includes(name));
  const kindOf = (key) => (allJobs().every((job) => job.overrides[key] === undefined || finite(job.overrides[key])) ? "number" : "text");
  return [
    of("number", (job) => job.number, "number", "job"),
    ...sweep.varied.map((key) => of(key, (job) => job.overrides[key] ?? null, kindOf(key), shortKey(key))),
    ...[...own, ...first].map((name) => of(name, (job) => job.metrics[name] ?? null)),
    of("verdict", (job) => job.verdict, "text"),
    of("outcome", (job) => job.outcome, "text"),
    ...rest.map((name) => of(name, (job) => job.metrics[name] ?? null)),
    of("epochs", (job) => job.epochs),
    of("fit_seconds", (job) => job.fit_seconds, "number", "training (s)"),
    of("seconds", (job) => job.seconds, "number", "seconds"),
    of("folder", (job) => job.folder, "text", "files"),
  ];
}
const columnOf = (word) => columns().find((one) => [one.key, one.title, shortKey(one.key)].some((name) => name.toLowerCase() === word.toLowerCase()));

// A filter is words that a job must hold, and terms such as accuracy>0.9, seed=1, outcome=failed.
function test(term) {
  const found = term.match(/^([\w./@-]+)(<=|>=|!=|=|<|>)(.+)$/);
  const asked = found && columnOf(found[1]);
  if (!asked) return (job) => [job.number, job.name, job.outcome, job.verdict, job.error].join(" ").toLowerCase().includes(term.toLowerCase());
  const [, , sign, wanted] = found;
  const compare = { "<": (a, b) => a < b, ">": (a, b) => a > b, "<=": (a, b) => a <= b, ">=": (a, b) => a >= b, "=": (a, b) => a === b, "!=": (a, b) => a !== b }[sign];
  const number = Number(wanted);
  return (job) => {
    const value = asked.get(job);
    if (value === null || value === undefined) return sign === "!=";
    return finite(value) && !Number.isNaN(number) ? compare(value, number) : compare(String(value).toLowerCase(), wanted.toLowerCase());
  };
}
const isWithin = (value, brush) => (brush instanceof Set ? brush.has(String(value)) : finite(value) && value >= brush[0] && value <= brush[1]);
let kept = null;
function visible() {
  if (kept) return kept;
  const tests = state.filter.split(/\s+/).filter(Boolean).map(test);
  const brushed = [...state.brushes].map(([key, brush]) => [columnOf(key), brush]).filter(([column]) => column);
  kept = allJobs().filter((job) => tests.every((one) => one(job)) && brushed.every(([column, brush]) => isWithin(column.get(job), brush)));
  return kept;
}
const forget = () => { kept = null; };
function sorted() {
  const { key, down } = state.sort;
  const column = columns().find((one) => one.key === key) || columns()[0];
  const keyed = visible().map((job) => [column.get(job), job]);
  const isMissing = (value) => value === null || value === undefined || value === "";
  keyed.sort(([a, one], [b, other]) => {
    if (isMissing(a) || isMissing(b)) return isMissing(a) - isMissing(b) || one.number - other.number;  // always last
    const way = a < b ? -1 : a > b ? 1 : 0;
    return (down ? -way : way) || one.number - other.number;
  });
  return keyed.map(([, job]) => job);
}
// A search with constraints rates only the jobs that keep them.
const isRated = (job) => !sweep.rated || sweep.rated.includes(job.number);
// 0 for the worst, 1 for the best of the completed jobs.
let ranks = null;
function goodness(job) {
  if (!ranks) {
    const objective = mainObjective();
    const done = objective ? allJobs().filter((one) => isRated(one) && finite(objectiveOf(one))) : [];
    done.sort((a, b) => (objectiveOf(b) - objectiveOf(a)) * (objective.direction === "maximize" ? -1 : 1));
    ranks = new Map(done.map((one, i) => [one.number, done.length > 1 ? i / (done.length - 1) : 1]));
  }
  return ranks.get(job.number) ?? 0;
}

// What the parts do when something else is chosen, shown or pointed at ------------------------

// What is told "later" is told once a frame, however often it was asked for: drawings are slower
// than the pointer.
const listeners = { shown: [], chosen: [], hovered: [], shownLater: [], hoveredLater: [] };
const on = (what, run) => listeners[what].push(run);
const waitingFor = new Set();
function tell(what) {
  for (const run of listeners[what]) run();
  const later = what + "Later";
  if (!listeners[later] || waitingFor.has(later)) return;
  waitingFor.add(later);
  requestAnimationFrame(() => { waitingFor.delete(later); for (const run of listeners[later]) run(); });
}
function choose(number) { if (byNumber.has(number)) { state.chosen = number; tell("chosen"); } }
function hover(number) { if (state.hovered !== number) { state.hovered = number; tell("hovered"); } }
function show() { forget(); tell("shown"); }
const chosen = () => byNumber.get(state.chosen) || null;
state.chosen = sweep.best ?? (sweep.front[0] ?? (data.jobs.length ? data.jobs[0].number : null));
