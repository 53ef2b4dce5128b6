"""Sing with the syllables of a voice bank: their colour and noise, the performance's pitch.

Pitch, loudness, vibrato, drift and breath are those of `banso.data.singer`; the spectra come from
the bank. The sound is made by the pulses and noise of `banso.data.vocoder`, six times as fast as
WORLD's own synthesis (measured: 175 against 29 times real time on one core).
"""

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from banso.data.singer import (
    PlacedNote,
    Stage,
    Voice,
    levelled,
    place_notes,
    random_voice,
    sing,
)
from banso.data.song import Note
from banso.data.vocoder import (
    HISSES,
    HOP_LENGTH,
    NUM_BANDS,
    SampledCurves,
    num_frames_for,
    synthesise,
)
from banso.data.voicebank import FRAME_LENGTH, Bank, Syllable

_FRAMES_PER_BANK_FRAME = FRAME_LENGTH // HOP_LENGTH
_FADE_FRAMES = 7  # 40 ms from one syllable to the next
_SAMPLED_CHANCE = 0.55
_MELISMA_CHANCE = 0.12
_BEGINNING = re.compile(r"[^aeiouyäöü]*[aeiouyäöü]?")

Array = NDArray[np.float32]


def sing_with(
    banks: Sequence[Bank],
    notes: Sequence[Note],
    num_samples: int,
    *,
    sample_rate: int,
    rng: np.random.Generator,
) -> Array:
    """Sing a melody with a random singer: of a bank, where there are any, or of formants.

    Args:
        banks: Singers to choose from besides the formant voices; may be empty.
        notes: In order of start, without overlap.
        num_samples: Length of the result.
        sample_rate: Hz.
        rng: Decides the singer and the performance.

    Returns:
        Waveform [num_samples], mean level about -20 dB, peak at most 0.98; silence for no notes.
    """
    if not banks or not notes or rng.random() >= _SAMPLED_CHANCE:
        return sing(notes, num_samples, sample_rate=sample_rate, rng=rng)
    bank = banks[int(rng.integers(len(banks)))]
    voice = voice_of(bank, random_voice(rng), rng)
    return sing_sampled(
        notes, num_samples, sample_rate=sample_rate, rng=rng, voice=voice, bank=bank
    )


def voice_of(bank: Bank, voice: Voice, rng: np.random.Generator) -> Voice:
    """Return a voice with the same habits whose range is the bank's."""
    return replace(voice, centre=bank.pitch + float(rng.uniform(0, 8)))


def sing_sampled(
    notes: Sequence[Note],
    num_samples: int,
    *,
    sample_rate: int,
    rng: np.random.Generator,
    voice: Voice,
    bank: Bank,
) -> Array:
    """Sing a melody, one syllable per note, with those of a bank.

    Words are sung where the notes have lyrics and the bank has something alike.

    Args:
        notes: In order of start, without overlap; at least one.
        num_samples: Length of the result.
        sample_rate: Hz.
        rng: Decides the performance.
        voice: The singer's habits.
        bank: The singer's syllables.

    Returns:
        Waveform [num_samples], mean level about -20 dB, peak at most 0.98.
    """
    rate = sample_rate / HOP_LENGTH
    num_frames = num_frames_for(num_samples)
    stage = Stage(num_frames, rate, voice, rng)
    placed = place_notes(notes, voice, rng)
    stage.perform(placed, articulated=False)
    curves = stage.curves()
    line = _Line(num_frames, rate)
    size = float(rng.uniform(0.93, 1.09))
    syllable = bank.syllables[0]
    for index, note in enumerate(placed):
        goes_on = index > 0 and note.tied and rng.random() < _MELISMA_CHANCE
        if not goes_on:
            syllable = choose_syllable(bank, note.lyric, rng)
        follows = placed[index + 1].start if index + 1 < len(placed) else num_samples / sample_rate
        line.add(note, follows, syllable, spoken=not goes_on)
    envelope, noise = _resized(line.envelope, size), line.noise
    level = np.maximum(curves.amplitude, line.lead)[:, None]
    sampled = SampledCurves(
        f0_hz=curves.f0_hz,
        amplitude=(level[:, 0] > 1e-3).astype(np.float32),
        voiced=envelope * level * np.sqrt(np.maximum(1 - np.square(noise), 0)),
        hissed=envelope * level * noise * np.float32(min(1.5, 0.6 + 0.4 * voice.breathiness)),
        hisses=curves.hisses[:, : len(HISSES)],
        shimmer=0.02,
    )
    return levelled(synthesise(sampled, num_samples, sample_rate, rng), rng)


def choose_syllable(bank: Bank, lyric: str, rng: np.random.Generator) -> Syllable:
    """Pick a syllable: the lyric itself, else one that begins like it, else any."""
    letters = re.sub(r"[^a-zäöü]", "", lyric.lower())
    if letters:
        alike = [s for s in bank.syllables if s.alias == letters]
        if not alike:
            beginning = _BEGINNING.match(letters)
            head = beginning[0] if beginning else letters
            alike = [s for s in bank.syllables if s.alias.startswith(head)]
            alike = alike or [s for s in bank.syllables if s.alias[:1] == letters[0]]
        if alike:
            return alike[int(rng.integers(len(alike)))]
    return bank.syllables[int(rng.integers(len(bank.syllables)))]


class _Line:
    """Spectra along the song while syllables are laid on it."""

    def __init__(self, num_frames: int, rate: float) -> None:
        self._rate = rate
        self.envelope = np.zeros((num_frames, NUM_BANDS), np.float32)
        self.noise = np.ones((num_frames, NUM_BANDS), np.float32)
        self.lead = np.zeros(num_frames, np.float32)  # level of what sounds before the beat

    def add(self, note: PlacedNote, follows: float, syllable: Syllable, *, spoken: bool) -> None:
        """Lay a syllable so that its onset is on the note; its vowel lasts until the next."""
        beat = round(note.start * self._rate)
        lead = syllable.onset * _FRAMES_PER_BANK_FRAME if spoken else 0
        begin = max(0, beat - lead)
        end = min(len(self.lead), round(max(follows, note.end) * self._rate))
        if end - begin < 2:
            return
        places = _places(end - begin, beat - begin, syllable, spoken)
        below = np.minimum(places.astype(np.int64), len(syllable.envelope) - 1)
        above = np.minimum(below + 1, len(syllable.envelope) - 1)
        share = (places - below)[:, None].astype(np.float32)
        fade = np.minimum(np.arange(1, end - begin + 1) / _FADE_FRAMES, 1)[:, None]
        fade = fade.astype(np.float32)
        for target, source in ((self.envelope, syllable.envelope), (self.noise, syllable.noise)):
            rows = source[below] * (1 - share) + source[above] * share
            target[begin:end] = target[begin:end] * (1 - fade) + rows * fade
        self.lead[begin:beat] = note.level * fade[: beat - begin, 0]


def _places(count: int, beat: int, syllable: Syllable, spoken: bool) -> NDArray[np.float64]:
    """Frame of the bank for each frame of the song: consonant as it is, vowel there and back."""
    first = syllable.onset - beat / _FRAMES_PER_BANK_FRAME if spoken else float(syllable.steady)
    places = first + np.arange(count) / _FRAMES_PER_BANK_FRAME
    length = max(1.0, len(syllable.envelope) - 2.0 - syllable.steady)
    # The end of the recording fades; the vowel turns back before it.
    inside = (places - syllable.steady) % (1.6 * length)
    turned = syllable.steady + np.where(inside > 0.8 * length, 1.6 * length - inside, inside)
    return np.clip(np.where(places <= syllable.steady, places, turned), 0, None)


def _resized(envelope: Array, size: float) -> Array:
    """Move all formants by a factor, along the bands; another mouth with the same syllables."""
    centres = np.geomspace(600, 22_650, NUM_BANDS) - 600
    places = np.interp(centres / size, centres, np.arange(NUM_BANDS))
    below = np.minimum(places.astype(np.int64), NUM_BANDS - 2)
    share = (places - below).astype(np.float32)
    return envelope[:, below] * (1 - share) + envelope[:, below + 1] * share
