"""Sinusoids as what they are in short Hann-windowed spectra: a few bins each, added up.

References:
    Rodet and Depalle 1992, "Spectral envelopes and inverse FFT synthesis", AES 93.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from banso.codec.parameters import SAMPLE_RATE, SYNTHESIS_HOP

N_FFT = 2 * SYNTHESIS_HOP
NUM_BINS = N_FFT // 2 + 1
# What lies farther from a partial than 4 bins is 48 dB below it or more.
_REACH = 4
_LOBE = np.arange(-_REACH, _REACH + 1)
# The closed form of the lobe is 0 / 0 where a partial lies on a bin; this far off it is exact.
_OFF_BIN = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class PartialSpectra:
    """Spectra [steps, bins] of partials.

    Attributes:
        tones: As they are.
        quadrature: All of them a quarter turn later.
    """

    tones: NDArray[np.complex64]
    quadrature: NDArray[np.complex64]


def partial_spectra(
    amplitude: NDArray[np.float32],
    hz: NDArray[np.float64],
    phase: NDArray[np.float64],
    inaudible: float,
) -> PartialSpectra:
    """Add up partials in the spectra of Hann-windowed frames.

    Args:
        amplitude: [steps, partials], full scale 1.
        hz: [steps, partials], up to 20 kHz.
        phase: Of a cosine in the middle of the frame [steps, partials].
        inaudible: Partials at most this loud are left out.
    """
    step, partial = np.nonzero(amplitude > inaudible)
    position = hz[step, partial] * (N_FFT / SAMPLE_RATE)
    nearest = np.rint(position).astype(np.int64)
    offset = nearest - position
    offset[np.abs(offset) < _OFF_BIN] = _OFF_BIN
    # Half the transform of a cosine's window belongs to its positive frequency. The lobe at o bins
    # is sin(pi o) / (pi o (1 - o^2)); its sine changes sign from bin to bin, and so does the phase
    # at a frame's first sample against that in its middle: what they have in common comes first.
    sign = np.where(nearest % 2, -N_FFT / 4 / np.pi, N_FFT / 4 / np.pi)
    common = sign * np.sin(np.pi * offset) * amplitude[step, partial].astype(np.float64)
    real, imaginary = common * np.cos(phase[step, partial]), common * np.sin(phase[step, partial])
    away = offset[:, None] + _LOBE
    lobe = 1 / (away * (1 - away * away))
    bins = nearest[:, None] + _LOBE
    # A low partial reaches 0 Hz and beyond; what is there comes back as its mirror image.
    low = np.flatnonzero(nearest <= _REACH)
    mirrored = np.where(bins[low] <= 0, lobe[low], 0)
    lobe[low] *= bins[low] >= 0
    size = (len(amplitude), NUM_BINS)
    direct = _added(step, np.abs(bins), (real, imaginary), lobe, size)
    size = (len(amplitude), _REACH + 1)
    mirror = _added(
        step[low], np.maximum(-bins[low], 0), (real[low], -imaginary[low]), mirrored, size
    )
    tones, quadrature = direct, 1j * direct
    tones[:, : _REACH + 1] += mirror
    quadrature[:, : _REACH + 1] -= 1j * mirror
    return PartialSpectra(tones, quadrature)


def _added(
    step: NDArray[np.int64],
    bins: NDArray[np.int64],
    value: tuple[NDArray[np.float64], NDArray[np.float64]],
    lobe: NDArray[np.float64],
    size: tuple[int, int],
) -> NDArray[np.complex64]:
    """Sum of complex values x lobes [partials, 9] at their steps and bins."""
    place = (step[:, None] * size[1] + bins).ravel()
    total = np.empty(size[0] * size[1], np.complex64)
    for target, part in zip((total.real, total.imag), value, strict=True):
        target[:] = np.bincount(place, (part[:, None] * lobe).ravel(), len(total))
    return total.reshape(size)
