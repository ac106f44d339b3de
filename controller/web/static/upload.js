// Sending a file to a machine: looked at here first, then sent with a bar that says how far it is, and a way to stop.
import { number, shownText } from "./format.js";
import { start } from "./live.js";
import { t } from "./words.js";

const at = id => document.getElementById(id), form = at("upload"), file = at("file"), drop = at("drop");
const most = +form.dataset.most, suffixes = form.dataset.suffixes.split(" "), refusals = JSON.parse(form.dataset.refusals);
const size = bytes => shownText(bytes, "By");
let request = null;

/** Why the chosen file cannot be sent; empty if it can, as far as can be told here. */
function wrong() {
  const chosen = file.files[0];
  if (!chosen) return t("Choose a file first.");
  if (!suffixes.some(suffix => chosen.name.toLowerCase().endsWith(suffix))) return refusals.type;
  if (!chosen.size) return refusals.empty;
  return chosen.size > most ? t("The file has {size}; at most {most} are taken.", { size: size(chosen.size), most: size(most) }) : "";
}

function judge() {
  const text = wrong(), chosen = file.files[0];
  at("chosen").textContent = chosen ? chosen.name + " · " + size(chosen.size) : "";
  at("file-error").textContent = text;
  file.setAttribute("aria-invalid", Boolean(text));
  return !text;
}

function sayWrong(text) {
  const note = document.createElement("div");
  note.className = "note";
  note.dataset.s = "warning";
  note.textContent = text;
  at("upload-error").replaceChildren(...(text ? [note] : []));
}

function show(sending) {
  at("sending").hidden = at("abort").hidden = !sending;
  at("send").hidden = at("leave").hidden = sending;
  at("fields").disabled = sending;
  (sending ? at("abort") : at("send")).focus();
}

function progress(sent, all) {
  at("sending-bar").max = all;
  at("sending-bar").value = sent;
  at("sending-text").textContent = sent < all ? t("Sending, {percent} %", { percent: number(100 * sent / all, 0) }) : t("Sent. The server is storing it…");
  at("sending-size").textContent = t("{sent} of {all}", { sent: size(sent), all: size(all) });
}

function ended(text) {
  request = null;
  show(false);
  sayWrong(text);
}

function answered() {
  const { status } = request;
  let told = {};
  try { told = JSON.parse(request.responseText); } catch { /* no answer of ours: said below */ }
  if (status === 401) { location.reload(); return; }
  if (status < 300 && told.id) { location.assign("/jobs/" + told.id); return; }
  ended(refusals[told.code] || (status === 413 ? refusals.size : t("The server did not take the file. Try again in a moment.")));
}

function send() {
  const body = new FormData();
  for (const name of ["title", "group"]) body.append(name, at(name).value);
  body.append("file", file.files[0]);
  sayWrong("");
  request = new XMLHttpRequest();
  request.open("POST", form.dataset.to);
  request.setRequestHeader("X-CSRF-Token", form.dataset.csrf);
  request.upload.onprogress = event => progress(event.loaded, event.total);
  request.onload = answered;
  request.onerror = () => ended(t("The connection broke off. The file was not taken; what you chose is still here."));
  request.onabort = () => ended(t("Sending was stopped. Nothing was kept."));
  progress(0, file.files[0].size);
  show(true);
  request.send(body);
}

form.addEventListener("submit", event => {
  event.preventDefault();
  if (request) return;
  if (judge()) send();
  else file.focus();
});
file.addEventListener("change", judge);
at("abort").addEventListener("click", () => { if (request) request.abort(); });

// The whole area takes a file; for the keyboard there is the field itself.
drop.addEventListener("click", event => { if (!event.target.closest("label, input")) file.click(); });
for (const name of ["dragenter", "dragover"]) drop.addEventListener(name, event => { event.preventDefault(); drop.classList.add("over"); });
drop.addEventListener("dragleave", event => { if (!drop.contains(event.relatedTarget)) drop.classList.remove("over"); });
drop.addEventListener("drop", event => {
  event.preventDefault();
  drop.classList.remove("over");
  if (request || !event.dataTransfer.files.length) return;
  file.files = event.dataTransfer.files;
  judge();
});
addEventListener("beforeunload", event => { if (request) event.preventDefault(); });
start();
