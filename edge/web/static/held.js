// Held parts: the queue, the evidence of one, and a person's decision, which can be taken back until it is sent.

import { change, get } from "./api.js";
import { shape, why } from "./disposition.js";
import { el, fill, isCommand } from "./dom.js";
import { fieldName, fields } from "./fields.js";
import { frame } from "./frame.js";
import { looks } from "./story.js";
import { age, number, t, time } from "./words.js";

const REVIEW = "POST /v1/outcomes/{inspection_id}/review";
const ACTIONS = [["confirm", "1"], ["correct", "2"], ["reject", "3"], ["retake", "4"]];

export async function held(root, { live, session, may, signIn, say, counted }) {
  let queue = await get("/v1/held");
  let chosen = queue.outcomes[0]?.inspection_id ?? null;
  let pending = null;

  const list = el("ol", { class: "queue" });
  const part = el("section", { class: "card part", "aria-labelledby": "part-title" });
  const undo = el("div", { class: "undo", role: "status" });
  const more = el("button", { type: "button", hidden: true, onclick: further }, t("history.more"));
  const count = el("p", { class: "quiet" });
  const fresh = el("button", { type: "button", hidden: true, onclick: reload }, "");
  fill(root,
    el("h1", {}, t("view.held")),
    undo,
    el("div", { class: "held" },
      el("section", { "aria-labelledby": "queue-title" }, el("h2", { id: "queue-title" }, t("held.queue")), count, fresh, list, more),
      part));

  function drawList() {
    const waiting = queue.waiting >= queue.counted_to ? `${number(queue.counted_to)}+` : number(queue.waiting);
    count.textContent = t("held.count", { n: waiting });
    counted(waiting);
    more.hidden = queue.next_before === null;
    fill(list, queue.outcomes.map(({ outcome }) => el("li", {}, el("button", {
      type: "button", "aria-current": outcome.inspection_id === chosen ? "true" : null, "data-id": outcome.inspection_id,
      onclick: () => choose(outcome.inspection_id, true),
    }, shape(outcome.disposition), el("span", {}, el("b", {}, outcome.fields.serial?.text || t("field.unread")),
      el("small", {}, why(outcome)), el("small", {}, `${time(outcome.at)} · ${age((Date.now() - Date.parse(outcome.at)) / 1000)}`))))));
  }

  function choose(id, focus = false) {
    chosen = id;
    drawList();
    drawPart();
    if (focus) part.querySelector("h2")?.focus();
  }

  function drawPart() {
    const found = queue.outcomes.find((one) => one.inspection_id === chosen);
    if (!found) {
      fill(part, el("h2", { id: "part-title", tabindex: "-1" }, t("held.none")), el("p", { class: "quiet" }, t("held.none_says")));
      return;
    }
    const { outcome } = found;
    fill(part,
      el("h2", { id: "part-title", tabindex: "-1" }, outcome.fields.serial?.text || t("field.unread")),
      el("p", { class: "why" }, why(outcome), outcome.detail ? ` — ${outcome.detail}` : ""),
      offered() ? el("div", { class: "decide" }, ACTIONS.map(([action, key]) => el("button",
        { type: "button", class: action, onclick: () => decide(action), "aria-keyshortcuts": key },
        t(`review.${action}`), el("kbd", { "aria-hidden": "true" }, key)))) : el("p", { class: "detail" }, t("held.may_not")),
      session().state === "off" ? el("p", { class: "detail" }, t("held.off")) : null,
      el("div", { id: "form" }),
      el("div", { class: "halves" },
        frame(outcome, { zoom: true }),
        el("div", {}, fields(outcome),
          el("p", { class: "quiet" }, outcome.erp.source ? t("held.erp", { source: outcome.erp.source, age: age(outcome.erp.age ?? 0) }) : t("held.no_erp")),
          el("h3", {}, t("held.answers")), looks(outcome),
          el("p", { class: "tools" }, el("a", { class: "button", href: `#/outcome/${outcome.inspection_id}` }, t("line.story")),
            outcome.evidence.length ? el("a", { class: "button", href: `#/inside/${outcome.inspection_id}/${outcome.evidence.length - 1}` }, t("inside.look")) : null))));
  }

  /** Whether to decide is offered: whoever has not signed in yet may be somebody who may. */
  function offered() {
    return session().state !== "signed_in" || may(REVIEW);
  }

  async function decide(action) {
    if (!offered() || (session().state !== "signed_in" && !(await signIn()))) return;
    if (!may(REVIEW)) return drawPart();
    if (action !== "correct") return give(action, {}, "");
    const found = queue.outcomes.find((one) => one.inspection_id === chosen);
    if (!found) return;
    const names = Object.keys(found.outcome.fields);
    const inputs = (names.length ? names : ["serial", "model"]).map((name) => [name, el("input",
      { name, value: found.outcome.fields[name]?.text ?? "", maxlength: 200, autocomplete: "off", spellcheck: "false" })]);
    const note = el("input", { name: "note", maxlength: 500, autocomplete: "off" });
    const form = el("form", { class: "right", onsubmit: (event) => {
      event.preventDefault();
      give("correct", Object.fromEntries(inputs.map(([name, input]) => [name, input.value.trim()])), note.value);
    } },
    inputs.map(([name, input]) => el("label", {}, fieldName(name), input)), el("label", {}, t("held.note"), note),
    el("button", { type: "submit", class: "main" }, t("held.send")));
    fill(part.querySelector("#form"), form);
    inputs[0][1].focus();
    inputs[0][1].select();
  }

  async function give(action, given, note) {
    const id = chosen;
    try {
      const said = await change("POST", `/v1/outcomes/${encodeURIComponent(id)}/review`, { action, fields: given, note });
      const place = queue.outcomes.findIndex((one) => one.inspection_id === id);
      queue.outcomes.splice(place, 1);
      queue.waiting -= 1;
      choose((queue.outcomes[place] ?? queue.outcomes[place - 1])?.inspection_id ?? null, true);
      await waitFor(id, action, said.undo_s);
    } catch (failure) {
      say(failure);
    }
  }

  async function waitFor(id, action, seconds) {
    const end = Date.now() + seconds * 1000;
    clearInterval(pending?.timer);
    const left = el("b", {}, number(seconds));
    pending = { id, timer: setInterval(() => {
      const rest = (end - Date.now()) / 1000;
      left.textContent = number(Math.max(0, Math.ceil(rest)));
      if (rest <= 0) finish(t("held.sent"));
    }, 250) };
    fill(undo, el("span", {}, t(`held.did_${action}`), " "), el("span", { "aria-hidden": "true" }, t("held.in"), " ", left, " s"),
      el("button", { type: "button", class: "main", onclick: takeBack, "aria-keyshortcuts": "u" }, t("held.undo"), el("kbd", { "aria-hidden": "true" }, "U")));
  }

  async function takeBack() {
    if (!pending) return;
    const { id } = pending;
    try {
      await change("DELETE", `/v1/outcomes/${encodeURIComponent(id)}/review`);
      finish(t("held.undone"));
      await reload();
      choose(id, true);
    } catch (failure) {
      say(failure);
    }
  }

  function finish(text) {
    clearInterval(pending?.timer);
    pending = null;
    fill(undo, text);
  }

  async function reload() {
    queue = await get("/v1/held");
    fresh.hidden = true;
    if (!queue.outcomes.some((one) => one.inspection_id === chosen)) chosen = queue.outcomes[0]?.inspection_id ?? null;
    drawList();
    drawPart();
  }

  async function further() {
    const next = await get(`/v1/held?before=${queue.next_before}`);
    queue = { ...next, outcomes: [...queue.outcomes, ...next.outcomes] };
    drawList();
  }

  let arrived = 0;
  function heard({ detail: outcome }) {
    if (outcome.disposition !== "hold") return;
    arrived += 1;
    // The queue does not move under a person's finger: what is new is shown when they ask for it.
    if (!queue.outcomes.length) reload().then(() => { arrived = 0; });
    fresh.hidden = false;
    fresh.textContent = t("held.fresh", { n: number(arrived) });
  }
  fresh.addEventListener("click", () => { arrived = 0; });

  function keys(event) {
    if (!isCommand(event)) return;
    const action = ACTIONS.find(([, key]) => key === event.key);
    const step = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1 }[event.key];
    if (action && chosen) decide(action[0]);
    else if (event.key === "u") takeBack();
    else if (step && root.contains(event.target)) {
      const place = queue.outcomes.findIndex((one) => one.inspection_id === chosen) + step;
      if (queue.outcomes[place]) choose(queue.outcomes[place].inspection_id, true);
    } else return;
    event.preventDefault();
  }

  live.addEventListener("outcome", heard);
  document.addEventListener("keydown", keys);
  drawList();
  drawPart();
  return {
    close() {
      live.removeEventListener("outcome", heard);
      document.removeEventListener("keydown", keys);
      clearInterval(pending?.timer);
    },
  };
}
