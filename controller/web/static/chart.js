// uPlot with real gaps: where no data came there is no line, and a band says so.
import { clock, dateTime, day, month, now, shownText, weekday } from "./format.js";
import { language } from "./words.js";

const DAY_S = 86_400, SHORTEST_S = 900, ZONE_S = 25_200, STEPS_S = [120, 300, 600, 1_800, 3_600, 7_200, 14_400, 21_600, 43_200, DAY_S, 2 * DAY_S, 3 * DAY_S, 7 * DAY_S, 14 * DAY_S, 28 * DAY_S];
const WEEK_S = 7 * DAY_S, MONTHS_FROM_S = 200 * DAY_S, MOST_POINTS = 480;
const COLOURS = ["--accent", "--warn-fill", "--ok", "--care"], DASHES = [undefined, [6, 4], [2, 4], [9, 3, 2, 3]];
const charts = new Map();

const css = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** [[from, to], ...] where every line is silent, in seconds. */
export function gaps(xs, lines, end) {
  const found = [];
  let from = null;
  xs.forEach((x, i) => {
    const silent = lines.every(ys => ys[i] === null);
    const some = lines.some(ys => typeof ys[i] === "number");
    if (silent && from === null) from = i ? xs[i - 1] : x;
    if (some && from !== null) { found.push([from, x]); from = null; }
  });
  if (from !== null) found.push([from, end]);
  return found;
}

function joined(lines) {
  const tables = lines.map(line => [line.points.map(p => p[0] / 1000), line.points.map(p => p[1])]);
  return tables.length === 1 ? tables[0] : uPlot.join(tables, tables.map(() => [0, 2]));
}

function range(unit) {
  return (u, low, high) => {
    if (unit === "%") return [0, 100];
    if (low === null) return [0, 1];
    const floor = low >= 0 && low < high * 0.6 ? 0 : low, pad = Math.max((high - floor) * 0.12, Math.abs(high) * 0.02, 0.5);
    return [floor === 0 ? 0 : floor - pad, high + pad];
  };
}

function bands(u) {
  const context = u.ctx, { left, top, width, height } = u.bbox;
  context.save();
  context.beginPath();
  context.rect(left, top, width, height);
  context.clip();
  context.fillStyle = css("--warn-soft");
  const found = gaps(u.data[0], u.data.slice(1), u.scales.x.max);
  for (const [from, to] of found) {
    const x = u.valToPos(from, "x", true);
    context.fillRect(x, top, Math.max(u.valToPos(to, "x", true) - x, 2), height);
  }
  context.restore();
  const key = u.root.closest(".chart").querySelector("[data-gap-key]");
  if (key) key.hidden = !found.length;
}

/** Up to now; of a young device from its first value on, so that there is something to see. */
function span(length) {
  return u => {
    const end = now() / 1000, first = u.data[0].length ? u.data[0][0] : end;
    return [Math.max(end - length, Math.min(first, end - SHORTEST_S)), end];
  };
}

/** How far apart the marks of the time axis are, in seconds. */
function stepOf(u) {
  const wanted = (u.scales.x.max - u.scales.x.min) / Math.max(3, u.width / 110);
  return STEPS_S.find(each => each >= wanted) || STEPS_S[STEPS_S.length - 1];
}

/** Round times of the schools' wall clock; weeks begin on a Monday, and of a long span each month has a mark. */
function ticks(u) {
  const { min, max } = u.scales.x, marks = [];
  if (max - min > MONTHS_FROM_S) {
    const at = new Date((min + ZONE_S) * 1000), each = Math.ceil(12 * 70 / Math.max(u.width, 1));
    for (let m = Math.ceil((at.getUTCMonth() + 1) / each) * each; ; m += each) {
      const x = Date.UTC(at.getUTCFullYear(), m, 1) / 1000 - ZONE_S;
      if (x > max) return marks;
      marks.push(x);
    }
  }
  const step = stepOf(u), origin = step % WEEK_S ? ZONE_S : ZONE_S + 3 * DAY_S;
  for (let x = Math.ceil((min + origin) / step) * step - origin; x <= max; x += step) marks.push(x);
  return marks;
}

function mark(u) {
  const length = u.scales.x.max - u.scales.x.min;
  if (length > MONTHS_FROM_S) return month;
  if (stepOf(u) < DAY_S) return length > 2 * DAY_S ? dateTime : clock;
  return length <= 8 * DAY_S ? weekday : day;
}

function options(box, content, unit) {
  const length = +box.dataset.span || DAY_S;
  const plot = box.querySelector(".plot"), out = box.querySelector("output");
  const axis = { stroke: css("--text-2"), grid: { stroke: css("--border"), width: 1 }, ticks: { show: false }, font: '12px "Be Vietnam Pro", sans-serif' };
  const tell = u => {
    const i = u.cursor.idx;
    out.textContent = i === null || i === undefined ? "" : dateTime(u.data[0][i] * 1000) + ": " +
      content.lines.map((line, k) => (content.lines.length > 1 ? line.label + " " : "") + shownText(u.data[k + 1][i], unit)).join(" · ");
  };
  return {
    width: Math.max(plot.clientWidth, 200), height: 160, legend: { show: false }, cursor: { y: false, points: { size: 7 } }, padding: [8, 22, 0, 0],
    scales: { x: { time: true, range: span(length) }, y: { range: range(unit) } },
    hooks: { drawClear: [bands], setCursor: [tell] },
    axes: [{ ...axis, size: 26, splits: ticks, values: (u, xs) => xs.map(x => mark(u)(x * 1000)) },
      { ...axis, size: 52, space: 30, values: (u, ys) => ys.map(y => unit === "By" ? shownText(y, unit) : y.toLocaleString(language, { maximumFractionDigits: 2 })) }],
    series: [{}, ...content.lines.map((line, k) => ({ label: line.label, stroke: css(COLOURS[k % 4]), width: 2, dash: DASHES[k % 4], spanGaps: false, points: { show: (u, k) => u.data[k].filter(y => typeof y === "number").length < 3, size: 6 } }))],
  };
}

function draw(box) {
  const known = charts.get(box), content = known ? known.content : JSON.parse(box.querySelector("script").textContent);
  if (known) known.plot.destroy();
  const plot = new uPlot(options(box, content, box.dataset.unit), joined(content.lines), box.querySelector(".plot"));
  box.plot = plot;
  charts.set(box, { plot, content });
}

/** Draw every chart below `root`; those no longer in the page are let go. */
export function drawCharts(root) {
  for (const [box, { plot }] of charts) if (!box.isConnected) { plot.destroy(); charts.delete(box); }
  for (const box of root.querySelectorAll("[data-chart]")) draw(box);
}

/** Put fresh values ({metric: [at, value]}) at the end of their lines. */
export function append(values) {
  for (const [box, { plot, content }] of charts) {
    const length = (+box.dataset.span || DAY_S) * 1000, horizon = now() - length;
    const apart = length > DAY_S * 1000 ? length / MOST_POINTS : 0;
    let grown = false;
    for (const line of content.lines) {
      const fresh = values[line.name], last = line.points[line.points.length - 1];
      if (!fresh || (last && (fresh[0] <= last[0] || fresh[0] < last[0] + apart)) || typeof fresh[1] === "string" || typeof fresh[1] === "boolean") continue;
      line.points.push([fresh[0], fresh[1]]);
      while (line.points.length && line.points[0][0] < horizon) line.points.shift();
      grown = true;
    }
    if (grown && box.isConnected) plot.setData(joined(content.lines));
  }
}

document.addEventListener("theme:changed", () => { for (const box of charts.keys()) draw(box); });
let resized = 0;
addEventListener("resize", () => { clearTimeout(resized); resized = setTimeout(() => { for (const box of charts.keys()) draw(box); }, 150); });
