/** The takes of a song: waiting, being made, ready to be heard, or failed. */

import { $, clock, h, icon } from "./dom.js";
import { t, tOr } from "./i18n.js";
import { explain } from "./notices.js";
import { styleName } from "./bandpanel.js";
import { tempoOf } from "./sheet.js";
import { keyName } from "./sheettools.js";

const MEGABYTE = 1e6;
const OPEN = ["queued", "running"];

/** A, B, … Z, A2, … by order of creation. */
export const letterOf = (index) => String.fromCharCode(65 + (index % 26)) + (index >= 26 ? Math.floor(index / 26) + 1 : "");

/** Events, each with the job as detail: "select", "cancel", "delete", "again", "mixdown". */
export class Takes extends EventTarget {
  #jobs = [];
  #selected = null;

  /** Show jobs, oldest first, and which is heard. */
  show(jobs, selected) {
    const sameCards = jobs.length > 0 && jobs.length === this.#jobs.length && jobs.every((job, i) => job.id === this.#jobs[i].id && job.state === this.#jobs[i].state);
    this.#jobs = jobs;
    if (sameCards && selected === this.#selected) {
      for (const job of jobs) this.#advance(job);
      return;
    }
    this.#selected = selected;
    const focused = document.activeElement?.id;
    const cards = jobs.map((job, i) => this.#card(job, letterOf(i))).reverse();
    $("#takes").replaceChildren(...cards);
    $("#no-takes").hidden = jobs.length > 0;
    this.#drawCompare();
    if (focused) document.getElementById(focused)?.focus();
  }

  /** Draw all cards anew the next time. */
  forget() {
    this.#jobs = [];
    this.#selected = undefined;
  }

  /** The letter of a job's take. */
  letter(id) {
    return letterOf(this.#jobs.findIndex((job) => job.id === id));
  }

  #advance(job) {
    const card = document.getElementById(`take-${job.id}`);
    const bar = card && $("progress", card);
    if (bar) bar.value = job.progress;
    const line = card && $(".state", card);
    if (line) line.textContent = this.#state(job);
  }

  #card(job, letter) {
    const selected = job.id === this.#selected;
    const card = h("li", { class: `take ${job.state}${selected ? " selected" : ""}`, id: `take-${job.id}` });
    card.append(h("span", { class: "letter", "aria-hidden": "true" }, letter), this.#body(job, letter, selected));
    return card;
  }

  #body(job, letter, selected) {
    const about = h("div", { class: "about" }, h("strong", {}, this.#title(job)), h("span", { class: "state" }, this.#state(job)));
    const actions = h("div", { class: "actions" });
    if (OPEN.includes(job.state)) {
      actions.append(
        h("progress", { max: 1, value: job.progress, "aria-label": t("progress_of", { letter }) }),
        this.#button("cancel", job, "cancel", t("cancel"), letter),
      );
    } else if (job.state === "done") actions.append(...this.#doneButtons(job, letter, selected));
    else actions.append(this.#button("again", job, "again", t("again"), letter), this.#button("delete", job, "trash", t("delete"), letter));
    return h("div", { class: "body" }, about, actions);
  }

  #title(job) {
    const { style, parts } = job.request;
    const words = [style ? styleName(style) : t("style_free")];
    if (parts?.length) words.push(parts.map((part) => t(`part_${part}`)).join(", "));
    return words.join("\u00a0· ");
  }

  #state(job) {
    const { repaint } = job.request;
    if (!repaint) return stateText(job);
    const spans = repaint.regions.map((r) => `${clock(r.start_seconds)}–${clock(r.end_seconds)}`).join(", ");
    const known = this.#jobs.some((other) => other.id === repaint.job_id);
    const letter = known ? this.letter(repaint.job_id) : "?";
    return `${t("repainted", { letter, spans })} · ${stateText(job)}`;
  }

  #doneButtons(job, letter, selected) {
    const listen = h(
      "button",
      {
        type: "button", id: `listen-${job.id}`, class: selected ? "primary" : "", "aria-pressed": String(selected),
        "aria-label": t("listen_to", { letter }), onclick: () => this.#say("select", job),
      },
      icon("ear"), selected ? t("listening") : t("listen"),
    );
    return [listen, this.#downloads(job, letter), this.#button("delete", job, "trash", t("delete"), letter, true)];
  }

  #downloads(job, letter) {
    const links = job.result.files.map((file) =>
      h("li", {}, h("a", { href: `${file.url}?download=true`, download: "" }, h("span", {}, fileName(file)), h("small", {}, `${file.name.split(".").at(-1).toUpperCase()} · ${sizeOf(file)}`))),
    );
    const own = h("li", {}, h("button", { type: "button", class: "link", onclick: () => this.#say("mixdown", job) }, h("span", {}, t("file_own_mix")), h("small", {}, "WAV")));
    const mix = job.result.files.find((file) => file.role === "mix");
    const player = mix && h("audio", { controls: true, preload: "none", src: mix.url, "aria-label": t("file_mix") });
    return h(
      "details", { class: "downloads", name: "downloads" },
      h("summary", { class: "button", "aria-label": t("download_of", { letter }) }, icon("download"), t("download")),
      h("div", { class: "menu" }, h("ul", {}, ...links, own), player),
    );
  }

  #button(event, job, symbol, text, letter, iconOnly = false) {
    return h(
      "button",
      { type: "button", id: `${event}-${job.id}`, class: "quiet", "aria-label": `${text} ${letter}`, title: text, onclick: () => this.#say(event, job) },
      icon(symbol), iconOnly ? null : text,
    );
  }

  /** Chips beside the play button that switch between takes while they play. */
  #drawCompare() {
    const done = this.#jobs.filter((job) => job.state === "done");
    const chips = done.map((job) =>
      h("button", { type: "button", id: `compare-${job.id}`, class: "chip-button", "aria-pressed": String(job.id === this.#selected), "aria-label": t("listen_to", { letter: this.letter(job.id) }), onclick: () => this.#say("select", job) }, this.letter(job.id)),
    );
    $("#compare").replaceChildren(...chips);
    $("#compare-box").hidden = done.length < 2;
  }

  #say(name, job) {
    this.dispatchEvent(new CustomEvent(name, { detail: job }));
  }
}

function stateText(job) {
  if (job.state === "queued") return job.num_ahead ? t("queued_behind", { number: job.num_ahead }) : t("queued");
  if (job.state === "running") {
    if (job.progress <= 0) return t("running_listening");
    return job.progress >= 1 ? t("running_writing") : t("running", { percent: Math.round(job.progress * 100) });
  }
  if (job.state === "failed") return explain(job.failure);
  if (job.state === "cancelled") return t("cancelled");
  const sheet = job.result.lead_sheet;
  const tempo = sheet && tempoOf(sheet);
  const told = [sheet?.key && keyName(sheet.key), tempo && t("use_tempo", { tempo: Math.round(tempo) })];
  const music = told.filter(Boolean).map((fact) => fact.replaceAll(" ", "\u00a0")).join("\u00a0· ");
  return [music, t("seed_of", { seed: job.result.seed })].filter(Boolean).join("\n");
}

const sizeOf = ({ size_bytes: size }) =>
  size < MEGABYTE / 10 ? `${Math.ceil(size / 1000)} kB` : `${(size / MEGABYTE).toFixed(1)} MB`;

const fileName = (file) => tOr(`file_${file.role}`, tOr(`part_${file.role}`, file.role));
