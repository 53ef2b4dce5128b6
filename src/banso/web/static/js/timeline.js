/** The voice as a wave, with a ruler, a cursor, zoom and a region; other lanes join below it. */

import WaveSurfer from "../vendor/wavesurfer/wavesurfer.esm.js";
import Regions from "../vendor/wavesurfer/regions.esm.js";
import { $, clock, h } from "./dom.js";

const COLUMNS = 4000;
const ZOOMS = [0.125, 0.25, 0.5, 1, 1.5, 2, 3, 4, 6, 8];
const NORMAL_ZOOM = ZOOMS.indexOf(1);
// A bar of two seconds then has room for two chords.
const READABLE_PIXELS_PER_SECOND = 36;
const MIN_REGION_SECONDS = 0.5;

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** Largest sample of each column, for drawing. */
export function peaksOf(buffer) {
  const columns = Math.min(COLUMNS, buffer.length);
  const step = buffer.length / columns;
  const peaks = new Float32Array(columns);
  for (let channel = 0; channel < buffer.numberOfChannels; channel++) {
    const samples = buffer.getChannelData(channel);
    for (let i = 0; i < columns; i++) {
      const end = Math.floor((i + 1) * step);
      for (let k = Math.floor(i * step); k < end; k++) {
        const size = Math.abs(samples[k]);
        if (size > peaks[i]) peaks[i] = size;
      }
    }
  }
  return peaks;
}

/** Events: "seek" (detail: seconds), "region" (detail: { start, end } or null), "layout". */
export class Timeline extends EventTarget {
  #scroller = $("#scroller");
  #lanes = $("#lanes");
  #ruler = $("#ruler");
  #cursor = $("#cursor");
  #wave = null;
  #regions = null;
  #zoom = NORMAL_ZOOM;
  #quiet = false;
  #shown = "";
  duration = 0;
  pixelsPerSecond = 1;

  constructor() {
    super();
    $("#zoom-in").addEventListener("click", () => this.zoom(1));
    $("#zoom-out").addEventListener("click", () => this.zoom(-1));
    new ResizeObserver(() => this.#layOut()).observe(this.#scroller);
    this.#ruler.addEventListener("pointerdown", (event) => {
      const box = this.#lanes.getBoundingClientRect();
      this.#say("seek", ((event.clientX - box.left) / box.width) * this.duration);
    });
  }

  #measure() {
    const fit = this.#scroller.clientWidth / Math.max(this.duration, 0.1);
    this.pixelsPerSecond = Math.max(fit, Math.max(fit, READABLE_PIXELS_PER_SECOND) * ZOOMS[this.#zoom]);
  }

  /** Show a voice. */
  show(peaks, duration) {
    this.clear();
    this.duration = duration;
    this.#regions = Regions.create();
    this.#wave = WaveSurfer.create({
      container: "#wave",
      height: 88,
      peaks: [peaks],
      duration,
      normalize: true,
      barWidth: 2,
      barGap: 1,
      barRadius: 2,
      cursorWidth: 0,
      waveColor: colour("--voice"),
      progressColor: colour("--voice"),
      plugins: [this.#regions],
      cspNonce: document.body.dataset.nonce,
    });
    this.#wave.on("interaction", (seconds) => this.#say("seek", seconds));
    this.#regions.enableDragSelection({ color: colour("--mark"), minLength: MIN_REGION_SECONDS });
    this.#regions.on("region-created", (region) => this.#keepOnly(region));
    this.#regions.on("region-updated", (region) => this.#tellRegion(region));
    this.#layOut();
  }

  clear() {
    this.#wave?.destroy();
    this.#wave = this.#regions = null;
    this.#zoom = NORMAL_ZOOM;
    this.duration = 0;
  }

  /** Take the colours of the present theme. */
  recolour() {
    this.#wave?.setOptions({ waveColor: colour("--voice"), progressColor: colour("--voice") });
  }

  zoom(direction) {
    this.#zoom = Math.max(0, Math.min(ZOOMS.length - 1, this.#zoom + direction));
    this.#layOut();
    this.#reveal(Number(this.#cursor.dataset.seconds ?? 0));
  }

  /** Mark a region, or none with null. */
  mark(region) {
    if (!this.#regions) return;
    this.#quiet = true;
    this.#regions.clearRegions();
    if (region) this.#regions.addRegion({ ...region, color: colour("--mark"), minLength: MIN_REGION_SECONDS });
    this.#quiet = false;
  }

  /** Show where the song is; return whether anything had to be drawn. */
  place(seconds, follow) {
    const transform = `translateX(${(seconds * this.pixelsPerSecond).toFixed(1)}px)`;
    if (transform === this.#shown) return false;
    this.#shown = transform;
    this.#cursor.style.transform = transform;
    this.#cursor.dataset.seconds = seconds;
    if (follow) this.#reveal(seconds);
    return true;
  }

  #reveal(seconds) {
    const x = seconds * this.pixelsPerSecond;
    const { scrollLeft, clientWidth } = this.#scroller;
    if (x < scrollLeft || x > scrollLeft + clientWidth * 0.9) {
      this.#scroller.scrollLeft = x - clientWidth * 0.1;
    }
  }

  #keepOnly(region) {
    if (this.#quiet) return;
    for (const other of this.#regions.getRegions()) if (other !== region) other.remove();
    this.#tellRegion(region);
  }

  #tellRegion(region) {
    const [start, end] = [region.start, region.end].map((time) => Math.round(time * 100) / 100);
    if (end - start < MIN_REGION_SECONDS / 2) {
      region.remove();
      this.#say("region", null);
    } else this.#say("region", { start, end });
  }

  #layOut() {
    if (!this.duration) return;
    this.#measure();
    this.#shown = "";
    this.#lanes.style.width = `${Math.floor(this.duration * this.pixelsPerSecond)}px`;
    this.#drawRuler();
    this.#say("layout");
  }

  #drawRuler() {
    const step = [1, 2, 5, 10, 15, 30, 60].find((s) => s * this.pixelsPerSecond > 56) ?? 120;
    const marks = [];
    for (let time = 0; time < this.duration; time += step) {
      const mark = h("span", {}, clock(time));
      mark.style.left = `${time * this.pixelsPerSecond}px`;
      marks.push(mark);
    }
    this.#ruler.replaceChildren(...marks);
  }

  #say(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
