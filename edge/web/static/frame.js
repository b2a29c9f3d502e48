// An evidence frame with what was found on it, drawn where it is; with zoom where there is room for it.

import { el, fill, svg } from "./dom.js";
import { fieldName } from "./fields.js";
import { t } from "./words.js";

const MOST_ZOOM = 8;
const WEAK = 0.9;

/** The frame of one attempt; `number` counts the outcome's evidence from 0 on, undefined being the last. */
export function frame(outcome, { number, zoom = false } = {}) {
  const place = number ?? outcome.evidence.length - 1;
  const kept = outcome.evidence[place];
  if (!kept) return el("div", { class: "frame empty" }, el("p", {}, t("frame.none")));
  const attempt = outcome.attempts.find((one) => one.number === kept.attempt);
  const last = place === outcome.evidence.length - 1;
  const picture = el("img", {
    src: `/v1/outcomes/${encodeURIComponent(outcome.inspection_id)}/evidence/${place}`,
    alt: t("frame.alt", { n: kept.attempt, total: outcome.evidence.length }),
    decoding: "async",
  });
  const marks = svg("svg", { class: "marks", "aria-hidden": "true", preserveAspectRatio: "xMidYMid meet" });
  const sheet = el("div", { class: "sheet" }, picture, marks);
  const box = el("div", { class: "frame" }, sheet);
  picture.addEventListener("load", () => draw(marks, picture, outcome, attempt, last));
  picture.addEventListener("error", () => fill(box, el("p", {}, t("frame.removed"))));
  if (attempt?.defects.length) {
    box.append(el("p", { class: "defects" }, attempt.defects.map((defect) => t(`defect.${defect}`)).join(" · ")));
  }
  if (zoom) box.append(zooming(box, sheet));
  return box;
}

function draw(marks, picture, outcome, attempt, last) {
  const size = Math.max(picture.naturalWidth, picture.naturalHeight);
  marks.setAttribute("viewBox", `0 0 ${picture.naturalWidth} ${picture.naturalHeight}`);
  const shapes = [];
  const labels = [];
  const region = attempt?.quality?.region;
  if (region) shapes.push(svg("polygon", { points: points(region), class: attempt.defects.length ? "region bad" : "region" }));
  if (last) {
    for (const code of outcome.codes) if (code.box) shapes.push(svg("polygon", { points: points(code.box), class: "code" }));
    for (const [name, one] of Object.entries(outcome.fields)) shapes.push(...marked(name, one, size, labels));
  }
  fill(marks, shapes);
}

function marked(name, one, size, labels) {
  if (!one.box) return [];
  const differs = one.expected !== null && one.expected !== one.text;
  const kind = differs ? "bad" : one.confidence < WEAK ? "unsure" : "good";
  const weak = one.characters.filter((character) => character.box && character.confidence < WEAK);
  // Beside its text, where it hides none of it, and below a label that stands there already.
  const height = size / 45;
  const x = Math.max(...one.box.map((point) => point[0])) + height / 2;
  let y = (Math.min(...one.box.map((point) => point[1])) + Math.max(...one.box.map((point) => point[1])) + height * 0.7) / 2;
  while (labels.some((other) => Math.abs(other.x - x) < size / 4 && Math.abs(other.y - y) < height * 1.1)) y += height * 1.2;
  labels.push({ x, y });
  const label = svg("text", { x, y, "font-size": height, class: `label ${kind}` });
  label.textContent = fieldName(name);
  return [
    svg("polygon", { points: points(one.box), class: `text ${kind}` }),
    ...weak.map((character) => svg("polygon", { points: points(character.box), class: "text weak" })),
    label,
  ];
}

function points(box) {
  return box.map(([x, y]) => `${x},${y}`).join(" ");
}

function zooming(box, sheet) {
  let scale = 1, x = 0, y = 0, held = null;
  const set = (by) => {
    scale = Math.min(MOST_ZOOM, Math.max(1, by));
    const most = (scale - 1) / 2;
    x = Math.min(most, Math.max(-most, x));
    y = Math.min(most, Math.max(-most, y));
    sheet.style.transform = `translate(${x * 100}%, ${y * 100}%) scale(${scale})`;
  };
  box.classList.add("zooms");
  sheet.addEventListener("wheel", (event) => {
    event.preventDefault();
    set(scale * (event.deltaY < 0 ? 1.2 : 1 / 1.2));
  }, { passive: false });
  sheet.addEventListener("pointerdown", (event) => {
    held = [event.clientX, event.clientY];
    sheet.setPointerCapture(event.pointerId);
  });
  sheet.addEventListener("pointermove", (event) => {
    if (!held) return;
    x += (event.clientX - held[0]) / sheet.clientWidth;
    y += (event.clientY - held[1]) / sheet.clientHeight;
    held = [event.clientX, event.clientY];
    set(scale);
  });
  for (const end of ["pointerup", "pointercancel"]) sheet.addEventListener(end, () => { held = null; });
  const button = (text, says, by) => el("button", { type: "button", "aria-label": t(says), onclick: () => set(by()) }, text);
  return el("div", { class: "zoom" },
    button("+", "frame.closer", () => scale * 1.5),
    button("−", "frame.farther", () => scale / 1.5),
    button("1:1", "frame.whole", () => 1));
}
