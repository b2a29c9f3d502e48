// Ask: an image and a question to the station's reader, freely or by a question profile; the answer as it comes.

import { change, get, streamed } from "./api.js";
import { el, fill, svg } from "./dom.js";
import { fieldName } from "./fields.js";
import { base64, given } from "./given.js";
import { number, sentence, t } from "./words.js";

export async function ask(root, { say }) {
  let image = null;
  let running = null;

  const picture = el("img", { alt: t("ask.image_alt") });
  const marks = svg("svg", { class: "marks", "aria-hidden": "true" });
  const sheet = el("div", { class: "frame", hidden: true }, el("div", { class: "sheet" }, picture, marks));
  const drop = given(take, tell);
  const question = el("textarea", { id: "question", rows: 2, maxlength: 1000 }, t("ask.example"));
  const profile = el("select", { id: "profile", onchange: choose }, el("option", { value: "" }, t("ask.freely")));
  const about = el("p", { class: "quiet", id: "about" });
  const asked = el("div", {}, el("label", { for: "question" }, t("ask.question")), question);
  const profiles = new Map();
  const send = el("button", { type: "submit", class: "main" }, t("ask.send"));
  const read = el("button", { type: "button", onclick: readIt }, t("ask.read"));
  const answer = el("p", { class: "answer big", "aria-live": "polite" });
  const facts = el("p", { class: "quiet" });

  fill(root, el("h1", {}, t("view.ask")),
    el("div", { class: "ask" },
      el("section", { class: "card" }, drop.box, sheet),
      el("section", { class: "card" },
        el("form", { onsubmit: (event) => { event.preventDefault(); askIt(); } },
          el("label", { for: "profile" }, t("ask.profile")), profile, about, asked, el("p", { class: "tools" }, send, read)),
        answer, facts)));
  try {
    for (const one of (await get("/v1/profiles")).profiles) {
      profiles.set(one.name, one);
      profile.append(el("option", { value: one.name }, one.name.replaceAll("_", " ")));
    }
  } catch (failure) {
    say(failure);
  }

  /** What the chosen profile is for; an example where it takes a question. */
  function choose() {
    const chosen = profiles.get(profile.value);
    about.textContent = [chosen?.about, chosen?.needs_large_model ? t("ask.large") : null].filter(Boolean).join(" ");
    asked.hidden = chosen !== undefined && !chosen.asks;
    question.value = chosen ? chosen.example : t("ask.example");
    tell("");
  }

  function take(file) {
    image = file;
    URL.revokeObjectURL(picture.src);
    picture.src = URL.createObjectURL(file);
    sheet.hidden = false;
    fill(marks);
    tell("");
  }

  function tell(text) {
    fill(answer, text);
    fill(facts);
  }

  async function begin(needed = true) {
    running?.abort();
    if (!image && needed) {
      tell(t("ask.no_image"));
      return null;
    }
    running = new AbortController();
    tell("");
    facts.textContent = t("ask.waiting");
    return image && needed ? base64(image) : "";
  }

  async function askIt() {
    const chosen = profiles.get(profile.value);
    const bytes = await begin(chosen?.sees ?? true);
    if (bytes === null) return;
    const body = { question: asked.hidden ? undefined : question.value, stream: true, profile: chosen?.name, image: bytes || undefined };
    const begun = performance.now();
    let first = null;
    try {
      for await (const event of streamed("/v1/chat", body, running.signal)) {
        if (event.error) throw new Error(event.error.message);
        if (event.token !== undefined) {
          first ??= performance.now() - begun;
          answer.append(event.token);
          facts.textContent = t("ask.first", { ms: number(first) });
        } else if (event.answer !== undefined) {
          if (event.object) table(event.object);
          else answer.textContent = event.answer || t("ask.nothing");
          facts.textContent = [t("ask.first", { ms: number(event.ms.first_token ?? first ?? 0) }), t("ask.total", { ms: number(event.ms.total) }),
            event.reader.name, event.finish === "length" ? t("ask.cut") : null].filter(Boolean).join(" · ");
        }
      }
    } catch (failure) {
      fail(failure);
    }
  }

  /** Named fields one under the other, as those that were read. */
  function table(found) {
    fill(answer, Object.entries(found).map(([name, value]) => el("span", { class: "pair" }, el("small", {}, name.replaceAll("_", " ")), el("code", {}, value === null ? "–" : String(value)))));
  }

  async function readIt() {
    const bytes = await begin();
    if (!bytes) return;
    try {
      const told = await change("POST", "/v1/read", { image: bytes, file: image.name.slice(0, 200) });
      tell(Object.entries(told.fields ?? {}).map(([name, one]) => el("span", { class: "pair" }, el("small", {}, fieldName(name)), el("code", {}, textOf(one) || "–"))));
      facts.textContent = t("ask.total", { ms: number(told.ms?.total ?? 0) });
      overlay(told.fields ?? {});
    } catch (failure) {
      fail(failure);
    }
  }

  function overlay(found) {
    marks.setAttribute("viewBox", `0 0 ${picture.naturalWidth} ${picture.naturalHeight}`);
    fill(marks, Object.values(found).filter((one) => one?.box).map((one) => svg("polygon", { class: "text good", points: one.box.map((point) => point.join()).join(" ") })));
  }

  function fail(failure) {
    if (failure.name === "AbortError") return;
    tell("");
    say(failure);
    answer.textContent = sentence(failure);
  }

  return {
    close() {
      running?.abort();
      URL.revokeObjectURL(picture.src);
      drop.close();
    },
  };
}

function textOf(one) {
  return typeof one === "string" ? one : one?.text;
}
