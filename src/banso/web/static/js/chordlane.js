/** The chords below the wave: one cell per bar, edited in place, by keyboard too. */

import { $, clock, h } from "./dom.js";
import { t } from "./i18n.js";
import { notify } from "./notices.js";
import { cellsOf, parseChord, shownChord, transposed, withChords, NO_CHORD } from "./sheet.js";

const DIATONIC = {
  maj: [[0, "maj"], [2, "min"], [4, "min"], [5, "maj"], [7, "maj"], [9, "min"], [7, "7"]],
  min: [[0, "min"], [3, "maj"], [5, "min"], [7, "min"], [8, "maj"], [10, "maj"], [7, "7"]],
};

/** Events: "edit" (detail: the new sheet), "pick" (detail: cell) when a cell takes the focus. */
export class ChordLane extends EventTarget {
  #lane = $("#chords");
  #palette = $("#palette");
  #sheet = null;
  #duration = 0;
  #cells = [];
  #input = null;
  #current = 0;

  constructor() {
    super();
    this.#lane.addEventListener("keydown", (event) => this.#onKey(event));
  }

  /** Show a sheet. */
  show(sheet, duration) {
    this.#sheet = sheet;
    this.#duration = duration;
    this.#cells = sheet ? cellsOf(sheet, duration) : [];
    this.#current = Math.min(this.#current, Math.max(0, this.#cells.length - 1));
    this.#input = null;
    this.#lane.replaceChildren(...this.#cells.map((cell, i) => this.#button(cell, i)));
    this.#lane.classList.toggle("bars", Boolean(sheet?.downbeats.length));
    this.#drawPalette(false);
  }

  /** The cell in which a moment lies, or null. */
  cellAt(seconds) {
    return this.#cells.find((cell) => seconds >= cell.start && seconds < cell.end) ?? null;
  }

  /** Light up the cell that sounds. */
  place(seconds) {
    const now = this.#cells.findIndex((cell) => seconds >= cell.start && seconds < cell.end);
    if (this.#lane.children[now]?.classList.contains("now")) return;
    for (const [i, element] of [...this.#lane.children].entries()) {
      element.classList.toggle("now", i === now);
    }
  }

  #button(cell, index) {
    const text = cell.chords.map((chord) => shownChord(chord.label)).join(" ") || "–";
    const label = t("cell_label", { number: index + 1, chords: text, time: clock(cell.start, true) });
    const button = h(
      "button",
      { class: "cell", type: "button", "aria-label": label, title: label, tabIndex: index === this.#current ? 0 : -1 },
      // With a space between them, for who cannot see that they stand apart.
      ...cell.chords.flatMap((chord, i) => [i ? " " : null, this.#chord(chord, cell.chords[i + 1]?.start ?? cell.end, cell)]),
    );
    if (!cell.chords.length) button.append("–");
    button.addEventListener("click", () => this.#edit(index));
    button.addEventListener("focus", () => this.dispatchEvent(new CustomEvent("pick", { detail: cell })));
    this.#stretch(button, cell);
    return button;
  }

  #chord(chord, end, cell) {
    const name = h("b", {}, shownChord(chord.label));
    // Narrow bars have small letters: half a name would be another chord.
    name.style.setProperty("--letters", name.textContent.length);
    const span = h("span", { class: chord.label === NO_CHORD ? "none" : "" }, name);
    span.style.left = `${(100 * (chord.start - cell.start)) / (cell.end - cell.start)}%`;
    span.style.width = `${(100 * (end - chord.start)) / (cell.end - cell.start)}%`;
    return span;
  }

  #stretch(element, cell) {
    element.style.left = `${(100 * cell.start) / this.#duration}%`;
    element.style.width = `${(100 * (cell.end - cell.start)) / this.#duration}%`;
  }

  #onKey(event) {
    if (this.#input) return;
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (event.key === "Home" || event.key === "End") {
      this.#focus(event.key === "Home" ? 0 : this.#cells.length - 1);
    } else if (step) this.#focus(this.#current + step);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  #focus(index) {
    if (index < 0 || index >= this.#cells.length) return;
    this.#current = index;
    for (const [i, element] of [...this.#lane.children].entries()) element.tabIndex = i === index ? 0 : -1;
    this.#lane.children[index].focus();
    this.#lane.children[index].scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  #edit(index) {
    const cell = this.#cells[index];
    this.#current = index;
    const text = cell.chords.map((chord) => shownChord(chord.label)).join(" ");
    const input = h("input", {
      class: "cell", type: "text", value: text, spellcheck: false, autocapitalize: "off", autocomplete: "off",
      "aria-label": t("edit_cell", { number: index + 1 }), "aria-describedby": "chord-help",
    });
    this.#stretch(input, cell);
    input.addEventListener("keydown", (event) => this.#onInputKey(event, index));
    input.addEventListener("blur", (event) => {
      if (!this.#palette.contains(event.relatedTarget)) this.#commit(index);
    });
    this.#lane.children[index].replaceWith(input);
    this.#input = input;
    this.#drawPalette(true);
    input.focus();
    input.select();
  }

  #onInputKey(event, index) {
    event.stopPropagation();
    if (event.key === "Escape") {
      this.#input = null;
      this.show(this.#sheet, this.#duration);
      this.#focus(index);
    } else if (event.key === "Enter" || (event.key === "Tab" && this.#cells[index + (event.shiftKey ? -1 : 1)])) {
      event.preventDefault();
      if (!this.#commit(index)) return;
      if (event.key === "Tab") this.#edit(index + (event.shiftKey ? -1 : 1));
      else this.#focus(index);
    }
  }

  /** Take what was typed; false if it is no chord. */
  #commit(index) {
    const input = this.#input;
    if (!input) return true;
    const words = input.value.replaceAll("|", " ").split(/[\s,]+/).filter(Boolean);
    const labels = words.map(parseChord);
    const wrong = words[labels.indexOf(null)];
    if (wrong !== undefined) {
      input.setAttribute("aria-invalid", "true");
      notify(t("no_chord", { text: wrong }), "bad");
      return false;
    }
    this.#input = null;
    const cell = this.#cells[index];
    const before = cell.chords.map((chord) => chord.label).join(" ");
    const wanted = labels.length ? labels : [NO_CHORD];
    if (wanted.join(" ") === before) this.show(this.#sheet, this.#duration);
    else {
      const sheet = withChords(this.#sheet, cell.start, cell.end, wanted);
      this.show(sheet, this.#duration);
      this.dispatchEvent(new CustomEvent("edit", { detail: sheet }));
    }
    return true;
  }

  /** Buttons with the chords of the key, for those who have no keyboard. */
  #drawPalette(visible) {
    const key = this.#sheet?.key;
    this.#palette.hidden = !visible || !key;
    if (this.#palette.hidden) return;
    const [tonic, mode] = key.split(":");
    const labels = DIATONIC[mode === "min" ? "min" : "maj"].map(([step, quality]) => `${transposed(tonic, step)}:${quality}`);
    this.#palette.replaceChildren(
      ...labels.map((label) =>
        h("button", { type: "button", onclick: () => this.#type(shownChord(label)) }, shownChord(label)),
      ),
      h("button", { type: "button", "aria-label": t("no_chord_here"), title: t("no_chord_here"), onclick: () => this.#type("–") }, "–"),
      h("button", { type: "button", class: "primary", onclick: () => this.#commit(this.#current) }, t("ok")),
    );
  }

  #type(text) {
    const input = this.#input;
    if (!input) return;
    const whole = input.selectionEnd - input.selectionStart === input.value.length;
    input.value = whole || !input.value ? text : `${input.value} ${text}`;
    input.focus();
    input.setSelectionRange(input.value.length, input.value.length);
  }
}
