/**
 * The lead sheet as data: chord names as people write them, bars, and a steady pulse.
 * Nothing here touches the page. A sheet is { beats, downbeats, chords: [{ start_seconds,
 * end_seconds, label }], key }, as the HTTP interface has it; labels are MIREX (C:maj7/3).
 */

const NAMES = ["C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B"];
const NATURAL = { C: 0, D: 2, E: 4, F: 5, G: 7, A: 9, B: 11 };
const DEGREES = ["1", "b2", "2", "b3", "3", "4", "b5", "5", "b6", "6", "b7", "7"];
const MAJOR = [0, 2, 4, 5, 7, 9, 11];
/** MIREX quality: how it is written here, then what else is understood. */
const QUALITIES = {
  maj: ["", "maj", "M"],
  min: ["m", "min", "-"],
  7: ["7", "dom7"],
  maj7: ["maj7", "M7", "Δ", "Δ7", "ma7"],
  min7: ["m7", "min7", "-7"],
  sus4: ["sus4", "sus"],
  sus2: ["sus2"],
  dim: ["dim", "°", "o"],
  dim7: ["dim7", "°7", "o7"],
  hdim7: ["m7b5", "ø", "ø7", "min7b5", "-7b5", "hdim7"],
  aug: ["aug", "+"],
  maj6: ["6", "maj6"],
  min6: ["m6", "min6"],
  9: ["9"],
  maj9: ["maj9", "M9"],
  min9: ["m9", "min9"],
  minmaj7: ["mM7", "mmaj7", "minmaj7"],
  11: ["11"],
  13: ["13"],
  5: ["5"],
};
const BY_TEXT = new Map(
  Object.entries(QUALITIES).flatMap(([quality, texts]) => texts.map((text) => [text, quality])),
);
export const NO_CHORD = "N";
const SILENCES = ["N", "n", "NC", "N.C.", "-", "–", "—", "%0"];

const pitchClass = (name) =>
  (NATURAL[name[0]] + [...name.slice(1)].reduce((sum, c) => sum + (c === "#" ? 1 : -1), 0) + 120) % 12;

/** "A:min7/b3" as "Am7/C". */
export function shownChord(label) {
  if (label === NO_CHORD || label === "X") return "–";
  const [, root, quality = "maj", , bass] = /^([A-G][#b]*)(?::([a-z0-9]+))?(\(.*\))?(?:\/(.+))?$/.exec(label) ?? [];
  if (!root) return label;
  const written = `${root}${QUALITIES[quality]?.[0] ?? quality}`;
  return bass ? `${written}/${degreeName(root, bass)}` : written;
}

function degreeName(root, degree) {
  const number = Number(degree.replace(/[#b]/g, ""));
  const shift = [...degree].reduce((sum, c) => sum + (c === "#" ? 1 : c === "b" ? -1 : 0), 0);
  return NAMES[(pitchClass(root) + MAJOR[(number - 1) % 7] + shift + 24) % 12];
}

/** "Am7/C" as "A:min7/b3"; null if it is no chord. */
export function parseChord(text) {
  const plain = text.trim().replaceAll("♯", "#").replaceAll("♭", "b");
  if (SILENCES.includes(plain)) return NO_CHORD;
  const match = /^([A-Ga-g])([#b]?)([^/]*)(?:\/([A-Ga-g][#b]?))?$/.exec(plain);
  if (!match) return null;
  const root = match[1].toUpperCase() + match[2];
  const quality = BY_TEXT.get(match[3]);
  if (quality === undefined) return null;
  const label = `${root}:${quality}`;
  if (!match[4]) return label;
  const bass = match[4][0].toUpperCase() + match[4].slice(1);
  const interval = (pitchClass(bass) - pitchClass(root) + 12) % 12;
  return interval ? `${label}/${DEGREES[interval]}` : label;
}

/** A chord's name moved up by semitones. */
export function transposed(label, semitones) {
  const root = /^[A-G][#b]*/.exec(label)?.[0];
  if (!root || label === NO_CHORD) return label;
  return NAMES[(pitchClass(root) + semitones + 120) % 12] + label.slice(root.length);
}

export const KEYS = NAMES.flatMap((name) => [`${name}:maj`, `${name}:min`]);

/** Whether two sheets say the same, to a millisecond; either may be missing. */
export function sameSheet(one, other) {
  if (!one || !other) return !one === !other;
  const times = (a, b) => a.length === b.length && a.every((time, i) => Math.abs(time - b[i]) < 1e-3);
  const chords = one.chords.length === other.chords.length && one.chords.every((chord, i) => {
    const twin = other.chords[i];
    return chord.label === twin.label && times([chord.start_seconds, chord.end_seconds], [twin.start_seconds, twin.end_seconds]);
  });
  return chords && (one.key ?? null) === (other.key ?? null) && times(one.beats, other.beats) && times(one.downbeats, other.downbeats);
}

/** The key that most of the time's chords belong to. */
export function likelyKey(chords) {
  const scores = KEYS.map((key) => chords.reduce((sum, chord) => sum + fit(chord, key), 0));
  return chords.length ? KEYS[scores.indexOf(Math.max(...scores))] : null;
}

function fit({ label, start_seconds: start, end_seconds: end }, key) {
  const [root, quality] = label.split(/[:/]/);
  if (label === NO_CHORD || label === "X") return 0;
  const [tonic, mode] = key.split(":");
  const step = (pitchClass(root) - pitchClass(tonic) + 12) % 12;
  const minor = /^(min|m7|dim|hdim)/.test(quality ?? "");
  const home = mode === "maj" ? { 0: false, 2: true, 4: true, 5: false, 7: false, 9: true }
    : { 0: true, 3: false, 5: true, 7: true, 8: false, 10: false };
  const weight = step === 0 ? 1.5 : 1;
  return home[step] === minor ? weight * (end - start) : 0;
}

/** Beats per minute of a sheet, or null without beats. */
export function tempoOf(sheet) {
  if (sheet.beats.length < 2) return null;
  const gaps = sheet.beats.slice(1).map((beat, i) => beat - sheet.beats[i]).sort((a, b) => a - b);
  return 60 / gaps[Math.floor(gaps.length / 2)];
}

/** Beats in a bar, or 4 without bars. */
export function meterOf(sheet) {
  if (sheet.downbeats.length < 2) return 4;
  const counts = new Map();
  for (let i = 1; i < sheet.downbeats.length; i++) {
    const [from, to] = [sheet.downbeats[i - 1], sheet.downbeats[i]];
    const count = sheet.beats.filter((beat) => beat >= from && beat < to).length;
    counts.set(count, (counts.get(count) ?? 0) + 1);
  }
  return [...counts].sort((a, b) => b[1] - a[1])[0][0];
}

/** The sheet on a steady pulse: chords move to the nearest beats. */
export function withPulse(sheet, { tempo, meter, first }, duration) {
  const period = 60 / tempo;
  const bar = meter * period;
  const down = first - Math.floor(first / bar + 1e-6) * bar;
  const pickup = Math.floor(down / period + 1e-6);
  const start = Math.max(0, Math.round((down - pickup * period) * 1000) / 1000);
  const beats = [];
  const downbeats = [];
  for (let i = 0; start + i * period < duration - 1e-6; i++) {
    // Exactly so, not rounded: then the sheet's text tells one tempo, and not the time of each beat.
    const beat = start + i * period;
    beats.push(beat);
    if ((i - pickup + meter) % meter === 0) downbeats.push(beat);
  }
  return { ...sheet, beats, downbeats, chords: onBeats(sheet.chords, beats, duration) };
}

function onBeats(chords, beats, duration) {
  if (!beats.length) return chords;
  const nearest = (time) => beats.reduce((a, b) => (Math.abs(b - time) < Math.abs(a - time) ? b : a));
  const moved = [];
  for (const chord of chords) {
    const start = chord === chords[0] ? chord.start_seconds : nearest(chord.start_seconds);
    if (moved.length && start <= moved.at(-1).start_seconds) moved.pop();
    moved.push({ ...chord, start_seconds: start });
  }
  return moved.map((chord, i) => ({
    ...chord,
    end_seconds: moved[i + 1]?.start_seconds ?? duration,
  }));
}

/** Bars, or, as long as nobody knows the beats, one cell per chord: [{ start, end, chords }]. */
export function cellsOf(sheet, duration) {
  let borders = sheet.downbeats.filter((time) => time > 0.05 && time < duration - 0.05);
  if (!sheet.downbeats.length) borders = sheet.chords.slice(1).map((chord) => chord.start_seconds);
  const edges = [0, ...borders, duration];
  return edges.slice(1).map((end, i) => ({ start: edges[i], end, chords: within(sheet, edges[i], end) }));
}

function within(sheet, start, end) {
  // A sliver at the edge is rounding, not music.
  const slack = Math.min(0.08, (end - start) / 4);
  return sheet.chords
    .filter((c) => c.end_seconds > start + slack && c.start_seconds < end - slack)
    .map((c) => ({ label: c.label, start: Math.max(start, c.start_seconds) }));
}

/** Write chords into a stretch of time: shared out evenly, on beats where there are any. */
export function withChords(sheet, start, end, labels) {
  const beats = sheet.beats.filter((beat) => beat > start + 0.02 && beat < end - 0.02);
  const grid = [start, ...beats, end];
  const written = labels.map((label, i) => ({ label, start_seconds: share(i), end_seconds: share(i + 1) }));
  function share(i) {
    const onGrid = (i * (grid.length - 1)) / labels.length;
    if (Number.isInteger(onGrid)) return grid[onGrid];
    return start + ((end - start) * i) / labels.length;
  }
  const before = sheet.chords
    .filter((c) => c.start_seconds < start - 1e-6)
    .map((c) => ({ ...c, end_seconds: Math.min(c.end_seconds, start) }));
  const after = sheet.chords
    .filter((c) => c.end_seconds > end + 1e-6)
    .map((c) => ({ ...c, start_seconds: Math.max(c.start_seconds, end) }));
  return { ...sheet, chords: joined([...before, ...written, ...after]) };
}

/** Neighbours with one name become one chord. */
function joined(chords) {
  const result = [];
  for (const chord of chords) {
    const last = result.at(-1);
    const touches = last && Math.abs(last.end_seconds - chord.start_seconds) < 1e-3;
    if (touches && last.label === chord.label) last.end_seconds = chord.end_seconds;
    else if (chord.end_seconds - chord.start_seconds > 1e-3) result.push({ ...chord });
  }
  return result;
}

/** Tempo (and where a beat is) from the times of taps: the line of least squares. */
export function pulseOfTaps(taps) {
  if (taps.length < 3) return null;
  const n = taps.length;
  const meanIndex = (n - 1) / 2;
  const meanTime = taps.reduce((a, b) => a + b) / n;
  let above = 0;
  let below = 0;
  taps.forEach((time, i) => {
    above += (i - meanIndex) * (time - meanTime);
    below += (i - meanIndex) ** 2;
  });
  const period = above / below;
  return { tempo: 60 / period, first: meanTime - meanIndex * period };
}
