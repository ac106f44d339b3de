// Live values of one device: [data-metric] boxes, the state badge and the ages, on its page and in the drawer.
import { shown } from "./format.js";
import { t } from "./words.js";

const QUALITY = { good: () => "", stale: () => t("Stale value,"), bad: () => t("Not known,") };

const LONG_TEXT = 10, INNER_BREAK = /(?<=[._\/-])(?=\p{L})/u;

/** `text` with a place to break after each stop, dash or slash in a word; never within a number. */
function breakable(text) {
  return text.split(INNER_BREAK).flatMap((piece, i) => i ? [document.createElement("wbr"), piece] : [piece]);
}

function putValue(box, [at, value, quality]) {
  const meanings = box.dataset.words ? JSON.parse(box.dataset.words) : {};
  const [text, unit] = shown(value in meanings ? meanings[value] : value, box.dataset.u), place = box.querySelector(".v");
  const small = place.querySelector("small");
  if (place.tagName === "DD") place.classList.toggle("long", text.length > LONG_TEXT);
  if (small && unit) {
    place.firstChild.nodeValue = text + "\u00a0";
    if (small.textContent !== unit) small.textContent = unit;
  } else place.replaceChildren(...breakable(unit ? text + "\u00a0" + unit : text));
  box.dataset.q = quality;
  const word = box.querySelector("[data-quality]"), time = box.querySelector("time");
  if (word) word.textContent = quality === "good" ? "" : QUALITY[quality]() + " ";
  if (time) time.dataset.age = at;
}

export function putDevice(root, { heard, values }) {
  for (const [metric, fresh] of Object.entries(values || {})) {
    const box = root.querySelector(`[data-metric="${metric}"]`);
    if (box) putValue(box, fresh);
  }
  const time = root.querySelector("[data-heard] time");
  if (time && heard) time.dataset.age = heard;
}

export function putState(root, id, state) {
  const badge = root.querySelector(`[data-state-of="${id}"]`);
  if (!badge || badge.dataset.s === state) return false;
  badge.dataset.s = badge.firstElementChild.dataset.s = state;
  badge.lastElementChild.textContent = stateWord(state);
  return true;
}

const WORDS = {
  fault: () => t("Fault"), offline: () => t("Offline"), warning: () => t("Warning"), maintenance: () => t("Maintenance"),
  "planned-off": () => t("Off as planned"), "in-use": () => t("In use"), ok: () => t("OK"),
};
export const stateWord = state => WORDS[state]();
export const HEALTHY = new Set(["in-use", "ok"]);
