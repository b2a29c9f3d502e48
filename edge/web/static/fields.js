// A field as it was read: each character with its confidence, and what was expected.

import { el } from "./dom.js";
import { percent, t } from "./words.js";

/** Below it a character is marked, and its confidence shown as a number. */
const WEAK = 0.9;
const FAIR = 0.99;

export function fields(outcome) {
  const names = Object.keys(outcome.fields);
  if (!names.length) return el("p", { class: "quiet" }, t("field.none"));
  return el("dl", { class: "fields" }, names.map((name) => field(name, outcome.fields[name])));
}

function field(name, one) {
  const differs = one.expected !== null && one.expected !== one.text;
  const steps = one.expected === null ? null : aligned(one.text, one.expected);
  return el("div", { class: differs ? "field differs" : "field" },
    el("dt", {}, fieldName(name), one.confidence ? el("small", {}, percent(one.confidence)) : null),
    el("dd", {},
      el("span", { class: "unseen" }, spoken(one)),
      el("span", { class: "rows", "aria-hidden": "true" },
        el("span", { class: "row" }, el("i", {}, t("field.read")), read(one, steps)),
        one.expected === null ? null
          : el("span", { class: "row" }, el("i", {}, t("field.expected")), el("span", { class: "chars" },
            steps.map((step) => el("span", { class: step.same ? "char want" : "char want other" }, step.want ?? "·")))))));
}

export function fieldName(name) {
  return t(`field.${name}`);
}

function read(one, steps) {
  const characters = one.characters.length ? one.characters : [...one.text].map((text) => ({ text, confidence: null, alternatives: [] }));
  if (!characters.length) return el("span", { class: "quiet" }, t("field.empty"));
  const plain = characters.map((one) => one.text).join("");
  // Where a rule changed the text, its characters are no longer those that were read.
  const marks = steps && plain === one.text ? steps : null;
  let next = 0;
  const cells = [];
  for (const step of marks ?? [...characters].map((_, place) => ({ same: true, read: place }))) {
    if (step.read === null) cells.push(el("span", { class: "char other" }, "·"));
    else cells.push(cell(characters[next++], step.same));
  }
  return el("span", { class: "chars" }, cells);
}

function cell(character, same) {
  const sure = character.confidence;
  const level = sure === null ? "" : sure < WEAK ? "weak" : sure < FAIR ? "fair" : "sure";
  const others = character.alternatives.map((other) => `${other.text} ${percent(other.confidence)}`).join(", ");
  const told = sure === null ? "" : percent(sure) + (others ? ` (${others})` : "");
  return el("span", { class: `char ${level} ${same ? "" : "other"}`, title: told },
    character.text, level === "weak" ? el("small", {}, Math.floor(sure * 100)) : null);
}

function spoken(one) {
  const parts = [one.text ? `${t("field.read")} ${one.text}` : t("field.empty")];
  if (one.expected !== null) parts.push(`${t("field.expected")} ${one.expected}`, t(one.expected === one.text ? "field.same" : "field.other"));
  if (one.confidence) parts.push(t("field.least", { p: percent(one.confidence) }));
  return parts.join(", ");
}

/** The characters of two texts side by side (longest common part): {read: place or null, want: character or null, same}. */
export function aligned(read, want) {
  const a = [...read], b = [...want];
  // Of one length, place for place: what a person would compare.
  if (a.length === b.length) return a.map((one, place) => ({ read: place, want: b[place], same: one === b[place] }));
  const cost = Array.from({ length: a.length + 1 }, (_, i) => Array.from({ length: b.length + 1 }, (_, j) => (i ? (j ? 0 : i) : j)));
  for (let i = 1; i <= a.length; i++) {
    for (let j = 1; j <= b.length; j++) {
      cost[i][j] = Math.min(cost[i - 1][j] + 1, cost[i][j - 1] + 1, cost[i - 1][j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1));
    }
  }
  const steps = [];
  for (let i = a.length, j = b.length; i || j;) {
    if (i && j && cost[i][j] === cost[i - 1][j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1)) {
      steps.unshift({ read: --i, want: b[--j], same: a[i] === b[j] });
    } else if (i && cost[i][j] === cost[i - 1][j] + 1) steps.unshift({ read: --i, want: null, same: false });
    else steps.unshift({ read: null, want: b[--j], same: false });
  }
  return steps;
}
