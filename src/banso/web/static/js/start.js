/** The way in: a file that is dropped or chosen, or a recording from the microphone. */

import { upload } from "./api.js";
import { Capture } from "./capture.js";
import { $, clock } from "./dom.js";
import { t } from "./i18n.js";
import { complain, notify } from "./notices.js";
import { encodeWav } from "./wav.js";

// What the server reads; the rest is decoded here, as far as the browser can, and sent as WAV.
const READABLE = /\.(wav|flac|mp3|ogg|opus|oga|aiff?|aifc|au|caf|rf64|w64)$/i;
const MEGABYTE = 2 ** 20;

/** Event: "recorded" (detail: { recording, wave: a promise }) when a recording has been uploaded. */
export class Start extends EventTarget {
  #options = null;
  #decode;
  #capture = null;
  #unsent = null;

  /** @param {(data: ArrayBuffer) => Promise<AudioBuffer>} decode */
  constructor(decode) {
    super();
    this.#decode = decode;
    $("#file").addEventListener("change", () => {
      const [file] = $("#file").files;
      $("#file").value = "";
      if (file) this.send(file, file.name);
    });
    for (const id of ["choose", "choose-new"]) $(`#${id}`).addEventListener("click", () => $("#file").click());
    $("#record").addEventListener("click", () => this.#record().catch(complain));
    $("#record-stop").addEventListener("click", () => this.#stop().catch(complain));
    $("#record-cancel").addEventListener("click", () => this.#discard());
    $("#unsent-send").addEventListener("click", () => this.#sendTake(this.#unsent.blob, this.#unsent.name));
    $("#unsent-drop").addEventListener("click", () => this.#keepUnsent(null));
    // What was sung just now is nowhere else yet.
    addEventListener("beforeunload", (event) => (this.#capture || this.#unsent) && event.preventDefault());
    this.#listenForDrops();
  }

  show(options) {
    this.#options = options;
    const size = Math.floor(options.max_upload_bytes / MEGABYTE);
    $("#limits").textContent = t("limits", { minutes: Math.floor(options.max_seconds / 60), size });
  }

  /** Upload a file, or what the browser can make of it; return whether it arrived. */
  async send(file, name) {
    try {
      this.#showProgress(t("reading"), null);
      // The picture of the wave may come later; what the server reads is sent meanwhile.
      const wave = this.#decodeQuietly(file);
      const body = READABLE.test(name) ? file : asWav(await wave, name);
      if (this.#options && body.size > this.#options.max_upload_bytes) {
        throw Object.assign(new Error(`${Math.ceil(body.size / MEGABYTE)} MiB`), { code: "too_large" });
      }
      const recording = await upload(body, name, (sent) => this.#showProgress(t("uploading"), sent));
      this.dispatchEvent(new CustomEvent("recorded", { detail: { recording, wave } }));
      return true;
    } catch (error) {
      complain(error);
      return false;
    } finally {
      this.#showProgress(null);
    }
  }

  async #decodeQuietly(file) {
    try {
      return await this.#decode(await file.arrayBuffer());
    } catch {
      return null;
    }
  }

  #showProgress(text, fraction) {
    $("#sending").hidden = text === null;
    if (text === null) return;
    $("#sending-text").textContent = text;
    const bar = $("#sending progress");
    if (fraction === null) bar.removeAttribute("value");
    else bar.value = fraction;
  }

  #listenForDrops() {
    const over = (event) => {
      if (![...(event.dataTransfer?.types ?? [])].includes("Files")) return;
      event.preventDefault();
      document.body.classList.toggle("dropping", event.type === "dragover");
    };
    for (const name of ["dragover", "dragleave", "drop"]) document.addEventListener(name, over);
    document.addEventListener("drop", (event) => {
      const [file] = event.dataTransfer?.files ?? [];
      if (file) this.send(file, file.name);
    });
  }

  async #record() {
    this.#capture = new Capture();
    try {
      await this.#capture.start((level, seconds) => this.#showLevel(level, seconds));
    } catch (error) {
      this.#capture = null;
      notify(t(`error_${error.code ?? "microphone_failed"}`), "bad");
      return;
    }
    this.#showRecording(true);
    $("#record-stop").focus();
  }

  async #stop() {
    const capture = this.#capture;
    this.#capture = null;
    this.#showRecording(false);
    const blob = await capture.stop();
    const now = new Date();
    const stamp = new Date(now - now.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
    await this.#sendTake(blob, `${t("recording_name")} ${stamp.replace("T", " ").replace(":", ".")}.wav`);
  }

  /** Send what was recorded; nobody sings the same twice, so keep it until it has arrived. */
  async #sendTake(blob, name) {
    this.#keepUnsent({ blob, name });
    $("#unsent").hidden = true;
    if (await this.send(blob, name)) this.#keepUnsent(null);
    else $("#unsent").hidden = false;
  }

  #keepUnsent(unsent) {
    const link = $("#unsent-save");
    URL.revokeObjectURL(link.href);
    this.#unsent = unsent;
    $("#unsent").hidden = unsent === null;
    if (unsent) Object.assign(link, { href: URL.createObjectURL(unsent.blob), download: unsent.name });
  }

  async #discard() {
    const capture = this.#capture;
    this.#capture = null;
    this.#showRecording(false);
    await capture?.discard();
  }

  #showRecording(on) {
    $("#start-choices").hidden = on;
    $("#recording").hidden = !on;
    if (!on) $("#record").focus();
  }

  #showLevel(level, seconds) {
    $("#record-level").value = level;
    $("#record-time").textContent = clock(seconds, true);
    $("#record-clipped").hidden = level < 0.99 && $("#record-clipped").hidden;
    if (this.#options && seconds >= this.#options.max_seconds - 1 && this.#capture) this.#stop().catch(complain);
  }
}

function asWav(wave, name) {
  if (!wave) throw Object.assign(new Error(name), { code: "unreadable_file" });
  const number = Math.min(2, wave.numberOfChannels);
  const channels = Array.from({ length: number }, (_, i) => wave.getChannelData(i));
  return encodeWav(channels, wave.sampleRate);
}
