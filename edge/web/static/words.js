// The page's words, in the person's language.

export const LANGUAGES = { en: "English", de: "Deutsch", zh: "中文" };

let words = {};
let current = "en";

/** The language that a person chose last, else the browser's, else English. */
export function preferred() {
  const kept = localStorage.getItem("language");
  const asked = [kept, ...navigator.languages.map((one) => one.slice(0, 2))];
  return asked.find((one) => one in LANGUAGES) ?? "en";
}

/** The words that will be wanted first come from the moment that this module is here, beside the page's others. */
let begun = { language: preferred(), answer: fetch(`/texts/${preferred()}.json`) };

export async function speak(language) {
  const answer = await (begun.language === language ? begun.answer : fetch(`/texts/${language}.json`));
  begun = {};
  words = await answer.json();
  current = language;
  document.documentElement.lang = language;
  localStorage.setItem("language", language);
}

export function language() {
  return current;
}

/** The text of a key, with `{name}` replaced. A key without a text is shown as it is: a new reason stays readable. */
export function t(key, values = {}) {
  const text = words[key] ?? key.replace(/^[a-z]+\./, "").replaceAll("_", " ");
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

/** What failed, as a person hears it. */
export function sentence(failure) {
  return failure.unreachable ? t("error.unreachable") : failure.message;
}

export function number(value, digits = 0) {
  return value.toLocaleString(current, { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

export function percent(share) {
  // Never rounded up to a certainty.
  return number(Math.min(Math.floor(share * 1000) / 10, share < 1 ? 99.9 : 100), 1) + " %";
}

export function time(at) {
  return new Date(at).toLocaleTimeString(current, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
}

export function dateTime(at) {
  return new Date(at).toLocaleString(current, { dateStyle: "medium", timeStyle: "medium", hourCycle: "h23" });
}

/** An age in the unit that a person would say. */
export function age(seconds) {
  if (seconds < 60) return `${number(seconds, seconds < 10 ? 1 : 0)} s`;
  if (seconds < 3600) return `${number(seconds / 60)} min`;
  if (seconds < 86400) return `${number(seconds / 3600, 1)} h`;
  return t("unit.days", { n: number(seconds / 86400) });
}
