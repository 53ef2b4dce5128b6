/** Songs of earlier, as the server keeps them. */

import { $, clock, h, icon } from "./dom.js";
import { currentLanguage, t } from "./i18n.js";

const MOST_RECENT = 3;

/** A recording's name without its ending. */
export const plainName = ({ name }) => name.replace(/^(.+)\.[A-Za-z0-9]{1,5}$/, "$1");

/** Events with a recording as detail: "open", "forget". */
export class History extends EventTarget {
  #lists = new Map(["#songs", "#recent-songs"].map((name) => [name, new Map()]));

  /** Show recordings, newest first. */
  show(recordings, openId) {
    this.#fill("#songs", recordings, openId);
    $("#no-songs").hidden = recordings.length > 0;
    this.#fill("#recent-songs", recordings.slice(0, MOST_RECENT));
    $("#recent").hidden = recordings.length === 0;
  }

  // A song's button stays the same one for as long as the song is listed, and in its place: a
  // click on a button that is replaced between press and release is lost.
  #fill(name, recordings, openId) {
    const before = this.#lists.get(name);
    const now = new Map(recordings.map((recording) => [recording.id, before.get(recording.id) ?? this.#item(recording)]));
    for (const recording of recordings) this.#update(now.get(recording.id), recording, recording.id === openId);
    for (const [id, item] of before) if (!now.has(id)) item.remove();
    const list = $(name);
    [...now.values()].forEach((item, place) => {
      if (list.children[place] !== item) list.insertBefore(item, list.children[place] ?? null);
    });
    this.#lists.set(name, now);
  }

  #item(recording) {
    return h(
      "li", { class: "song" },
      h("button", { type: "button", class: "open-song", onclick: () => this.#say("open", recording) }, h("strong", {}, plainName(recording)), h("small", {})),
      h("button", { type: "button", class: "quiet", onclick: () => this.#say("forget", recording) }, icon("trash")),
    );
  }

  #update(item, recording, open) {
    const takes = recording.num_takes;
    const when = new Date(recording.created * 1000).toLocaleString(currentLanguage(), { dateStyle: "medium", timeStyle: "short" });
    const about = [when, clock(recording.duration_seconds), t(takes === 1 ? "one_take" : "num_takes", { number: takes })].map((fact) => fact.replaceAll(" ", "\u00a0")).join("\u00a0· ");
    const [opener, deleter] = item.children;
    item.classList.toggle("open", open);
    if (open) opener.setAttribute("aria-current", "true");
    else opener.removeAttribute("aria-current");
    opener.querySelector("small").textContent = about;
    deleter.title = t("delete");
    deleter.setAttribute("aria-label", t("delete_song", { name: recording.name }));
  }

  #say(name, recording) {
    this.dispatchEvent(new CustomEvent(name, { detail: recording }));
  }
}
