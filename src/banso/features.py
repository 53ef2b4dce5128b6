"""What the model hears of a voice: pitch, chroma, loudness, onsets and voicing, by plain DSP.

All values are relative to the recording itself (its loudness, its spectrum's slope), so that a
model trained on one kind of voice works on another, at any level and through any microphone.
Frames are those of the latents: frame i covers samples [2 048 i, 2 048 (i + 1)).

References:
    Klapuri 2006, "Multiple fundamental frequency estimation by summing harmonic amplitudes",
    ISMIR, equation 1 (salience as a weighted sum over harmonics of a whitened spectrum).
    Bello et al. 2005, "A tutorial on onset detection in music signals", IEEE TSAP 13(5) (flux).
"""

import functools

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

SAMPLE_RATE = 44_100
HOP_LENGTH = 2_048
LOWEST_MIDI, NUM_PITCHES = 36, 61  # C2 to C7
ONSETS_PER_FRAME = 4
_N_FFT = 8_192
_ONSET_HOP = HOP_LENGTH // ONSETS_PER_FRAME
_ONSET_FFT = 1_024
_NUM_HARMONICS = 8
_HARMONIC_DECAY = 0.84
_TOP_HZ = 5_000.0
_ONSET_BANDS_HZ = (80.0, 1_500.0, 10_000.0)

PITCH = slice(0, NUM_PITCHES)
CHROMA = slice(PITCH.stop, PITCH.stop + 12)
LEVEL = CHROMA.stop
VOICING = CHROMA.stop + 1
ONSETS = slice(VOICING + 1, VOICING + 1 + 2 * ONSETS_PER_FRAME)
NUM_FEATURES = ONSETS.stop


class FeatureStream:
    """Measures the features of a voice that arrives in blocks; memory holds features, no audio."""

    def __init__(self) -> None:
        self._pending = np.zeros(_N_FFT // 2 - HOP_LENGTH // 2, dtype=np.float32)
        self._previous_bands: NDArray[np.float32] | None = None
        self._rows: list[NDArray[np.float32]] = []

    def add(self, block: NDArray[np.float32]) -> None:
        """Take the next samples.

        Args:
            block: Mono samples [samples] at 44.1 kHz, any level.
        """
        self._pending = np.concatenate([self._pending, block])
        frames = (self._pending.size - _N_FFT) // HOP_LENGTH + 1
        if frames > 0:
            self._measure(frames)

    def finish(self, num_frames: int) -> NDArray[np.float32]:
        """Return all features.

        Args:
            num_frames: How many frames to return; beyond the voice's end there is silence.

        Returns:
            [frames, NUM_FEATURES], every value about in [0, 1].
        """
        done = sum(len(rows) for rows in self._rows)
        needed = max(0, (num_frames - done - 1) * HOP_LENGTH + _N_FFT - self._pending.size)
        if num_frames > done:
            self.add(np.zeros(needed, dtype=np.float32))
        raw = np.concatenate(self._rows)[:num_frames]
        return _normalize(raw)

    def _measure(self, frames: int) -> None:
        windows = sliding_window_view(self._pending, _N_FFT)[::HOP_LENGTH][:frames]
        spectrum = np.abs(np.fft.rfft(windows * _window(_N_FFT), axis=1)).astype(np.float32)
        power = (np.square(windows[:, _N_FFT // 2 - 1024 : _N_FFT // 2 + 1024])).mean(axis=1)
        level_db = 10 * np.log10(power + 1e-12)[:, None]
        onsets = self._onsets(frames)
        salience, tonality = _salience(spectrum)
        rows = np.concatenate([salience, level_db, tonality, onsets], axis=1)
        self._rows.append(rows.astype(np.float32))
        self._pending = self._pending[frames * HOP_LENGTH :]

    def _onsets(self, frames: int) -> NDArray[np.float32]:
        """Rise of compressed band magnitudes [frames, 2 * 4]: low bands first, then high ones."""
        steps = frames * ONSETS_PER_FRAME
        start = _N_FFT // 2 - HOP_LENGTH // 2 + _ONSET_HOP // 2 - _ONSET_FFT // 2
        span = self._pending[start : start + (steps - 1) * _ONSET_HOP + _ONSET_FFT]
        windows = sliding_window_view(span, _ONSET_FFT)[::_ONSET_HOP]
        magnitude = np.abs(np.fft.rfft(windows * _window(_ONSET_FFT), axis=1)).astype(np.float32)
        bands = magnitude**0.5
        before = bands[:1] if self._previous_bands is None else self._previous_bands
        rise = np.maximum(np.diff(np.concatenate([before, bands]), axis=0), 0.0)
        self._previous_bands = bands[-1:]
        low, middle, high = (int(hz * _ONSET_FFT / SAMPLE_RATE) for hz in _ONSET_BANDS_HZ)
        flux = np.stack([rise[:, low:middle].mean(axis=1), rise[:, middle:high].mean(axis=1)])
        return np.asarray(flux.reshape(2, frames, -1).swapaxes(0, 1).reshape(frames, -1))


def extract(samples: NDArray[np.float32], num_frames: int | None = None) -> NDArray[np.float32]:
    """Measure the features of a whole voice.

    Args:
        samples: Mono [samples] at 44.1 kHz.
        num_frames: How many frames; by default as many as the samples need.

    Returns:
        [frames, NUM_FEATURES]; see `FeatureStream.finish`.
    """
    stream = FeatureStream()
    stream.add(samples)
    return stream.finish(-(-samples.size // HOP_LENGTH) if num_frames is None else num_frames)


def _normalize(raw: NDArray[np.float32]) -> NDArray[np.float32]:
    """Make raw rows relative to the recording's own level and onset strength."""
    salience, level_db = raw[:, PITCH], raw[:, NUM_PITCHES]
    tonality, flux = raw[:, NUM_PITCHES + 1], raw[:, NUM_PITCHES + 2 :]
    loud_db = np.percentile(level_db, 95)
    level = np.clip(1 + (level_db - loud_db) / 50, 0, 1.2)
    # Half voiced at 30 dB below the loud parts, or where peaks barely stand out of the noise: sung
    # frames of real amateur voices measure 0.09-0.30, their pauses and white noise 0.03-0.06.
    voicing = _logistic((level_db - loud_db + 30) / 4) * _logistic((tonality - 0.085) / 0.015)
    salience = salience * voicing[:, None]
    octaves = np.pad(salience, ((0, 0), (0, -NUM_PITCHES % 12))).reshape(len(raw), -1, 12)
    chroma = octaves.max(axis=1)
    columns = [flux[:, :ONSETS_PER_FRAME], flux[:, ONSETS_PER_FRAME:]]
    onsets = [np.clip(f / (3 * np.percentile(f, 90) + 1e-6), 0, 1.5) for f in columns]
    return np.concatenate(
        [salience, chroma, level[:, None], voicing[:, None], *onsets], axis=1, dtype=np.float32
    )


def _salience(spectrum: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Pitch salience [frames, 61] with a maximum of 1, and how tonal each frame is [frames, 1]."""
    top = int(_TOP_HZ * _N_FFT / SAMPLE_RATE)
    root = np.sqrt(spectrum[:, :top])
    smooth = _moving_mean(root, 40)
    # Standing out of 430 Hz around it, relative to it: flattens slope and formants, drops noise.
    peaks = np.maximum(root / (smooth + 1e-5) - 1.2, 0.0)
    tonality = peaks[:, _bin(80) : _bin(2_500)].mean(axis=1, keepdims=True)
    salience = peaks @ _harmonic_matrix()
    salience = np.maximum(salience, 0) / (salience.max(axis=1, keepdims=True) + 1e-6)
    return salience**2, tonality


def _moving_mean(rows: NDArray[np.float32], reach: int) -> NDArray[np.float32]:
    total = np.cumsum(np.pad(rows, ((0, 0), (1, 0))), axis=1, dtype=np.float64)
    index = np.arange(rows.shape[1])
    start, stop = np.maximum(index - reach, 0), np.minimum(index + reach + 1, rows.shape[1])
    return np.asarray((total[:, stop] - total[:, start]) / (stop - start), dtype=np.float32)


@functools.cache
def _harmonic_matrix() -> NDArray[np.float32]:
    """Weights [bins, pitches]: harmonics of each pitch, less what lies between them."""
    top = int(_TOP_HZ * _N_FFT / SAMPLE_RATE)
    hz = (np.arange(top) + 1e-3) * SAMPLE_RATE / _N_FFT
    fundamentals = 440 * 2.0 ** ((LOWEST_MIDI + np.arange(NUM_PITCHES) - 69) / 12)
    matrix = np.zeros((top, NUM_PITCHES))
    for number in range(1, _NUM_HARMONICS + 1):
        weight = _HARMONIC_DECAY ** (number - 1)
        matrix += weight * _near(hz, fundamentals * number)
        # Energy at odd halves means the voice is an octave lower.
        matrix -= 0.5 * weight * _near(hz, fundamentals * (number - 0.5))
    return matrix.astype(np.float32)


def _near(hz: NDArray[np.float64], centres: NDArray[np.float64]) -> NDArray[np.float64]:
    """Closeness [bins, centres] of bins to centre frequencies, a bell of 0.35 semitones."""
    width_hz = np.maximum(centres * (2 ** (0.35 / 12) - 1), SAMPLE_RATE / _N_FFT * 0.7)
    bell = np.exp(-0.5 * ((hz[:, None] - centres) / width_hz) ** 2)
    return np.asarray(bell / np.sqrt(np.maximum(width_hz, 1e-9) / width_hz.min()))


def _bin(hz: float) -> int:
    return int(hz * _N_FFT / SAMPLE_RATE)


@functools.cache
def _window(n_fft: int) -> NDArray[np.float32]:
    window = np.hanning(n_fft + 1)[:-1]
    return np.asarray(window * 2 / window.sum(), dtype=np.float32)


def _logistic(x: NDArray[np.floating]) -> NDArray[np.floating]:
    return np.asarray(1 / (1 + np.exp(-x)))
