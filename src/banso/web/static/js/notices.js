/** Short messages: what went wrong and what to do, in the reader's language. */

import { $, h, icon } from "./dom.js";
import { t, tOr } from "./i18n.js";

const SECONDS = { good: 5, bad: 15 };

/**
 * Show a message; screen readers say it.
 *
 * @param {{ seconds?: number, action?: string, work?: () => void }} more how long, and a button
 */
export function notify(text, kind = "good", { seconds = SECONDS[kind], action = null, work = null } = {}) {
  const close = h("button", { class: "quiet", "aria-label": t("close"), onclick: () => notice.remove() }, icon("close"));
  const answer = action && h("button", { class: "answer", type: "button", onclick: () => { notice.remove(); work(); } }, action);
  const notice = h("div", { class: `notice ${kind}`, role: kind === "bad" ? "alert" : "status" }, h("p", {}, text), answer, close);
  const area = $("#notices");
  for (const other of area.children) if (other.textContent === notice.textContent) other.remove();
  area.append(notice);
  setTimeout(() => notice.remove(), seconds * 1000);
}

/** What to tell about an error: a sentence of ours if the code is known, and what the server said. */
export function explain(error) {
  const said = tOr(`error_${error.code ?? "unexpected"}`, null);
  if (!said) return error.message;
  const detail = error.message && error.message !== error.code ? error.message : "";
  return said.includes("{detail}") ? said.replace("{detail}", detail) : said;
}

/** Show an error. */
export function complain(error) {
  notify(explain(error), "bad");
  if (!error.code) throw error;
}
