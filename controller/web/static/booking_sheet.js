// The sheet beside the calendar: the form of a booking, for the time that was chosen in the grid.
import { bind } from "./booking.js";
import { t } from "./words.js";

const sheet = document.getElementById("sheet"), say = document.getElementById("say");
let asked = 0;

export const isOpen = () => !sheet.hidden;

/** Open the form for `chosen` (fields of a form); what was typed in an open one stays. `focus`: begin to fill it in. */
export async function open(chosen, focus) {
  const form = sheet.querySelector("form"), turn = ++asked;
  const typed = isOpen() && form ? new URLSearchParams(new FormData(form)) : new URLSearchParams();
  typed.delete("csrf");
  typed.delete("choice");
  for (const [name, value] of Object.entries(chosen)) typed.set(name, value);
  try {
    const answer = await fetch("/calendar/new?" + typed, { headers: { "hx-request": "true" } });
    if (turn !== asked) return;
    if (answer.headers.get("hx-redirect")) { location.assign(answer.headers.get("hx-redirect")); return; }
    if (!answer.ok) throw new Error(answer.status);
    sheet.innerHTML = await answer.text();
  } catch {
    say.textContent = t("The server does not answer. What you typed is still here; try again in a moment.");
    return;
  }
  sheet.hidden = false;
  document.body.classList.add("sheeted");
  bind(sheet.querySelector("form"));
  say.textContent = sheet.querySelector("#look").textContent.replace(/\s+/g, " ").trim();
  if (focus) sheet.querySelector("#title").focus();
}

export function close() {
  asked += 1;
  sheet.hidden = true;
  document.body.classList.remove("sheeted");
  sheet.replaceChildren();
}
