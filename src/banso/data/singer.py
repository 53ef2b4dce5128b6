"""A singer made of arithmetic: sings a melody with the habits and faults of human voices.

What a model shall cope with in real voices is random here: range and size of the voice, breath,
legato and scoops, vibrato that sets in late, drift off pitch and beat, consonants, breathing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import convolve1d, gaussian_filter1d

from banso.data.song import Note
from banso.data.vocoder import HISSES, HOP_LENGTH, VoiceCurves, num_frames_for, synthesise

_VOWELS = {
    "a": (730, 1090, 2440, 3400, 4500),
    "ae": (660, 1720, 2410, 3450, 4500),
    "e": (530, 1840, 2480, 3500, 4500),
    "i": (270, 2290, 3010, 3600, 4600),
    "o": (570, 840, 2410, 3300, 4400),
    "u": (300, 870, 2240, 3200, 4300),
    "ue": (260, 1750, 2160, 3200, 4300),
    "er": (490, 1350, 1690, 3200, 4300),
}
# Voiced consonants: formants, level.
_VOICED = {
    "m": ((250, 1000, 2200, 3200, 4300), 0.35),
    "n": ((250, 1600, 2600, 3300, 4300), 0.35),
    "l": ((360, 1100, 2600, 3300, 4300), 0.55),
    "w": ((300, 650, 2200, 3200, 4300), 0.6),
    "y": ((270, 2200, 3000, 3600, 4600), 0.6),
    "r": ((330, 1100, 1600, 3000, 4300), 0.55),
    "b": ((250, 800, 2200, 3200, 4300), 0.1),
    "d": ((250, 1700, 2600, 3300, 4300), 0.1),
}
# Vowel of a syllable's first vowel letters; the longest match counts.
_SPELLING = {
    "ee": "i", "ea": "i", "oo": "u", "ou": "o", "ai": "e", "ay": "e", "eu": "ue", "ü": "ue",
    "ö": "er", "ä": "e", "a": "a", "e": "e", "i": "i", "o": "o", "u": "u", "y": "i",
}  # fmt: skip
_LATEST_MS, _WIDEST_CENTS = 60.0, 40.0
_HISS_NAMES = tuple(HISSES)
_UNVOICED = ("s", "sh", "f", "h", "t", "k", "p")
# Middle of the comfortable range as a MIDI note, and size of the vocal tract against a man's.
_RANGES = {
    "bass": (49.0, 0.95),
    "baritone": (53.0, 1.0),
    "tenor": (57.0, 1.04),
    "alto": (62.0, 1.13),
    "mezzo": (65.0, 1.17),
    "soprano": (69.0, 1.21),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Voice:
    """One singer's habits.

    Attributes:
        centre: Middle of the range as a MIDI note.
        size: Factor on all formants.
        tilt_db: Fall of the glottal spectrum per octave.
        breathiness: Share of noise.
        vibrato_hz: Its rate.
        vibrato_cents: Its full depth.
        vibrato_delay_seconds: How long a note is held straight.
        glide_seconds: Length of the transition between tied notes.
        legato: Chance that a short gap between notes is sung through.
        scoop: Chance that a phrase is approached from below.
        offset_cents: Standard deviation of each note's own pitch error.
        drift_cents: Standard deviation of the slow wandering.
        timing_ms: Standard deviation of each note's onset.
        lag_ms: How late the singer is on the whole.
        clarity: Chance that a note begins with a consonant.
        vowels: Those that are sung where no words are known; one for humming and `ooh`.
    """

    centre: float
    size: float
    tilt_db: float
    breathiness: float
    vibrato_hz: float
    vibrato_cents: float
    vibrato_delay_seconds: float
    glide_seconds: float
    legato: float
    scoop: float
    offset_cents: float
    drift_cents: float
    timing_ms: float
    lag_ms: float
    clarity: float
    vowels: tuple[str, ...] = tuple(_VOWELS)


def random_voice(rng: np.random.Generator) -> Voice:
    """Return a singer; half of them men, trained and untrained alike."""
    centre, size = _RANGES[str(rng.choice(list(_RANGES)))]
    trained = rng.random()
    vowels = tuple(_VOWELS) if rng.random() < 0.88 else (str(rng.choice(list(_VOWELS))),)
    return Voice(
        centre=centre + rng.normal(0, 1),
        size=size * rng.uniform(0.93, 1.08),
        tilt_db=rng.uniform(-10, -4.5),
        breathiness=float(rng.choice((0.3, 1.0, 2.5))) * rng.uniform(0.5, 1.5),
        vibrato_hz=rng.uniform(4.6, 6.8),
        vibrato_cents=rng.uniform(0, 75) if rng.random() < 0.7 else rng.uniform(0, 10),
        vibrato_delay_seconds=rng.uniform(0.1, 0.5),
        glide_seconds=rng.uniform(0.03, 0.14),
        legato=rng.uniform(0.4, 0.95),
        scoop=rng.uniform(0, 0.5),
        offset_cents=4 + 14 * (1 - trained),
        drift_cents=3 + 15 * (1 - trained),
        timing_ms=6 + 20 * (1 - trained),
        lag_ms=rng.uniform(-10, 25),
        clarity=rng.uniform(0.5, 0.95) if len(vowels) > 1 else rng.uniform(0.0, 0.5),
        vowels=vowels,
    )


def sing(
    notes: Sequence[Note],
    num_samples: int,
    *,
    sample_rate: int,
    rng: np.random.Generator,
    voice: Voice | None = None,
) -> NDArray[np.float32]:
    """Sing a melody, one syllable per note.

    Args:
        notes: In order of start, without overlap.
        num_samples: Length of the result.
        sample_rate: Hz.
        rng: Decides the singer, unless given, and the performance.
        voice: A given singer.

    Returns:
        Waveform [num_samples], mean level about -20 dB, peak at most 0.98; silence if there are no
        notes. The melody is moved by octaves to where the voice is at home.
    """
    voice = voice or random_voice(rng)
    if not notes:
        return np.zeros(num_samples, np.float32)
    stage = Stage(num_frames_for(num_samples), sample_rate / HOP_LENGTH, voice, rng)
    stage.perform(place_notes(notes, voice, rng))
    return levelled(synthesise(stage.curves(), num_samples, sample_rate, rng), rng)


def levelled(waveform: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Return a voice at a mean level of about -20 dB where it sounds, peak at most 0.98."""
    sounding = np.abs(waveform) > 1e-3 * np.max(np.abs(waveform), initial=1e-9)
    rms = float(np.sqrt(np.mean(np.square(waveform[sounding])))) if sounding.any() else 1.0
    gain = 10 ** ((-20 + rng.normal(0, 2)) / 20) / max(rms, 1e-9)
    peak = float(np.max(np.abs(waveform), initial=1e-9))
    return np.asarray(waveform * min(gain, 0.98 / peak), np.float32)


def octave_shift(notes: Sequence[Note], centre: float) -> int:
    """Return by how many semitones, a multiple of 12, to move notes nearest to a voice's centre."""
    middle = float(np.median([note.pitch for note in notes]))
    return int(12 * round((centre - middle) / 12))


def spelt_vowel(lyric: str) -> str | None:
    """Return the vowel that a syllable's letters stand for; None if they have none."""
    letters = lyric.lower()
    for index in range(len(letters)):
        for size in (2, 1):
            if len(letters[index : index + size]) == size:
                vowel = _SPELLING.get(letters[index : index + size])
                # A `y` before a vowel is a consonant.
                if vowel and not (letters[index] == "y" and index == 0 and len(letters) > 1):
                    return vowel
    return None


@dataclass(frozen=True, slots=True)
class PlacedNote:
    """A note as it will be sung; pitch with its error, in MIDI notes."""

    start: float
    end: float
    pitch: float
    level: float
    tied: bool
    lyric: str = ""


def place_notes(notes: Sequence[Note], voice: Voice, rng: np.random.Generator) -> list[PlacedNote]:
    """Return the notes where and how high a singer really begins and holds them."""
    shift = octave_shift(notes, voice.centre)
    deviation = rng.normal(voice.lag_ms, voice.timing_ms, len(notes))
    starts = [
        max(0.0, note.start_seconds + late / 1000)
        for note, late in zip(notes, np.clip(deviation, -_LATEST_MS, _LATEST_MS), strict=True)
    ]
    placed: list[PlacedNote] = []
    for i, note in enumerate(notes):
        start = starts[i]
        if placed:
            start = max(start, placed[-1].start + 0.05)
        upcoming = starts[i + 1] if i + 1 < len(notes) else np.inf
        end = max(note.end_seconds, start + 0.06)
        if upcoming - end < 0.2 and rng.random() < voice.legato:
            end = upcoming
        end = min(end, max(upcoming, start + 0.05))
        tied = bool(placed) and start - placed[-1].end < 0.02
        error = float(np.clip(rng.normal(0, voice.offset_cents), -_WIDEST_CENTS, _WIDEST_CENTS))
        pitch = note.pitch + shift + error / 100
        level = 0.55 + 0.45 * note.velocity / 127 + rng.normal(0, 0.06)
        level = float(np.clip(level, 0.3, 1.2))
        placed.append(PlacedNote(start, end, pitch, level, tied, note.lyric))
    return placed


class Stage:
    """The curves of a performance while it is being built up."""

    def __init__(
        self, num_frames: int, frame_rate: float, voice: Voice, rng: np.random.Generator
    ) -> None:
        self._rate = frame_rate
        self._voice = voice
        self._rng = rng
        self._pitch = np.full(num_frames, np.nan)
        self._bend = np.zeros(num_frames)
        self._level = np.zeros(num_frames)
        self._formants = np.full((num_frames, 5), np.nan)
        self._hisses = np.zeros((num_frames, len(HISSES)))

    def perform(self, notes: Sequence[PlacedNote], *, articulated: bool = True) -> None:
        """Sing all notes: pitch, vibrato, syllables and, in the pauses, breath.

        Args:
            notes: In order.
            articulated: Whether consonants are made here; samples bring their own.
        """
        vowels = self._voice.vowels
        vowel = vowels[0]
        for i, note in enumerate(notes):
            tied = note.tied
            melisma = tied and self._rng.random() < 0.15
            if not melisma:
                drawn = vowels[int(self._rng.integers(len(vowels)))]
                vowel = spelt_vowel(note.lyric) or drawn
            upcoming = notes[i + 1].start if i + 1 < len(notes) else np.inf
            self._note(note, vowel, upcoming - note.end > 0.04)
            spoken = not melisma and self._rng.random() < self._voice.clarity
            if spoken and articulated:
                self._consonant(note)
            pause = note.start - notes[i - 1].end if i else note.start
            if pause > 0.35 and self._rng.random() < 0.6:
                self._breath(note.start, pause)

    def curves(self) -> VoiceCurves:
        """Smooth what was written, as a throat does, and add wandering of pitch."""
        voice, rate, rng = self._voice, self._rate, self._rng
        pitch = _smooth(_fill(self._pitch), voice.glide_seconds * rate)
        drift = gaussian_filter1d(rng.standard_normal(len(pitch)), 0.4 * rate)
        drift *= voice.drift_cents / 100 / max(float(drift.std()), 1e-9)
        drift = np.clip(drift, -_WIDEST_CENTS / 100, _WIDEST_CENTS / 100)
        flutter = gaussian_filter1d(rng.standard_normal(len(pitch)), 2.0) * 0.04
        f0_hz = 440 * 2 ** ((pitch + self._bend + drift + flutter - 69) / 12)
        formants = np.stack([_fill(column) for column in self._formants.T], axis=1)
        formants = gaussian_filter1d(formants, 0.018 * rate, axis=0) * voice.size
        # Sopranos and all high notes: the first formant goes up with the pitch.
        formants[:, 0] = np.maximum(formants[:, 0], f0_hz * 1.02)
        wobble = gaussian_filter1d(rng.standard_normal(len(pitch)), 0.15 * rate)
        wobble *= 0.08 / max(float(wobble.std()), 1e-9)
        return VoiceCurves(
            f0_hz=np.clip(f0_hz, 50, 1500).astype(np.float32),
            amplitude=(_smooth(self._level, 0.025 * rate) * (1 + wobble)).astype(np.float32),
            breathiness=np.full(len(pitch), voice.breathiness, np.float32),
            formants_hz=formants.astype(np.float32),
            hisses=_smooth(self._hisses, 0.012 * rate).astype(np.float32),
            tilt_db=voice.tilt_db,
            shimmer=0.03,
        )

    def _frames(self, start: float, end: float) -> slice:
        last = len(self._level)
        begin = min(max(0, round(start * self._rate)), last)
        return slice(begin, max(begin, min(round(end * self._rate), last)))

    def _note(self, note: PlacedNote, vowel: str, released: bool) -> None:
        voice, rng = self._voice, self._rng
        frames = self._frames(note.start, note.end)
        count = frames.stop - frames.start
        if not count:
            return
        time = np.arange(count) / self._rate
        self._pitch[frames] = note.pitch
        rise = np.clip((time - voice.vibrato_delay_seconds) / 0.35, 0, 1)
        wave = np.sin(2 * np.pi * voice.vibrato_hz * time + rng.uniform(0, 6.3))
        bend = voice.vibrato_cents / 100 * rise * wave
        if not note.tied and rng.random() < voice.scoop:
            bend = bend - rng.uniform(0.5, 2.0) * np.exp(-time / rng.uniform(0.02, 0.06))
        self._bend[frames] = bend
        swell = rng.uniform(-0.25, 0.25)
        shape = 1 + swell * (time / max(time[-1], 0.1) - 0.5)
        if released:
            left = time[-1] - time
            shape = shape * np.clip(
                left / min(rng.uniform(0.05, 0.18), 0.4 * time[-1] + 0.01), 0, 1
            )
            if rng.random() < 0.1:
                bend[-8:] -= np.linspace(0, rng.uniform(0, 1.5), 8)[-len(bend[-8:]) :]
        self._level[frames] = note.level * shape
        target = np.array(_VOWELS[vowel], float) * (1 + rng.normal(0, 0.04, 5))
        self._formants[frames] = target

    def _consonant(self, note: PlacedNote) -> None:
        """Before the beat, so that the vowel is on it; tied notes are cut short for it."""
        rng = self._rng
        if rng.random() < 0.5:
            name = str(rng.choice(list(_VOICED)))
            formants, level = _VOICED[name]
            length = min(rng.uniform(0.035, 0.09), note.end - note.start)
            frames = self._frames(note.start - 0.7 * length, note.start + 0.3 * length)
            self._formants[frames] = formants
            self._level[frames] = level * note.level
            if not note.tied:
                self._pitch[frames] = note.pitch
            return
        name = str(rng.choice(_UNVOICED))
        plosive = name in "tkp"
        length = rng.uniform(0.03, 0.06) if plosive else rng.uniform(0.06, 0.14)
        self._level[self._frames(note.start - length, note.start)] = 0.0
        frames = self._frames(note.start - (0.02 if plosive else length), note.start + 0.01)
        self._hisses[frames, _HISS_NAMES.index(name)] = rng.uniform(0.1, 0.5) * note.level

    def _breath(self, before: float, pause: float) -> None:
        length = min(self._rng.uniform(0.2, 0.45), 0.8 * pause)
        end = before - self._rng.uniform(0.03, 0.08)
        frames = self._frames(end - length, end)
        shape = np.hanning(frames.stop - frames.start + 2)[1:-1]
        column = _HISS_NAMES.index("breath")
        self._hisses[frames, column] = shape * self._rng.uniform(0.02, 0.2)


def _fill(curve: NDArray[np.float64]) -> NDArray[np.float64]:
    """Hold the nearest value on the right, then on the left, where nothing is written."""
    known = np.flatnonzero(~np.isnan(curve))
    index = np.searchsorted(known, np.arange(len(curve)))
    return np.asarray(curve[known[np.minimum(index, len(known) - 1)]])


def _smooth(curve: NDArray[np.float64], num_frames: float) -> NDArray[np.float64]:
    """Average over a raised-cosine window of about the given length."""
    half = max(1, round(num_frames))
    window = np.hanning(2 * half + 1)
    return np.asarray(convolve1d(curve, window / window.sum(), axis=0, mode="nearest"))
