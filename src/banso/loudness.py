"""Programme loudness, measured while a recording streams by.

The K-weighting filters forget within 0.1 s, so their joint impulse response, cut there, is the
filter; convolving blocks with it by FFT is far faster than a recursive filter in Python.

References:
    ITU-R BS.1770-4 (2015), "Algorithms to measure audio programme loudness", Annex 1.
    De Man 2018, "Evaluation of Implementations of the EBU R128 Loudness Measurement", AES 145:
    the analogue parameters from which the standard's 48 kHz coefficients follow, for any rate.
"""

import numpy as np
from numpy.typing import NDArray

from banso.audio import Samples

# BS.1770-4 Annex 1: offset of the loudness scale, gate levels, block length 400 ms every 100 ms.
_OFFSET_DB = -0.691
_ABSOLUTE_GATE_LUFS = -70.0
_RELATIVE_GATE_LU = -10.0
_STEPS_PER_SECOND = 10
_STEPS_PER_BLOCK = 4
# What the slowest poles (38 Hz) still add after this time is 190 dB down, far below the rounding of
# float32; twice as long a response costs twice the time.
_RESPONSE_SECONDS = 0.1


class LoudnessMeter:
    """Integrated loudness of a stream of blocks; memory is 8 bytes per 0.1 s of audio.

    All channels weigh the same: which of them are surround channels is not known here.
    """

    def __init__(self, sample_rate: int) -> None:
        self._sample_rate = sample_rate
        self._num_history = int(_RESPONSE_SECONDS * sample_rate)
        self._n_fft = 1 << (4 * self._num_history - 1).bit_length()
        response = _impulse_response(sample_rate)[: self._num_history + 1]
        self._spectrum = np.fft.rfft(response, self._n_fft).astype(np.complex64)
        # What came last, needed again for what follows, and what is not yet measured.
        self._held: Samples | None = None
        self._num_seen = 0
        self._step_energy: list[float] = [0.0]

    def add(self, block: Samples) -> None:
        """Take the next samples.

        Args:
            block: float32 [channels, samples]; channels must not change between calls.
        """
        if self._held is None:
            self._held = np.zeros((block.shape[0], self._num_history), np.float32)
        for start in range(0, block.shape[1], self._n_fft):
            piece = block[:, start : start + self._n_fft]
            self._held = np.concatenate((self._held, piece), axis=1)
            # A transform costs the same however much of it is filled.
            while self._held.shape[1] >= self._n_fft:
                self._measure(self._n_fft)

    @property
    def integrated_lufs(self) -> float:
        """Loudness of everything so far; minus infinity if nothing passes the gates."""
        if self._held is not None:
            self._measure(self._held.shape[1])
        # The last entry is the step still being filled; the standard counts full blocks only.
        steps = np.array(self._step_energy[:-1]) * _STEPS_PER_SECOND / self._sample_rate
        if len(steps) < _STEPS_PER_BLOCK:
            return -np.inf
        powers = np.convolve(steps, np.full(_STEPS_PER_BLOCK, 1 / _STEPS_PER_BLOCK), "valid")
        powers = powers[powers > _power(_ABSOLUTE_GATE_LUFS)]
        if not len(powers):
            return -np.inf
        gate = powers.mean() * 10 ** (_RELATIVE_GATE_LU / 10)
        return _lufs(float(powers[powers > gate].mean()))

    def _measure(self, size: int) -> None:
        """Filter the first samples held, history included (overlap-save), and sum their energy."""
        assert self._held is not None
        extended = self._held[:, :size]
        self._held = self._held[:, size - self._num_history :]
        # A voice on one channel is measured as stereo; what both channels hold is filtered once.
        alike = len(extended) == 2 and np.array_equal(extended[0], extended[1])
        heard = extended[:1] if alike else extended
        filtered = np.fft.irfft(np.fft.rfft(heard, self._n_fft) * self._spectrum, self._n_fft)
        filtered = filtered[:, self._num_history : size]
        # Starts of steps need not fall on whole samples (11 025 Hz), hence the rounding.
        step_samples = self._sample_rate / _STEPS_PER_SECOND
        position = 0
        while position < filtered.shape[1]:
            step_end = round(len(self._step_energy) * step_samples)
            stop = min(filtered.shape[1], step_end - self._num_seen + position)
            step = filtered[:, position:stop]
            self._step_energy[-1] += float(np.vdot(step, step)) * (1 + alike)
            self._num_seen += stop - position
            position = stop
            if self._num_seen == step_end:
                self._step_energy.append(0.0)


def integrated_lufs(samples: Samples, sample_rate: int) -> float:
    """Return the loudness of a whole waveform [channels, samples]; see `LoudnessMeter`."""
    meter = LoudnessMeter(sample_rate)
    meter.add(samples)
    return meter.integrated_lufs


def _lufs(power: float) -> float:
    return float(_OFFSET_DB + 10 * np.log10(power))


def _power(lufs: float) -> float:
    return float(10 ** ((lufs - _OFFSET_DB) / 10))


def _impulse_response(sample_rate: int) -> NDArray[np.float64]:
    """Return the K-weighting's impulse response, twice as long as is kept of it."""
    n_fft = 1 << int(2 * _RESPONSE_SECONDS * sample_rate).bit_length()
    delay = np.exp(-2j * np.pi * np.arange(n_fft // 2 + 1) / n_fft)
    shelf = _high_shelf(sample_rate)
    high_pass = _high_pass(sample_rate)
    response = np.ones_like(delay)
    for numerator, denominator in (shelf, high_pass):
        response *= np.polyval(numerator[::-1], delay) / np.polyval(denominator[::-1], delay)
    # Sampling the response wraps what lasts longer than n_fft samples: nothing, at this length.
    return np.fft.irfft(response, n_fft)


_Biquad = tuple[NDArray[np.float64], NDArray[np.float64]]


def _high_shelf(sample_rate: int) -> _Biquad:
    """BS.1770-4 stage 1, the head's acoustics; parameters of De Man 2018."""
    gain = 10 ** (3.999843853973347 / 20)
    quality = 0.7071752369554196
    k = np.tan(np.pi * 1681.974450955533 / sample_rate)
    middle = gain**0.4996667741545416
    a0 = 1 + k / quality + k * k
    numerator = np.array(
        [
            gain + middle * k / quality + k * k,
            2 * (k * k - gain),
            gain - middle * k / quality + k * k,
        ]
    )
    return numerator / a0, np.array([a0, 2 * (k * k - 1), 1 - k / quality + k * k]) / a0


def _high_pass(sample_rate: int) -> _Biquad:
    """BS.1770-4 stage 2, the revised low-frequency B curve; parameters of De Man 2018."""
    quality = 0.5003270373238773
    k = np.tan(np.pi * 38.13547087602444 / sample_rate)
    a0 = 1 + k / quality + k * k
    return np.array([1.0, -2.0, 1.0]), np.array(
        [1.0, 2 * (k * k - 1) / a0, (1 - k / quality + k * k) / a0]
    )
