// Outcomes over time: bars of pass, fail and hold, and the same as a table of reasons for whoever does not see bars.

import { el, svg } from "/static/dom.js";
import { share, table } from "/plant_static/tables.js";

const WIDTH = 900, HEIGHT = 220, LEFT = 56, BOTTOM = 24, TOP = 8;
const ORDER = ["pass", "fail", "hold"];

export function overTime(told) {
  const times = spanned(told);
  const sums = new Map(times.map((at) => [at, { pass: 0, fail: 0, hold: 0 }]));
  for (const one of told.reasons) {
    const sum = sums.get(Date.parse(one.at));
    if (sum) sum[one.disposition] += one.outcomes;
  }
  const most = Math.max(1, ...[...sums.values()].map((sum) => sum.pass + sum.fail + sum.hold));
  const step = (WIDTH - LEFT) / times.length;
  const bars = times.flatMap((at, place) => stack(sums.get(at), LEFT + place * step, step, most));
  const every = Math.ceil(times.length / 6);
  const words = times.flatMap((at, place) => place % every ? [] : [
    svg("text", { x: LEFT + place * step, y: HEIGHT - 6 }, clock(at, told.hours)),
  ]);
  return el("div", {},
    svg("svg", { class: "over-time", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": "Outcomes over time; the table below says the same" },
      svg("line", { x1: LEFT, x2: WIDTH, y1: HEIGHT - BOTTOM, y2: HEIGHT - BOTTOM }),
      svg("text", { x: 0, y: TOP + 12 }, most.toLocaleString()),
      svg("text", { x: 0, y: HEIGHT - BOTTOM }, "0"),
      ...bars, ...words),
    el("p", { class: "key" }, ...ORDER.map((one) => el("span", { class: one }, el("i"), one))));
}

/** Reasons with their numbers, the commonest first. */
export function reasonTable(told) {
  const sums = new Map();
  for (const one of told.reasons) {
    const key = `${one.disposition} ${one.reason}`;
    sums.set(key, { ...one, outcomes: (sums.get(key)?.outcomes ?? 0) + one.outcomes });
  }
  const all = [...sums.values()].sort((one, other) => other.outcomes - one.outcomes);
  const total = all.reduce((sum, one) => sum + one.outcomes, 0);
  const rows = all.map((one) => [
    el("th", { scope: "row" }, one.reason.replaceAll("_", " ")),
    el("td", {}, one.disposition),
    el("td", { class: "number" }, one.outcomes.toLocaleString()),
    el("td", { class: "number" }, share(one.outcomes / total)),
  ]);
  return table("Reasons", ["Reason", "Disposition", "Outcomes", "Share"], rows, ["Outcomes", "Share"]);
}

/** The beginning of every bar of the window, those without outcomes too. */
function spanned(told) {
  const step = told.minutes * 60_000;
  const last = Math.floor(Date.parse(told.at) / step) * step;
  const count = Math.max(1, Math.round(told.hours * 60 / told.minutes)) + 1;
  return Array.from({ length: count }, (_, place) => last - (count - 1 - place) * step);
}

function stack(sum, x, step, most) {
  let top = HEIGHT - BOTTOM;
  return ORDER.map((one) => {
    const height = sum[one] / most * (HEIGHT - BOTTOM - TOP);
    top -= height;
    return svg("rect", { class: one, x: x + 1, y: top, width: Math.max(1, step - 2), height });
  });
}

function clock(at, hours) {
  const options = hours > 24 ? { weekday: "short", hour: "2-digit" } : { hour: "2-digit", minute: "2-digit" };
  return new Date(at).toLocaleString(undefined, { ...options, hourCycle: "h23" });
}
