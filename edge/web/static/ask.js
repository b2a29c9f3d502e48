// Ask: an image and a question to the station's reader; the answer as it comes.

import { change, streamed } from "./api.js";
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
  const send = el("button", { type: "submit", class: "main" }, t("ask.send"));
  const read = el("button", { type: "button", onclick: readIt }, t("ask.read"));
  const answer = el("p", { class: "answer big", "aria-live": "polite" });
  const facts = el("p", { class: "quiet" });

  fill(root, el("h1", {}, t("view.ask")),
    el("div", { class: "ask" },
      el("section", { class: "card" }, drop.box, sheet),
      el("section", { class: "card" },
        el("form", { onsubmit: (event) => { event.preventDefault(); askIt(); } },
          el("label", { for: "question" }, t("ask.question")), question, el("p", { class: "tools" }, send, read)),
        answer, facts)));

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

  async function begin() {
    running?.abort();
    if (!image) {
      tell(t("ask.no_image"));
      return null;
    }
    running = new AbortController();
    tell("");
    facts.textContent = t("ask.waiting");
    return base64(image);
  }

  async function askIt() {
    const bytes = await begin();
    if (!bytes) return;
    const begun = performance.now();
    let first = null;
    try {
      for await (const event of streamed("/v1/chat", { image: bytes, question: question.value, stream: true }, running.signal)) {
        if (event.error) throw new Error(event.error.message);
        if (event.token !== undefined) {
          first ??= performance.now() - begun;
          answer.append(event.token);
          facts.textContent = t("ask.first", { ms: number(first) });
        } else if (event.answer !== undefined) {
          answer.textContent = event.answer || t("ask.nothing");
          facts.textContent = [t("ask.first", { ms: number(event.ms.first_token ?? first ?? 0) }), t("ask.total", { ms: number(event.ms.total) }),
            event.reader.name, event.finish === "length" ? t("ask.cut") : null].filter(Boolean).join(" · ");
        }
      }
    } catch (failure) {
      fail(failure);
    }
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
