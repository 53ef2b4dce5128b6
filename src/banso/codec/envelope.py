"""The spectral envelope of a recording, and a filter that gives a synthesis that envelope.

What partials and noise in bands add up to is only roughly as loud, band by band and moment by
moment, as the recording they were measured from: partials beat, noise is drawn anew, quiet ones
between loud ones are lost. The envelope says how loud each mel band is to be; the filter hears what
the synthesis plays and makes up the difference. It moves no partial. A second filter after it comes
nearer to a true envelope; with one that is read from latents it gains next to nothing (log-mel
distance 2.19 in place of 2.23 dB).

The envelope is given every 512 samples for the mid signal. For the side signal, whose rise and fall
is mostly that of mid, once a codec frame is enough.

References:
    Slaney 1998 (mel bands, see `banso.codec.mel`). Griffin and Lim 1984, "Signal estimation from
    modified short-time Fourier transform", IEEE Trans. ASSP 32(2), equation 6 (overlap-add).
"""

import functools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from banso.codec.mel import mel_triangles
from banso.codec.parameters import (
    HOP_LENGTH,
    NOISE_PER_FRAME,
    SAMPLE_RATE,
    SYNTHESIS_HOP,
    band_edges_hz,
    tone_hz,
)
from banso.codec.spectra import hann_lobe

N_FFT = 2_048
NUM_MELS = 80
#: Numbers of a codec frame: four times the mid signal's bands, once the side signal's.
ENVELOPE_SIZES = (NOISE_PER_FRAME * NUM_MELS, NUM_MELS)
NUM_ENVELOPE = sum(ENVELOPE_SIZES)
#: Power that counts as silence, dB.
SILENCE_DB = -130.0
#: What is softer than the loudest place by this does not count, dB; as for
#: `banso.eval.fidelity.log_mel_distance`.
RANGE_DB = 70.0
_SILENCE = 10 ** (SILENCE_DB / 10)
_LARGEST_GAIN = 10.0  # 20 dB; more would raise what is only the window's leakage
_TRUSTED_HZ = (500.0, 2_000.0)
_BEFORE = N_FFT // 2 + SYNTHESIS_HOP  # silence before the song

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Envelope:
    """Power per band in dB; a full-scale sine has about 0 dB in the band it lies in.

    Attributes:
        mid: [frames, 4, 80].
        side: [frames, 80], the mean power over the frame.
    """

    mid: Array
    side: Array

    def to_array(self) -> Array:
        """Pack into [frames, NUM_ENVELOPE]."""
        return np.concatenate([self.mid.reshape(len(self.mid), -1), self.side], axis=1)

    @classmethod
    def from_array(cls, packed: Array) -> "Envelope":
        """Unpack [frames, NUM_ENVELOPE] as `to_array` lays it out."""
        mid, side = np.split(packed, [ENVELOPE_SIZES[0]], axis=1)
        return cls(mid.reshape(len(packed), NOISE_PER_FRAME, NUM_MELS), side)


def measure_envelope(waveform: Array) -> Envelope:
    """Envelope of a recording.

    Args:
        waveform: [2, samples] at 44.1 kHz, left and right, full scale 1.

    Returns:
        Of ceil(samples / 2 048) frames.
    """
    num_frames = -(-waveform.shape[1] // HOP_LENGTH)
    mid_side = np.stack([waveform[0] + waveform[1], waveform[0] - waveform[1]]) / 2
    padded = np.pad(mid_side, ((0, 0), (N_FFT // 2, num_frames * HOP_LENGTH + N_FFT)))
    steps = num_frames * NOISE_PER_FRAME
    powers = [_mel_power(_spectra(signal, steps)) for signal in padded]
    mid, side = (p.reshape(num_frames, NOISE_PER_FRAME, NUM_MELS) for p in powers)
    return Envelope(to_db(mid), to_db(side.mean(axis=1)))


def loudest_level(packed: NDArray[np.floating]) -> float:
    """Highest level of the mid signal in packed envelopes [frames, NUM_ENVELOPE], dB."""
    return float(packed[:, : ENVELOPE_SIZES[0]].max())


def missing_levels(wanted: Array, read: Array) -> Array:
    """What one envelope has and another lacks, as far as it can be heard.

    Args:
        wanted: Of a whole recording, packed [frames, NUM_ENVELOPE], dB.
        read: What is to become it, above the same zero.

    Returns:
        [frames, NUM_ENVELOPE], dB.
    """
    floor = np.float32(loudest_level(wanted) - RANGE_DB)
    return np.asarray(np.maximum(wanted, floor) - np.maximum(read, floor), dtype=np.float32)


def to_db(power: Array) -> Array:
    """Power to dB, silence to `SILENCE_DB`."""
    return np.asarray(10 * np.log10(np.maximum(power, _SILENCE)), dtype=np.float32)


def tone_shares() -> Array:
    """Power [96, mels] in each band per squared amplitude of each tone, in tune and steady."""
    bins = tone_hz() * (N_FFT / SAMPLE_RATE)
    lobes = hann_lobe(np.arange(N_FFT // 2 + 1) - bins[:, None]) ** 2
    return np.asarray(lobes @ mel_triangles(N_FFT, NUM_MELS).T, dtype=np.float32)


def band_shares(num_bands: int) -> Array:
    """Power [bands, mels] in each mel band per power of noise in each band of the synthesis."""
    edges = band_edges_hz(num_bands, 2 * SAMPLE_RATE / (2 * SYNTHESIS_HOP)) * N_FFT / SAMPLE_RATE
    bins = np.arange(N_FFT // 2 + 1)
    inside = np.minimum(bins + 0.5, edges[1:, None]) - np.maximum(bins - 0.5, edges[:-1, None])
    inside = np.clip(inside, 0, 1)
    # White noise of power 1 has 6 / N_FFT in each bin if a unit sine peaks at 1, over all bins.
    density = 3 * inside / inside.sum(axis=1, keepdims=True)
    return np.asarray(density @ mel_triangles(N_FFT, NUM_MELS).T, dtype=np.float32)


class EnvelopeFilter:
    """Gives a synthesis the envelope it is to have, in pieces of any length with exact seams.

    Args:
        tuning_cents: How far above A4 = 440 Hz the synthesis plays; envelopes are of music at
            440 Hz, and are moved as far.
    """

    def __init__(self, tuning_cents: float = 0.0) -> None:
        self._moved = _moved_bands(tuning_cents)
        # Mid and side that windows still need, and the power that these are to have. One window
        # reaches over the song's beginning and some over its end; NaN leaves them as they are.
        self._held = np.zeros((2, _BEFORE), np.float32)
        self._wanted = np.full((2, 1, NUM_MELS), np.nan, np.float32)
        self._tail = np.zeros((2, N_FFT - SYNTHESIS_HOP), np.float32)
        self._skip = _BEFORE
        self._missing = 0  # samples that came in and did not go out

    def add(self, waveform: Array, envelope: Envelope) -> Array:
        """Filter the next frames.

        Args:
            waveform: [2, samples], left and right.
            envelope: Of the next frames; it may run ahead of the waveform, but not behind.

        Returns:
            Waveform [2, samples], left and right, as far as it depends on nothing to come.
        """
        mid = envelope.mid.reshape(-1, NUM_MELS)
        side = np.repeat(envelope.side, NOISE_PER_FRAME, axis=0)
        wanted = np.power(10, np.stack([mid, side]) @ self._moved / 10, dtype=np.float32)
        return _rotated(self._add(_rotated(waveform) / np.float32(2), wanted))

    def finish(self) -> Array:
        """Return the rest, [2, samples]."""
        nothing = np.full((2, 2 * N_FFT // SYNTHESIS_HOP, NUM_MELS), np.nan, np.float32)
        self._missing -= 2 * N_FFT
        return _rotated(self._add(np.zeros((2, 2 * N_FFT), np.float32), nothing))

    def _add(self, signal: Array, wanted: Array) -> Array:
        """Take mid and side [2, samples], and power [2, steps, mels]; whole frames are played."""
        self._missing += signal.shape[1]
        self._held = np.concatenate([self._held, signal], axis=1)
        self._wanted = np.concatenate([self._wanted, wanted], axis=1)
        ready = (self._held.shape[1] - N_FFT) // SYNTHESIS_HOP + 1
        early = 1 if self._skip else 0
        num_frames = (min(ready, self._wanted.shape[1]) - early) // NOISE_PER_FRAME
        if num_frames <= 0:
            return signal[:, :0]
        num_steps = early + num_frames * NOISE_PER_FRAME
        now, self._wanted = np.split(self._wanted, [num_steps], axis=1)
        done = self._play(now)[:, : self._missing]
        self._missing -= done.shape[1]
        return done

    def _play(self, wanted: Array) -> Array:
        """Overlap and add as many windows as there are steps."""
        num_steps = wanted.shape[1]
        with ThreadPoolExecutor(max_workers=1) as thread:
            other = thread.submit(self._windows, 1, wanted[1])
            frames = np.stack([self._windows(0, wanted[0]), other.result()])
        self._held = self._held[:, num_steps * SYNTHESIS_HOP :]
        quarters = frames.reshape(2, num_steps, -1, SYNTHESIS_HOP)
        total = np.pad(self._tail, ((0, 0), (0, num_steps * SYNTHESIS_HOP)))
        for index in range(quarters.shape[2]):
            span = slice(index * SYNTHESIS_HOP, (index + num_steps) * SYNTHESIS_HOP)
            total[:, span] += quarters[:, :, index].reshape(2, -1)
        done, self._tail = np.split(total, [num_steps * SYNTHESIS_HOP], axis=1)
        begin = min(self._skip, done.shape[1])
        self._skip -= begin
        return done[:, begin:]

    def _windows(self, channel: int, wanted: Array) -> Array:
        """Windows [steps, 2 048] of one signal with the power [steps, mels] they are to have."""
        spectra = _spectra(self._held[channel], len(wanted))
        power = _mel_power(spectra)
        if channel:
            by_frame = power[len(power) % NOISE_PER_FRAME :].reshape(-1, NOISE_PER_FRAME, NUM_MELS)
            power[len(power) % NOISE_PER_FRAME :] = np.repeat(
                by_frame.mean(axis=1), NOISE_PER_FRAME, axis=0
            )
        gain = ((wanted + _SILENCE) / (power + _SILENCE)) ** (_trust() / 2)
        gain = np.nan_to_num(np.clip(gain, 1 / _LARGEST_GAIN, _LARGEST_GAIN), nan=1.0)
        spectra *= gain @ _blend()
        return np.asarray(np.fft.irfft(spectra, axis=1), np.float32) * _synthesis_window()


def _rotated(pair: Array) -> Array:
    """Left and right of mid and side, and twice mid and side of left and right."""
    return np.asarray(np.stack([pair[0] + pair[1], pair[0] - pair[1]]), dtype=np.float32)


def _spectra(signal: Array, num_steps: int) -> NDArray[np.complex64]:
    """Spectra [steps, bins] of windows 512 samples apart, the first at the signal's beginning."""
    frames = sliding_window_view(signal, N_FFT)[::SYNTHESIS_HOP][:num_steps]
    return np.asarray(np.fft.rfft(frames * _window(), axis=1), dtype=np.complex64)


def _mel_power(spectra: NDArray[np.complex64]) -> Array:
    """Power [steps, mels]; unit sines peak at 1 before bands are added up."""
    # Real and imaginary parts beside each other, as they lie in memory.
    squares = np.square(spectra.view(np.float32))
    return np.asarray(squares @ _weights(), dtype=np.float32)


@functools.cache
def _window() -> Array:
    return np.hanning(N_FFT + 1)[:-1].astype(np.float32)


@functools.cache
def _synthesis_window() -> Array:
    """The same again over what both add up to."""
    return np.asarray(_window() / 1.5, dtype=np.float32)


@functools.cache
def _weights() -> Array:
    """Triangles [2 * bins, mels], each twice, so that unit sines peak at 1 in a spectrum."""
    scaled = mel_triangles(N_FFT, NUM_MELS).T * np.float32((4 / N_FFT) ** 2)
    return np.repeat(scaled, 2, axis=0)


def _moved_bands(cents: float) -> Array:
    """Levels in dB [mels, mels] of music that is so many cents higher, by interpolation."""
    middles = _middle_bins()
    from_where = middles * 2.0 ** (-cents / 1200)
    rows = [np.interp(from_where, middles, row) for row in np.eye(NUM_MELS)]
    return np.asarray(rows, dtype=np.float32)


@functools.cache
def _trust() -> Array:
    """Which share of a difference in level is made up in each band [mels].

    Half of it up to 500 Hz, where a band holds several semitones and all of it would upset their
    balance: on recorded songs chroma then agreed 0.002 less than without a filter.
    """
    hz = _middle_bins() * (SAMPLE_RATE / N_FFT)
    return np.asarray(np.interp(np.log2(hz), np.log2(_TRUSTED_HZ), (0.5, 1.0)), dtype=np.float32)


def _middle_bins() -> NDArray[np.float64]:
    """Middle of each band in bins [mels]."""
    triangles = mel_triangles(N_FFT, NUM_MELS)
    return np.asarray(triangles @ np.arange(N_FFT // 2 + 1) / triangles.sum(axis=1))


@functools.cache
def _blend() -> Array:
    """Linear interpolation [mels, bins] between the middles of the bands; flat beyond them."""
    bands = mel_triangles(N_FFT, NUM_MELS)
    inside = np.flatnonzero(bands.sum(0) > 0)
    share = bands / np.maximum(bands.sum(0), 1e-12)
    share[0, : inside[0]] = 1
    share[-1, inside[-1] + 1 :] = 1
    return np.asarray(share, dtype=np.float32)
