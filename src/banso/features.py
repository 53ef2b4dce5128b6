"""What the model hears of a voice: pitch, chroma, loudness, onsets and voicing, by plain DSP.

All values are relative to the recording itself (its loudness, its spectrum's slope, its tuning),
so that a model trained on one kind of voice works on another, at any level, through any microphone
and at any concert pitch. Frames are those of the latents: frame i covers samples
[2 048 i, 2 048 (i + 1)).

References:
    Klapuri 2006, "Multiple fundamental frequency estimation by summing harmonic amplitudes",
    ISMIR, equation 1 (salience as a weighted sum over harmonics of a whitened spectrum).
    Bello et al. 2005, "A tutorial on onset detection in music signals", IEEE TSAP 13(5) (flux).
    Dressler and Streich 2007, "Tuning frequency estimation using circular statistics", ISMIR.
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
# Salience is measured at thirds of semitones, one more semitone at either end, and read at the
# recording's own semitones.
_FINENESS = 3
_NUM_FINE = _FINENESS * (NUM_PITCHES + 1) + 1
# Pitches of 24 amateur takes keep to semitones with a strength of 0.1 to 0.4; the pitches of random
# glides reach 0.07. Singers within 10 cents of A4 = 440 Hz want a band at 440 Hz.
_TUNING_STRENGTH = 0.1
_IN_TUNE_CENTS = 10.0
# Frames this far below the loudest one are pauses; a mostly silent file has little else.
_PAUSE_DB = 40.0

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

    def tuning_cents(self) -> float:
        """Estimate how far the voice so far sings from A4 = 440 Hz.

        Returns:
            Cents in [-50, 50]; 0 if it is close to 440 Hz, or if it keeps to no semitones at all.
        """
        return _tuning_cents(np.concatenate(self._rows)) if self._rows else 0.0

    @property
    def keeps_to_semitones(self) -> bool:
        """Whether most of what was heard so far lies at one place between the semitones."""
        return bool(self._rows) and abs(_tuning(np.concatenate(self._rows))) >= _TUNING_STRENGTH

    def finish(self, num_frames: int, tuning_cents: float = 0.0) -> NDArray[np.float32]:
        """Return all features.

        Args:
            num_frames: How many frames to return; beyond the voice's end there is silence.
            tuning_cents: Where the voice's semitones are, relative to A4 = 440 Hz.

        Returns:
            [frames, NUM_FEATURES], every value about in [0, 1].
        """
        done = sum(len(rows) for rows in self._rows)
        needed = max(0, (num_frames - done - 1) * HOP_LENGTH + _N_FFT - self._pending.size)
        if num_frames > done:
            self.add(np.zeros(needed, dtype=np.float32))
        raw = np.concatenate(self._rows)[:num_frames]
        return _normalize(raw, tuning_cents)

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


def extract(
    samples: NDArray[np.float32], num_frames: int | None = None, tuning_cents: float | None = None
) -> NDArray[np.float32]:
    """Measure the features of a whole voice.

    Args:
        samples: Mono [samples] at 44.1 kHz.
        num_frames: How many frames; by default as many as the samples need.
        tuning_cents: Where the voice's semitones are; None for where they are heard.

    Returns:
        [frames, NUM_FEATURES]; see `FeatureStream.finish`.
    """
    stream = FeatureStream()
    stream.add(samples)
    num_frames = -(-samples.size // HOP_LENGTH) if num_frames is None else num_frames
    return stream.finish(
        num_frames, stream.tuning_cents() if tuning_cents is None else tuning_cents
    )


def _normalize(raw: NDArray[np.float32], tuning_cents: float) -> NDArray[np.float32]:
    """Make raw rows relative to the recording's own level, onset strength and tuning."""
    level_db, flux = raw[:, _NUM_FINE], raw[:, _NUM_FINE + 2 :]
    loud_db, sounding = _loudness_db(level_db)
    level = np.clip(1 + (level_db - loud_db) / 50, 0, 1.2)
    voicing = _voicing(raw)
    salience = _at_tuning(raw[:, :_NUM_FINE], tuning_cents) * voicing[:, None]
    octaves = np.pad(salience, ((0, 0), (0, -NUM_PITCHES % 12))).reshape(len(raw), -1, 12)
    chroma = octaves.max(axis=1)
    columns = [flux[:, :ONSETS_PER_FRAME], flux[:, ONSETS_PER_FRAME:]]
    onsets = [np.clip(f / (3 * np.percentile(f[sounding], 85) + 1e-6), 0, 1.5) for f in columns]
    return np.concatenate(
        [salience, chroma, level[:, None], voicing[:, None], *onsets], axis=1, dtype=np.float32
    )


def _loudness_db(level_db: NDArray[np.float32]) -> tuple[float, NDArray[np.bool_]]:
    """Level of the loud parts, and which frames are no pauses, however few they are."""
    sounding = level_db > level_db.max() - _PAUSE_DB
    return float(np.percentile(level_db[sounding], 90)), sounding


def _voicing(raw: NDArray[np.float32]) -> NDArray[np.floating]:
    """How surely each frame of raw rows is sung [frames], 0 to 1.

    Half voiced at 30 dB below the loud parts, or where peaks barely stand out of the noise: sung
    frames of real amateur voices measure 0.09-0.30, their pauses and white noise 0.03-0.06.
    """
    level_db, tonality = raw[:, _NUM_FINE], raw[:, _NUM_FINE + 1]
    loud_db, _ = _loudness_db(level_db)
    return _logistic((level_db - loud_db + 30) / 4) * _logistic((tonality - 0.085) / 0.015)


def _at_tuning(fine: NDArray[np.float32], tuning_cents: float) -> NDArray[np.float32]:
    """Salience [frames, 61] at semitones that lie off by some cents, with a maximum of 1."""
    place = _FINENESS * (0.5 + np.arange(NUM_PITCHES) + tuning_cents / 100)
    below = np.clip(place.astype(np.int64), 0, _NUM_FINE - 2)
    share = (place - below).astype(np.float32)
    salience = fine[:, below] * (1 - share) + fine[:, below + 1] * share
    return np.asarray((salience / (salience.max(axis=1, keepdims=True) + 1e-6)) ** 2)


def _tuning_cents(raw: NDArray[np.float32]) -> float:
    """Where most of the sung pitches lie between the semitones; see `FeatureStream`."""
    mean = _tuning(raw)
    cents = float(np.angle(mean) * 100 / (2 * np.pi))
    return cents if abs(mean) >= _TUNING_STRENGTH and abs(cents) >= _IN_TUNE_CENTS else 0.0


def _tuning(raw: NDArray[np.float32]) -> complex:
    """Circular mean of the pitches between semitones: its angle is where, its length how surely."""
    fine, voicing = raw[:, :_NUM_FINE], _voicing(raw)
    peak = np.clip(fine.argmax(axis=1), 1, _NUM_FINE - 2)
    rows = np.arange(len(fine))
    before, here, after = (fine[rows, peak + step] for step in (-1, 0, 1))
    offset = 0.5 * (before - after) / np.minimum(before - 2 * here + after, -1e-6)
    semitones = (peak + np.clip(offset, -1, 1)) / _FINENESS - 0.5
    weight = voicing * here
    return complex((weight * np.exp(2j * np.pi * semitones)).sum() / (weight.sum() + 1e-9))


def _salience(spectrum: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Fine pitch salience [frames, fine], and how tonal each frame is [frames, 1]."""
    top = int(_TOP_HZ * _N_FFT / SAMPLE_RATE)
    root = np.sqrt(spectrum[:, :top])
    smooth = _moving_mean(root, 40)
    # Standing out of 430 Hz around it, relative to it: flattens slope and formants, drops noise.
    peaks = np.maximum(root / (smooth + 1e-5) - 1.2, 0.0)
    tonality = peaks[:, _bin(80) : _bin(2_500)].mean(axis=1, keepdims=True)
    return np.maximum(peaks @ _harmonic_matrix(), 0.0), tonality


def _moving_mean(rows: NDArray[np.float32], reach: int) -> NDArray[np.float32]:
    total = np.cumsum(np.pad(rows, ((0, 0), (1, 0))), axis=1, dtype=np.float64)
    index = np.arange(rows.shape[1])
    start, stop = np.maximum(index - reach, 0), np.minimum(index + reach + 1, rows.shape[1])
    return np.asarray((total[:, stop] - total[:, start]) / (stop - start), dtype=np.float32)


@functools.cache
def _harmonic_matrix() -> NDArray[np.float32]:
    """Weights [bins, fine]: harmonics of each third of a semitone, less what lies between them."""
    top = int(_TOP_HZ * _N_FFT / SAMPLE_RATE)
    hz = (np.arange(top) + 1e-3) * SAMPLE_RATE / _N_FFT
    midi = LOWEST_MIDI - 0.5 + np.arange(_NUM_FINE) / _FINENESS
    fundamentals = 440 * 2.0 ** ((midi - 69) / 12)
    matrix = np.zeros((top, _NUM_FINE))
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
