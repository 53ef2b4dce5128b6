"""Syllables and short words from espeak-ng, measured like a voice bank's.

References:
    espeak-ng, the speech synthesiser (GPL-3.0-or-later; called as a program, never linked).
"""

import subprocess
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from banso.data.voicebank import Bank, Syllable, measure
from banso.errors import DataError

VOICES = ("en-us+m3", "en-us+f2", "en-gb+m1", "de+f4")
WORDS = (
    "la", "da", "na", "ma", "ra", "ba", "ha", "ya", "wa", "ta", "lee", "dee", "nee", "mee", "see",
    "tee", "he", "we", "be", "key", "low", "no", "so", "go", "row", "know", "though", "doe", "moe",
    "loo", "do", "new", "you", "who", "too", "blue", "through", "lay", "day", "way", "say", "may",
    "they", "pay", "ray", "lie", "my", "by", "high", "why", "sky", "die", "try", "the", "a", "and",
    "in", "on", "all", "of", "is", "it", "at", "to", "for", "from", "with", "that", "this", "when",
    "where", "love", "heart", "light", "night", "time", "life", "long", "song", "sing", "dream",
    "home", "come", "gone", "one", "down", "now", "how", "out", "sun", "moon", "rain", "sea",
    "stars", "hand", "eyes", "face", "world", "word", "soul", "free", "feel", "stay", "away",
    "fall", "call", "more", "door", "sure", "near", "dear", "hear", "fair", "there", "care",
)  # fmt: skip

_WORDS_PER_MINUTE = 110
_HEADER_BYTES = 44  # of a WAV file
_PAD_SECONDS = 0.05
_TIMEOUT_SECONDS = 20

Array = NDArray[np.float32]


def measure_spoken(voice: str, words: Sequence[str] = WORDS, *, program: str = "espeak-ng") -> Bank:
    """Let espeak-ng say words one by one and measure them.

    Args:
        voice: One of espeak-ng's, with a variant: `en-us+f2`.
        words: What to say, a syllable each.
        program: The program.

    Raises:
        DataError: If the program is missing, does not know the voice, or says nothing usable.
    """
    syllables: list[Syllable] = []
    pitches = []
    for word in words:
        wave, sample_rate = _said(word, voice, program)
        found = _vowel(wave, sample_rate)
        if found is None:
            continue
        syllable, pitch = measure(word, wave, *found, sample_rate)
        if syllable is not None:
            syllables.append(syllable)
            pitches.append(pitch)
    if not syllables:
        raise DataError(f"{program} says nothing that can be sung with the voice '{voice}'")
    name = f"espeak-{voice}"
    about = f"espeak-ng, voice {voice}"
    return Bank(name, "output of a program", about, float(np.median(pitches)), tuple(syllables))


def _said(word: str, voice: str, program: str) -> tuple[Array, int]:
    command = [program, "-v", voice, "-s", str(_WORDS_PER_MINUTE), "--stdout", "--", word]
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=_TIMEOUT_SECONDS)
    except FileNotFoundError as error:
        raise DataError(f"the program '{program}' is not installed; it says syllables") from error
    except subprocess.TimeoutExpired as error:
        raise DataError(f"{program} did not finish in {_TIMEOUT_SECONDS} s") from error
    if done.returncode != 0 or not done.stdout:
        reason = done.stderr.decode(errors="replace").strip() or "no reason given"
        raise DataError(f"{program} cannot say '{word}' as '{voice}': {reason}")
    # A stream's header cannot know its length, so only the rate is read from it.
    sample_rate = int.from_bytes(done.stdout[24:28], "little")
    steps = np.frombuffer(done.stdout[_HEADER_BYTES:], "<i2")
    wave: Array = steps.astype(np.float32) / np.float32(32768)
    loud = np.flatnonzero(np.abs(wave) > 0.01)
    if not len(loud):
        return np.zeros(0, np.float32), sample_rate
    pad = round(_PAD_SECONDS * sample_rate)
    return wave[max(0, loud[0] - pad) : loud[-1] + pad], sample_rate


def _vowel(wave: Array, sample_rate: int) -> tuple[float, float] | None:
    """Where the vowel begins and where it is steady, in milliseconds, by its loudness.

    Below 1.5 kHz vowels are louder than all other sounds.
    """
    hop = sample_rate // 200
    if len(wave) < 20 * hop:
        return None
    spectrum = np.fft.rfft(wave)
    spectrum[np.fft.rfftfreq(len(wave), 1 / sample_rate) > 1500] = 0
    low = np.fft.irfft(spectrum, len(wave))[: len(wave) // hop * hop]
    level = np.sqrt(np.square(low).reshape(-1, hop).mean(axis=1))
    level = np.convolve(level, np.ones(5) / 5, mode="same")
    loud = np.flatnonzero(level > 0.5 * level.max())
    return 5.0 * loud[0], 5.0 * loud[0] + 0.35 * 5.0 * (loud[-1] - loud[0])
