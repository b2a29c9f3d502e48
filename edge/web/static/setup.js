// Set-up: what an engineer does beside the line.

import { el, fill } from "./dom.js";
import { t } from "./words.js";

export async function setup(root) {
  fill(root, el("h1", {}, t("view.setup")));
  return { close() {} };
}
