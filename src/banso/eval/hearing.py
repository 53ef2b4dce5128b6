"""What the metrics hear in a recording: harmonic chroma, level, onsets.

One analysis serves every metric, so that a recording is transformed once however many numbers are
taken from it. All of it is plain signal processing on 22.05 kHz mono; no weights.

References:
    Brown 1991, "Calculation of a constant Q spectral transform", JASA 89(1).
    FitzGerald 2010, "Harmonic/percussive separation using median filtering", DAFx.
"""

import functools
from dataclasses import dataclass

import librosa
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter

from banso.audio import Audio

Array = NDArray[np.float32]

ANALYSIS_RATE = 22050
CHROMA_HOP = 1024
ONSET_HOP = 256
_BINS_PER_SEMITONE = 3
_LOWEST_MIDI = 36  # C2; below it the constant-Q windows grow longer than a beat
_NUM_OCTAVES = 6
_HARMONIC_FRAMES = 11  # 0.51 s: longer than a drum hit, shorter than most chords
_PERCUSSIVE_BINS = 25  # 8 semitones: wider than any partial, narrower than a drum


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Heard:
    """Everything the metrics need from one recording.

    Attributes:
        chroma: Harmonic magnitude per pitch class [frames, 12], C first, not normalised.
        level_db: Level of each chroma frame in dB relative to full scale [frames].
        onset_strength: Positive spectral flux, unit mean [onset frames].
        bass_strength: The same of the band below 300 Hz alone [onset frames].
    """

    chroma: Array
    level_db: Array
    onset_strength: Array
    bass_strength: Array

    @property
    def chroma_times(self) -> NDArray[np.float64]:
        """Centre of each chroma frame in seconds."""
        return np.arange(len(self.chroma)) * CHROMA_HOP / ANALYSIS_RATE


def hear(samples: Array, sample_rate: int, tuning_cents: float = 0.0) -> Heard:
    """Analyse a recording once for all metrics.

    Args:
        samples: Waveform [channels, samples] or [samples], full scale ±1.
        sample_rate: In Hz.
        tuning_cents: How far above A4 = 440 Hz it plays; pitch classes are those of its tuning.

    Returns:
        Chroma, level and onset strength.
    """
    mono = analysis_signal(samples, sample_rate)
    bass, full = _onset_strengths(mono)
    # Kick and bass mark the beat; hi-hats between the beats would otherwise outvote them.
    return Heard(
        chroma=_harmonic_chroma(mono, tuning_cents),
        level_db=_level_db(mono),
        onset_strength=np.asarray((bass + full) / 2, dtype=np.float32),
        bass_strength=bass,
    )


@functools.cache
def compile_loops() -> None:
    """Let librosa compile its inner loops, before processes start that need them.

    It keeps them on disk for all who come later; but of several that compile at the same time,
    each may overwrite the other's, and whoever loads the mixture crashes (seen with numba 0.68).
    """
    clicks = np.zeros(4 * ANALYSIS_RATE, np.float32)
    clicks[:: ANALYSIS_RATE // 2] = 1
    curve = hear(clicks, ANALYSIS_RATE).onset_strength
    librosa.onset.onset_detect(onset_envelope=curve, sr=ANALYSIS_RATE, hop_length=ONSET_HOP)


def analysis_signal(samples: Array, sample_rate: int) -> Array:
    """Mix to mono at the analysis rate, at least one analysis frame long.

    Args:
        samples: Waveform [channels, samples] or [samples].
        sample_rate: In Hz.

    Returns:
        Mono waveform [samples] at `ANALYSIS_RATE`.
    """
    audio = Audio(np.atleast_2d(samples), sample_rate)
    mono = audio.to_mono().resampled(ANALYSIS_RATE).samples[0]
    return np.pad(mono, (0, max(0, ANALYSIS_RATE // 2 - len(mono))))


def _harmonic_chroma(mono: Array, tuning_cents: float) -> Array:
    """Fold the harmonic part of a constant-Q spectrogram to [frames, 12].

    The median filters run on the constant-Q magnitude itself, which saves a second transform:
    along time they keep tones, along frequency they keep hits.
    """
    lowest = _LOWEST_MIDI - 1 / _BINS_PER_SEMITONE + tuning_cents / 100
    magnitude = np.abs(
        librosa.cqt(
            mono,
            sr=ANALYSIS_RATE,
            hop_length=CHROMA_HOP,
            fmin=librosa.midi_to_hz(lowest),
            n_bins=12 * _NUM_OCTAVES * _BINS_PER_SEMITONE,
            bins_per_octave=12 * _BINS_PER_SEMITONE,
        )
    )
    harmonic = median_filter(magnitude, size=(1, _HARMONIC_FRAMES)) ** 2
    percussive = median_filter(magnitude, size=(_PERCUSSIVE_BINS, 1)) ** 2
    kept = magnitude * harmonic / (harmonic + percussive + 1e-12)
    folded = kept.reshape(_NUM_OCTAVES, 12, _BINS_PER_SEMITONE, -1)
    return np.ascontiguousarray(folded.max(axis=2).sum(axis=0).T, dtype=np.float32)


def _level_db(mono: Array) -> Array:
    power = librosa.feature.rms(y=mono, frame_length=2 * CHROMA_HOP, hop_length=CHROMA_HOP)[0] ** 2
    return np.asarray(10 * np.log10(power + 1e-12), dtype=np.float32)


def _onset_strengths(mono: Array) -> tuple[Array, Array]:
    """Positive spectral flux of the band below 300 Hz and of all bands, each of unit mean."""
    bass, full = (
        librosa.onset.onset_strength(
            y=mono, sr=ANALYSIS_RATE, hop_length=ONSET_HOP, n_mels=n_mels, fmax=fmax
        )
        for n_mels, fmax in ((40, 300), (64, ANALYSIS_RATE / 2))
    )
    return _unit_mean(bass), _unit_mean(full)


def _unit_mean(curve: Array) -> Array:
    return np.asarray(curve / (curve.mean() + 1e-9), dtype=np.float32)
