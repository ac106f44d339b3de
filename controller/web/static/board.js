// The board of a lab: asks for what is so now, lets the clock go, and says when the server is lost.
import { language, t } from "./words.js";

const ASK_MS = 20_000, AGAIN_MS = 5_000, PATIENCE_MS = 10_000, TURN_MS = 12_000;
const board = document.getElementById("board"), now = document.getElementById("now");
const lost = document.getElementById("lost"), updated = document.getElementById("updated").firstElementChild;
const clock = times({ hour: "2-digit", minute: "2-digit" }), toTheSecond = times({ hour: "2-digit", minute: "2-digit", second: "2-digit" });
const version = head().dataset.version;
let offset = 0, told = 0, page = 0;

/** Times of day at the school, wherever the screen believes to be. */
function times(parts) {
  return new Intl.DateTimeFormat(language, { ...parts, hourCycle: "h23", timeZone: board.dataset.zone });
}

function head() {
  return now.querySelector("header");
}

/** What was asked for is on the page. */
function heard() {
  told = Number(head().dataset.at);
  offset = told - Date.now();
  updated.textContent = t("Updated {time}", { time: toTheSecond.format(told) });
  turn(0);
  tick();
}

function setLost(on) {
  if (lost.hidden === !on) return;
  lost.lastElementChild.textContent = on ? t("Connection to the server lost since {time}. The plan below may have changed.", { time: clock.format(told) }) : "";
  lost.hidden = !on;
  board.classList.toggle("old", on);
}

/** Waits for the server no longer than PATIENCE_MS. Raises what fetch does. */
async function answer() {
  const patience = new AbortController(), timer = setTimeout(() => patience.abort(), PATIENCE_MS);
  try {
    const found = await fetch(board.dataset.source, { cache: "no-store", redirect: "manual", signal: patience.signal });
    if (found.type === "opaqueredirect" || found.status === 404) location.reload(); // the session or the key is over
    if (!found.ok) throw new Error(String(found.status));
    return await found.text();
  } finally {
    clearTimeout(timer);
  }
}

async function ask() {
  let wait = ASK_MS;
  try {
    const text = await answer();
    now.innerHTML = text;
    if (head().dataset.version !== version) location.reload();
    heard();
    setLost(false);
  } catch {
    setLost(true);
    wait = AGAIN_MS;
  }
  setTimeout(ask, wait);
}

function tick() {
  head().querySelector("time").textContent = clock.format(Date.now() + offset);
}

/** Shows the rows that have their turn, where there are more than fit. */
function turn(step) {
  const rows = [...now.querySelectorAll("[data-page]")], pages = 1 + Math.max(0, ...rows.map(row => Number(row.dataset.page)));
  page = (page + step) % pages;
  for (const row of rows) row.hidden = innerWidth > 900 && Number(row.dataset.page) !== page;
}

heard();
setInterval(tick, 1_000);
setInterval(() => turn(1), TURN_MS);
setTimeout(ask, ASK_MS);
