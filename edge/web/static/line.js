// The line view: the part of this moment, the station's states, and this shift in numbers.

import { change, get } from "./api.js";
import { shape, why } from "./disposition.js";
import { el, fill, isCommand, svg } from "./dom.js";
import { fields } from "./fields.js";
import { frame } from "./frame.js";
import { age, number, t, time } from "./words.js";

const RECENT = 12;
const TRIGGER = "POST /v1/trigger";
const TURN = 2 * Math.PI * 42;
const END_STOP = "DELETE /v1/line_stop";

export async function line(root, { live, go, first, session, may, offers, signIn, say }) {
  const begun = first() ?? (await get("/v1/line"));
  const { station } = begun;
  let newest = begun.newest;
  let reasons = begun.shift.reasons;
  let counted = newest[0]?.seq ?? 0;
  let lastAt = newest[0] ? Date.parse(newest[0].at) : null;

  const now = el("section", { class: "now", "aria-labelledby": "now-title" });
  const states = el("ul", { class: "states" });
  const problems = el("ul", { class: "problems" });
  const stopped = el("button", { type: "button", class: "main", hidden: true, onclick: endStop }, t("line.end_stop"));
  const takt = clock(station.takt_ms);
  const shift = el("div", { class: "bars", role: "list" });
  const total = el("p", { class: "quiet" });
  const queues = el("dl", { class: "queues" });
  const recent = el("ol", { class: "recent" });
  const spoken = el("p", { class: "unseen", role: "status" });

  // A part by hand: where no wire brings triggers, and to try out one that does.
  const trigger = el("p", { class: "tools", hidden: !may(TRIGGER) }, el("button", { type: "button", onclick: begin, "aria-keyshortcuts": "t" },
    t("line.trigger"), el("kbd", { "aria-hidden": "true" }, "T")));

  fill(root,
    el("h1", { class: "unseen" }, t("view.line")),
    spoken,
    el("div", { class: "line" },
      now,
      el("section", { class: "card", "aria-labelledby": "states-title" }, el("h2", { id: "states-title" }, t("line.states")), states, problems, stopped, trigger),
      el("section", { class: "card", "aria-labelledby": "takt-title" }, el("h2", { id: "takt-title" }, t("line.takt")), takt.element),
      el("section", { class: "card shift", "aria-labelledby": "shift-title" },
        el("h2", { id: "shift-title" }, t("line.shift", { at: time(begun.shift.since).slice(0, 5) })), total, shift),
      el("section", { class: "card", "aria-labelledby": "queues-title" }, el("h2", { id: "queues-title" }, t("line.queues")), queues),
      el("section", { class: "card wide", "aria-labelledby": "recent-title" }, el("h2", { id: "recent-title" }, t("line.recent")), recent)));

  function drawNow() {
    const outcome = newest[0];
    if (!outcome) {
      fill(now, el("h2", { id: "now-title" }, t("line.now")), el("p", { class: "quiet big" }, t("line.nothing")));
      return;
    }
    fill(now,
      el("h2", { id: "now-title", class: "unseen" }, t("line.now")),
      frame(outcome),
      el("div", { class: `verdict ${outcome.disposition}` },
        shape(outcome.disposition),
        el("div", {},
          el("b", { class: "word" }, t(`disposition.${outcome.disposition}`)),
          el("p", { class: "why" }, why(outcome)),
          el("p", { class: "do" }, t(`do.${outcome.disposition}`)))),
      el("div", { class: "read" },
        fields(outcome),
        outcome.detail ? el("p", { class: "detail" }, outcome.detail) : null,
        el("p", { class: "quiet" }, el("a", { href: `#/outcome/${outcome.inspection_id}`, class: "button" }, t("line.story")),
          " ", `${time(outcome.at)} · ${number(outcome.ms.total ?? 0)} ms · ${t("line.looks", { n: outcome.attempts.length })}`)));
  }

  function drawRecent() {
    fill(recent, newest.slice(0, RECENT).map((outcome) => el("li", {},
      el("a", { href: `#/outcome/${outcome.inspection_id}` }, shape(outcome.disposition),
        el("span", {}, el("b", {}, outcome.fields.serial?.text || t("field.unread")), el("small", {}, `${t(`disposition.${outcome.disposition}`)} · ${time(outcome.at)}`))))));
  }

  function drawShift() {
    const rows = Object.entries(reasons).sort((one, other) => other[1] - one[1]);
    const sum = rows.reduce((all, [, count]) => all + count, 0);
    const most = rows[0]?.[1] ?? 1;
    total.textContent = t("line.total", { n: number(sum) });
    fill(shift, rows.map(([reason, count]) => {
      const length = svg("rect", { width: Math.max(1, (count / most) * 100), height: 10, class: dispositionOf(reason) });
      return el("a", { role: "listitem", href: `#/history?reason=${reason}&since=${begun.shift.since}` },
        shape(dispositionOf(reason)), el("span", {}, t(`reason.${reason}`)), el("b", {}, number(count)),
        svg("svg", { viewBox: "0 0 100 10", preserveAspectRatio: "none", class: "bar", "aria-hidden": "true" }, length));
    }));
  }

  function drawErp() {
    const asked = newest.find((one) => one.reason === "erp_unavailable" || one.erp.source);
    if (!asked) return ["unknown", t("state.unknown")];
    return asked.reason === "erp_unavailable" ? ["bad", t("state.erp_silent")] : ["good", t("state.answered", { at: time(asked.at) })];
  }

  function drawHealth(health) {
    trigger.hidden = !may(TRIGGER); // somebody may have signed in, or out, since
    const process = (name) => Object.entries(health.processes).find(([one]) => one.startsWith(name))?.[1];
    const of = (one) => (one === undefined || one.state === "unknown" ? ["unknown", t("state.unknown")]
      : one.state !== "ready" ? ["bad", t(`state.${one.state}`)] : one.problem ? ["fair", one.problem] : ["good", t("state.ready")]);
    const connected = health.broker.connected;
    const messenger = of(process("messenger"));
    const broker = messenger[0] === "bad" || connected === null || connected === undefined ? messenger
      : connected ? ["good", t("state.connected")] : ["fair", t("state.not_connected")];
    const told = [
      ["camera", of(process("capture"))], ["reader", of(process("reader"))], ["inspector", of(process("inspector"))],
      ["broker", broker], ["erp", drawErp()],
    ];
    fill(states, told.map(([name, [state, says]]) => el("li", { class: state }, sign(state),
      el("span", {}, el("b", {}, t(`state.of_${name}`)), el("small", {}, says)))));
    fill(problems, health.problems.map((problem) => el("li", {}, problem)));
    stopped.hidden = !health.alarms?.line_stop || !offers(END_STOP);
    const queue = health.queues;
    fill(queues, [
      ["unsent", queue?.outbox.oldest_age_s, queue?.outbox.waiting],
      ["unconfirmed", queue?.unconfirmed.oldest_age_s, null],
      ["waiting", queue?.triggers.oldest_age_s, queue?.triggers.waiting],
      ["dead", null, queue?.dead_letters.waiting],
    ].map(([name, oldest, waiting]) => el("div", { class: name === "dead" && waiting ? "fair" : "" },
      el("dt", {}, t(`queue.${name}`)),
      el("dd", {}, queue === null || queue === undefined ? "–"
        : oldest !== null && oldest !== undefined ? age(oldest) : t("queue.none"), waiting ? el("small", {}, t("queue.count", { n: number(waiting) })) : null))));
  }

  /** One press, one trigger: the next is taken when this one is answered. */
  let beginning = false;
  async function begin() {
    if (beginning) return;
    beginning = true;
    try {
      await change("POST", "/v1/trigger", {});
      say(t("line.triggered"));
    } catch (failure) {
      say(failure);
    } finally {
      beginning = false;
    }
  }

  function keys(event) {
    if (event.key !== "t" || event.repeat || !isCommand(event) || !may(TRIGGER)) return;
    begin();
    event.preventDefault();
  }

  /** Somebody has seen to the cause: the line may run. The next health shows it. */
  async function endStop() {
    if (session().state !== "signed_in" && !(await signIn())) return;
    try {
      await change("DELETE", "/v1/line_stop");
    } catch (failure) {
      say(failure);
    }
  }

  let drawn = false;
  function soon() {
    // However fast outcomes come, the screen is drawn once a frame: with the newest.
    if (drawn) return;
    drawn = true;
    requestAnimationFrame(() => {
      drawn = false;
      drawNow();
      drawRecent();
      drawShift();
      root.dataset.seq = newest[0]?.seq ?? 0;
    });
  }

  function heard({ detail: outcome }) {
    if (outcome.seq <= counted) return;
    counted = outcome.seq;
    newest = [outcome, ...newest].slice(0, RECENT);
    reasons = { ...reasons, [outcome.reason]: (reasons[outcome.reason] ?? 0) + 1 };
    lastAt = Date.now();
    spoken.textContent = `${t(`disposition.${outcome.disposition}`)}: ${outcome.fields.serial?.text ?? ""} ${why(outcome)}`;
    soon();
  }

  const listeners = { outcome: heard, health: ({ detail }) => drawHealth(detail), lagging: () => go("line") };
  for (const [name, listener] of Object.entries(listeners)) live.addEventListener(name, listener);
  const ticking = setInterval(() => takt.show(lastAt === null ? null : (Date.now() - lastAt) / 1000), 250);
  document.addEventListener("keydown", keys);
  soon();
  // A station that is down says so with 503 and the same figures; without an answer the next live event tells.
  if (live.health) drawHealth(live.health);
  else fetch("/health").then((answer) => answer.json()).then(drawHealth, () => {});

  return {
    seq: begun.newest[0]?.seq ?? 0,
    close() {
      clearInterval(ticking);
      document.removeEventListener("keydown", keys);
      for (const [name, listener] of Object.entries(listeners)) live.removeEventListener(name, listener);
    },
  };
}

/** The sign of a state: its shape says the same as its colour. */
export function sign(state) {
  const inner = {
    good: [svg("circle", { cx: 8, cy: 8, r: 7 }), svg("path", { d: "M4.5 8.3l2.4 2.5 4.6-5", class: "mark" })],
    fair: [svg("path", { d: "M8 1l7.5 13.5H.5z" }), svg("path", { d: "M8 6v4m0 2v.5", class: "mark" })],
    bad: [svg("rect", { x: 1, y: 1, width: 14, height: 14 }), svg("path", { d: "M5 5l6 6m0-6l-6 6", class: "mark" })],
    unknown: [svg("circle", { cx: 8, cy: 8, r: 6.5, class: "hollow" })],
  }[state];
  return svg("svg", { viewBox: "0 0 16 16", class: `sign ${state}`, "aria-hidden": "true" }, inner);
}

const FAILS = new Set(["mismatch", "duplicate_serial", "format_violation", "code_conflict"]);
function dispositionOf(reason) {
  return reason === "matched" ? "pass" : FAILS.has(reason) ? "fail" : "hold";
}

function clock(taktMs) {
  const ring = svg("circle", { cx: 50, cy: 50, r: 42, class: "ring", "stroke-dasharray": `0 ${TURN}`, transform: "rotate(-90 50 50)" });
  const text = svg("text", { x: 50, y: 50, class: "seconds" });
  const unit = svg("text", { x: 50, y: 68, class: "unit" });
  const face = svg("svg", { viewBox: "0 0 100 100", class: "clock", "aria-hidden": "true" },
    svg("circle", { cx: 50, cy: 50, r: 42, class: "track" }), ring, text, unit);
  const says = el("p", {}, taktMs ? t("line.takt_of", { s: number(taktMs / 1000, 1) }) : t("line.no_takt"));
  return {
    element: el("div", { class: "takt" }, face, says),
    show(seconds) {
      text.textContent = seconds === null ? "–" : seconds < 100 ? number(seconds, 1) : age(seconds);
      unit.textContent = seconds !== null && seconds < 100 ? "s" : "";
      const share = taktMs && seconds !== null ? Math.min(1, (seconds * 1000) / taktMs) : 0;
      ring.setAttribute("stroke-dasharray", `${share * TURN} ${TURN}`);
      face.classList.toggle("over", share >= 1);
    },
  };
}
