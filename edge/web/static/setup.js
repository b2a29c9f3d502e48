// Set-up: is all well, how does the camera see, what do the limits do, and what is read. For engineers.

import { change, get, streamed } from "./api.js";
import { el, fill } from "./dom.js";
import { badge } from "./disposition.js";
import { fieldName } from "./fields.js";
import { sign } from "./line.js";
import { dateTime, number, sentence, t } from "./words.js";

const AGAIN_MS = 700;
const LEVELS = { ok: "good", warn: "fair", fail: "bad" };
/** What a person turns at the camera, first. */
const FIRST = ["sharpness", "glare", "overexposure", "underexposure", "contrast", "motion"];

export async function setup(root, context) {
  const parts = [aid(), await gate(), check(), await product(context)];
  fill(root, el("h1", {}, t("view.setup")), el("div", { class: "setup" }, parts.map((part) => part.box)));
  return { close: () => parts.forEach((part) => part.close?.()) };
}

function card(name, ...children) {
  return el("section", { class: `card setup-${name}`, "aria-labelledby": `s-${name}` }, el("h2", { id: `s-${name}` }, t(`setup.${name}`)), children);
}

/** Focus and exposure: the frame of now, and meters with the best that was seen. */
function aid() {
  let running = false;
  let turn = null;
  const best = {};
  const picture = el("img", { alt: t("setup.now") });
  const shown = el("div", { class: "frame", hidden: true }, el("div", { class: "sheet" }, picture));
  const meters = el("ul", { class: "measures meters" });
  const facts = el("p", { class: "quiet" });
  const told = el("p", { class: "detail", role: "status", hidden: true });
  const button = el("button", { type: "button", class: "main", "aria-pressed": "false", onclick: () => (running ? stop() : start()) }, t("setup.start"));
  const once = el("button", { type: "button", onclick: () => look() }, t("setup.once"));
  const anew = el("button", { type: "button", onclick: () => { Object.keys(best).forEach((name) => delete best[name]); fill(meters); } }, t("setup.anew"));

  async function start() {
    running = true;
    button.textContent = t("setup.stop");
    button.setAttribute("aria-pressed", "true");
    while (running) {
      await look();
      await new Promise((done) => { turn = setTimeout(done, AGAIN_MS); });
    }
  }

  function stop() {
    running = false;
    clearTimeout(turn);
    button.textContent = t("setup.start");
    button.setAttribute("aria-pressed", "false");
  }

  async function look() {
    try {
      const frame = await change("POST", "/v1/setup/look", {});
      told.hidden = true;
      picture.src = frame.image;
      shown.hidden = false;
      facts.textContent = [t("story.exposure", { us: number(frame.exposure_us) }), t("setup.gain", { db: number(frame.gain_db, 1) }),
        t("story.light", { light: frame.light }), `${frame.width_px} × ${frame.height_px} px`].join(" · ");
      draw(frame);
    } catch (failure) {
      told.hidden = false;
      told.textContent = sentence(failure);
    }
  }

  function draw(frame) {
    const names = [...FIRST, ...Object.keys(frame.measures).filter((name) => !FIRST.includes(name))];
    fill(meters, names.map((name) => {
      const { score } = frame.measures[name];
      const least = frame.limits[name];
      if (score === null) return el("li", {}, el("span", {}, t(`measure.${name}`)), el("span", { class: "quiet" }, t("setup.not_there")), el("b", {}, "–"));
      best[name] = Math.max(best[name] ?? 0, score);
      const low = least !== null && score < least;
      return el("li", { class: low ? "low" : "" },
        el("span", {}, t(`measure.${name}`)),
        el("meter", { min: 0, max: 100, low: least ?? 0, value: score, "aria-label": t(`measure.${name}`) }),
        el("b", {}, score, low ? ` ${t("setup.low")}` : ""),
        el("small", {}, t("setup.best", { n: best[name] }), least === null ? "" : ` · ${t("setup.least", { n: least })}`));
    }));
    if (frame.defects.length) fill(told, frame.defects.map((defect) => `${t(`defect.${defect}`)}: ${frame.advice[defect] ?? ""}`).join(" · "));
    told.hidden = !frame.defects.length;
  }

  return { box: card("aid", el("p", { class: "quiet" }, t("setup.aid_says")), el("p", { class: "tools" }, button, once, anew), told, shown, facts, meters), close: stop };
}

/** How the frames of the last parts spread over each measure. */
async function gate() {
  const body = el("div", {});
  async function load() {
    const told = await get("/v1/setup/gate").catch(() => null);
    if (!told?.frames) return fill(body, el("p", { class: "quiet" }, t("setup.no_frames")));
    const rows = Object.entries(told.measures).filter(([, one]) => one.score);
    fill(body, el("p", { class: "quiet" }, t("setup.frames", { n: number(told.frames) })),
      el("div", { class: "scrolls", tabindex: "0", role: "region", "aria-label": t("setup.gate") }, el("table", { class: "plain spread" },
        el("thead", {}, el("tr", {}, [t("setup.measure"), "1 %", "5 %", "50 %", "95 %", "99 %", t("setup.limit"), t("setup.under")].map((head) => el("th", { scope: "col" }, head)))),
        el("tbody", {}, rows.map(([name, one]) => el("tr", { class: one.under_limit > 0.05 ? "low" : null }, el("th", { scope: "row" }, t(`measure.${name}`)),
          ["p1", "p5", "p50", "p95", "p99"].map((at) => el("td", { class: one.least !== null && one.score[at] < one.least ? "under" : null }, number(one.score[at]))),
          el("td", {}, one.least ?? "–"), el("td", {}, one.under_limit === null ? "–" : `${number(one.under_limit * 100)} %`)))))));
  }
  await load();
  return { box: card("gate", body, el("p", { class: "tools" }, el("button", { type: "button", onclick: load }, t("setup.again")))) };
}

/** `edge check`, line by line. */
function check() {
  let running = null;
  const lines = el("ul", { class: "states", "aria-live": "polite" });
  const end = el("p", { role: "status" });
  const button = el("button", { type: "button", class: "main", onclick: run }, t("setup.run"));
  async function run() {
    running?.abort();
    running = new AbortController();
    button.disabled = true;
    fill(lines);
    end.textContent = t("setup.running");
    try {
      for await (const { line, ended, why } of streamed("/v1/setup/check", {}, running.signal)) {
        if (line) lines.append(el("li", {}, sign(LEVELS[line.level] ?? "fair"), el("span", {}, el("b", {}, `${line.check ?? ""} · ${t(`setup.level_${line.level ?? "warn"}`)}`),
          el("small", {}, line.do ? `${line.said}: ${line.do}` : line.said))));
        else end.textContent = ended === 0 ? t("setup.all_well") : why || t("setup.not_all_well");
      }
    } catch (failure) {
      if (failure.name !== "AbortError") end.textContent = sentence(failure);
    }
    button.disabled = false;
  }
  return { box: card("check", el("p", { class: "quiet" }, t("setup.check_says")), el("p", { class: "tools" }, button), end, lines), close: () => running?.abort() };
}

/** The product file: edited, checked while one types, tried on kept frames, saved. */
async function product(context) {
  let told = await get("/v1/setup/product");
  let running = null;
  let timer = null;
  const text = el("textarea", { id: "product", rows: 16, spellcheck: "false", autocapitalize: "off", autocomplete: "off", class: "code", oninput: soon }, told.text);
  const problems = el("ul", { class: "problems", "aria-live": "polite" });
  const state = el("p", { class: "quiet" });
  const result = el("div", { "aria-live": "polite" });
  const test = el("button", { type: "button", onclick: run }, t("setup.test"));
  const save = el("button", { type: "button", class: "main", onclick: store }, t("setup.save"));
  const back = el("button", { type: "button", onclick: async () => { told = await get("/v1/setup/product"); text.value = told.text; judge(); } }, t("setup.load"));

  function say() {
    state.textContent = [told.path ?? t("setup.no_folder"), told.is_there ? null : t("setup.built_in"), told.taken_up ? t("setup.taken_up") : t("setup.restart")].filter(Boolean).join(" · ");
  }

  function soon() {
    clearTimeout(timer);
    timer = setTimeout(judge, 500);
  }

  async function judge() {
    clearTimeout(timer);
    try {
      const { problems: found } = await change("POST", "/v1/setup/product/check", { text: text.value });
      fill(problems, found.map((one) => el("li", {}, one)));
      test.disabled = save.disabled = found.length > 0;
      return found.length === 0;
    } catch (failure) {
      context.say(failure);
      return false;
    }
  }

  async function store() {
    if (!(await judge())) return;
    try {
      told = await change("PUT", "/v1/setup/product", { text: text.value, sha256: told.sha256 });
      context.say(told.taken_up ? t("setup.saved") : `${t("setup.saved")} ${t("setup.restart")}`);
      say();
    } catch (failure) {
      context.say(failure);
    }
  }

  async function run() {
    if (!(await judge())) return;
    running?.abort();
    running = new AbortController();
    const counts = { same: 0, changed: 0, open: 0, "not played": 0, failed: 0 };
    const list = el("ul", { class: "looks" });
    const summary = el("p", {}, t("setup.running"));
    fill(result, summary, list);
    test.disabled = true;
    try {
      for await (const { line, ended, why } of streamed("/v1/setup/product/test", { text: text.value, last: 20 }, running.signal)) {
        if (line?.replay) {
          counts[line.replay] += 1;
          if (line.replay !== "same") list.append(difference(line));
        } else if (ended !== undefined) {
          summary.textContent = (ended === 0 || ended === 1) && !why ? t("setup.tested", { all: Object.values(counts).reduce((sum, n) => sum + n), same: counts.same,
            changed: counts.changed, open: counts.open, failed: counts.failed, other: counts["not played"] }) : why;
        }
      }
    } catch (failure) {
      if (failure.name !== "AbortError") summary.textContent = sentence(failure);
    }
    test.disabled = false;
  }

  say();
  return {
    box: card("product", state, el("label", { for: "product" }, t("setup.product_says")), text, problems,
      el("p", { class: "tools" }, test, save, back), result),
    close: () => { running?.abort(); clearTimeout(timer); },
  };
}

/** What a product file would change of one part. */
function difference(line) {
  const { then, now } = line;
  return el("li", {}, el("a", { href: `#/outcome/${line.inspection_id}` }, dateTime(line.at)), " ",
    then ? verdict(then) : "", now ? el("span", {}, " → ", verdict(now)) : el("span", { class: "quiet" }, ` ${t(`setup.replay_${line.replay.replace(" ", "_")}`)} ${line.why}`),
    now ? el("div", {}, [...new Set([...Object.keys(then.texts), ...Object.keys(now.texts)])].filter((name) => (then.texts[name] ?? "") !== (now.texts[name] ?? "")).map((name) =>
      el("p", { class: "answer" }, `${fieldName(name)} `, el("code", {}, then.texts[name] || "–"), " → ", el("code", {}, now.texts[name] || "–")))) : null);
}

function verdict(one) {
  return el("span", {}, badge(one.disposition), ` ${t(`reason.${one.reason}`)}`);
}
