"""Source and filter: turn curves of pitch, formants and noise into the sound of a voice.

A train of band-limited pulses and white noise are shaped frame by frame in the spectrum, so the
cost hardly depends on pitch: about a hundredth of real time on one core.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import scipy.fft
from numpy.typing import NDArray

HOP_LENGTH = 256
_N_FFT = 1024
NUM_BANDS = 96
_FRAMES_PER_BLOCK = 1024
_FORMANT_GAIN = 7.0
_TAPS = 16  # of the sinc that places a pulse between samples

Curve = NDArray[np.float32]

# Centre and width in Hz of the noise of consonants, and their level in dB.
HISSES = {
    "s": (6500.0, 1800.0, 0.0),
    "sh": (3200.0, 1300.0, 0.0),
    "f": (7000.0, 5000.0, -8.0),
    "h": (1500.0, 1500.0, -8.0),
    "t": (4200.0, 2500.0, 2.0),
    "k": (1900.0, 900.0, 2.0),
    "p": (800.0, 900.0, 0.0),
    "breath": (1700.0, 1900.0, -6.0),
}


class Curves(Protocol):
    """A voice on frames of `HOP_LENGTH` samples: its pulses, and gains of pulses and noise."""

    @property
    def f0_hz(self) -> Curve:
        """Fundamental frequency [frames]; defined in pauses too."""

    @property
    def amplitude(self) -> Curve:
        """Height of the pulses [frames], 0 to 1; none are made where it is 0."""

    @property
    def shimmer(self) -> float:
        """Relative deviation of the pulses' heights."""

    def gains(self, frames: slice, hz: Curve, hisses: Curve) -> tuple[Curve, Curve]:
        """Return gains of pulses and noise [frames, bands].

        Args:
            frames: Which ones.
            hz: Centres of the bands.
            hisses: Spectra of the noises of consonants and breath [kinds, bands].
        """


@dataclass(frozen=True, kw_only=True, slots=True)
class VoiceCurves:
    """What a voice does, on frames of `HOP_LENGTH` samples.

    Attributes:
        f0_hz: Fundamental frequency [frames]; defined in pauses too.
        amplitude: Level of the voiced sound [frames], 0 to 1.
        breathiness: Share of noise in the voiced sound [frames].
        formants_hz: Resonances [frames, formants].
        hisses: Level of each noise of `HISSES` [frames, kinds].
        tilt_db: Fall of the glottal spectrum per octave.
        shimmer: Relative deviation of the pulses' heights.
    """

    f0_hz: Curve
    amplitude: Curve
    breathiness: Curve
    formants_hz: Curve
    hisses: Curve
    tilt_db: float
    shimmer: float

    def gains(self, frames: slice, hz: Curve, hisses: Curve) -> tuple[Curve, Curve]:
        """Return gains of pulses and noise [frames, bands]; see `Curves`.

        Formants are peaks on a flat ground rather than a cascade of resonances: those that a
        cascade leaves out above the fifth would have to be made up for.
        """
        tract = np.ones((frames.stop - frames.start, len(hz)), np.float32)
        for formant in self.formants_hz[frames].T:
            centre = formant[:, None]
            distance = (hz[None] - centre) / (40 + 0.04 * centre)
            tract *= 1 + np.float32(_FORMANT_GAIN) / (1 + np.square(distance))
        glottis = _slope(hz, 200, self.tilt_db)
        breath = _slope(hz, 700, -3.0) * np.minimum(hz / 1000, 1) * np.float32(0.02)
        level = (self.amplitude * self.breathiness)[frames, None]
        hissed = tract * breath[None] * level + self.hisses[frames] @ hisses
        return tract * glottis[None], hissed


@dataclass(frozen=True, kw_only=True, slots=True)
class SampledCurves:
    """A voice whose colour is measured from recordings, frame by frame.

    Attributes:
        f0_hz: Fundamental frequency [frames]; defined in pauses too.
        amplitude: Height of the pulses [frames], 0 to 1.
        voiced: Gain of the pulses [frames, bands].
        hissed: Gain of the noise [frames, bands].
        hisses: Level of each noise of `HISSES` on top [frames, kinds].
        shimmer: Relative deviation of the pulses' heights.
    """

    f0_hz: Curve
    amplitude: Curve
    voiced: Curve
    hissed: Curve
    hisses: Curve
    shimmer: float

    def gains(self, frames: slice, hz: Curve, hisses: Curve) -> tuple[Curve, Curve]:
        """Return gains of pulses and noise [frames, bands]; see `Curves`."""
        del hz
        return self.voiced[frames], self.hissed[frames] + self.hisses[frames] @ hisses


def band_hz(sample_rate: int) -> Curve:
    """Return the centres of the bands [bands] that filters are given on, from 0 to Nyquist."""
    nyquist = sample_rate / 2
    # Dense where formants are: linear below 1 kHz, then closer to logarithmic.
    return np.asarray(np.geomspace(600, nyquist + 600, NUM_BANDS) - 600, np.float32)


def synthesise(
    curves: Curves, num_samples: int, sample_rate: int, rng: np.random.Generator
) -> Curve:
    """Return the waveform [num_samples] of a voice, at an arbitrary level."""
    num_frames = len(curves.f0_hz)
    length = (num_frames - 1) * HOP_LENGTH + _N_FFT
    pulses = _pulses(curves, length, sample_rate, rng)
    noise = rng.standard_normal(length, dtype=np.float32)
    window = np.hanning(_N_FFT + 1)[:-1].astype(np.float32)
    bands = _Bands(sample_rate)
    output = np.zeros(length, np.float32)
    for start in range(0, num_frames, _FRAMES_PER_BLOCK):
        frames = slice(start, min(start + _FRAMES_PER_BLOCK, num_frames))
        voiced, hissed = bands.filters(curves, frames)
        spectrum = voiced * _spectra(pulses, frames, window)
        spectrum += hissed * _spectra(noise, frames, window)
        pieces = scipy.fft.irfft(spectrum, axis=1) * (window / 1.5)
        _overlap_add(output, pieces, start)
    # Frames are centred on their time.
    return output[_N_FFT // 2 : _N_FFT // 2 + num_samples]


def num_frames_for(num_samples: int) -> int:
    """Return how many frames of curves cover a waveform."""
    return -(-num_samples // HOP_LENGTH) + 3


def _pulses(curves: Curves, length: int, sample_rate: int, rng: np.random.Generator) -> Curve:
    """One band-limited impulse per period, of equal power at all pitches."""
    times = np.arange(len(curves.f0_hz)) * HOP_LENGTH
    cycles = np.concatenate(([0.0], np.cumsum(curves.f0_hz[:-1] * (HOP_LENGTH / sample_rate))))
    places = np.interp(np.arange(1.0, cycles[-1]), cycles, times)
    level = np.interp(places, times, curves.amplitude)
    places, level = places[level > 1e-4], level[level > 1e-4]
    f0 = np.interp(places, times, curves.f0_hz)
    level *= np.sqrt(sample_rate / f0) * (1 + curves.shimmer * rng.standard_normal(len(places)))
    places += _N_FFT // 2
    whole = np.floor(places).astype(np.int64)
    taps = np.arange(-_TAPS // 2 + 1, _TAPS // 2 + 1)
    distance = taps[None] - (places - whole)[:, None]
    shape = np.sinc(distance) * np.cos(np.pi * distance / (_TAPS + 2)) ** 2
    index = np.clip(whole[:, None] + taps[None], 0, length - 1)
    train = np.bincount(index.ravel(), (shape * level[:, None]).ravel(), minlength=length)
    return train.astype(np.float32)


def _spectra(waveform: Curve, frames: slice, window: Curve) -> NDArray[np.complex64]:
    views = np.lib.stride_tricks.sliding_window_view(waveform, _N_FFT)[::HOP_LENGTH]
    spectra: NDArray[np.complex64] = scipy.fft.rfft(views[frames] * window, axis=1)
    return spectra


def _overlap_add(output: Curve, pieces: Curve, start: int) -> None:
    ratio = _N_FFT // HOP_LENGTH
    begin = start * HOP_LENGTH
    for part in range(ratio):
        column = pieces[:, part * HOP_LENGTH : (part + 1) * HOP_LENGTH].reshape(-1)
        place = begin + part * HOP_LENGTH
        output[place : place + len(column)] += column


class _Bands:
    """Filters on a coarse frequency axis, and the way from there to the bins of the FFT."""

    def __init__(self, sample_rate: int) -> None:
        self._hz = band_hz(sample_rate)
        bins = np.linspace(0, sample_rate / 2, _N_FFT // 2 + 1)
        spread = [np.interp(bins, self._hz, row) for row in np.eye(NUM_BANDS)]
        self._to_bins = np.array(spread, np.float32)
        # Pulses have a mean, which the window spreads to the bin beside it; voices do not.
        self._to_bins[:, :2] = 0.0
        hisses = [
            10 ** (level / 20) * np.exp(-0.5 * ((self._hz - centre) / width) ** 2)
            for centre, width, level in HISSES.values()
        ]
        self._hisses = np.array(hisses, np.float32)

    def filters(self, curves: Curves, frames: slice) -> tuple[Curve, Curve]:
        """Return gains of the pulses and of the noise [frames, bins]."""
        voiced, hissed = curves.gains(frames, self._hz, self._hisses)
        return voiced @ self._to_bins, hissed @ self._to_bins


def _slope(hz: Curve, corner_hz: float, db_per_octave: float) -> Curve:
    """Gain that is 1 up to a corner and then changes by so many dB per octave."""
    octaves = np.log2(np.maximum(hz, corner_hz) / corner_hz)
    return np.asarray(10 ** (db_per_octave * octaves / 20), np.float32)
