// The page: its head, its views by address, and what stays while they change.

import { get, session as askSession, signIn as openSession, signOut } from "./api.js";
import { el, fill } from "./dom.js";
import { line } from "./line.js";
import { Live } from "./live.js";
import { LANGUAGES, language, preferred, sentence, speak, t, time } from "./words.js";

// Only the line's view is there from the first; the others come as soon as the page can be used, those for engineers when
// they are opened.
const later = (name) => async (...given) => (await import(`./${name}.js`))[name](...given);
const VIEWS = { line, held: later("held"), history: later("history"), ask: later("ask"), outcome: later("story"), inside: later("inside"), setup: later("setup") };
const SOON = ["held", "history", "story", "ask"];
const SHOWN = ["line", "held", "history", "ask", "inside", "setup"];
/** What an engineer's view asks for; it is offered to whoever may. */
const NEEDS = { inside: "POST /v1/inside", setup: "POST /v1/setup/look" };
const THEMES = ["auto", "light", "dark"];

const main = document.getElementById("main");
const head = document.getElementById("head");
const said = document.getElementById("said");
const lost = document.getElementById("lost");
const live = new Live();
let session = { state: "off", name: null, role: "nobody", ways: [], may: [] };
let station = null;
let opened = { close() {} };
let waiting = "";
let turn = 0;
let begun = null;
let failed = false;

function drawHead() {
  const here = address().view;
  document.getElementById("skip").textContent = t("page.skip");
  const place = station ? `${station.site} / ${station.line} / ${station.station}` : "edge";
  document.title = `${t(`view.${here}`)} · ${place}`;
  fill(head,
    el("p", { class: "place" }, el("b", {}, place), station ? el("small", {}, station.product) : null),
    el("nav", { "aria-label": t("page.views") }, SHOWN.filter((view) => !NEEDS[view] || view === here || may(NEEDS[view])).map((view) => el("a",
      { href: `#/${view}`, "aria-current": view === here ? "page" : null }, t(`view.${view}`), view === "held" && waiting && waiting !== "0" ? el("span", { class: "count" }, waiting) : null))),
    el("div", { class: "settings" },
      el("select", { "aria-label": t("page.language"), onchange: (event) => change(event.target.value) },
        Object.entries(LANGUAGES).map(([code, name]) => el("option", { value: code, selected: code === language() }, name))),
      el("button", { type: "button", onclick: nextTheme }, t(`theme.${theme()}`)),
      session.state === "off" ? null : el("button", { type: "button", onclick: session.state === "signed_in" ? leave : enter },
        session.state === "signed_in" ? [t("session.leave", { name: session.name }), " ", el("small", {}, t(`role.${session.role}`))] : t("session.enter"))));
}

function address() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [view, ...rest] = path.split("/");
  return { view: view in VIEWS ? view : "line", rest: decodeURIComponent(rest.join("/")), query: new URLSearchParams(query) };
}

async function show({ focus = false } = {}) {
  const mine = ++turn;
  const { view, rest, query } = address();
  if (!may("GET /v1/line")) return shut();
  if (NEEDS[view] && !may(NEEDS[view])) return shut(view);
  opened.close();
  opened = { close() {} };
  drawHead();
  const root = el("div", { class: "view" });
  main.setAttribute("aria-busy", "true");
  try {
    const made = await VIEWS[view](root, {
      live, rest, query, go: (to) => (location.hash === `#/${to}` || (to === "line" && !location.hash) ? show() : (location.hash = `#/${to}`)),
      session: () => session, may, offers, signIn, say, counted, first: taken,
    });
    if (mine !== turn) return made.close();
    opened = made;
    failed = false;
    fill(main, root);
  } catch (failure) {
    if (mine !== turn) return;
    failed = true;
    fill(main, el("h1", {}, t(`view.${view}`)), el("p", { class: "detail" }, sentence(failure)),
      el("button", { type: "button", onclick: () => show() }, t("error.again")));
  }
  main.removeAttribute("aria-busy");
  if (focus) main.focus();
}

/** Whether whoever is here may ask for this; what they may not is not offered. */
function may(row) {
  return session.may.includes(row);
}

/** Whether this is offered: whoever has not signed in yet may be somebody who may. */
function offers(row) {
  return session.state === "signed_out" || may(row);
}

/** What stands in the place of every view while nobody has signed in who may see it. */
function shut(view) {
  opened.close();
  opened = { close() {} };
  drawHead();
  const why = view && session.state !== "signed_in" ? "session.engineers" : session.state === "signed_in" ? "session.too_little" : "session.shut";
  fill(main, el("h1", {}, t(view ? `view.${view}` : "session.enter")), el("p", {}, t(why)),
    session.state === "signed_in" ? null : el("button", { type: "button", class: "main", onclick: enter }, t("session.enter")));
  main.removeAttribute("aria-busy");
}

/** The station as it is now, and what it tells from now on. */
async function begin(asked = get("/v1/line").catch(() => null)) {
  if (!may("GET /v1/line")) return;
  begun = await asked;
  station = begun?.station ?? null;
  live.begin(begun?.newest[0]?.seq ?? 0);
}

/** What the page has asked for at its start, once. */
function taken() {
  const given = begun;
  begun = null;
  return given;
}

function say(failure) {
  said.textContent = typeof failure === "string" ? failure : sentence(failure);
  clearTimeout(say.timer);
  say.timer = setTimeout(() => { said.textContent = ""; }, 8000);
}

function counted(number) {
  if (number === waiting) return;
  waiting = number;
  drawHead();
}

async function change(to) {
  await speak(to);
  await show();
  head.querySelector("select").focus();
}

function theme() {
  return localStorage.getItem("theme") ?? "auto";
}

function nextTheme() {
  localStorage.setItem("theme", THEMES[(THEMES.indexOf(theme()) + 1) % THEMES.length]);
  setTheme();
  drawHead();
  head.querySelector(".settings button").focus();
}

function setTheme() {
  document.documentElement.dataset.theme = theme();
}

/** Ask who is here; gives whether the person is signed in then. `anew` draws the view again, with what they may. */
function signIn({ anew = false } = {}) {
  return new Promise((done) => {
    if (session.state === "off") {
      say(t("held.off"));
      return done(false);
    }
    const could = may("GET /v1/line");
    const name = el("input", { name: "name", required: true, maxlength: 60, autocomplete: "username", value: localStorage.getItem("name") ?? "" });
    const secret = el("input", { name: "secret", type: "password", required: true, maxlength: 1000, autocomplete: "current-password" });
    const label = el("span", {}, t(`session.${session.ways[0]}`));
    const way = el("select", { onchange: () => { label.textContent = t(`session.${way.value}`); } },
      session.ways.map((one) => el("option", { value: one }, t(`session.${one}`))));
    const wrong = el("p", { class: "detail", role: "alert" });
    const box = el("dialog", { "aria-labelledby": "enter-title", onclose: () => { box.remove(); done(session.state === "signed_in"); } },
      el("form", { onsubmit: async (event) => {
        event.preventDefault();
        try {
          session = await openSession(name.value, way.value, secret.value);
          localStorage.setItem("name", name.value);
          if (!could) await begin();
          box.close();
          if (could && !anew && !NEEDS[address().view]) drawHead();
          else await show();
        } catch (failure) {
          wrong.textContent = sentence(failure);
        }
      } },
      el("h2", { id: "enter-title" }, t("session.enter")), el("p", {}, t("session.says")),
      el("label", {}, t("session.name"), name), session.ways.length > 1 ? el("label", {}, t("session.with"), way) : null,
      el("label", {}, label, secret), wrong,
      el("p", { class: "tools" }, el("button", { type: "submit", class: "main" }, t("session.enter")),
        el("button", { type: "button", onclick: () => box.close() }, t("session.cancel")))));
    document.body.append(box);
    box.showModal();
  });
}

/** Sign in by the head's button: the view is drawn anew, with what this person may. A view that asks goes on where it is. */
async function enter() {
  await signIn({ anew: true });
}

async function leave() {
  session = await signOut();
  if (!may("GET /v1/line")) live.end();
  await show();
}

/** A session may have ended by itself: what is shown then is what may be seen. */
async function look() {
  const before = session.may.length;
  session = await askSession().catch(() => session);
  if (session.may.length === before) return;
  if (!may("GET /v1/line")) live.end();
  await show();
}

live.addEventListener("health", ({ detail }) => { live.health = detail; });
live.addEventListener("lost", ({ detail }) => {
  lost.textContent = t("page.lost", { at: time(detail) });
  lost.hidden = false;
  main.classList.add("old");
  look();
});
live.addEventListener("found", () => {
  lost.hidden = true;
  main.classList.remove("old");
  // What came meanwhile comes as events; a person's half-written correction or place in a list stays.
  if (failed || address().view === "line") show();
});
window.addEventListener("hashchange", () => show({ focus: true }));

setTheme();
// Asked for beside the session: who may not see it is refused, and nothing is lost.
const first = get("/v1/line").catch(() => null);
await Promise.all([speak(preferred()), askSession().then((told) => { session = told; }).catch(() => {})]);
await begin(first);
await show();
begun = null;
document.documentElement.dataset.ready = "true";
performance.mark("ready");
if (may("GET /v1/held")) {
  get("/v1/held?limit=1").then((queue) => counted(queue.waiting >= queue.counted_to ? `${queue.counted_to}+` : String(queue.waiting))).catch(() => {});
}
for (const name of SOON) import(`./${name}.js`).catch(() => {});
