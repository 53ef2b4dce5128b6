"""Mel bands, in which loudness over frequency is measured and compared.

References:
    Slaney 1998, "Auditory Toolbox", Interval Research (mel scale: linear to 1 kHz, then
    logarithmic; triangles of equal area).
"""

import functools

import numpy as np
from numpy.typing import NDArray

from banso.codec.parameters import SAMPLE_RATE

HIGHEST_HZ = 16_000.0


@functools.cache
def mel_triangles(n_fft: int, num_mels: int) -> NDArray[np.float32]:
    """Triangles [mels, n_fft / 2 + 1] of equal area in hertz; bands without a bin are left out."""
    edges = _mel_to_hz(np.linspace(0, float(_hz_to_mel(np.array(HIGHEST_HZ))), num_mels + 2))
    hz = np.arange(n_fft // 2 + 1) * SAMPLE_RATE / n_fft
    rising = (hz - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - hz) / np.diff(edges)[1:, None]
    triangles = (
        np.maximum(0, np.minimum(rising, falling)) * (100 / (edges[2:] - edges[:-2]))[:, None]
    )
    return np.asarray(triangles[triangles.sum(1) > 0], dtype=np.float32)


def _hz_to_mel(hz: NDArray[np.float64]) -> NDArray[np.float64]:
    linear = hz * 3 / 200
    return np.where(hz < 1_000, linear, 15 + 27 * np.log(np.maximum(hz, 1) / 1_000) / np.log(6.4))


def _mel_to_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(mel < 15, mel * 200 / 3, 1_000 * np.exp((mel - 15) * np.log(6.4) / 27))
