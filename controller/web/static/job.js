// A job's page: it follows the machine, and goes on by itself from one state of the job to the next.
import "./dialogs.js";
import { renewal, start, watch } from "./live.js";

const job = () => document.getElementById("job"), part = () => document.getElementById("job-now");
const device = +job().dataset.device, say = document.getElementById("say");
const FOLLOWED = ["progress", "printing", "cutting", "running", "job", "job-result", "state"];
let last = "", news = job().dataset.news;

const refresh = renewal(() => [part()], 1_000);

document.addEventListener("live:devices", event => { if (event.detail.whole) refresh(); });
document.addEventListener("live:device", event => {
  const { id, turn, state, values } = event.detail;
  if (id !== device) return;
  const seen = JSON.stringify([turn, state, ...FOLLOWED.map(name => (values || {})[name] && values[name][1])]);
  if (last && seen !== last) refresh();
  last = seen;
});
document.addEventListener("dialog:changed", refresh);
// Times that were worked out from now, and machines that others have until then, grow old by themselves.
setInterval(() => { if (!document.hidden) refresh(); }, 20_000);

// -- The tick before the release -------------------------------------------------------------------------------------

function needs() {
  const button = document.querySelector("[data-needs]");
  if (button) button.setAttribute("aria-disabled", !document.getElementById(button.dataset.needs).checked || "blocked" in button.dataset);
}
document.addEventListener("change", needs);
document.addEventListener("submit", event => {
  const button = event.target.querySelector("[data-needs]");
  if (button && button.getAttribute("aria-disabled") === "true") { event.preventDefault(); event.stopImmediatePropagation(); }
}, true);

// -- From one state to the next --------------------------------------------------------------------------------------

let guarded = null;

// What was asked for in a state that is over says nothing of the page as it is.
function guard() {
  if (guarded === job()) return;
  guarded = job();
  guarded.addEventListener("htmx:beforeSwap", event => { if (!event.currentTarget.isConnected) event.detail.shouldSwap = false; });
}

document.addEventListener("htmx:afterSettle", event => {
  const { requestConfig } = event.detail;
  guard();
  needs();
  if (part().dataset.state !== job().dataset.state) { htmx.ajax("GET", location.pathname, { target: "#job", select: "#job", swap: "outerHTML" }); return; }
  if (job().dataset.news === news) return;
  news = job().dataset.news;
  say.textContent = news;
  if (requestConfig && requestConfig.verb === "post") job().querySelector("h1").focus();
});

guard();
needs();
watch(device);
start();
