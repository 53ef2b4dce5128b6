/**
 * Record from the microphone, as plain samples: what a browser's own recorder makes, WebM or MP4,
 * depends on the browser, loses quality, and banso does not read it.
 */

import { encodeWav } from "./wav.js";

/** Why there is no recording; `code` names a text. */
export class CaptureError extends Error {
  constructor(code) {
    super(code);
    this.code = code;
  }
}

// A band plays along with what was sung, not with what a telephone call makes of it.
const MICROPHONE = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
const REASONS = {
  NotAllowedError: "microphone_denied",
  NotFoundError: "microphone_missing",
  NotReadableError: "microphone_busy",
};

export class Capture {
  #blocks = [];
  #length = 0;
  #context = null;
  #stream = null;
  #wakeLock = null;

  /** @param {(level: number, seconds: number) => void} onLevel peak of each block, 0 to 1 */
  async start(onLevel) {
    if (!navigator.mediaDevices?.getUserMedia) throw new CaptureError("microphone_insecure");
    if (navigator.audioSession) navigator.audioSession.type = "play-and-record";
    try {
      this.#stream = await navigator.mediaDevices.getUserMedia({ audio: MICROPHONE });
    } catch (error) {
      throw new CaptureError(REASONS[error.name] ?? "microphone_failed");
    }
    this.#context = new AudioContext();
    await this.#context.audioWorklet.addModule(new URL("capture-processor.js", import.meta.url));
    const node = new AudioWorkletNode(this.#context, "capture", { numberOfOutputs: 0 });
    node.port.onmessage = ({ data }) => {
      this.#blocks.push(data);
      this.#length += data.length;
      const level = data.reduce((peak, sample) => Math.max(peak, Math.abs(sample)), 0);
      onLevel(level, this.#length / this.#context.sampleRate);
    };
    this.#context.createMediaStreamSource(this.#stream).connect(node);
    await this.#context.resume();
    // A phone that goes to sleep in the second verse takes the microphone with it.
    this.#wakeLock = await navigator.wakeLock?.request("screen").catch(() => null);
  }

  /** End the recording and return it as a WAV file. */
  async stop() {
    const rate = this.#context.sampleRate;
    await this.discard();
    const samples = new Float32Array(this.#length);
    let offset = 0;
    for (const block of this.#blocks) {
      samples.set(block, offset);
      offset += block.length;
    }
    return encodeWav([samples], rate, 24);
  }

  /** Let go of the microphone. */
  async discard() {
    await this.#wakeLock?.release();
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    if (this.#context?.state !== "closed") await this.#context?.close();
  }
}
