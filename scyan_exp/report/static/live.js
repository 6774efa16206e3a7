// The page of a sweep that runs: its own server sends what changed.

const source = new EventSource("events");
source.addEventListener("update", (event) => window.scyanReport.update(JSON.parse(event.data)));
source.addEventListener("status", (event) => window.scyanReport.status(JSON.parse(event.data)));
