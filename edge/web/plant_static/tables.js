// The tables of the plant page: stations, readers, alarms.

import { el } from "/static/dom.js";

/** A station in order of need: what stands still first, then what holds most. */
const NEED = { offline: 0, silent: 1, unknown: 2, online: 3, stopped: 4 };

export const STATES = [
  ["online", "online", ""],
  ["silent", "online, and silent", "fair"],
  ["offline", "offline", "bad"],
  ["stopped", "stopped", ""],
  ["unknown", "never heard", "fair"],
];

/** Stations that are asked for, by a state ("" for all) and a text. */
export function chosen(stations, state, text) {
  const wanted = text.trim().toLowerCase();
  const named = (one) => `${one.site}/${one.line}/${one.station}`.toLowerCase();
  return stations
    .filter((one) => (!state || one.state === state) && named(one).includes(wanted))
    .sort((one, other) => need(one) - need(other) || (other.hold ?? 0) - (one.hold ?? 0) || (named(one) < named(other) ? -1 : 1));
}

export function stationTable(stations) {
  const heads = ["Station", "State", "Outcomes", "Held", "Failed", "Missing", "p99, ms", "False accepts", "Drift", "Reader", "Last outcome"];
  const rows = stations.map((one) => [
    el("th", { scope: "row" }, `${one.line} / ${one.station}`),
    el("td", {}, el("span", { class: `state-word ${one.state}` }, one.line_stop ? `${one.state}, line stop` : one.state)),
    number(one.outcomes.toLocaleString()),
    number(share(one.hold), one.hold > 0.1 ? "warn" : ""),
    number(share(one.fail), one.fail > 0.1 ? "warn" : ""),
    number(one.missing ? one.missing.toLocaleString() : "0", one.missing ? "wrong" : ""),
    number(one.p99_ms === null ? "–" : Math.round(one.p99_ms).toLocaleString()),
    number(rate(one.false_accept_rate)),
    drift(one),
    el("td", {}, ...one.readers.map((hash) => el("code", { title: hash }, hash.slice(0, 8) + " "))),
    el("td", {}, one.last_at === null ? "–" : new Date(one.last_at).toLocaleTimeString()),
  ]);
  return table("Stations", heads, rows, ["Outcomes", "Held", "Failed", "Missing", "p99, ms", "False accepts"]);
}

export function readerTable(readers) {
  const heads = ["Reader", "Hash", "Stations", "Outcomes", "Held", "Failed", "False accepts"];
  const rows = readers.map((one) => [
    el("th", { scope: "row" }, one.reader || "–"),
    el("td", {}, el("code", { title: one.reader_hash }, one.reader_hash.slice(0, 12))),
    number(one.stations.toLocaleString()),
    number(one.outcomes.toLocaleString()),
    number(share(one.hold)),
    number(share(one.fail)),
    number(rate(one.false_accept_rate)),
  ]);
  return table("Readers", heads, rows, heads.slice(2));
}

export function alarmTable(alarms) {
  const heads = ["At", "Alarm", "Station", "What"];
  const rows = alarms.map((one) => [
    el("td", {}, new Date(one.at).toLocaleString()),
    el("td", {}, one.kind.replaceAll("_", " ")),
    el("td", {}, `${one.line} / ${one.station}`),
    el("td", { class: "wraps" }, `${one.detail} (${one.about})`),
  ]);
  return table("Alarms", heads, rows, []);
}

export function table(name, heads, rows, numbers) {
  const head = heads.map((one) => el("th", { scope: "col", class: numbers.includes(one) ? "number" : null }, one));
  return el("table", { class: "plant-table" },
    el("caption", { class: "unseen" }, name),
    el("thead", {}, el("tr", {}, ...head)),
    el("tbody", {}, ...rows.map((cells) => el("tr", {}, ...cells))));
}

export function share(value) {
  return value === null ? "–" : `${(value * 100).toFixed(1)} %`;
}

function rate(value) {
  return value === null ? "not measured" : value.toExponential(1);
}

function drift(one) {
  if (one.drift.length) return el("td", { class: "warn" }, one.drift.join(", "));
  const near = one.near && one.near.nearness >= 0.5;
  return el("td", {}, near ? `${one.near.sign} ${Math.round(one.near.nearness * 100)} %` : "none");
}

function number(text, mark = "") {
  return el("td", { class: `number ${mark}`.trim() }, text);
}

function need(one) {
  return one.missing || one.drift.length || one.line_stop ? -1 : NEED[one.state];
}
