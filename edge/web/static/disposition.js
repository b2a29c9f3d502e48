// What is to be done with a part: as a shape, as a colour and as a word.

import { el, svg } from "./dom.js";
import { t } from "./words.js";

const SHAPES = {
  pass: [["circle", { cx: 16, cy: 16, r: 14 }], ["path", { d: "M9 16.5l5 5 9.5-11", class: "mark" }]],
  fail: [
    ["path", { d: "M10.2 2h11.6L30 10.2v11.6L21.8 30H10.2L2 21.8V10.2z" }],
    ["path", { d: "M10.5 10.5l11 11m0-11l-11 11", class: "mark" }],
  ],
  hold: [["path", { d: "M16 2L31 29H1z" }], ["path", { d: "M13 14v9m6-9v9", class: "mark" }]],
};

/** The shape alone, for where the word stands beside it. */
export function shape(disposition) {
  const parts = (SHAPES[disposition] ?? SHAPES.hold).map(([tag, attributes]) => svg(tag, attributes));
  return svg("svg", { viewBox: "0 0 32 32", class: `shape ${disposition}`, "aria-hidden": "true" }, parts);
}

/** Shape and word on the colour. */
export function badge(disposition) {
  return el("span", { class: `badge ${disposition}` }, shape(disposition), el("b", {}, t(`disposition.${disposition}`)));
}

/** Why, in a person's words: the reason, and what is wrong with the frame. */
export function why(outcome) {
  const defects = outcome.defects.map((defect) => t(`defect.${defect}`));
  return [t(`reason.${outcome.reason}`), ...defects].join(" · ");
}
