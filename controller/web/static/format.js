// Numbers and ages as controller/web/formats.py writes them.
import { language, symbol, t, tn } from "./words.js";

const NBSP = "\u00a0", ZONE = "Asia/Ho_Chi_Minh", DAY = 86_400_000, TIMES = { s: 1_000, min: 60_000 }, BYTES = ["B", "kB", "MB", "GB", "TB"];
let offset = 0;

/** The server's clock: ages must not depend on the clock of a classroom PC. */
export const now = () => Date.now() + offset;
export const setClock = at => { offset = at - Date.now(); };

const places = value => Number.isInteger(value) || Math.abs(value) >= 99.95 ? 0 : 1;

const FORMATS = [0, 1].map(digits => new Intl.NumberFormat(language, { minimumFractionDigits: digits, maximumFractionDigits: digits }));

export function number(value, decimals = 0) {
  if (Math.abs(value) >= 1e15) return value.toExponential(2);
  const text = FORMATS[decimals].format(value);
  return /[1-9]/.test(text) ? text.replace("-", "\u2212") : text.replace("-", "");
}

/** A reading as [text, unit behind it]. */
export function shown(value, unit) {
  if (value === null || value === undefined || value === "") return ["—", ""];
  if (typeof value === "boolean") return [value ? t("yes") : t("no"), ""];
  if (typeof value === "string") return [localInstant(value), ""];
  if (unit in TIMES && value * TIMES[unit] >= 60_000) return [duration(value * TIMES[unit]), ""];
  if (unit === "By") return bytes(value);
  return [number(value, places(value)), symbol(unit)];
}

export function shownText(value, unit) {
  const [text, behind] = shown(value, unit);
  return behind ? text + NBSP + behind : text;
}

/** A time in UTC on the schools' wall clock; any other text as it is. */
function localInstant(text) {
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?Z$/.test(text)) return text;
  const at = new Date(text);
  return `${clock(at)}, ${DAY_MONTH_YEAR.format(at)}`;
}

function bytes(value) {
  let power = 0;
  while (Math.abs(value) >= 999.5 && power < BYTES.length - 1) { value /= 1000; power += 1; }
  return [number(value, power ? places(value) : 0), BYTES[power]];
}

function duration(span) {
  const s = Math.floor(Math.max(span, 0) / 1000), days = Math.floor(s / 86400), hours = Math.floor(s / 3600) % 24, minutes = Math.floor(s / 60) % 60;
  const day = tn("{n} day", "{n} days", days), hour = tn("{n} hour", "{n} hours", hours), minute = tn("{n} minute", "{n} minutes", minutes);
  if (days) return hours ? day + " " + hour : day;
  if (hours) return minutes ? hour + " " + minute : hour;
  return minutes ? minute : tn("{n} second", "{n} seconds", s);
}

export function age(at) {
  if (!at) return t("never");
  const span = Math.max(now() - at, 0);
  if (span < 1000) return t("just now");
  if (span >= DAY) return dateTime(at);
  return t("{span} ago", { span: duration(span) });
}

const part = (options, locale = "en-GB") => new Intl.DateTimeFormat(locale, { timeZone: ZONE, ...options });
const HOUR_MINUTE = part({ hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const SECOND = part({ hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const DAY_MONTH_YEAR = part({ day: "2-digit", month: "2-digit", year: "numeric" });
const YEAR = part({ year: "numeric" });
const DATE = language === "en" ? part({ day: "numeric", month: "short" }, "en") : part({ day: "2-digit", month: "2-digit" });

/** Hours and minutes of the schools' wall clock. */
export const clock = at => HOUR_MINUTE.format(at);
export const clockSeconds = at => SECOND.format(at);

const WEEKDAY = part({ weekday: "short" }, language === "en" ? "en" : "vi");
const MONTH = language === "en" ? part({ month: "short" }, "en") : part({ month: "2-digit", year: "numeric" });

/** A date of this year: 23/11, 23 Nov. */
export function day(at) {
  if (language !== "en") return DATE.format(at);
  const parts = Object.fromEntries(DATE.formatToParts(at).map(each => [each.type, each.value]));
  return parts.day + " " + parts.month;
}

/** Th 2, Mon; with the date, as there are two of the same name in a week and a day. */
export const weekday = at => WEEKDAY.format(at) + " " + day(at);

/** 11/2026, Nov. */
export const month = at => MONTH.format(at);

export function dateTime(at) {
  const date = day(at), year = YEAR.format(at) === YEAR.format(now()) ? "" : (language === "en" ? " " : "/") + YEAR.format(at);
  return `${clock(at)}, ${date}${year}`;
}

/** Keeps every <time data-age> right. */
export function tickAges() {
  for (const each of document.querySelectorAll("time[data-age]")) {
    const text = age(+each.dataset.age);
    if (each.textContent !== text) each.textContent = text;
  }
}

/** A text that can be searched without marks: "Máy in" is found by "may in". */
export const plain = text => text.normalize("NFD").replace(/[\u0300-\u036f]/g, "").replace(/đ/g, "d").replace(/Đ/g, "D").toLowerCase();
