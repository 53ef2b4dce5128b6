/** The open song: its voice, lead sheet and takes, and what the user does with them. */

import { api, fetchFile } from "./api.js";
import { ChordLane } from "./chordlane.js";
import { $ } from "./dom.js";
import { t } from "./i18n.js";
import { forgetDraft, keepDraft, keptDraft } from "./drafts.js";
import { Mixer, VOICE } from "./mixer.js";
import { plainName } from "./history.js";
import { complain, explain, notify } from "./notices.js";
import { Player } from "./player.js";
import { likelyKey, sameSheet } from "./sheet.js";
import { editAsText } from "./sheettext.js";
import { SheetTools } from "./sheettools.js";
import { Takes } from "./takes.js";
import { peaksOf, Timeline } from "./timeline.js";
import { encodeWav } from "./wav.js";

// Decoded sound is large (20 MB a minute in stereo), so only a few takes are kept at hand.
const MOST_LOADED_TAKES = 4;
const OPEN = ["queued", "running"];
// So long a deleted take can be brought back.
const REGRET_SECONDS = 8;
const HALF_EMPTY = { beats: [], downbeats: [], chords: [], key: null };

/** Events: "opened", "closed", "changed" (takes came or went). */
export class Studio extends EventTarget {
  player = new Player();
  timeline = new Timeline();
  mixer = new Mixer();
  recording = null;
  selected = null;
  region = null;
  #panel;
  #lane = new ChordLane();
  #tools = new SheetTools(this.player);
  #takes = new Takes();
  #jobs = new Map();
  #doomed = new Map();
  #sheet = null;
  #heard = null;
  #pulse = null;
  #undo = [];
  #loaded = [];
  #opening = 0;

  constructor(panel) {
    super();
    this.#panel = panel;
    panel.addEventListener("generate", () => this.generate().catch(complain));
    this.#lane.addEventListener("edit", ({ detail }) => this.#setSheet(detail));
    this.#tools.addEventListener("edit", ({ detail }) => this.#setSheet(detail));
    this.#tools.addEventListener("text", () => this.#editText().catch(complain));
    this.#tools.addEventListener("undo", () => this.#takeBack());
    this.#tools.addEventListener("reset", () => this.#setSheet(this.#heard));
    this.mixer.addEventListener("change", () => this.#applyLevels());
    const on = (name, work) => this.#takes.addEventListener(name, ({ detail }) => work(detail).catch(complain));
    on("select", (job) => this.select(job));
    on("cancel", (job) => api.cancel(job.id).then((answer) => this.take(answer)));
    on("delete", async (job) => this.#doom(job));
    $("#play-sheet").addEventListener("click", () => this.generate().catch(complain));
    $("#obey").addEventListener("change", () => this.#showDifference());
    addEventListener("pagehide", () => this.#carryOut());
    on("again", (job) => this.#again(job));
    on("mixdown", (job) => this.#mixdown(job));
  }

  get jobs() {
    return [...this.#jobs.values()].filter((job) => job.kind === "accompany").sort((a, b) => a.created - b.created);
  }

  /**
   * Open a song.
   *
   * @param {object} recording as the server tells it
   * @param {Promise<AudioBuffer | null> | null} wave its sound, as the page has it: for the picture
   * @param {boolean} isNew whether a band is to be made at once
   */
  async open(recording, { wave = null, isNew = false } = {}) {
    this.close();
    const opening = this.#opening;
    this.recording = recording;
    this.player.duration = recording.duration_seconds;
    wave?.then((buffer) => opening === this.#opening && this.#draw(buffer));
    this.redraw();
    this.dispatchEvent(new Event("opened"));
    if (isNew) {
      // Both at once: the chords come first, and the band follows at their heels.
      const analysis = api.analyze(recording.id);
      await Promise.all([analysis.then((job) => this.take(job)), analysis.then(() => this.generate())]);
      return;
    }
    const jobs = await api.jobs(recording.id);
    if (opening !== this.#opening) return;
    for (const job of jobs.reverse()) this.#jobs.set(job.id, job);
    const analysis = jobs.filter((job) => job.kind === "analyze").at(-1);
    if (!analysis || analysis.state === "failed") this.take(await api.analyze(recording.id));
    else this.#takeAnalysis(analysis);
    const last = this.jobs.filter((job) => job.state === "done").at(-1);
    this.redraw();
    if (last) await this.select(last);
  }

  #draw(buffer) {
    if (buffer && !this.timeline.duration) this.timeline.show(peaksOf(buffer), this.recording.duration_seconds);
  }

  /** Draw everything again, as after a change of language. */
  redraw() {
    this.#showSheet();
    this.#takes.forget();
    this.#showTakes();
    this.#showStrips();
  }

  close() {
    this.#opening++;
    this.#carryOut();
    this.player.clear();
    this.timeline.clear();
    this.#jobs.clear();
    this.#loaded = [];
    this.recording = this.selected = this.region = this.#sheet = this.#heard = this.#pulse = null;
    this.#undo = [];
    $("#analysis-error").hidden = true;
    this.dispatchEvent(new Event("closed"));
  }

  /** Take note of a job of this song, new or further on. */
  take(job) {
    if (job.recording_id !== this.recording?.id || this.#doomed.has(job.id)) return;
    const before = this.#jobs.get(job.id);
    if (before && !OPEN.includes(before.state) && OPEN.includes(job.state)) return;
    this.#jobs.set(job.id, job);
    if (job.kind === "analyze") this.#takeAnalysis(job, before);
    else {
      if (job.state === "done" && before?.state !== "done") this.#takeResult(job).catch(complain);
      if (job.state === "failed" && before && before.state !== "failed") notify(explain(job.failure), "bad");
      this.#showTakes();
    }
    if (before?.state !== job.state) this.dispatchEvent(new Event("changed"));
  }

  /** Forget a job that was deleted. */
  drop(id) {
    if (!this.#jobs.delete(id)) return;
    this.#unload(id);
    if (this.selected === id) {
      this.selected = null;
      const last = this.jobs.filter((job) => job.state === "done").at(-1);
      if (last) this.select(last).catch(complain);
      else this.#showStrips();
    }
    this.#showTakes();
    this.dispatchEvent(new Event("changed"));
  }

  /** Look at everything again, as after a lost connection. */
  async refresh() {
    if (!this.recording) return;
    const id = this.recording.id;
    const jobs = await api.jobs(id);
    if (this.recording?.id === id) jobs.reverse().forEach((job) => this.take(job));
  }

  /** Ask for a band, or for several. */
  async generate() {
    if (!this.recording || !this.#panel.check()) return;
    await this.#ask(this.#panel.request());
  }

  async #ask(request) {
    const plan = !$("#obey").checked ? { plan: "none" } : this.#sheet ? { lead_sheet: this.#sheet } : {};
    const recording = this.recording;
    const jobs = await api.createJobs({ recording_id: recording.id, ...request, ...plan });
    // The takes remember it from here on.
    forgetDraft(recording.id);
    for (const job of jobs) this.take(job);
  }

  /** Delete a take, unless somebody wants it back soon. */
  #doom(job) {
    const forget = () => this.#doomed.delete(job.id) && api.deleteJob(job.id).catch(complain);
    this.#doomed.set(job.id, { forget, timer: setTimeout(forget, REGRET_SECONDS * 1000) });
    const letter = this.#takes.letter(job.id);
    this.drop(job.id);
    const regret = () => {
      clearTimeout(this.#doomed.get(job.id)?.timer);
      if (this.#doomed.delete(job.id)) this.take(job);
    };
    notify(t("take_deleted", { letter }), "good", { seconds: REGRET_SECONDS, action: t("bring_back"), work: regret });
  }

  /** Delete at once what was to be deleted soon. */
  #carryOut() {
    for (const { forget, timer } of this.#doomed.values()) {
      clearTimeout(timer);
      forget();
    }
  }

  /** Make the marked region of the take that is heard anew. */
  async repaint() {
    const job = this.#jobs.get(this.selected);
    if (!job || !this.region || !this.#panel.check()) return;
    const { stems, format, ...request } = this.#panel.request();
    const { start, end } = this.region;
    const regions = [{ start_seconds: start, end_seconds: Math.min(end, this.player.duration) }];
    await this.#ask({ ...request, repaint: { job_id: job.id, regions } });
  }

  /** Hear a take. */
  async select(job) {
    this.selected = job.id;
    this.#showTakes();
    await this.#load(job);
    this.#showStrips();
  }

  /** Hear the take with a number, from 0 on. */
  selectNumber(index) {
    const done = this.jobs.filter((job) => job.state === "done");
    if (done[index]) this.select(done[index]).catch(complain);
  }

  #takeAnalysis(job, before) {
    if (job.state === "failed") {
      $("#analysis-error").textContent = explain(job.failure);
      $("#analysis-error").hidden = false;
    }
    if (job.state !== "done" || before?.state === "done") return;
    this.#pulse = job.result.pulse;
    const sheet = { ...HALF_EMPTY, ...job.result.lead_sheet };
    sheet.key ??= likelyKey(sheet.chords);
    this.#heard = sheet;
    const latest = this.jobs.filter((other) => other.request.lead_sheet).at(-1);
    this.#sheet = keptDraft(this.recording.id) ?? latest?.request.lead_sheet ?? sheet;
    this.#showSheet();
    this.#loadVoice(job).catch(complain);
  }

  /**
   * Load the voice as the server decoded it: a browser's decoder may begin an MP3 some milliseconds
   * earlier or later, and the band would be off.
   */
  async #loadVoice(job) {
    const opening = this.#opening;
    const file = job.result.files.find(({ role }) => role === VOICE);
    const buffer = await this.player.decode(await fetchFile(file.url));
    if (opening !== this.#opening) return;
    this.player.add(VOICE, buffer);
    this.#draw(buffer);
    this.#showStrips();
  }

  /** Let a new take be heard, unless one of the same batch is, or of a later one. */
  async #takeResult(job) {
    const heard = this.#jobs.get(this.selected);
    if (!heard || heard.created < job.created) await this.select(job);
  }

  async #load(job) {
    const opening = this.#opening;
    this.#loaded = [job.id, ...this.#loaded.filter((id) => id !== job.id)];
    for (const id of this.#loaded.slice(MOST_LOADED_TAKES)) this.#unload(id);
    for (const { role, url } of tracksOf(job)) {
      const id = `${job.id}/${role}`;
      if (this.player.has(id)) continue;
      const buffer = await this.player.decode(await fetchFile(url));
      if (opening !== this.#opening) return;
      this.player.add(id, buffer);
    }
  }

  #unload(id) {
    this.#loaded = this.#loaded.filter((other) => other !== id);
    const job = this.#jobs.get(id);
    for (const role of job ? tracksOf(job).map((file) => file.role) : ["accompaniment"]) this.player.remove(`${id}/${role}`);
  }

  #showStrips() {
    const job = this.#jobs.get(this.selected);
    const band = job?.state === "done" ? tracksOf(job).map(({ role }) => role) : [];
    this.mixer.show([VOICE, ...band]);
    this.#applyLevels();
  }

  #applyLevels() {
    const job = this.#jobs.get(this.selected);
    const levels = new Map([[VOICE, this.mixer.level(VOICE)]]);
    if (job?.state === "done") {
      for (const { role } of tracksOf(job)) levels.set(`${job.id}/${role}`, this.mixer.level(role));
    }
    this.player.setLevels(levels);
    $("#repaint").disabled = job?.state !== "done" || job.request.format === "mp3";
    $("#play").disabled = !this.player.has(VOICE) && !this.selected;
  }

  #showTakes() {
    this.#takes.show(this.jobs, this.selected);
    this.#showDifference();
  }

  #setSheet(sheet) {
    this.#undo.push(this.#sheet);
    this.#changeSheet(sheet);
  }

  #changeSheet(sheet) {
    this.#sheet = sheet;
    keepDraft(this.recording.id, sheet);
    this.#showSheet();
  }

  async #editText() {
    const recording = this.recording;
    const sheet = await editAsText(this.#sheet ?? HALF_EMPTY);
    if (sheet && recording === this.recording) this.#setSheet(sheet);
  }

  #takeBack() {
    if (!this.#undo.length) return;
    this.#changeSheet(this.#undo.pop());
  }

  #showSheet() {
    const duration = this.recording?.duration_seconds ?? 0;
    this.#lane.show(this.#sheet, duration);
    const isEdited = !sameSheet(this.#sheet, this.#heard);
    this.#tools.show(this.#sheet, duration, { canUndo: this.#undo.length > 0, isEdited, pulse: this.#pulse });
    this.#showDifference();
  }

  /** Offer a band to the sheet as it stands, if the take that is heard follows another. */
  #showDifference() {
    const job = this.#jobs.get(this.selected);
    const followed = job?.request.lead_sheet ?? (job?.request.plan === "none" ? null : this.#heard);
    const waits = this.jobs.some((other) => OPEN.includes(other.state));
    $("#sheet-bar").hidden = !$("#obey").checked || !job || !this.#sheet || waits || sameSheet(followed, this.#sheet);
  }

  /** The bar in which a moment lies: { start, end }, seconds; four seconds where there are no bars. */
  barAt(seconds) {
    const cell = this.#sheet?.downbeats.length ? this.#lane.cellAt(seconds) : null;
    return cell ?? { start: seconds, end: Math.min(seconds + 4, this.player.duration) };
  }

  async #again(job) {
    const { repaint, ...request } = job.request;
    const body = { recording_id: job.recording_id, ...request };
    if (repaint) body.repaint = { job_id: repaint.job_id, regions: repaint.regions };
    for (const made of await api.createJobs(body)) this.take(made);
    await api.deleteJob(job.id);
    this.drop(job.id);
  }

  /** Save the mix as the faders stand. */
  async #mixdown(job) {
    if (this.selected !== job.id) await this.select(job);
    const mixed = await this.player.render();
    const channels = [0, 1].map((channel) => mixed.getChannelData(channel));
    const peak = channels.reduce((most, samples) => samples.reduce((a, x) => Math.max(a, Math.abs(x)), most), 0);
    const scale = Math.min(1, 0.891 / peak);
    if (scale < 1) for (const samples of channels) samples.forEach((x, i) => (samples[i] = x * scale));
    const url = URL.createObjectURL(encodeWav(channels, mixed.sampleRate, 24));
    const name = plainName(this.recording);
    const link = Object.assign(document.createElement("a"), { href: url, download: `${name}.${this.#takes.letter(job.id)}.my-mix.wav` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
    notify(t("mix_saved"));
  }

  /** What happens with every frame that is shown. */
  tick() {
    this.player.tick();
    const { time, playing } = this.player;
    if (this.timeline.place(time, playing)) this.#lane.place(time);
  }
}

/** The files of a result that are played: the parts if there are any, else the whole band. */
function tracksOf(job) {
  const files = job.result?.files ?? [];
  const parts = files.filter((file) => file.is_part);
  return parts.length ? parts : files.filter(({ role }) => role === "accompaniment");
}
