// The room page: a change of state asks for the list again; values of healthy devices are put in place.
import { shownText } from "./format.js";
import { renewal, start } from "./live.js";

const room = document.getElementById("room");
const refresh = renewal(() => [room], 2_000);

document.addEventListener("live:devices", event => {
  const links = new Map([...room.querySelectorAll("[data-device]")].map(link => [+link.dataset.device, link]));
  for (const [id, state, value] of event.detail.rows) {
    const link = links.get(id);
    if (!link) continue;
    if (link.querySelector(".g").dataset.s !== state) refresh();
    const place = link.querySelector(".v"), text = shownText(value, link.dataset.u);
    if (place && place.textContent !== text) place.textContent = text;
  }
  if (event.detail.whole) refresh();
});
start();
