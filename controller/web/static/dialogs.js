// Dialogs, and forms that htmx sends: a refusal is said where the button is, and what was typed stays.
import { t } from "./words.js";

const SAID_HERE = new Set([403, 404, 409, 422, 507]);
let opener = "";

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
const slotOf = form => form.querySelector(".slot") || document.getElementById("command-error");

document.addEventListener("htmx:beforeRequest", event => {
  const slot = isForm(event.detail.elt) && slotOf(event.detail.elt);
  if (slot) slot.replaceChildren();
});
document.addEventListener("htmx:beforeSwap", event => {
  const { requestConfig, xhr } = event.detail;
  if (!requestConfig || !isForm(requestConfig.elt)) return;
  if (SAID_HERE.has(xhr.status) && xhr.getResponseHeader("HX-Retarget")) {
    event.detail.shouldSwap = true;
    event.detail.isError = false;
  }
  const dialog = requestConfig.elt.closest("dialog");
  if (dialog && xhr.status < 300) dialog.close();
});
for (const name of ["htmx:sendError", "htmx:responseError", "htmx:timeout"]) {
  document.addEventListener(name, event => {
    const slot = isForm(event.detail.elt) && slotOf(event.detail.elt);
    if (!slot) return;
    const note = document.createElement("div");
    note.className = "note";
    note.dataset.s = "warning";
    note.textContent = t("The server did not take this, or its answer was lost. This page shows what became of it as soon as the server answers again.");
    slot.replaceChildren(note);
  });
}
