/** Faders, mute and solo for the voice and each part of the band. */

import { $, h } from "./dom.js";
import { t, tOr } from "./i18n.js";
import { SILENCE_DB } from "./player.js";

const KEY = "banso.mixer";
const HIGHEST_DB = 12;
export const VOICE = "vocals";

const shownDb = (db) => (db <= SILENCE_DB ? "−∞ dB" : `${db > 0 ? "+" : db < 0 ? "−" : "±"}${Math.abs(db)} dB`);

/** Event: "change". */
export class Mixer extends EventTarget {
  #strips = new Map();
  #roles = [];

  constructor() {
    super();
    try {
      const kept = JSON.parse(localStorage.getItem(KEY) ?? "{}");
      for (const [role, db] of Object.entries(kept)) this.#strips.set(role, strip(Number(db)));
    } catch {
      // Somebody else's entry; the faders begin in the middle.
    }
  }

  /** Show a strip for each role: the voice, the band or its parts. */
  show(roles) {
    this.#roles = roles;
    for (const role of roles) if (!this.#strips.has(role)) this.#strips.set(role, strip());
    $("#strips").replaceChildren(...roles.map((role) => this.#draw(role)));
  }

  /** How loud a role is now, in dB. */
  level(role) {
    const { db, mute, solo } = this.#strips.get(role) ?? strip();
    const othersAlone = this.#roles.some((name) => this.#strips.get(name).solo) && !solo;
    return mute || othersAlone ? SILENCE_DB : db;
  }

  toggleMute(role) {
    const own = this.#strips.get(role);
    if (!own) return;
    own.mute = !own.mute;
    this.#changed();
  }

  #draw(role) {
    const own = this.#strips.get(role);
    const name = t(`part_${role}`) === `part_${role}` ? tOr(`part_${role}`, role) : t(`part_${role}`);
    const value = h("output", {}, shownDb(own.db));
    const fader = h("input", {
      type: "range", min: SILENCE_DB, max: HIGHEST_DB, step: 1, value: own.db,
      "aria-label": t("fader", { part: name }), "aria-valuetext": shownDb(own.db),
    });
    fader.addEventListener("input", () => {
      own.db = Number(fader.value);
      value.textContent = shownDb(own.db);
      fader.setAttribute("aria-valuetext", shownDb(own.db));
      this.#keep();
      this.dispatchEvent(new Event("change"));
    });
    fader.addEventListener("dblclick", () => {
      fader.value = 0;
      fader.dispatchEvent(new Event("input"));
    });
    return h(
      "div",
      { class: `strip ${role === VOICE ? "voice" : "band"}`, role: "group", "aria-label": name, "data-role": role },
      h("span", { class: "name" }, name),
      this.#toggle(own, "mute", name),
      this.#toggle(own, "solo", name),
      fader,
      value,
    );
  }

  #toggle(own, what, name) {
    return h(
      "button",
      {
        type: "button", class: `toggle ${what}`, "aria-pressed": String(own[what]),
        "aria-label": t(`${what}_of`, { part: name }), title: t(`${what}_of`, { part: name }),
        onclick: () => {
          own[what] = !own[what];
          this.#changed(`${what}`, name);
        },
      },
      t(`${what}_letter`),
    );
  }

  #changed() {
    const focused = document.activeElement?.getAttribute("aria-label");
    this.show(this.#roles);
    // The strips are new; whoever pressed a button should still be on it.
    if (focused) for (const element of $("#strips").querySelectorAll("button, input")) {
      if (element.getAttribute("aria-label") === focused) element.focus();
    }
    this.dispatchEvent(new Event("change"));
  }

  #keep() {
    const levels = Object.fromEntries([...this.#strips].map(([role, { db }]) => [role, db]));
    localStorage.setItem(KEY, JSON.stringify(levels));
  }
}

const strip = (db = 0) => ({ db: Number.isFinite(db) ? db : 0, mute: false, solo: false });
