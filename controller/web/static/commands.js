// The card of commands: asked for again when something happened, with focus and open dialogs left alone.
import "./dialogs.js";
import { now } from "./format.js";
import { renewal } from "./live.js";

const card = () => document.getElementById("commands"), say = document.getElementById("say");
let turn = "", news = "";

/** Ask for the cards of commands and print jobs again, soon. */
export const refreshCommands = renewal(() => [card(), document.getElementById("jobs")], 400);

/** Whether something happened to the device's commands or jobs since the last frame of its stream, as it may have before the first. */
export function turned(frame) {
  const before = turn;
  turn = frame.id + "/" + frame.turn;
  return before !== turn;
}

/** A card has come into the page: what it says now is no news. */
export function greet() {
  news = card() ? card().dataset.news : "";
  turn = "";
}

document.addEventListener("dialog:changed", refreshCommands);
// What an open dialog says of the machine is renewed; the dialog itself stays, with what was typed.
document.addEventListener("htmx:oobBeforeSwap", event => {
  const open = event.detail.target.querySelector("dialog[open]");
  if (!open) return;
  event.detail.shouldSwap = false;
  const stake = open.querySelector(".stake"), fresh = stake && event.detail.fragment.querySelector("#" + stake.id);
  if (fresh) stake.replaceChildren(...fresh.childNodes);
});
document.addEventListener("htmx:afterSwap", () => {
  const body = card();
  if (!body || body.dataset.news === news) return;
  news = body.dataset.news;
  say.textContent = news;
});
// A reason that ends by itself is asked for again when it does.
setInterval(() => { const body = card(); if (body && +body.dataset.until < now()) refreshCommands(); }, 5_000);
