// Dialogs, and forms that htmx sends: a refusal is said where the button is, and what was typed stays.
import { t } from "./words.js";

const SAID_HERE = new Set([403, 404, 409, 422, 507]), DOUBLE_CLICK_MS = 700;
let opener = "", taken = "", takenAt = 0;

const changed = () => document.dispatchEvent(new Event("dialog:changed"));

document.addEventListener("click", event => {
  const open = event.target.closest("[data-open]"), dismiss = event.target.closest("[data-dismiss]");
  if (open) {
    opener = open.id;
    document.getElementById(open.dataset.open).showModal();
    changed();
  }
  if (dismiss) dismiss.closest("dialog").close();
});
document.addEventListener("close", event => {
  for (const slot of event.target.querySelectorAll(".slot")) slot.replaceChildren();
  // The button that opened it may be another one by now, of the same name: the browser would lose the focus.
  const back = document.getElementById(opener), at = document.activeElement;
  if (back && (at === document.body || event.target.contains(at))) back.focus();
  changed();
}, true);

const isForm = element => element && element.tagName === "FORM" && element.hasAttribute("hx-post");
const asks = form => form.getAttribute("hx-post") + " " + new FormData(form).get("action");
const slotOf = form => form.querySelector(".slot") || document.getElementById("command-error");

const late = new WeakSet();  // answers to what is no part of the page any more

function sayHere(event) {
  const { requestConfig, xhr } = event.detail;
  if (!event.target.isConnected) late.add(xhr);
  if (!requestConfig || !isForm(requestConfig.elt) || !SAID_HERE.has(xhr.status) || !xhr.getResponseHeader("HX-Retarget")) return;
  event.detail.shouldSwap = true;
  event.detail.isError = false;
}
// Not before the swap: what it would go into may have been renewed meanwhile, and then nobody is told of it.
function finished(event) {
  const { elt, xhr } = event.detail;
  if (xhr.status < 200 || xhr.status >= 300) return;
  [taken, takenAt] = [asks(elt), performance.now()];
  const dialog = elt.closest("dialog");
  if (dialog) dialog.close();
  if (late.has(xhr)) changed();
}
function unanswered(event) {
  const slot = slotOf(event.detail.elt);
  if (!slot) return;
  const note = document.createElement("div");
  note.className = "note";
  note.dataset.s = "warning";
  note.textContent = t("The server did not take this, or its answer was lost. This page shows what became of it as soon as the server answers again.");
  slot.replaceChildren(note);
}
document.addEventListener("htmx:beforeRequest", event => {
  const { elt, target } = event.detail;
  if (!isForm(elt)) return;
  const slot = slotOf(elt);
  if (slot) slot.replaceChildren();
  // Asked of form and target themselves: until the answer comes the card may be renewed, and they no part of the page.
  target.addEventListener("htmx:beforeSwap", sayHere);
  elt.addEventListener("htmx:afterRequest", finished);
  for (const name of ["htmx:sendError", "htmx:responseError", "htmx:timeout"]) elt.addEventListener(name, unanswered);
});
// The answer brought a fresh form: the second click of a double click is not meant for that one.
document.addEventListener("submit", event => {
  if (!isForm(event.target) || asks(event.target) !== taken || performance.now() - takenAt >= DOUBLE_CLICK_MS) return;
  event.preventDefault();
  event.stopImmediatePropagation();
}, true);
