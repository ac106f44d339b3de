// The form of a booking: it says what would become of it while it is filled in, and is sent without leaving the page.
import { t } from "./words.js";

const QUIET_MS = 250;
/** Fields that no rule asks for, and those of the answer itself. */
const SILENT = new Set(["title", "purpose", "reason", "choice"]);
const SAID_HERE = new Set([409, 422]);

const fields = form => new URLSearchParams(new FormData(form));
const post = (path, form, signal) => fetch(path, { method: "POST", body: fields(form), headers: { "hx-request": "true" }, signal });

/** Make `form` live: a change is looked at, sending it stays here until it is booked. Call the answer to look now. */
export function bind(form) {
  const look = form.querySelector("#look"), error = form.querySelector("#booking-error"), button = form.querySelector("#book");
  let timer = 0, asking = new AbortController(), sending = false;

  function sayError(text) {
    const note = document.createElement("div");
    note.className = "note";
    note.dataset.s = "warning";
    note.textContent = text;
    error.replaceChildren(...(text ? [note] : []));
  }

  function nameButton() {
    const chosen = form.querySelector("[name=choice]:checked"), usual = look.firstElementChild.dataset.button;
    const named = { "": t("Book"), wait: t("Join the waitlist") };
    button.textContent = chosen && chosen.value in named ? named[chosen.value] : usual;
  }

  function show(html) {
    if (look.innerHTML !== html) look.innerHTML = html;
    nameButton();
  }

  async function ask() {
    asking.abort();
    asking = new AbortController();
    try {
      const answer = await post("/calendar/look", form, asking.signal);
      if (answer.ok) { show(await answer.text()); sayError(""); }
      else if (answer.headers.get("hx-redirect")) location.assign(answer.headers.get("hx-redirect"));
    } catch (problem) {
      if (problem.name !== "AbortError") sayError(t("The server does not answer. What you typed is still here; try again in a moment."));
    }
  }

  async function send() {
    const answer = await post("/calendar", form);
    const there = answer.headers.get("hx-redirect");
    if (there) { location.assign(there); return; }
    if (!SAID_HERE.has(answer.status)) throw new Error(answer.status);
    show(await answer.text());
    const choice = form.querySelector("[name=choice]:checked");
    if (choice) choice.focus();
  }

  form.addEventListener("input", event => {
    if (SILENT.has(event.target.name)) return;
    clearTimeout(timer);
    timer = setTimeout(ask, QUIET_MS);
  });
  form.addEventListener("change", event => { if (event.target.name === "choice") nameButton(); });
  form.addEventListener("submit", async event => {
    event.preventDefault();
    if (sending) return;
    sending = true;
    clearTimeout(timer);
    asking.abort();
    button.setAttribute("aria-disabled", "true");
    sayError("");
    try {
      await send();
    } catch {
      sayError(t("The server did not take this. What you typed is still here; try again in a moment."));
    }
    sending = false;
    button.removeAttribute("aria-disabled");
  });
  return ask;
}

const page = document.querySelector("main #booking");
if (page) bind(page)();  // it may have been filled in before this script came, or by the browser's way back
