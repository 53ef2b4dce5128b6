/** Key, tempo, metre, tapping, undo: what changes the lead sheet as a whole. */

import { $, h } from "./dom.js";
import { onLanguage, t } from "./i18n.js";
import { notify } from "./notices.js";
import { KEYS, meterOf, pulseOfTaps, tempoOf, withPulse } from "./sheet.js";

const TAP_PAUSE_MS = 2500;
const TEMPO = { min: 30, max: 300 };

/** "A:min" as the reader says it. */
export function keyName(key) {
  const [tonic, mode] = key.split(":");
  return t(mode === "min" ? "key_minor" : "key_major", { tonic });
}

/** Events: "edit" (detail: the new sheet), "text", "undo", "reset". */
export class SheetTools extends EventTarget {
  #player;
  #sheet = null;
  #duration = 0;
  #taps = [];
  #tapTimer = 0;

  constructor(player) {
    super();
    this.#player = player;
    $("#tempo").addEventListener("change", () => this.#setTempo(Number($("#tempo").value)));
    $("#meter").addEventListener("change", () => this.#setPulse({ meter: Number($("#meter").value) }));
    $("#first-beat").addEventListener("change", () => this.#setPulse({ first: Number($("#first-beat").value) }));
    $("#key").addEventListener("change", () => this.#edit({ ...this.#sheet, key: $("#key").value || null }));
    $("#tap").addEventListener("pointerdown", () => this.tap());
    $("#tap").addEventListener("keydown", (event) => {
      if (event.key === " " || event.key === "Enter") {
        event.preventDefault();
        if (!event.repeat) this.tap();
      }
    });
    $("#half").addEventListener("click", () => this.#setTempo(this.#tempo / 2));
    $("#double").addEventListener("click", () => this.#setTempo(this.#tempo * 2));
    $("#as-text").addEventListener("click", () => this.dispatchEvent(new Event("text")));
    $("#undo").addEventListener("click", () => this.dispatchEvent(new Event("undo")));
    $("#reset").addEventListener("click", () => this.dispatchEvent(new Event("reset")));
    onLanguage(() => this.#drawKeys());
    this.#drawKeys();
  }

  get #tempo() {
    return this.#sheet ? tempoOf(this.#sheet) : null;
  }

  /** Show what is known of a sheet. */
  show(sheet, duration, { canUndo, isEdited, pulse }) {
    this.#sheet = sheet;
    this.#duration = duration;
    const tempo = this.#tempo;
    $("#tempo").value = tempo ? Math.round(tempo * 10) / 10 : "";
    $("#meter").value = String(sheet ? meterOf(sheet) : 4);
    $("#first-beat").value = sheet?.downbeats.length ? sheet.downbeats[0].toFixed(2) : "";
    $("#key").value = sheet?.key ?? "";
    for (const id of ["half", "double", "first-beat", "meter"]) $(`#${id}`).disabled = !tempo;
    this.#suggest(tempo ? null : pulse);
    $("#as-text").disabled = !sheet;
    $("#undo").disabled = !canUndo;
    $("#reset").disabled = !isEdited;
    $("#sheet-state").textContent = !sheet ? t("sheet_none") : isEdited ? t("sheet_edited") : tempo ? t("sheet_heard") : t("sheet_no_beats");
  }

  /** Offer what was heard, too unsure to be obeyed unasked: its beats, and other tempi. */
  #suggest(pulse) {
    const tempi = pulse?.tempo_bpm ? [pulse.tempo_bpm, ...pulse.alternatives_bpm.slice(0, 2)] : [];
    $("#suggestions").hidden = tempi.length === 0;
    const use = (tempo, i) => () => {
      const { beats, downbeats } = pulse;
      if (i === 0 && downbeats.length) this.#edit({ ...this.#sheet, beats, downbeats });
      else this.#setPulse({ tempo: Math.round(tempo * 10) / 10 });
    };
    $("#suggestions span").replaceChildren(
      ...tempi.map((tempo, i) => h("button", { type: "button", onclick: use(tempo, i) }, t("use_tempo", { tempo: Math.round(tempo) }))),
    );
  }

  /** Count a tap: while the song plays they are its beats, else they tell the tempo only. */
  tap() {
    const playing = this.#player.playing;
    this.#taps.push(playing ? this.#player.time : performance.now() / 1000);
    if (this.#taps.length > 1 && this.#taps.at(-1) <= this.#taps.at(-2)) this.#taps = this.#taps.slice(-1);
    $("#tap-count").textContent = t("taps", { number: this.#taps.length });
    clearTimeout(this.#tapTimer);
    this.#tapTimer = setTimeout(() => this.#finishTaps(playing), TAP_PAUSE_MS);
  }

  #finishTaps(playing) {
    const pulse = pulseOfTaps(this.#taps);
    this.#taps = [];
    $("#tap-count").textContent = "";
    if (!pulse || !this.#sheet) return;
    if (pulse.tempo < TEMPO.min || pulse.tempo > TEMPO.max) notify(t("odd_tempo"), "bad");
    else {
      const tempo = Math.round(pulse.tempo * 10) / 10;
      this.#setPulse(playing ? { tempo, first: pulse.first } : { tempo });
    }
  }

  #setTempo(tempo) {
    if (!this.#sheet) return;
    if (!(tempo >= TEMPO.min && tempo <= TEMPO.max)) {
      notify(t("odd_tempo"), "bad");
      $("#tempo").value = this.#tempo ? this.#tempo.toFixed(1) : "";
    } else this.#setPulse({ tempo });
  }

  #setPulse(change) {
    const sheet = this.#sheet;
    if (!sheet) return;
    const present = {
      tempo: this.#tempo ? Math.round(this.#tempo * 1000) / 1000 : change.tempo,
      meter: meterOf(sheet),
      first: sheet.downbeats[0] ?? sheet.chords[1]?.start_seconds ?? 0,
    };
    if (present.tempo) this.#edit(withPulse(sheet, { ...present, ...change }, this.#duration));
  }

  #edit(sheet) {
    this.dispatchEvent(new CustomEvent("edit", { detail: sheet }));
  }

  #drawKeys() {
    const kept = $("#key").value;
    const options = KEYS.map((key) => {
      return h("option", { value: key }, keyName(key));
    });
    $("#key").replaceChildren(h("option", { value: "" }, t("key_unknown")), ...options);
    $("#key").value = kept;
  }
}
