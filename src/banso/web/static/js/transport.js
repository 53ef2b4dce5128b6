/** Play, time, output level, region and loop. */

import { $, clock, icon } from "./dom.js";
import { t } from "./i18n.js";
import { complain } from "./notices.js";

const SEEK_SECONDS = 5;
const MIN_REGION_SECONDS = 0.5;

export class Transport {
  #studio;
  #looping = false;

  constructor(studio) {
    this.#studio = studio;
    const { player, timeline } = studio;
    $("#play").addEventListener("click", () => this.toggle());
    $("#to-start").addEventListener("click", () => player.seek(0));
    $("#loop").addEventListener("click", () => this.toggleLoop());
    $("#repaint").addEventListener("click", () => studio.repaint().catch(complain));
    $("#unmark").addEventListener("click", () => this.mark(null));
    $("#mark").addEventListener("click", () => this.#markBar());
    $("#longer").addEventListener("click", () => this.#lengthen());
    player.addEventListener("state", () => this.#draw());
    timeline.addEventListener("seek", ({ detail }) => player.seek(detail));
    timeline.addEventListener("region", ({ detail }) => this.#take(detail));
    studio.addEventListener("closed", () => this.#take(null));
    for (const id of ["region-start", "region-end"]) {
      $(`#${id}`).addEventListener("change", () => this.#typed());
    }
    $("#level").max = 1;
  }

  toggle() {
    const { player } = this.#studio;
    if (player.playing) player.pause();
    else player.play();
  }

  seekBy(steps) {
    const { player } = this.#studio;
    player.seek(player.time + steps * SEEK_SECONDS);
  }

  toggleLoop() {
    this.#looping = !this.#looping;
    this.#applyLoop();
  }

  /** Mark a region from outside the wave. */
  mark(region) {
    this.#studio.timeline.mark(region);
    this.#take(region);
  }

  /** Mark the bar in which the song is: for fingers, which scroll where a mouse would mark. */
  #markBar() {
    const { player } = this.#studio;
    const { start, end } = this.#studio.barAt(Math.min(player.time, player.duration - MIN_REGION_SECONDS));
    this.mark({ start: Math.min(start, player.duration - MIN_REGION_SECONDS), end: Math.max(end, start + MIN_REGION_SECONDS) });
  }

  #lengthen() {
    const { player, region } = this.#studio;
    // A little further on, because borders are rounded.
    this.mark({ start: region.start, end: Math.min(this.#studio.barAt(region.end + 0.02).end, player.duration) });
  }

  /** Let the region begin or end where the song is. */
  markHere(side) {
    const { player, region } = this.#studio;
    const time = Math.round(player.time * 100) / 100;
    const start = side === "start" ? time : (region?.start ?? 0);
    const end = side === "end" ? time : Math.max(region?.end ?? player.duration, time + MIN_REGION_SECONDS);
    if (end - start >= MIN_REGION_SECONDS) this.mark({ start, end: Math.min(end, player.duration) });
  }

  tick() {
    const { player } = this.#studio;
    const [now, whole] = [clock(player.time, true), clock(player.duration)];
    if ($("#time .now").textContent !== now) $("#time .now").textContent = now;
    if ($("#time .of b").textContent !== whole) $("#time .of b").textContent = whole;
    // Decibels, because that is how loud it seems.
    const level = Math.max(0, 1 + (20 * Math.log10(player.level() + 1e-6)) / 48);
    if ($("#level").value !== level) $("#level").value = level;
  }

  #take(region) {
    this.#studio.region = region;
    $("#region-bar").hidden = region === null;
    if (region) {
      $("#region-start").value = region.start.toFixed(2);
      $("#region-end").value = region.end.toFixed(2);
    }
    this.#applyLoop();
  }

  #typed() {
    const { player } = this.#studio;
    const start = Math.max(0, Number($("#region-start").value) || 0);
    const end = Math.min(player.duration, Number($("#region-end").value) || player.duration);
    if (end - start >= MIN_REGION_SECONDS) this.mark({ start, end });
    else this.mark({ start: Math.min(start, player.duration - MIN_REGION_SECONDS), end: Math.min(start + MIN_REGION_SECONDS, player.duration) });
  }

  #applyLoop() {
    const { player, region } = this.#studio;
    $("#loop").setAttribute("aria-pressed", String(this.#looping));
    player.setLoop(this.#looping && player.duration ? (region ?? { start: 0, end: player.duration }) : null);
  }

  #draw() {
    const { playing } = this.#studio.player;
    $("#play").replaceChildren(icon(playing ? "pause" : "play"));
    $("#play").setAttribute("aria-label", t(playing ? "pause" : "play"));
    $("#play").title = t(playing ? "pause" : "play");
  }
}
