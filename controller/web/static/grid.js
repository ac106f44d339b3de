// The grid of a week. Mouse drag, tap and tap, and keyboard share one range; touch never drags, so that the page scrolls.
import { close, isOpen, open } from "./booking_sheet.js";
import { t } from "./words.js";

const cal = document.getElementById("cal"), say = document.getElementById("say"), made = document.getElementById("made");
const rows = [...cal.querySelectorAll("tr[data-p]")], heads = [...cal.querySelectorAll("th.lane")];
const cells = rows.map(() => []);
/** Where the range begins and ends, {row, column}; where the keyboard is; how the pointer came. */
let from = null, to = null, at = null, dragging = false, pointer = "";

rows.forEach((row, first) => {
  for (const cell of row.querySelectorAll("td")) {
    for (let down = 0; down < cell.rowSpan; down += 1) {
      for (let right = 0; right < cell.colSpan; right += 1) cells[first + down][+cell.dataset.c + right] = cell;
    }
  }
});

const placeOf = cell => ({ row: rows.indexOf(cell.parentElement), column: +cell.dataset.c });
const stopOf = cell => cell.querySelector("a") || cell;
const isFree = cell => cell.classList.contains("free");
/** Where a range may begin: one's own booking leads elsewhere, what is over leads nowhere. */
const canBegin = cell => Boolean(cell && cell.querySelector("a[href^='/calendar/new']"));
const cellAt = target => target instanceof Element ? target.closest("#cal td[data-c]") : null;

// -- The range -------------------------------------------------------------------------------------------------------

function range() {
  if (!from) return [];
  const low = Math.min(from.row, to.row), high = Math.max(from.row, to.row), last = cells[high][from.column];
  const found = [...new Set(cells.slice(low, high + 1).map(row => row[from.column]))];
  return { cells: found, first: placeOf(found[0]).row, last: placeOf(last).row + last.rowSpan - 1 };
}

function paint() {
  for (const cell of cal.querySelectorAll("[aria-selected=true]")) {
    cell.removeAttribute("aria-selected");
    cell.classList.remove("bad");
  }
  if (!from) return;
  const { cells: chosen } = range(), bad = !chosen.every(isFree);
  for (const cell of chosen) {
    cell.setAttribute("aria-selected", "true");
    cell.classList.toggle("bad", bad);
  }
}

const nameOf = row => rows[row].querySelector(".per b").textContent;

function sayRange() {
  const { cells: chosen, first, last } = range();
  const text = first === last ? nameOf(first) : t("{first} to {last}", { first: nameOf(first), last: nameOf(last) });
  say.textContent = chosen.every(isFree) ? text : t("{periods}: not all of it is free", { periods: text });
}

async function finish(focus) {
  const { first, last } = range(), head = heads[from.column];
  await open({ day: head.dataset.day, first: rows[first].dataset.p, last: rows[last].dataset.p, item1: "thing:" + head.dataset.thing, lanes: cal.dataset.lanes }, focus);
  if (pointer === "touch" && isOpen()) stopOf(at).scrollIntoView();  // the sheet lies over the lower part: the last period is tapped above it
}

function clear() {
  from = to = null;
  paint();
  if (isOpen()) close();
}

function extend(place, begin) {
  if (begin || !from || place.column !== from.column) from = place;
  to = place;
  paint();
}

// -- Pointers --------------------------------------------------------------------------------------------------------

cal.addEventListener("pointerdown", event => {
  const cell = cellAt(event.target);
  pointer = event.pointerType;
  if (!canBegin(cell) || event.button || pointer !== "mouse" || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  dragging = true;
  extend(placeOf(cell), !event.shiftKey);
});
cal.addEventListener("pointermove", event => {
  if (!dragging) return;
  const under = document.elementFromPoint(event.clientX, event.clientY), row = rows.indexOf(under && under.closest("tr[data-p]"));
  if (row >= 0) extend({ row, column: from.column }, false);
});
addEventListener("pointerup", () => {
  if (!dragging) return;
  dragging = false;
  rove(cells[from.row][from.column]);
  finish(true);
});
cal.addEventListener("dragstart", event => event.preventDefault());
cal.addEventListener("click", event => {
  const cell = cellAt(event.target);
  if (!canBegin(cell) || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  const keyboard = event.detail === 0;
  if (!keyboard && pointer === "mouse") return;  // was a drag, if only of one cell
  if (keyboard) {
    if (!from) extend(placeOf(cell), true);
  } else {
    extend(placeOf(cell), to && (to.row !== from.row || to.column !== +cell.dataset.c));  // tap the first, tap the last
  }
  rove(cell);
  finish(keyboard);
});

// -- Keyboard: one stop for the whole grid, arrows within it -----------------------------------------------------------

const STEPS = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] };

function rove(cell) {
  if (at) stopOf(at).tabIndex = -1;
  at = cell;
  stopOf(at).tabIndex = 0;
}

/** The next cell that can be seen in that direction, from the end of `cell` that is there. */
function next(cell, down, right) {
  let { row, column } = placeOf(cell);
  if (down > 0) row += cell.rowSpan - 1;
  if (right > 0) column += cell.colSpan - 1;
  for (;;) {
    row += down;
    column += right;
    const found = cells[row] && cells[row][column];
    if (!found) return null;
    if (found !== cell && found.offsetParent) return found;
  }
}

cal.addEventListener("keydown", event => {
  const cell = cellAt(document.activeElement), step = STEPS[event.key];
  if (!cell) return;
  if (event.key === " ") { event.preventDefault(); if (canBegin(cell)) stopOf(cell).click(); return; }
  if (!step) return;
  event.preventDefault();
  const found = next(cell, ...step);
  if (!found) return;
  if (event.shiftKey && step[0] && canBegin(from ? cells[from.row][from.column] : cell)) {
    if (!from) extend(placeOf(cell), true);
    extend({ row: placeOf(found).row, column: from.column }, false);
    sayRange();
  } else {
    from = to = null;
    paint();
  }
  rove(found);
  stopOf(found).focus();
});
addEventListener("keydown", event => {
  if (event.key !== "Escape" || (!isOpen() && !from)) return;
  clear();
  stopOf(at).focus();
});
document.addEventListener("click", event => {
  if (!event.target.closest("#sheet [data-close]")) return;
  clear();
  stopOf(at).focus();
});

for (const each of new Set(cells.flat())) stopOf(each).tabIndex = -1;
const first = [...cal.querySelectorAll("td.free")].find(cell => cell.offsetParent) || cells.flat()[0];
if (first) rove(first);
if (made) made.focus();
