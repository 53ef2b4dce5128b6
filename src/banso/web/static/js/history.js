/** Songs of earlier, as the server keeps them. */

import { $, clock, h, icon } from "./dom.js";
import { currentLanguage, t } from "./i18n.js";

const MOST_RECENT = 3;

/** A recording's name without its ending. */
export const plainName = ({ name }) => name.replace(/^(.+)\.[A-Za-z0-9]{1,5}$/, "$1");

/** Events with a recording as detail: "open", "forget". */
export class History extends EventTarget {
  /** Show recordings, newest first. */
  show(recordings, openId) {
    $("#songs").replaceChildren(...recordings.map((r) => this.#item(r, r.id === openId)));
    $("#no-songs").hidden = recordings.length > 0;
    const recent = recordings.slice(0, MOST_RECENT);
    $("#recent-songs").replaceChildren(...recent.map((r) => this.#item(r, false)));
    $("#recent").hidden = recent.length === 0;
  }

  #item(recording, open) {
    const takes = recording.num_takes;
    const when = new Date(recording.created * 1000).toLocaleString(currentLanguage(), { dateStyle: "medium", timeStyle: "short" });
    const about = [when, clock(recording.duration_seconds), t(takes === 1 ? "one_take" : "num_takes", { number: takes })].map((fact) => fact.replaceAll(" ", "\u00a0")).join("\u00a0· ");
    return h(
      "li", { class: open ? "song open" : "song" },
      h("button", { type: "button", class: "open-song", "aria-current": open ? "true" : null, onclick: () => this.#say("open", recording) }, h("strong", {}, plainName(recording)), h("small", {}, about)),
      h("button", { type: "button", class: "quiet", "aria-label": t("delete_song", { name: recording.name }), title: t("delete"), onclick: () => this.#say("forget", recording) }, icon("trash")),
    );
  }

  #say(name, recording) {
    this.dispatchEvent(new CustomEvent(name, { detail: recording }));
  }
}
