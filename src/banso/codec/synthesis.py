"""Play harmonic-plus-noise parameters: sinusoids with coherent phase plus shaped noise.

Everything is added up in short spectra, 512 samples apart, and one inverse transform a channel
gives the waveform; a partial costs nine complex numbers a frame instead of 512 samples.

References:
    Rodet and Depalle 1992, "Spectral envelopes and inverse FFT synthesis", AES 93: sinusoids as
    window transforms in the spectrum.
"""

import functools
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from banso.codec.bass_tracks import NUM_BASS, BassTracks
from banso.codec.gains import GAIN_KINDS, NUM_GAIN_POINTS, Layers, gain_blend, shape_layers
from banso.codec.parameters import (
    MAX_CENTS,
    NOISE_PER_FRAME,
    NUM_NOISE_BANDS,
    NUM_STEREO_BANDS,
    NUM_TONES,
    SAMPLE_RATE,
    SYNTHESIS_HOP,
    TONES_PER_FRAME,
    Parameters,
    band_edges_hz,
    expand,
    tone_hz,
)
from banso.codec.partials import N_FFT, NUM_BINS, partial_spectra

_INAUDIBLE = 10 ** (-84 / 20)


class Synthesizer:
    """Plays parameters in pieces of any length; the seams are exact.

    Args:
        seed: Of the noise; the same seed and parameters give the same samples.
        tuning_cents: How far above A4 = 440 Hz the tones are to be.
    """

    def __init__(self, seed: int = 0, tuning_cents: float = 0.0) -> None:
        self._tuning = 2.0 ** (tuning_cents / 1200)
        self._rng = np.random.default_rng(seed)
        self._phase = self._rng.uniform(0, 2 * np.pi, NUM_TONES)
        turn = 2 * np.pi * SYNTHESIS_HOP * (NOISE_PER_FRAME // TONES_PER_FRAME) / SAMPLE_RATE
        self._bass = BassTracks(turn, _INAUDIBLE)
        self._last: Parameters | None = None
        self._tail = np.zeros((2, SYNTHESIS_HOP), dtype=np.float32)
        self._noise_tail = np.zeros((2, SYNTHESIS_HOP), dtype=np.float32)

    def add(
        self, parameters: Parameters, gains: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """Play the next frames.

        Args:
            parameters: The frames that follow those already given.
            gains: Of a renderer, [frames, NUM_GAINS]: by step, kind and point; None for none.

        Returns:
            Waveform [2, frames * 2 048], left and right, full scale 1.
        """
        if parameters.num_frames == 0:
            return np.zeros((2, 0), dtype=np.float32)
        spectra = np.stack(self._spectra(parameters, gains))
        frames = np.asarray(np.fft.irfft(spectra, n=N_FFT, axis=-1), dtype=np.float32)
        first, second = frames[..., :SYNTHESIS_HOP], frames[..., SYNTHESIS_HOP:]
        shifted = np.concatenate([self._tail[:, None], second[:, :-1]], axis=1)
        self._tail = second[:, -1]
        mid, side = (first + shifted).reshape(2, -1)
        return np.stack([mid + side, mid - side])

    def layers(self, parameters: Parameters) -> Layers:
        """What `add` adds up for the next frames; use either for all frames of a song.

        Args:
            parameters: The frames that follow those already given.
        """
        steps = parameters.num_frames * NOISE_PER_FRAME
        # Half of the time goes into noise that depends on nothing: another core can make it.
        with ThreadPoolExecutor(max_workers=1) as thread:
            white = thread.submit(self._white, steps)
            tones, quadrature = self._tones(parameters)
            white_mid, white_side = white.result()
        noise_gain = _per_bin(
            expand(parameters.noise_level).reshape(steps, -1), _band_width(NUM_NOISE_BANDS)
        )
        mid_power = _powers(tones + white_mid * noise_gain)
        pan = np.repeat(parameters.pan, NOISE_PER_FRAME, axis=0)
        side_rms = np.repeat(expand(parameters.side_level), NOISE_PER_FRAME, axis=0)
        self._last = parameters
        return Layers(
            tones=tones,
            white=white_mid,
            noise_gain=noise_gain,
            level=_density(np.sqrt(mid_power)),
            pan=pan @ band_blend(),
            own=_own_side(mid_power, quadrature, white_side, side_rms),
        )

    def _spectra(
        self, parameters: Parameters, gains: NDArray[np.float32] | None
    ) -> tuple[NDArray[np.complex64], NDArray[np.complex64]]:
        """Mid and side spectra [frames * 4, bins] of Hann-windowed frames."""
        layers = self.layers(parameters)
        if gains is not None:
            shape = (-1, len(GAIN_KINDS), NUM_GAIN_POINTS)
            by_kind = gains.reshape(shape).swapaxes(0, 1)
            return shape_layers(layers, by_kind, (gain_blend(), band_blend()))
        mid = layers.tones + layers.white * layers.noise_gain
        return mid, layers.pan * mid + layers.own

    def _white(self, steps: int) -> NDArray[np.complex64]:
        """Spectra [2, steps, bins] of Hann-windowed unit white noise, two independent signals."""
        fresh = self._rng.standard_normal((steps, 2, SYNTHESIS_HOP), dtype=np.float32)
        fresh = np.swapaxes(fresh, 0, 1).reshape(2, -1)
        signal = np.concatenate([self._noise_tail, fresh], axis=1).reshape(2, -1, SYNTHESIS_HOP)
        self._noise_tail = signal[:, -1]
        frames = sliding_window_view(signal.reshape(2, -1), N_FFT, axis=1)[:, ::SYNTHESIS_HOP]
        return np.asarray(np.fft.rfft(frames * _window(), axis=-1), dtype=np.complex64)

    def _tones(self, parameters: Parameters) -> tuple[NDArray[np.complex64], NDArray[np.complex64]]:
        """Spectra [steps, bins] of all partials, and of the same a quarter turn later."""
        amplitude, hz = self._tracks(parameters)
        turn = 2 * np.pi * SYNTHESIS_HOP / SAMPLE_RATE
        phase = self._phase + turn * np.cumsum(hz, axis=0)
        self._phase = phase[-1] % (2 * np.pi)
        bass = self._bass.add(
            parameters.tone_level.reshape(-1, NUM_TONES)[:, :NUM_BASS], hz[1::2, :NUM_BASS]
        )
        amplitude[:, :NUM_BASS] = bass.amplitude
        hz[:, :NUM_BASS], phase[:, :NUM_BASS] = bass.hz, bass.phase
        spectra = partial_spectra(amplitude, hz, phase, _INAUDIBLE)
        return spectra.tones, spectra.quadrature

    def _tracks(self, parameters: Parameters) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Amplitude and frequency in hertz of every partial at every step [steps, 96]."""
        repeat = NOISE_PER_FRAME // TONES_PER_FRAME
        level = parameters.tone_level.reshape(-1, NUM_TONES)
        before = level[:1] if self._last is None else self._last.tone_level[-1, -1:]
        previous = np.concatenate([before, level[:-1]])
        weights = (np.arange(repeat) + 1)[:, None] / repeat
        steps = previous[:, None] + weights * (level - previous)[:, None]
        cents = np.repeat(np.clip(parameters.tone_cents, -MAX_CENTS, MAX_CENTS), 4, axis=0)
        hz = tone_hz() * self._tuning * 2.0 ** (cents / 1200)
        return expand(steps.reshape(-1, NUM_TONES)), hz


def _own_side(
    mid_power: NDArray[np.float32],
    quadrature: NDArray[np.complex64],
    noise: NDArray[np.complex64],
    side_rms: NDArray[np.float32],
) -> NDArray[np.complex64]:
    """The side signal unrelated to mid: its tones a quarter turn later, its noise fresh."""
    tone_power = _powers(quadrature)
    tonal = np.minimum(1.0, tone_power / np.maximum(mid_power, 1e-12))
    tone_gain = side_rms * np.sqrt(tonal / np.maximum(tone_power, 1e-12))
    noise_gain = _per_bin(side_rms * np.sqrt(1 - tonal), _band_width(NUM_STEREO_BANDS))
    # More than three times the mid signal's own tones is a measurement at silence.
    return quadrature * (np.minimum(tone_gain, 3.0) @ band_blend()) + (noise * noise_gain)


def _powers(spectra: NDArray[np.complex64]) -> NDArray[np.float32]:
    """Power [steps, 16] in the stereo bands."""
    return np.asarray((np.abs(spectra) ** 2) @ _band_power(NUM_STEREO_BANDS), dtype=np.float32)


def _density(rms: NDArray[np.float32]) -> NDArray[np.float32]:
    """Gain [steps, 16] that gives unit white noise the wanted root mean square per stereo band."""
    scale = np.sqrt((N_FFT / 2) / _band_width(NUM_STEREO_BANDS))
    return np.asarray(rms * scale, dtype=np.float32)


def band_blend() -> NDArray[np.float32]:
    """Linear interpolation [16, bins] between the centres of the stereo bands."""
    return _blend(NUM_STEREO_BANDS)


@functools.cache
def _window() -> NDArray[np.float32]:
    return np.hanning(N_FFT + 1)[:-1].astype(np.float32)


def _edges_in_bins(num_bands: int) -> NDArray[np.float64]:
    return band_edges_hz(num_bands, 2 * SAMPLE_RATE / N_FFT) * N_FFT / SAMPLE_RATE


@functools.cache
def _membership(num_bands: int) -> NDArray[np.float32]:
    """Share [bands, bins] of each bin that lies in each band."""
    edges, bins = _edges_in_bins(num_bands), np.arange(NUM_BINS)
    overlap = np.minimum(bins + 0.5, edges[1:, None]) - np.maximum(bins - 0.5, edges[:-1, None])
    return np.asarray(np.clip(overlap, 0, 1), dtype=np.float32)


@functools.cache
def _blend(num_bands: int) -> NDArray[np.float32]:
    """Linear interpolation [bands, bins] between band centres, for smooth gains."""
    edges = _edges_in_bins(num_bands)
    centres = (edges[1:] + edges[:-1]) / 2
    rows = [np.interp(np.arange(NUM_BINS), centres, row) for row in np.eye(num_bands)]
    return np.asarray(rows, dtype=np.float32)


@functools.cache
def _band_width(num_bands: int) -> NDArray[np.float32]:
    """Bins in each band [bands]."""
    return np.diff(_edges_in_bins(num_bands)).astype(np.float32)


@functools.cache
def _band_power(num_bands: int) -> NDArray[np.float32]:
    """Weights [bins, bands] that turn |X|^2 of a Hann frame into power."""
    return (_membership(num_bands) * (8 / 3 * 2 / N_FFT**2)).T


def _per_bin(rms: NDArray[np.float32], width: NDArray[np.float32]) -> NDArray[np.float32]:
    """Gain [steps, bins] that gives unit white noise the wanted root mean square per band."""
    num_bands = rms.shape[1]
    density = rms * np.sqrt((N_FFT / 2) / width)
    return np.asarray(density @ _membership(num_bands), dtype=np.float32)


def synthesize(parameters: Parameters, seed: int = 0) -> NDArray[np.float32]:
    """Play parameters as one waveform [2, frames * 2 048]; see `Synthesizer`."""
    return Synthesizer(seed).add(parameters)
