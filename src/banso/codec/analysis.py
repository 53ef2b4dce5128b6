"""Measure harmonic-plus-noise parameters from a stereo recording.

Tones are peaks of spectra whose windows get shorter with pitch, so that bass notes are told apart
and high notes keep their attack. What the peaks do not explain of the energy in short frames is
noise. The long windows smear attacks; a tone's level therefore follows the short-time energy of
its band. The lowest tones have a method of their own, `bass_analysis`.

References:
    Serra and Smith 1990, "Spectral modeling synthesis", Computer Music Journal 14(4): peaks plus
    stochastic residual. Engel et al. 2020, arXiv:2001.04643: the same split, learned.
"""

import functools

import numpy as np
from numpy.typing import NDArray

from banso.codec.bass_analysis import bass_amplitudes
from banso.codec.bass_tracks import NUM_BASS
from banso.codec.parameters import (
    HOP_LENGTH,
    LOWEST_MIDI,
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
    compress,
    tone_hz,
)
from banso.codec.spectra import hann_spectra

# (first semitone, one past the last, window). A semitone at 65 Hz is 4 Hz wide and wants 372 ms,
# below 523 Hz 186 ms do; from 2 093 Hz on 46 ms are enough.
_REGISTERS = ((0, 24, 16_384), (24, 48, 8_192), (48, 72, 4_096), (72, 96, 2_048))
_SHORT_FFT = 1_024
_TONE_HOP = HOP_LENGTH // TONES_PER_FRAME
# A peak counts as a tone from the local geometric mean on, fully from 4 dB above. Stricter limits
# (6 and 12 dB) cost 0.01 of chroma agreement on real stems: quiet tones between loud ones fell out.
_FLOOR_DB, _SURE_DB = 0.0, 4.0
_FLOOR_REACH = 12  # bins on both sides that this mean takes in
_DETUNINGS = 11  # steps in which the table of band responses follows a tone's cents
_TUNING_STEP_CENTS = 10  # steps in which it follows the tuning of all tones
# How far short-time energy may raise a tone, by band. A kick or a plucked bass has most of its
# energy in a few milliseconds, which long windows spread out; up there it is more often noise.
_MAX_BOOST = np.repeat(np.array([4.0, 2.0, 2.0, 2.0], dtype=np.float32), NUM_NOISE_BANDS // 4)
_LEAK = 1.25  # energy of modulated tones that a stationary model misses
# Noise bands below 172 Hz: what sounds there are basses and kicks, hence tones. Their remainder,
# played as noise, rumbled; without it chroma on a song with a deep kick rose from 0.961 to 0.970.
_SILENT_NOISE_BANDS = 2


def analyze(waveform: NDArray[np.float32], tuning_cents: float = 0.0) -> Parameters:
    """Measure the codec parameters of a recording.

    Args:
        waveform: [2, samples] at 44.1 kHz, full scale 1.
        tuning_cents: Where its semitones are, relative to A4 = 440 Hz; a synthesizer with the same
            tuning gives them back.

    Returns:
        Parameters of ceil(samples / 2 048) frames.
    """
    num_frames = -(-waveform.shape[1] // HOP_LENGTH)
    mid = (waveform[0] + waveform[1]) / 2
    side = (waveform[0] - waveform[1]) / 2
    amplitude, cents = _tones(mid, num_frames, tuning_cents)
    short = hann_spectra(mid, _SHORT_FFT, SYNTHESIS_HOP, num_frames * NOISE_PER_FRAME)
    energy = (np.abs(short) ** 2) @ _band_matrix(NUM_NOISE_BANDS).T
    amplitude, noise = _split_energy(amplitude, cents, energy, tuning_cents)
    pan, side_rms = _stereo(mid, side, num_frames)
    return Parameters(
        compress(amplitude).reshape(num_frames, TONES_PER_FRAME, NUM_TONES),
        cents,
        compress(noise).reshape(num_frames, NOISE_PER_FRAME, NUM_NOISE_BANDS),
        pan,
        compress(side_rms),
    )


def _tones(
    mid: NDArray[np.float32], num_frames: int, tuning_cents: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Amplitudes [frames * 2, 96] and cents [frames, 96] of the strongest partials."""
    steps = num_frames * TONES_PER_FRAME
    amplitude = np.zeros((steps, NUM_TONES), dtype=np.float32)
    cents = np.zeros((steps, NUM_TONES), dtype=np.float32)
    for first, last, n_fft in _REGISTERS:
        highest_hz = tone_hz()[last - 1] * 2 ** ((tuning_cents + MAX_CENTS) / 1200)
        num_bins = int(highest_hz * n_fft / SAMPLE_RATE) + _FLOOR_REACH + 4
        magnitude = np.abs(hann_spectra(mid, n_fft, _TONE_HOP, steps, num_bins))
        peak_step, peak_midi, peak_amplitude = _peaks(magnitude, n_fft, (first, last), tuning_cents)
        tone = np.rint(peak_midi).astype(np.int64) - LOWEST_MIDI
        keep = (tone >= first) & (tone < last)
        # Ascending order: of several peaks in one semitone the strongest is written last.
        order = np.flatnonzero(keep)[np.argsort(peak_amplitude[keep], kind="stable")]
        where = (peak_step[order], tone[order])
        amplitude[where] = peak_amplitude[order]
        cents[where] = 100 * (peak_midi[order] - np.rint(peak_midi[order]))
    # The cents of bass tones are those of the peaks nearby, loud or not.
    bass = bass_amplitudes(mid, num_frames, tuning_cents)
    cents = _frame_cents(amplitude, cents)
    amplitude[:, :NUM_BASS] = bass
    return amplitude, cents


def _frame_cents(amplitude: NDArray[np.float32], cents: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cents per frame: mean over the frame's two steps, weighted by energy."""
    weight = amplitude.reshape(-1, TONES_PER_FRAME, NUM_TONES) ** 2
    total = weight.sum(axis=1)
    mean = (weight * cents.reshape(weight.shape)).sum(axis=1) / np.maximum(total, 1e-20)
    return np.asarray(np.clip(mean, -MAX_CENTS, MAX_CENTS), dtype=np.float32)


def _peaks(
    magnitude: NDArray[np.float32], n_fft: int, register: tuple[int, int], tuning_cents: float
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float32]]:
    """Step, MIDI pitch and amplitude of the spectral peaks in a register of semitones.

    Frequency and height by a parabola through the logarithm of three bins
    (Smith and Serra 1987, PARSHL).
    """
    first, last = register
    hz = tone_hz() * 2 ** (tuning_cents / 1200)
    low = max(2, int(hz[first] * 2 ** (-1 / 24) * n_fft / SAMPLE_RATE) - 1)
    high = int(np.ceil(hz[last - 1] * 2 ** (1 / 24) * n_fft / SAMPLE_RATE)) + 2
    edge = max(0, low - _FLOOR_REACH)
    log = np.log(magnitude[:, edge : high + _FLOOR_REACH] + 1e-7)
    floor = _moving_mean(log, _FLOOR_REACH)
    body = slice(low - edge, high - edge)
    before, here, after = (
        log[:, low - edge - 1 : high - edge - 1],
        log[:, body],
        log[:, low - edge + 1 : high - edge + 1],
    )
    step, column = np.nonzero((here > before) & (here >= after) & (here > -11.5))
    a, b, c = before[step, column], here[step, column], after[step, column]
    offset = 0.5 * (a - c) / np.minimum(a - 2 * b + c, -1e-6)
    height = np.exp(b - 0.25 * (a - c) * offset)
    above_db = 8.686 * (b - floor[:, body][step, column])
    height *= np.clip((above_db - _FLOOR_DB) / (_SURE_DB - _FLOOR_DB), 0, 1)
    bins = low + column + offset.astype(np.float64)
    midi = 69 + 12 * np.log2(bins * SAMPLE_RATE / n_fft / 440.0) - tuning_cents / 100
    return step, midi, height.astype(np.float32)


def _moving_mean(rows: NDArray[np.float32], reach: int) -> NDArray[np.float32]:
    """Mean over `reach` columns on both sides, shorter at the edges."""
    total = np.cumsum(np.pad(rows, ((0, 0), (1, 0))), axis=1, dtype=np.float64)
    index = np.arange(rows.shape[1])
    start, stop = np.maximum(index - reach, 0), np.minimum(index + reach + 1, rows.shape[1])
    return np.asarray((total[:, stop] - total[:, start]) / (stop - start), dtype=np.float32)


@functools.cache
def _band_matrix(num_bands: int) -> NDArray[np.float32]:
    """Mean-square weights [bands, bins] of the short spectrum; rows times |X|^2 give power."""
    hz = np.arange(_SHORT_FFT // 2 + 1) * SAMPLE_RATE / _SHORT_FFT
    edges = band_edges_hz(num_bands, 2 * SAMPLE_RATE / _SHORT_FFT)
    width = SAMPLE_RATE / _SHORT_FFT
    overlap = np.minimum(hz + width / 2, edges[1:, None]) - np.maximum(
        hz - width / 2, edges[:-1, None]
    )
    # A Hann window spreads a unit sine's peak of 1 over bins whose squares sum to 1.5, and a unit
    # sine has the power 1/2.
    return (np.clip(overlap / width, 0, 1) / 3).astype(np.float32)


@functools.lru_cache(maxsize=4)
def _tone_bands(tuning_steps: int) -> NDArray[np.float32]:
    """Power [tones, detunings, bands] that a unit sine leaves in the short-time bands."""
    cents = np.linspace(-MAX_CENTS, MAX_CENTS, _DETUNINGS) + tuning_steps * _TUNING_STEP_CENTS
    hz = (tone_hz()[:, None] * 2.0 ** (cents / 1200)).reshape(-1, 1)
    samples = np.arange(_SHORT_FFT) - _SHORT_FFT / 2
    window = np.hanning(_SHORT_FFT + 1)[:-1] * 2 / _SHORT_FFT
    sines = np.exp(2j * np.pi * hz * samples / SAMPLE_RATE) * window
    power = np.abs(np.fft.fft(sines, axis=1)[:, : _SHORT_FFT // 2 + 1]) ** 2
    bands = power @ _band_matrix(NUM_NOISE_BANDS).T
    return np.asarray(bands.reshape(NUM_TONES, _DETUNINGS, -1), dtype=np.float32)


def _split_energy(
    amplitude: NDArray[np.float32],
    cents: NDArray[np.float32],
    energy: NDArray[np.float32],
    tuning_cents: float,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Gate the tones by the short-time energy, and give the rest to the noise.

    Args:
        amplitude: [frames * 2, tones].
        cents: [frames, tones].
        energy: Power of the mid signal in each band [frames * 4, bands].
        tuning_cents: What the cents are relative to.

    Returns:
        Gated amplitudes [frames * 2, tones] and noise root mean square [frames * 4, bands].
    """
    repeat = NOISE_PER_FRAME // TONES_PER_FRAME
    energy = energy.reshape(len(amplitude), repeat, -1)
    detuning = np.rint((cents / MAX_CENTS + 1) / 2 * (_DETUNINGS - 1)).astype(np.int64)
    tone_power = np.empty_like(amplitude)
    noise_power = np.empty_like(energy)
    bands = _tone_bands(round(tuning_cents / _TUNING_STEP_CENTS))
    block = 256  # frames; the responses of a block fill a few megabytes
    for start in range(0, len(detuning), block):
        response = bands[np.arange(NUM_TONES), detuning[start : start + block]]
        response = np.repeat(response, TONES_PER_FRAME, axis=0)
        steps = slice(start * TONES_PER_FRAME, start * TONES_PER_FRAME + len(response))
        power = amplitude[steps, None] ** 2
        gate = np.minimum(_MAX_BOOST, energy[steps] / np.maximum(power @ response, 1e-12))
        home = response / response.sum(axis=2, keepdims=True)
        gated = power * np.swapaxes(home @ np.swapaxes(gate, 1, 2), 1, 2)
        # Deconvolved tones are sharp in time already.
        gated[..., :NUM_BASS] = power[..., :NUM_BASS]
        noise_power[steps] = np.maximum(energy[steps] - _LEAK * (gated @ response), 0.0)
        tone_power[steps] = gated.mean(axis=1)
    noise_power[..., :_SILENT_NOISE_BANDS] = 0
    return np.sqrt(tone_power), np.sqrt(noise_power).reshape(-1, noise_power.shape[2])


def _stereo(
    mid: NDArray[np.float32], side: NDArray[np.float32], num_frames: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Pan [frames, 16] and root mean square of the unrelated side signal [frames, 16]."""
    steps = num_frames * NOISE_PER_FRAME
    m = hann_spectra(mid, _SHORT_FFT, SYNTHESIS_HOP, steps)
    s = hann_spectra(side, _SHORT_FFT, SYNTHESIS_HOP, steps)
    bands = _band_matrix(NUM_STEREO_BANDS).T

    def per_frame(power: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray((power @ bands).reshape(num_frames, NOISE_PER_FRAME, -1).mean(axis=1))

    mid_power = per_frame(np.abs(m) ** 2)
    shared = per_frame((s * m.conj()).real)
    pan = np.clip(shared / np.maximum(mid_power, 1e-12), -1, 1).astype(np.float32)
    rest = np.maximum(per_frame(np.abs(s) ** 2) - 2 * pan * shared + pan**2 * mid_power, 0.0)
    return pan, np.sqrt(rest)
