// The live stream: one EventSource a tab. Tells the page by events on `document`:
//   live:devices {rows: [[id, state, value, heard], ...], whole}   whole: a snapshot, all devices there are
//   live:device  {id, state, heard, values: {metric: [at, value, quality]}}
// It owns the pill, the banners "server lost", "broker lost" and "not stored", and whether [data-command] buttons work.
import { clockSeconds, now, setClock, tickAges } from "./format.js";
import { t } from "./words.js";

const HIDDEN_MS = 20_000, SILENT_MS = 4_000, LOST_MS = 1_500, RETRY_MS = [500, 1_000, 2_000, 3_000];

const pill = document.getElementById("live"), lost = document.getElementById("lost"), broker = document.getElementById("broker");
const storage = document.getElementById("storage");
let source = null, device = "", tries = 0, heard = 0, dataAt = now(), retry = 0, doubt = 0, hidden = 0;

function show(state, text) {
  pill.dataset.c = state;
  if (pill.firstElementChild.textContent !== text) pill.firstElementChild.textContent = text;
}

function commands(on) {
  for (const button of document.querySelectorAll("[data-command]")) button.disabled = !on;
}

function setLost(on) {
  if (lost.hidden === !on) return;
  lost.querySelector("span").textContent = on ? t("Connection to the server lost. Showing data of {time}. Retrying by itself; no command is sent or queued meanwhile.", { time: clockSeconds(dataAt) }) : "";
  lost.hidden = !on;
  document.body.classList.toggle("stale", on);
  commands(!on);
}

function received(event) {
  const message = JSON.parse(event.data);
  heard = performance.now();
  clearTimeout(doubt);
  doubt = 0;
  if (message.at) { setClock(message.at); dataAt = message.at; }
  if ("broker" in message) {
    broker.hidden = message.broker;
    document.body.classList.toggle("brokerless", !message.broker);
  }
  if ("storing" in message) storage.hidden = message.storing;
  return message;
}

function live() {
  tries = 0;
  show("ok", t("Live"));
  setLost(false);
}

function tell(name, detail) {
  document.dispatchEvent(new CustomEvent(name, { detail }));
}

function open() {
  close();
  clearTimeout(retry);
  heard = performance.now();
  source = new EventSource("/api/v1/stream" + (device ? "?device=" + device : ""));
  source.addEventListener("snapshot", event => {
    const message = received(event);
    live();
    tell("live:devices", { rows: message.devices, whole: true });
  });
  source.addEventListener("delta", event => tell("live:devices", { rows: received(event).devices || [], whole: false }));
  source.addEventListener("device", event => tell("live:device", received(event)));
  source.addEventListener("beat", received);
  source.onerror = () => {
    const refused = source.readyState === EventSource.CLOSED;
    failed();
    if (refused) signedOut();
  };
}

function close() {
  if (source) source.close();
  source = null;
}

// Without news the page cannot tell a busy network from a dead server: it says so soon, and loudly only after LOST_MS.
function failed() {
  close();
  show("wait", t("Reconnecting…"));
  if (!doubt) doubt = setTimeout(() => setLost(true), LOST_MS);
  clearTimeout(retry);
  const wait = RETRY_MS[Math.min(tries++, RETRY_MS.length - 1)];
  retry = setTimeout(open, wait * (0.5 + Math.random()));
}

// The server answered, but with no stream: the session may be over. Then the page itself is refused as well.
async function signedOut() {
  try {
    const answer = await fetch(location.href, { method: "GET", redirect: "manual", cache: "no-store" });
    if (answer.type === "opaqueredirect" || answer.status === 401) location.reload();
  } catch { /* the server is away after all: the retry goes on */ }
}

/** Follow one device's values too, or none with "". */
export function watch(id) {
  if (String(id) === device) return;
  device = String(id);
  if (source) open();
}

/** Whether the server was heard just now: else there is no use in asking it for more. */
export const isLive = () => pill.dataset.c === "ok";

const sent = new WeakMap();
document.addEventListener("htmx:beforeSend", event => sent.set(event.detail.xhr, performance.now()));

// A button that is replaced between press and release is never clicked: what is held down stays where it is, for HELD_MS at most.
const HELD_MS = 3_000;
let pressed = -HELD_MS;
const held = () => performance.now() - pressed < HELD_MS;
document.addEventListener("pointerdown", () => { pressed = performance.now(); }, true);
for (const end of ["pointerup", "pointercancel"]) document.addEventListener(end, () => { pressed = -HELD_MS; }, true);

/** A function that asks for `parts()` of the page again, soon after it is called, at most once per `ms`, and not while the server is lost.
    An answer to what was sent before the call may be older than the news, or keep what is asked meanwhile from being sent: after it all are asked for once more. */
export function renewal(parts, ms) {
  let timer = 0, last = -ms, wanted = -1;
  function renew() {
    timer = 0;
    last = performance.now();
    if (isLive()) for (const part of parts()) if (part) htmx.trigger(part, "refresh");
  }
  function soon() {
    if (!timer) timer = setTimeout(renew, Math.max(200, last + ms - performance.now()));
  }
  document.addEventListener("htmx:beforeSwap", event => {
    if (!held() || !parts().includes(event.detail.elt)) return;
    event.detail.shouldSwap = false;
    soon();
  });
  document.addEventListener("htmx:afterRequest", event => { if (sent.get(event.detail.xhr) <= wanted) soon(); });
  return () => { wanted = performance.now(); soon(); };
}

export function start() {
  open();
  lost.querySelector("button").onclick = () => { tries = 0; open(); };
  setInterval(() => {
    if (!document.hidden) tickAges();
    if (source && performance.now() - heard > SILENT_MS) { failed(); setLost(true); }
  }, 500);
  document.addEventListener("htmx:afterSwap", () => { commands(lost.hidden); tickAges(); });
  // HTTP/1.1 gives a browser six connections to a host: a hidden tab gives its own back.
  document.addEventListener("visibilitychange", () => {
    clearTimeout(hidden);
    if (document.hidden) {
      hidden = setTimeout(() => { close(); clearTimeout(retry); clearTimeout(doubt); doubt = 0; show("paused", t("Paused in the background")); }, HIDDEN_MS);
    } else if (!source) { show("wait", t("Connecting…")); open(); }
  });
}
