// The fleet: tiles patched in one pass a frame, counts that filter, search without marks, roving focus, drawer.
import { append, drawCharts } from "./chart.js";
import { greet, refreshCommands, turned } from "./commands.js";
import { number, plain, shownText } from "./format.js";
import { renewal, start, watch } from "./live.js";
import { HEALTHY, putDevice, putState, stateWord } from "./values.js";
import { t, tn } from "./words.js";

const fleet = document.getElementById("fleet"), rail = document.getElementById("rail"), say = document.getElementById("say");
const search = document.getElementById("search"), nothing = document.getElementById("nothing");
const stats = [...document.querySelectorAll("[data-filter]")], filters = new Set();
const tiles = new Map(), schools = new Map();
let order = [], current = null, pending = new Map(), scheduled = false, news = [], unfolded = false;

// -- What is in the page ---------------------------------------------------------------------------------------------

function index() {
  tiles.clear();
  schools.clear();
  for (const section of fleet.querySelectorAll(".school")) {
    const school = { section, sum: section.querySelector("[data-sum]"), counts: {}, agents: new Map() };
    for (const element of section.querySelectorAll(".t")) {
      const state = element.dataset.s, room = element.closest(".room");
      const place = element.lastElementChild.firstChild || element.lastElementChild.appendChild(document.createTextNode(""));
      const tile = { element, place, state, unit: element.dataset.u, school, room, agent: room.dataset.room + "/" + element.dataset.a, name: element.firstElementChild.textContent };
      tiles.set(+element.id.slice(1), tile);
      count(tile, state, 1);
    }
    schools.set(section, school);
  }
  order = [...tiles.values()].map(tile => tile.element);
  const again = current && document.getElementById(current.id);
  current = again || order[0] || null;
  if (current) current.tabIndex = 0;
}

function count({ school, agent, room }, state, by) {
  school.counts[state] = (school.counts[state] || 0) + by;
  const known = school.agents.get(agent) || { room, all: 0, offline: 0 };
  if (by > 0) known.all += 1; else known.all -= 1;
  if (state === "offline") known.offline += by;
  school.agents.set(agent, known);
}

// -- Live ------------------------------------------------------------------------------------------------------------

function patch() {
  scheduled = false;
  const touched = new Set();
  for (const [id, [state, value]] of pending) {
    const tile = tiles.get(id);
    if (!tile) continue;
    const text = shownText(value, tile.unit);
    if (tile.place.nodeValue !== text) tile.place.nodeValue = text;
    if (tile.state !== state) { change(tile, state); touched.add(tile.school); }
  }
  pending.clear();
  if (!touched.size) return;
  for (const school of touched) summarise(school);
  totals();
  attention();
  if (filters.size) apply(false);
}

function change(tile, state) {
  const { element } = tile;
  count(tile, tile.state, -1);
  count(tile, state, 1);
  tile.state = element.dataset.s = state;
  element.setAttribute("aria-describedby", "st-" + state);
  if (HEALTHY.has(state)) element.removeAttribute("data-w");
  else element.dataset.w = stateWord(state);
  if (state === "fault" || state === "offline") {
    news.push([tile.name, stateWord(state)]);
    element.classList.add("flash");
    element.addEventListener("animationend", () => element.classList.remove("flash"), { once: true });
  }
}

function summarise(school) {
  const last = school.sum.lastElementChild, parts = [];
  for (const state of ["fault", "offline", "warning"]) {
    if (!school.counts[state]) continue;
    const part = document.createElement("span"), glyph = document.createElement("span"), word = document.createElement("span");
    glyph.className = "g";
    glyph.dataset.s = state;
    word.className = "vh";
    word.textContent = " " + stateWord(state);
    part.append(glyph, number(school.counts[state]), word);
    parts.push(part);
  }
  school.sum.replaceChildren(...parts, last);
  const cut = new Map();
  for (const { room, all, offline } of school.agents.values()) cut.set(room, (cut.get(room) || 0) + (all > 1 && offline === all ? offline : 0));
  for (const [room, n] of cut) {
    const label = room.querySelector(".cut");
    room.classList.toggle("cutoff", n > 0);
    label.hidden = !n;
    label.textContent = n ? tn("Agent lost: {n} device cut off", "Agent lost: {n} devices cut off", n) : "";
  }
}

function totals() {
  const sums = {};
  for (const school of schools.values()) for (const [state, n] of Object.entries(school.counts)) sums[state] = (sums[state] || 0) + n;
  for (const stat of stats) {
    const place = stat.querySelector("b"), state = stat.dataset.filter, text = number(sums[state] || 0);
    if (place.textContent !== text) place.textContent = text;
    if (state === "maintenance" || state === "planned-off") stat.hidden = !sums[state] && !filters.has(state);
  }
}

const attention = renewal(() => [rail], 2_000);
const registry = renewal(() => [fleet], 2_000);

document.addEventListener("live:devices", event => {
  const { rows, whole } = event.detail;
  for (const [id, state, value] of rows) {
    pending.set(id, [state, value]);
    if (!tiles.has(id)) registry();
  }
  if (whole) {
    if (rows.length !== tiles.size) registry();
    attention();
  }
  if (!scheduled) { scheduled = true; requestAnimationFrame(patch); }
});
document.addEventListener("htmx:beforeSwap", event => {
  const more = rail.querySelector("details");
  if (event.detail.target === rail) unfolded = Boolean(more && more.open);
});
document.addEventListener("htmx:afterSettle", event => {
  const more = rail.querySelector("details");
  if (more && event.detail.target === rail) more.open = unfolded;
  if (event.detail.target !== fleet) return;
  index();
  totals();
  apply(false);
});
// Grouped, politely: what broke in the last ten seconds.
setInterval(() => {
  if (!news.length) return;
  const [name, state] = news[news.length - 1], more = news.length - 1;
  say.textContent = more ? tn("New: {name}, {state}, and {n} more", "New: {name}, {state}, and {n} more", more, { name, state }) : t("New: {name}, {state}", { name, state });
  news = [];
}, 10_000);

// -- Filters and search ----------------------------------------------------------------------------------------------

function apply(tell = true) {
  const words = plain(search.value).split(/\s+/).filter(Boolean);
  let n = 0;
  for (const tile of tiles.values()) {
    tile.text = tile.text || plain(`${tile.name} ${tile.element.parentNode.getAttribute("aria-label")}`);
    const matches = (!filters.size || filters.has(tile.state)) && words.every(word => tile.text.includes(word));
    tile.element.classList.toggle("hide", !matches);
    n += matches;
  }
  const narrowed = filters.size > 0 || words.length > 0;
  for (const part of fleet.querySelectorAll(".room, .school")) part.hidden = narrowed && !part.querySelector(".t:not(.hide)");
  nothing.hidden = n > 0 || !narrowed;
  if (tell) say.textContent = narrowed ? tn("{n} device matches", "{n} devices match", n) : t("All devices are shown");
}

for (const stat of stats) {
  stat.addEventListener("click", () => {
    const state = stat.dataset.filter;
    if (!filters.delete(state)) filters.add(state);
    stat.setAttribute("aria-pressed", filters.has(state));
    apply();
  });
}
search.addEventListener("input", () => apply());
document.getElementById("unfilter").addEventListener("click", () => {
  filters.clear();
  search.value = "";
  for (const stat of stats) stat.setAttribute("aria-pressed", "false");
  apply();
  search.focus();
});

// -- Compact or full -------------------------------------------------------------------------------------------------

const compact = document.getElementById("compact");
function setCompact(on) {
  document.body.classList.toggle("compact", on);
  compact.setAttribute("aria-pressed", on);
}
try { setCompact(localStorage.getItem("tiles") !== "full"); } catch { /* storage may be blocked: compact */ }
compact.addEventListener("click", () => {
  const on = !document.body.classList.contains("compact");
  setCompact(on);
  try { localStorage.setItem("tiles", on ? "compact" : "full"); } catch { /* for this page only */ }
});

// -- Keyboard: the tiles are one tab stop; arrows move by what is seen -----------------------------------------------

function go(element) {
  if (current) current.tabIndex = -1;
  current = element;
  element.tabIndex = 0;
  element.focus();
}

function step(from, by) {
  let i = order.indexOf(from) + by;
  while (order[i] && order[i].offsetParent === null) i += by;
  return order[i];
}

function beside(from, down) {
  const here = from.getBoundingClientRect(), i = order.indexOf(from);
  let best = null, least = Infinity;
  for (const other of order.slice(Math.max(0, i - 120), i + 120)) {
    if (other.offsetParent === null) continue;
    const there = other.getBoundingClientRect(), dy = (there.top - here.top) * (down ? 1 : -1);
    const cost = dy * 3 + Math.abs(there.left - here.left);
    if (dy > 4 && cost < least) { least = cost; best = other; }
  }
  return best;
}

fleet.addEventListener("keydown", event => {
  const from = document.activeElement;
  if (!from.classList.contains("t")) return;
  const seen = () => order.filter(element => element.offsetParent !== null);
  const moves = {
    ArrowRight: () => step(from, 1), ArrowLeft: () => step(from, -1), ArrowDown: () => beside(from, true), ArrowUp: () => beside(from, false),
    Home: () => seen()[0], End: () => seen().pop(),
  };
  const to = event.key in moves && moves[event.key]();
  if (to) { event.preventDefault(); go(to); }
});
addEventListener("keydown", event => {
  if (event.key === "Escape" && !drawer.hidden && !drawer.querySelector("dialog[open]")) closeDrawer();
  if (event.key === "/" && !/^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName)) { event.preventDefault(); search.focus(); }
});

// -- Drawer ----------------------------------------------------------------------------------------------------------

const drawer = document.getElementById("drawer");
let opened = 0;

function mark(id) {
  for (const element of fleet.querySelectorAll("[aria-current]")) element.removeAttribute("aria-current");
  const tile = tiles.get(id);
  if (tile) tile.element.setAttribute("aria-current", "true");
}

async function openDrawer(id) {
  opened = id;
  mark(id);
  drawer.replaceChildren();
  try {
    await htmx.ajax("GET", `/devices/${id}/panel`, { target: drawer, swap: "innerHTML" });
  } catch { /* nothing came: said below */ }
  if (opened !== id) return;
  if (!drawer.querySelector("[data-close]")) drawer.append(document.getElementById("unloaded").content.cloneNode(true));
  drawer.hidden = false;
  drawCharts(drawer);
  greet();
  watch(id);
  drawer.querySelector("[data-close]").focus();
}

function closeDrawer() {
  const back = tiles.get(opened);
  drawer.hidden = true;
  drawer.replaceChildren();
  mark(0);
  watch("");
  opened = 0;
  if (back) go(back.element);
}

fleet.addEventListener("click", event => {
  const tile = event.target.closest(".t");
  if (!tile || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  go(tile);
  openDrawer(+tile.id.slice(1));
});
drawer.addEventListener("click", event => { if (event.target.closest("[data-close]")) closeDrawer(); });
document.addEventListener("live:device", event => {
  if (event.detail.id !== opened || drawer.hidden) return;
  const fresh = turned(event.detail);
  if (putState(drawer, opened, event.detail.state) || fresh) refreshCommands();
  putDevice(drawer, event.detail);
  append(event.detail.values || {});
});

index();
start();
