/** What to ask the band for: style, how many variations, seed and finer settings. */

import { $, h } from "./dom.js";
import { onLanguage, t, tOr } from "./i18n.js";

const MOST_VARIATIONS = 4;
const KEY = "banso.settings";

/** Event: "generate". */
export class BandPanel extends EventTarget {
  #options = null;

  constructor() {
    super();
    $("#generate").addEventListener("click", () => this.dispatchEvent(new Event("generate")));
    $("#band-form").addEventListener("submit", (event) => event.preventDefault());
    $("#band-form").addEventListener("change", ({ target }) => {
      const parts = [...$("#parts").querySelectorAll("input")];
      // No part at all is no band.
      if (target.name === "parts" && !parts.some(({ checked }) => checked)) target.checked = true;
      this.#label();
      this.#keep();
    });
    $("#dice").addEventListener("click", () => {
      $("#seed").value = String(Math.floor(Math.random() * 1e9));
    });
    onLanguage(() => this.#options && this.show(this.#options));
  }

  /** Show what the server offers. */
  show(options) {
    const kept = this.#options ? this.#values() : this.#kept();
    this.#options = options;
    const styles = ["", ...options.styles].map((style) => this.#radio("style", style, styleName(style)));
    $("#styles").replaceChildren(...styles);
    $("#parts-field").hidden = $("#stems-option").hidden = options.parts.length === 0;
    $("#parts").replaceChildren(...options.parts.map((part) => this.#checkbox("parts", part, t(`part_${part}`), kept.parts)));
    const numbers = Array.from({ length: MOST_VARIATIONS }, (_, i) => String(i + 1));
    $("#variations").replaceChildren(...numbers.map((n) => this.#radio("variations", n, n)));
    $("#format").replaceChildren(...options.formats.map((name) => h("option", { value: name }, name.toUpperCase())));
    $("#report-option").hidden = !options.can_report;
    $("#guidance-option").hidden = $("#guidance").disabled = !options.can_guide;
    this.#choose("style", kept.style, "");
    this.#choose("variations", kept.variations, "1");
    $("#format").value = options.formats.includes(kept.format) ? kept.format : options.formats[0];
    this.#label();
  }

  /** The settings as the HTTP interface takes them. */
  request() {
    const { style, parts, stems, countIn, variations, format, seed, steps, guidance, report } = this.#values();
    const request = { variations: Number(variations), format };
    // All parts are the whole band.
    if (parts.length && parts.length < this.#options.parts.length) request.parts = parts;
    if (countIn) request.count_in = true;
    if (stems) request.stems = true;
    if (style) request.style = style;
    if (seed !== "") request.seed = Number(seed);
    if (steps !== "") request.num_steps = Number(steps);
    if (guidance !== "") request.guidance_scale = Number(guidance);
    if (report) request.report = true;
    return request;
  }

  /** Whether what is typed can be used; the browser says what is wrong. */
  check() {
    return $("#band-form").reportValidity();
  }

  #radio(group, value, text) {
    const input = h("input", { type: "radio", name: group, value, class: "unseen" });
    return h("label", { class: "chip" }, input, h("span", {}, text));
  }

  #checkbox(group, value, text, chosen) {
    const checked = !chosen?.length || chosen.includes(value);
    const input = h("input", { type: "checkbox", name: group, value, class: "unseen", checked });
    return h("label", { class: "chip" }, input, h("span", {}, text));
  }

  #choose(group, value, otherwise) {
    const inputs = [...document.querySelectorAll(`input[name="${group}"]`)];
    const wanted = inputs.find((input) => input.value === value) ?? inputs.find((input) => input.value === otherwise);
    wanted.checked = true;
  }

  #values() {
    const form = new FormData($("#band-form"));
    return {
      style: form.get("style") ?? "",
      parts: form.getAll("parts"),
      countIn: form.get("count_in") !== null,
      stems: form.get("stems") !== null,
      variations: form.get("variations") ?? "1",
      format: form.get("format") ?? "wav",
      seed: form.get("seed") ?? "",
      steps: form.get("steps") ?? "",
      guidance: form.get("guidance") ?? "",
      report: form.get("report") !== null,
    };
  }

  #label() {
    const number = Number(this.#values().variations);
    $("#generate span").textContent = number > 1 ? t("generate_many", { number }) : t("generate");
  }

  #keep() {
    const { style, variations, format } = this.#values();
    localStorage.setItem(KEY, JSON.stringify({ style, variations, format }));
  }

  #kept() {
    try {
      return JSON.parse(localStorage.getItem(KEY) ?? "{}") ?? {};
    } catch {
      return {};
    }
  }
}

/** A style in the reader's language; "" is the model's own choice. */
export const styleName = (style) => (style ? tOr(`style_${style}`, style) : t("style_any"));
