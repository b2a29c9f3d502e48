// Inside the model: what it looked at for each token of an answer, and what it chose from. For engineers.

import { change, get } from "./api.js";
import { el, fill, svg } from "./dom.js";
import { fieldName } from "./fields.js";
import { base64, given } from "./given.js";
import { number, percent, sentence, t } from "./words.js";

const SHADES = 9;

export async function inside(root, { rest, say }) {
  const about = await get("/v1/inside");
  const kept = rest ? part(rest) : null;
  let image = null;
  let told = null;
  let now = 0;

  const picture = el("img", { alt: t("ask.image_alt") });
  const marks = svg("svg", { class: "marks heat", "aria-hidden": "true" });
  const sheet = el("div", { class: "frame", hidden: true }, el("div", { class: "sheet" }, picture, marks));
  const drop = given(take, (sentence) => tell(sentence));
  const question = el("textarea", { id: "question", rows: 2, maxlength: 1000 }, t("ask.example"));
  const free = el("div", {}, el("label", { for: "question" }, t("ask.question")), question);
  const what = el("select", { onchange: () => { free.hidden = what.value !== ""; } },
    about.fields.map((name) => el("option", { value: name }, t("inside.field", { name: fieldName(name) }))), el("option", { value: "" }, t("inside.free")));
  free.hidden = what.value !== "";
  const layer = el("select", { disabled: true, onchange: look }, el("option", { value: "" }, t("inside.all_layers")));
  const send = el("button", { type: "submit", class: "main" }, t("inside.look"));
  const status = el("p", { class: "quiet", role: "status" });
  const slider = el("input", { type: "range", min: 0, max: 0, value: 0, "aria-labelledby": "at-title", oninput: () => show(Number(slider.value)) });
  const atTitle = el("h2", { id: "at-title" }, t("inside.token"));
  const strip = el("p", { class: "strip" });
  const at = el("div", { class: "at" });
  const result = el("div", { class: "found", hidden: true });
  const where = el("div", {});

  fill(root, el("h1", {}, t("inside.title")),
    about.available ? null : el("p", { class: "detail" }, about.why),
    el("div", { class: "inside" },
      el("section", { class: "card" }, kept ? el("p", { class: "quiet" }, t("inside.kept", { frame: kept.frame + 1 })) : drop.box, sheet, where),
      el("section", { class: "card" },
        el("form", { class: "inside-form", onsubmit: (event) => { event.preventDefault(); look(); } },
          el("label", {}, t("inside.what"), what), free, el("label", {}, t("inside.layer"), layer), send),
        status,
        result)));

  if (kept) {
    picture.src = `/v1/outcomes/${encodeURIComponent(kept.inspection_id)}/evidence/${kept.frame}`;
    sheet.hidden = false;
  }

  function take(file) {
    image = file;
    URL.revokeObjectURL(picture.src);
    picture.src = URL.createObjectURL(file);
    sheet.hidden = false;
    clear();
    tell("");
  }

  function clear() {
    told = null;
    fill(marks);
    result.hidden = true;
    fill(where);
  }

  function tell(sentence) {
    status.textContent = sentence;
  }

  async function look() {
    if (!kept && !image) return tell(t("ask.no_image"));
    tell(t("ask.waiting"));
    try {
      const body = kept ? { ...kept } : { image: await base64(image) };
      if (what.value) body.field = what.value;
      else body.question = question.value;
      if (layer.value !== "") body.layer = Number(layer.value);
      told = await change("POST", "/v1/inside", body);
      now = Math.min(now, told.tokens.length - 1);
      tell("");
      draw();
    } catch (failure) {
      clear();
      say(failure);
      tell(sentence(failure));
    }
  }

  function draw() {
    const chosen = layer.value;
    layer.disabled = false;
    fill(layer, el("option", { value: "" }, t("inside.all_layers")), told.pictured.map((share, number_) => el("option",
      { value: number_ }, t("inside.one_layer", { n: number_ + 1, p: percent(share) }))));
    layer.value = chosen;
    slider.max = told.tokens.length - 1;
    slider.value = now;
    result.hidden = false;
    fill(result,
      el("p", { class: "answer" }, el("code", {}, told.text || "–"), " ", el("small", {}, told.finish === "length" ? t("ask.cut") : t("inside.passes", { n: told.passes }))),
      atTitle, strip, slider, at,
      el("details", {}, el("summary", {}, t("inside.trace")), traced()),
      el("details", {}, el("summary", {}, t("inside.matrix")), matrix()),
      el("details", {}, el("summary", {}, t("inside.ms")), stages()));
    fill(strip, told.tokens.map((token, place) => el("button", { type: "button", onclick: () => { slider.value = place; show(place); } }, shown(token.text))));
    show(now);
  }

  /** One token: on the frame, and in words and numbers for whoever does not see it. */
  function show(place) {
    now = place;
    const token = told.tokens[place];
    atTitle.textContent = t("inside.token_of", { n: place + 1, total: told.tokens.length, text: shown(token.text) });
    slider.setAttribute("aria-valuetext", `${place + 1}: ${shown(token.text)}, ${percent(token.probability)}`);
    [...strip.children].forEach((one, number_) => one.setAttribute("aria-pressed", String(number_ === place)));
    heat(token);
    fill(at,
      el("p", {}, t(token.drafted ? "inside.drafted" : "inside.decided", { n: token.in_pass, p: percent(token.probability) })),
      table(t("inside.candidates"), ["inside.text", "inside.probability", "inside.may"], token.candidates.map((one, number_) => [
        el("span", {}, el("code", {}, shown(one.text)), number_ === token.chosen ? el("b", {}, ` ${t("inside.chosen")}`) : null), small(one.probability),
        t(one.allowed ? "inside.allowed" : "inside.forbidden")])));
    fill(where, table(t("inside.looked"), ["inside.part", "inside.share"], told.parts.map((one, number_) => [partName(one), token.looked[number_]])
      .sort((one, other) => other[1] - one[1]).map(([name, share]) => [name, small(share)])));
  }

  function heat(token) {
    marks.setAttribute("viewBox", `0 0 ${told.frame_px[0]} ${told.frame_px[1]}`);
    const lines = told.patches.filter((one) => told.parts[one.part].kind === "line");
    const most = Math.max(...lines.map((one) => token.image[one.token]), 1e-9);
    fill(marks, lines.map((one) => svg("polygon", { points: one.quad.map((point) => point.join()).join(" "),
      "fill-opacity": (0.5 * token.image[one.token] / most).toFixed(2), class: token.image[one.token] === most ? "peak" : null })));
  }

  function traced() {
    return table(t("inside.trace"), ["inside.text", "inside.probability", "inside.how", "inside.pass"], told.tokens.map((token) => [
      el("code", {}, shown(token.text)), percent(token.probability), t(token.drafted ? "inside.by_draft" : "inside.by_model"), number(token.in_pass)]));
  }

  function matrix() {
    const head = el("tr", {}, el("th", { scope: "col" }, t("inside.text")), told.parts.map((one) => el("th", { scope: "col" }, partName(one))));
    const rows = told.tokens.map((token) => el("tr", {}, el("th", { scope: "row" }, el("code", {}, shown(token.text))),
      token.looked.map((share) => el("td", { class: `shade s${Math.min(SHADES, Math.floor(share * 2 * SHADES))}` }, number(share * 100)))));
    return el("div", { class: "scrolls", tabindex: "0", role: "region", "aria-label": t("inside.matrix") },
      el("table", { class: "matrix" }, el("caption", {}, t("inside.matrix_says")), el("thead", {}, head), el("tbody", {}, rows)));
  }

  function stages() {
    const { total, ...each } = told.ms;
    return el("ul", { class: "measures stages" }, [...Object.entries(each), ["total", total]].map(([name, ms]) => el("li", {},
      el("span", {}, t(`inside.stage_${name}`)), el("meter", { min: 0, max: total, value: ms, "aria-label": t(`inside.stage_${name}`) }), el("b", {}, `${number(ms)} ms`))));
  }

  if (kept) look();
  return {
    close() {
      drop.close();
      if (image) URL.revokeObjectURL(picture.src);
    },
  };
}

/** "INSPECTION/FRAME" of the address. */
function part(rest) {
  const [inspection_id, frame = "0"] = rest.split("/");
  return { inspection_id, frame: Number(frame) || 0 };
}

function partName(one) {
  return one.kind === "line" ? t("inside.part_line", { text: one.text.slice(0, 40) }) : t(`inside.part_${one.kind}`);
}

/** A token's text where it can be seen; the end of the text has none. */
function shown(text) {
  return text === "" ? t("inside.end") : text.replaceAll(" ", "␣").replaceAll("\n", "⏎");
}

function table(caption, heads, rows) {
  return el("table", { class: "plain" }, el("caption", {}, caption), el("thead", {}, el("tr", {}, heads.map((head) => el("th", { scope: "col" }, t(head))))),
    el("tbody", {}, rows.map((row) => el("tr", {}, row.map((cell) => el("td", {}, cell))))));
}

/** A share that is not nothing is not shown as nothing. */
function small(share) {
  return share > 0 && share < 0.001 ? `< ${percent(0.001)}` : percent(share);
}
