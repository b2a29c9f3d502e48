// An image that a person gives: dropped, pasted, chosen, or taken by the device's camera.

import { el } from "./dom.js";
import { number, t } from "./words.js";

const MOST_BYTES = 20_000_000;
const KINDS = ["image/jpeg", "image/png", "image/webp"];

/** A place to give an image: `take` gets each one that can be asked about, `tell` the sentence about any other. */
export function given(take, tell) {
  const file = el("input", { type: "file", accept: KINDS.join(), id: "file", onchange: () => check(file.files[0]) });
  const camera = el("input", { type: "file", accept: "image/*", capture: "environment", id: "shot", onchange: () => check(camera.files[0]) });
  const box = el("div", { class: "drop" }, el("p", {}, t("ask.drop")),
    el("label", { class: "button", for: "file" }, t("ask.choose")), file, el("label", { class: "button", for: "shot" }, t("ask.take")), camera);

  function check(one) {
    if (!one) return;
    if (!KINDS.includes(one.type)) return tell(t("ask.kind"));
    if (one.size > MOST_BYTES) return tell(t("ask.long", { mb: number(one.size / 1e6, 1) }));
    take(one);
  }

  box.addEventListener("dragover", (event) => { event.preventDefault(); box.classList.add("over"); });
  box.addEventListener("dragleave", () => box.classList.remove("over"));
  box.addEventListener("drop", (event) => { event.preventDefault(); box.classList.remove("over"); check(event.dataTransfer.files[0]); });
  const pasted = (event) => check([...event.clipboardData.files][0]);
  document.addEventListener("paste", pasted);
  return { box, close: () => document.removeEventListener("paste", pasted) };
}

/** A file as the HTTP API wants it. */
export function base64(file) {
  return new Promise((done, failed) => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.onerror = () => failed(reader.error);
    reader.readAsDataURL(file);
  });
}
