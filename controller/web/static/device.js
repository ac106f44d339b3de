// The device page: live values, live charts, and its state.
import { append, drawCharts } from "./chart.js";
import { eased, start, watch } from "./live.js";
import { putDevice, putState } from "./values.js";

const page = document.getElementById("device"), id = +page.dataset.device;
drawCharts(page);
const refresh = eased(() => htmx.trigger("#about", "refresh"), 3_000);

document.addEventListener("live:devices", event => {
  const mine = event.detail.rows.find(row => row[0] === id);
  if (mine && putState(page, id, mine[1])) refresh();
  else if (event.detail.whole) refresh();
});
document.addEventListener("live:device", event => {
  if (event.detail.id !== id) return;
  const { values } = event.detail;
  if (!page.querySelector("[data-metric]") && Object.keys(values || {}).length) { location.reload(); return; }
  putDevice(page, event.detail);
  append(values || {});
});
watch(id);
start();
