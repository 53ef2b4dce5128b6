/**
 * Plays tracks together, locked to the sample.
 *
 * All tracks start from one moment of one clock, also those that are silent just now, so that
 * switching between takes, muting and soloing never loses the beat.
 */

const SAMPLE_RATE = 44100;
const START_DELAY_SECONDS = 0.05;
const FADE_SECONDS = 0.015;
export const SILENCE_DB = -40;

const toGain = (db) => (db <= SILENCE_DB ? 0 : 10 ** (db / 20));

export class Player extends EventTarget {
  #context = null;
  #tracks = new Map();
  #master = null;
  #analyser = null;
  #begun = 0;
  #offset = 0;
  #loop = null;
  playing = false;
  duration = 0;

  get context() {
    if (!this.#context) {
      this.#context = new AudioContext({ sampleRate: SAMPLE_RATE, latencyHint: "playback" });
      this.#master = new GainNode(this.#context);
      this.#analyser = new AnalyserNode(this.#context, { fftSize: 2048 });
      this.#master.connect(this.#analyser).connect(this.#context.destination);
    }
    return this.#context;
  }

  /** Decode a file; the result is at 44.1 kHz. Needs no sound device. */
  decode(data) {
    return new OfflineAudioContext(1, 1, SAMPLE_RATE).decodeAudioData(data);
  }

  /** Where the song is, in seconds. */
  get time() {
    if (!this.playing) return this.#offset;
    const elapsed = Math.max(0, this.#context.currentTime - this.#begun);
    const time = this.#offset + elapsed;
    if (this.#loop && this.#offset < this.#loop.end && time >= this.#loop.end) {
      const length = this.#loop.end - this.#loop.start;
      return this.#loop.start + ((time - this.#loop.start) % length);
    }
    return Math.min(time, this.duration);
  }

  has(id) {
    return this.#tracks.has(id);
  }

  /** Add or replace a track; it joins in at once if the others play. */
  add(id, buffer) {
    this.remove(id);
    const gain = new GainNode(this.context, { gain: 0 });
    gain.connect(this.#master);
    const track = { buffer, gain, source: null, db: SILENCE_DB };
    this.#tracks.set(id, track);
    if (this.playing) this.#startTrack(track, this.#context.currentTime + START_DELAY_SECONDS);
  }

  remove(id) {
    const track = this.#tracks.get(id);
    if (!track) return;
    this.#stopTrack(track);
    track.gain.disconnect();
    this.#tracks.delete(id);
  }

  clear() {
    this.pause();
    for (const id of [...this.#tracks.keys()]) this.remove(id);
    this.#offset = 0;
    this.#loop = null;
    this.duration = 0;
  }

  /** Set how loud each track is, dB by id; tracks that are not named are silent. */
  setLevels(levels) {
    for (const [id, track] of this.#tracks) {
      track.db = levels.get(id) ?? SILENCE_DB;
      const { gain } = track.gain;
      gain.setTargetAtTime(toGain(track.db), this.#context.currentTime, FADE_SECONDS);
    }
  }

  async play() {
    if (this.playing || !this.duration) return;
    // Else the switch that silences a phone's bell silences the band.
    if (navigator.audioSession) navigator.audioSession.type = "playback";
    await this.context.resume();
    if (this.#offset >= this.duration - 0.01) this.#offset = 0;
    this.#start();
    this.#say("state");
  }

  pause() {
    if (!this.playing) return;
    this.#offset = this.time;
    this.#halt();
    this.#say("state");
  }

  seek(seconds) {
    const wasPlaying = this.playing;
    if (wasPlaying) this.#halt();
    this.#offset = Math.max(0, Math.min(seconds, this.duration));
    if (wasPlaying) this.#start();
    this.#say("seek");
  }

  /** Repeat from start to end, or stop repeating with null. */
  setLoop(loop) {
    const time = this.time;
    this.#loop = loop;
    if (this.playing) this.seek(loop && time >= loop.end ? loop.start : time);
  }

  /** Level of what is heard now: root mean square, 0 to 1. */
  level() {
    if (!this.playing) return 0;
    const samples = new Float32Array(this.#analyser.fftSize);
    this.#analyser.getFloatTimeDomainData(samples);
    return Math.sqrt(samples.reduce((sum, x) => sum + x * x, 0) / samples.length);
  }

  /** Called with every frame that is shown; stops at the end of the song. */
  tick() {
    if (this.playing && !this.#loop && this.time >= this.duration) {
      this.#halt();
      this.#offset = 0;
      this.#say("state");
    }
  }

  /** Render what is heard now, from start to end, faster than it plays. */
  async render() {
    const { sampleRate } = this.context;
    const length = Math.ceil(this.duration * sampleRate);
    const offline = new OfflineAudioContext(2, length, sampleRate);
    for (const { buffer, db } of this.#tracks.values()) {
      if (db <= SILENCE_DB) continue;
      const gain = new GainNode(offline, { gain: toGain(db) });
      const source = new AudioBufferSourceNode(offline, { buffer });
      source.connect(gain).connect(offline.destination);
      source.start();
    }
    return offline.startRendering();
  }

  #start() {
    this.#begun = this.#context.currentTime + START_DELAY_SECONDS;
    this.playing = true;
    for (const track of this.#tracks.values()) this.#startTrack(track, this.#begun);
  }

  #startTrack(track, when) {
    const source = new AudioBufferSourceNode(this.#context, { buffer: track.buffer });
    const offset = this.#timeAt(when);
    if (this.#loop && offset < this.#loop.end) {
      Object.assign(source, { loop: true, loopStart: this.#loop.start, loopEnd: this.#loop.end });
    }
    source.connect(track.gain);
    source.start(when, offset);
    track.source = source;
  }

  #timeAt(when) {
    const ahead = when - this.#context.currentTime;
    return when <= this.#begun ? this.#offset : this.time + ahead;
  }

  #halt() {
    for (const track of this.#tracks.values()) this.#stopTrack(track);
    this.playing = false;
  }

  #stopTrack(track) {
    if (!track.source) return;
    track.source.stop();
    track.source.disconnect();
    track.source = null;
  }

  #say(name) {
    this.dispatchEvent(new Event(name));
  }
}
