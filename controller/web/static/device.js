// The device page: live values, live charts, and its state.
import { append, drawCharts } from "./chart.js";
import { greet, refreshCommands, turned } from "./commands.js";
import { renewal, start, watch } from "./live.js";
import { putDevice, putState } from "./values.js";

const page = document.getElementById("device"), id = +page.dataset.device;
drawCharts(page);
const refresh = renewal(() => [document.getElementById("about")], 3_000);
const refreshJobs = renewal(() => [document.getElementById("jobs")], 2_000);
let progress;

document.addEventListener("live:devices", event => {
  const mine = event.detail.rows.find(row => row[0] === id);
  if (!(mine && putState(page, id, mine[1])) && !event.detail.whole) return;
  refresh();
  refreshCommands();
});
document.addEventListener("live:device", event => {
  if (event.detail.id !== id) return;
  const { values } = event.detail;
  if (!page.querySelector("[data-metric]") && Object.keys(values || {}).length) { location.reload(); return; }
  putDevice(page, event.detail);
  if (turned(event.detail)) refreshCommands();
  const now = values && values.progress && values.progress[1];
  if (now !== progress) refreshJobs();
  progress = now;
  append(values || {});
});
greet();
watch(id);
start();
