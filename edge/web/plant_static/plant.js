// The plant page: asks for all figures every few seconds, and draws them. Everything from outside is put in as text.

import { get, session, signIn, signOut } from "/static/api.js";
import { el, fill } from "/static/dom.js";
import { overTime, reasonTable } from "/plant_static/over_time.js";
import { alarmTable, chosen, readerTable, STATES, stationTable } from "/plant_static/tables.js";

const EVERY_MS = 5000;
const WINDOWS = [[1, "last hour"], [8, "last 8 hours"], [24, "last day"], [168, "last week"]];
/** Rows that are drawn: more than anybody reads, and a browser draws them at once. */
const MOST = 500;

const main = document.getElementById("main");
const head = document.getElementById("head");
const lost = document.getElementById("lost");
const wish = { hours: 1, state: "", text: "" };
let told = null;
let parts = null;
let waits = null;

function build() {
  const window = el("select", { "aria-label": "Window", onchange: (event) => { wish.hours = Number(event.target.value); ask(); } },
    ...WINDOWS.map(([hours, name]) => el("option", { value: hours }, name)));
  const text = el("input", { type: "search", oninput: (event) => { wish.text = event.target.value; draw(); } });
  parts = { states: el("div", { class: "plant-states" }), stations: scroll("Stations"), bars: el("div"), reasons: scroll("Reasons", "short"),
    readers: scroll("Readers", "short"), alarms: scroll("Alarms", "short"), shown: el("p", { class: "quiet", role: "status" }), at: el("small") };
  fill(head, el("p", { class: "place" }, el("b", {}, "Plant"), parts.at), el("span", { class: "settings" }, window, parts.leave = el("span")));
  fill(main, el("h1", {}, "Stations of the plant"), el("div", { class: "plant" },
    parts.states,
    el("section", { class: "card" }, el("h2", {}, "Stations"),
      el("div", { class: "plant-tools" }, el("label", {}, "Line or station", text)), parts.shown, parts.stations),
    el("section", { class: "card half" }, el("h2", {}, "Outcomes over time"), parts.bars, parts.reasons),
    el("section", { class: "card half" }, el("h2", {}, "Readers"), parts.readers),
    el("section", { class: "card" }, el("h2", {}, "Alarms"), parts.alarms)));
}

/** A part that scrolls by itself can be reached by keyboard. */
function scroll(name, size = "") {
  return el("div", { class: `scroll ${size}`.trim(), tabindex: "0", role: "region", "aria-label": name });
}

function draw() {
  if (told === null) return;
  const buttons = [["", "all", ""], ...STATES].map(([state, name, mark]) => {
    const count = state ? told.states[state] : told.stations.length;
    return el("button", { type: "button", class: count && state ? mark : "", "aria-pressed": String(wish.state === state),
      onclick: () => { wish.state = state; draw(); } }, el("b", {}, count.toLocaleString()), name);
  });
  const focus = [...parts.states.children].indexOf(document.activeElement);
  fill(parts.states, ...buttons);
  if (focus >= 0) parts.states.children[focus].focus();
  const stations = chosen(told.stations, wish.state, wish.text);
  fill(parts.stations, stationTable(stations.slice(0, MOST)));
  const missing = told.stations.reduce((sum, one) => sum + one.missing, 0);
  parts.shown.textContent = `${Math.min(stations.length, MOST)} of ${told.stations.length} stations` +
    (missing ? `; ${missing.toLocaleString()} outcomes are missing and asked for` : "; no outcome is missing");
  fill(parts.bars, overTime(told));
  fill(parts.reasons, reasonTable(told));
  fill(parts.readers, told.readers.length ? readerTable(told.readers) : el("p", {}, "No reader has read yet."));
  fill(parts.alarms, told.alarms.length ? alarmTable(told.alarms) : el("p", {}, "None."));
  parts.at.textContent = `as of ${new Date(told.at).toLocaleTimeString()}`;
}

async function ask() {
  clearTimeout(waits);
  try {
    told = await get(`/v1/plant?hours=${wish.hours}`);
    lost.hidden = true;
    main.classList.remove("old");
    draw();
  } catch (failure) {
    if (failure.status === 401) return start();
    lost.textContent = failure.unreachable ? "The page's server does not answer; these figures are old." : failure.message;
    lost.hidden = false;
    main.classList.toggle("old", told !== null);
  }
  document.documentElement.dataset.ready = "true";
  waits = setTimeout(ask, EVERY_MS);
}

function askForToken() {
  const name = el("input", { autocomplete: "username", required: true });
  const token = el("input", { type: "password", autocomplete: "current-password", required: true });
  const said = el("p", { role: "alert" });
  const form = el("form", { class: "card sign-in", onsubmit: async (event) => {
    event.preventDefault();
    try {
      await signIn(name.value, "token", token.value);
      start();
    } catch (failure) {
      said.textContent = failure.message;
    }
  } }, el("label", {}, "Name", name), el("label", {}, "Token", token), el("button", { class: "main" }, "Sign in"), said);
  fill(head, el("p", { class: "place" }, el("b", {}, "Plant")));
  fill(main, el("h1", {}, "Sign in to see the plant"), form);
  document.documentElement.dataset.ready = "true";
}

async function start() {
  clearTimeout(waits);
  let here;
  try {
    here = await session();
  } catch {
    here = { may: ["GET /v1/plant"], state: "off" };
  }
  if (!here.may.includes("GET /v1/plant")) return askForToken();
  build();
  if (here.state === "signed_in") {
    fill(parts.leave, el("button", { type: "button", onclick: async () => { await signOut(); told = null; start(); } }, `Sign out ${here.name}`));
  }
  return ask();
}

start();
