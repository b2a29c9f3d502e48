// The history: outcomes by serial, model, reason and time, page by page, and as files.

import { get } from "./api.js";
import { badge, why } from "./disposition.js";
import { el, fill } from "./dom.js";
import { dateTime, number, t } from "./words.js";

const ROWS = 50;
/** The panel looks at a bounded number of outcomes for one answer, so a rare one may take several. */
const MOST_QUESTIONS = 60;

const DISPOSITIONS = ["pass", "fail", "hold"];
const REASONS = ["matched", "mismatch", "duplicate_serial", "format_violation", "code_conflict", "unreadable", "record_missing",
  "erp_unavailable", "reader_failed", "truncated", "camera_failed", "stale_frame", "deadline", "overrun", "interrupted"];

export async function history(root, { live, query, say }) {
  const rows = el("tbody", {});
  const found = el("p", { class: "quiet", role: "status" });
  const more = el("button", { type: "button", hidden: true, onclick: () => search(false) }, t("history.more"));
  const fresh = el("button", { type: "button", class: "main", hidden: true, onclick: () => search(true) });
  const files = ["csv", "jsonl"].map((format) => el("a", { class: "button", download: true }, t(`history.${format}`)));
  let before = null;
  let asked = 0;
  let arrived = 0;

  const option = (name, values) => el("select", { name }, el("option", { value: "" }, t("history.any")),
    values.map((value) => el("option", { value, selected: query.get(name) === value }, t(`${name}.${value}`))));
  const text = (name) => el("input", { name, type: "search", value: query.get(name) ?? "", maxlength: 200, autocomplete: "off", spellcheck: "false" });
  const moment = (name) => el("input", { name, type: "datetime-local", step: 1, value: local(query.get(name)) });
  const label = (name, input) => el("label", {}, t(`history.by_${name}`), input);
  const form = el("form", { class: "search", onsubmit: (event) => { event.preventDefault(); search(true); } },
    label("text", text("text")), label("serial", text("serial")), label("model", text("model")),
    label("disposition", option("disposition", DISPOSITIONS)), label("reason", option("reason", REASONS)),
    label("since", moment("since")), label("until", moment("until")),
    el("button", { type: "submit", class: "main" }, t("history.search")));

  fill(root, el("h1", {}, t("view.history")), form,
    el("p", { class: "tools" }, found, fresh, files),
    el("table", { class: "outcomes" }, el("caption", { class: "unseen" }, t("view.history")),
      el("thead", {}, el("tr", {}, ["at", "disposition", "serial", "model", "why", "open"].map((name) => el("th", { scope: "col" }, name === "open" ? el("span", { class: "unseen" }, t("history.open")) : t(`history.${name}`))))), rows),
    el("p", {}, more));

  function wanted() {
    const given = new URLSearchParams();
    for (const [name, value] of new FormData(form)) {
      if (value) given.set(name, name === "since" || name === "until" ? new Date(value).toISOString() : value);
    }
    return given;
  }

  async function search(anew) {
    const mine = ++asked;
    const given = wanted();
    if (anew) {
      before = null;
      arrived = 0;
      fresh.hidden = true;
      window.history.replaceState(null, "", `#/history?${given}`);
      files.forEach((link, place) => { link.href = `/v1/outcomes/export?${new URLSearchParams([...given, ["format", place ? "jsonl" : "csv"]])}`; });
    }
    found.textContent = t("history.searching");
    const page = [];
    try {
      for (let question = 0; question < MOST_QUESTIONS && page.length < ROWS; question++) {
        given.set("limit", ROWS - page.length);
        if (before !== null) given.set("before", before);
        const answer = await get(`/v1/outcomes?${given}`);
        if (mine !== asked) return;
        page.push(...answer.outcomes);
        before = answer.next_before;
        if (before === null) break;
      }
    } catch (failure) {
      say(failure);
    }
    if (anew) fill(rows);
    rows.append(...page.map(row));
    more.hidden = before === null;
    found.textContent = rows.children.length ? t(before === null ? "history.all" : "history.first", { n: number(rows.children.length) }) : t("history.nothing");
  }

  function heard() {
    arrived += 1;
    fresh.hidden = false;
    fresh.textContent = t("history.fresh", { n: number(arrived) });
  }

  live.addEventListener("outcome", heard);
  await search(true);
  return { close: () => live.removeEventListener("outcome", heard) };
}

function row({ outcome }) {
  const name = outcome.fields.serial?.text || t("field.unread");
  return el("tr", {},
    el("td", { "data-head": t("history.at") }, dateTime(outcome.at)),
    el("td", { "data-head": t("history.disposition") }, badge(outcome.disposition)),
    el("td", { "data-head": t("history.serial") }, el("code", {}, name)),
    el("td", { "data-head": t("history.model") }, el("code", {}, outcome.fields.model?.text || "–")),
    el("td", { "data-head": t("history.why") }, why(outcome)),
    el("td", {}, el("a", { class: "button", href: `#/outcome/${outcome.inspection_id}`, "aria-label": t("history.open_one", { name }) }, t("history.open"))));
}

/** A time in the form that an input of the local time takes. */
function local(at) {
  if (!at) return "";
  const when = new Date(at);
  return new Date(when.getTime() - when.getTimezoneOffset() * 60000).toISOString().slice(0, 19);
}
