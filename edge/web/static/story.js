// One outcome's whole story: what was decided, on what evidence, what was tried, and who has heard of it.

import { download, get } from "./api.js";
import { badge, why } from "./disposition.js";
import { el, fill } from "./dom.js";
import { fieldName, fields } from "./fields.js";
import { frame } from "./frame.js";
import { age, dateTime, number, percent, t } from "./words.js";

const BUNDLE = "POST /v1/outcomes/{inspection_id}/bundle";

export async function story(root, { rest, go, session, may, offers, signIn, say }) {
  const told = await get(`/v1/outcomes/${encodeURIComponent(rest)}`);
  const { outcome } = told;
  const shown = el("div", { class: "pictured" });
  const tabs = outcome.evidence.map((kept, place) => el("button", { type: "button", onclick: () => show(place) }, t("story.frame", { n: kept.attempt })));
  function show(number) {
    fill(shown, frame(outcome, { number, zoom: true }));
    tabs.forEach((tab, place) => tab.setAttribute("aria-pressed", String(place === number)));
  }
  if (outcome.evidence.length) show(outcome.evidence.length - 1);
  else fill(shown, frame(outcome));
  async function save(event) {
    const button = event.target;
    if (session().state !== "signed_in" && !(await signIn())) return;
    if (!may(BUNDLE)) return button.remove();
    button.disabled = true;
    try {
      say(t("story.saved", { name: await download(`/v1/outcomes/${encodeURIComponent(rest)}/bundle`) }));
    } catch (failure) {
      say(failure);
    }
    button.disabled = false;
  }
  fill(root,
    el("p", { class: "tools" },
      el("button", { type: "button", onclick: () => (history.length > 1 ? history.back() : go("history")) }, t("story.back")),
      offers(BUNDLE)
        ? el("button", { type: "button", onclick: save, title: t("story.save_says") }, t("story.save")) : null),
    el("h1", {}, badge(outcome.disposition), " · ", outcome.fields.serial?.text || t("field.unread")),
    el("p", { class: "why" }, why(outcome), outcome.detail ? ` — ${outcome.detail}` : ""),
    el("div", { class: "story" },
      el("div", {},
        el("section", { class: "card", "aria-label": t("story.frames") }, tabs.length > 1 ? el("div", { class: "tabs" }, tabs) : null, shown),
        card("looks", looks(outcome))),
      el("div", {}, card("fields", fields(outcome), trace(outcome)), card("reviews", reviews(told)), card("facts", facts(told, outcome))),
      el("section", { class: "card wide" }, el("details", {}, el("summary", {}, t("story.raw")),
        el("pre", { tabindex: "0" }, JSON.stringify(outcome, null, 2))))));
  return { close() {} };
}

function card(name, ...parts) {
  return el("section", { class: "card", "aria-labelledby": `s-${name}` }, el("h2", { id: `s-${name}` }, t(`story.${name}`)), parts);
}

/** What each reader read, by frame. */
export function looks(outcome) {
  return el("ol", { class: "looks" }, outcome.attempts.map((attempt) => el("li", {},
    el("b", {}, t("story.frame", { n: attempt.number })), " ",
    attempt.action && attempt.action !== "first" ? t(`action.${attempt.action}`) : "",
    attempt.cause.length ? ` (${attempt.cause.map((cause) => t(`defect.${cause}`)).join(", ")})` : "",
    attempt.helped === null ? null : el("em", {}, " ", t(attempt.helped ? "story.helped" : "story.no_help")),
    el("div", { class: "quiet" }, [
      attempt.exposure_us ? t("story.exposure", { us: number(attempt.exposure_us) }) : null,
      attempt.light ? t("story.light", { light: attempt.light }) : null,
    ].filter(Boolean).join(" · ")),
    attempt.failure ? el("p", { class: "detail" }, attempt.failure) : null,
    attempt.defects.length ? el("p", {}, attempt.defects.map((defect) => t(`defect.${defect}`)).join(" · ")) : null,
    attempt.readings.map((one) => el("p", { class: "answer" }, el("b", {}, one.reader.name), " ",
      Object.entries(one.texts).map(([name, text]) => el("span", {}, `${fieldName(name)} `, el("code", {}, text || "–"), " ")),
      one.confidence === null ? null : el("small", {}, percent(one.confidence)))),
    measures(attempt))));
}

function measures(attempt) {
  const found = Object.entries(attempt.quality?.measures ?? {}).filter(([, one]) => one.score !== null);
  if (!found.length) return null;
  return el("details", {}, el("summary", {}, t("story.measures")), el("ul", { class: "measures" }, found.map(([name, one]) => el("li", {},
    el("span", {}, t(`measure.${name}`)), el("meter", { min: 0, max: 100, low: 50, value: one.score, "aria-label": t(`measure.${name}`) }), el("b", {}, one.score)))));
}

function trace(outcome) {
  return el("ul", { class: "trace" }, Object.entries(outcome.fields).map(([name, one]) => el("li", {},
    el("b", {}, fieldName(name)), " ", one.why || "–",
    one.rule ? ` · ${t("story.rule", { rule: one.rule, raw: one.raw })}` : "",
    one.alternatives.length ? ` · ${t("story.perhaps")} ${one.alternatives.map((other) => `${other.text} (${other.rule})`).join(", ")}` : "")));
}

function facts(told, outcome) {
  const rows = [
    ["at", dateTime(outcome.at)], ["seq", number(outcome.seq)], ["trigger", outcome.trigger_id],
    ["erp", outcome.erp.source ? `${outcome.erp.source}${outcome.erp.age === null ? "" : ` (${age(outcome.erp.age)})`}` : "–"],
    ["codes", outcome.codes.map((code) => `${code.format} ${code.text}`).join(", ") || "–"],
    ["false_accept", outcome.false_accept_rate === null ? "–" : percentOf(outcome.false_accept_rate)],
    ["ms", Object.entries(outcome.ms).map(([name, ms]) => `${name} ${number(ms)}`).join(" · ")],
    ["sent", told.closed_as ? t(`story.${told.closed_as}`) : t("story.unsent")],
    ["confirmed", told.confirmed_at ? dateTime(told.confirmed_at) : t("story.unconfirmed")],
    ["reader", `${outcome.reader.name ?? "–"} ${(outcome.reader.hash ?? "").slice(0, 12)}`],
    ["config", outcome.config.hash.slice(0, 12)],
    ["evidence", told.evidence.map((one) => one.sha256.slice(0, 12) + (one.removed_at ? ` (${t("frame.removed")})` : "")).join(", ") || "–"],
  ];
  return el("dl", { class: "facts" }, rows.map(([name, text]) => el("div", {}, el("dt", {}, t(`fact.${name}`)), el("dd", {}, text))));
}

function percentOf(share) {
  return `${number(share * 100, 2)} %`;
}

function reviews(told) {
  if (!told.reviews.length) return el("p", { class: "quiet" }, t("story.no_reviews"));
  return el("ul", {}, told.reviews.map((one) => el("li", {}, el("b", {}, t(`review.${one.action}`)), ` ${one.by}, ${dateTime(one.at)} `,
    Object.entries(one.fields).map(([name, text]) => `${fieldName(name)} ${text} `), one.note ? el("q", {}, one.note) : null)));
}
