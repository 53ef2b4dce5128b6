"""How a renderer shapes the synthesis: six gains at 97 frequencies for every step of 512 samples.

The synthesis has few numbers to go by, so its tones are as steady as an organ's and between them
there is silence. Gains, narrow where the ear is and wide above, give each step a spectrum of its
own; they never move a tone. The formula is written with operators only, so that it serves numpy
when playing and torch when training.
"""

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from banso.codec.parameters import NOISE_PER_FRAME, SYNTHESIS_HOP

#: Of the tones, of the noise, of noise that follows the level of everything (`breath`), what is
#: added to the pan, of the side signal's own part, and of noise at the side signal's level.
GAIN_KINDS = ("tones", "noise", "breath", "pan", "side", "side_breath")
#: What leaves the sound as it is.
NEUTRAL_GAINS = (1.0, 1.0, 0.0, 0.0, 1.0, 0.0)
_SINGLE_BINS = 24  # of 43 Hz, to 1 kHz; from there on points are a twenty-fourth apart, as bins are
_NUM_BINS = SYNTHESIS_HOP + 1


@functools.cache
def gain_bins() -> NDArray[np.float64]:
    """Where gains are given, in bins of the synthesis [points]: first all, then 4 % apart."""
    ratio = 1 + 1 / _SINGLE_BINS
    count = int(np.ceil(np.log((_NUM_BINS - 1) / _SINGLE_BINS) / np.log(ratio)))
    above = np.geomspace(_SINGLE_BINS, _NUM_BINS - 1, count + 1)
    return np.concatenate([np.arange(_SINGLE_BINS), above])


NUM_GAIN_POINTS = len(gain_bins())
NUM_GAINS = NOISE_PER_FRAME * len(GAIN_KINDS) * NUM_GAIN_POINTS  # of a codec frame


@functools.cache
def gain_blend() -> NDArray[np.float32]:
    """Linear interpolation [points, bins] from where gains are given to all bins."""
    rows = [np.interp(np.arange(_NUM_BINS), gain_bins(), row) for row in np.eye(NUM_GAIN_POINTS)]
    return np.asarray(rows, dtype=np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Layers:
    """What the synthesis adds up, as arrays of numpy or torch, [..., steps, bins] if not said.

    Attributes:
        tones: Spectra of the mid signal's partials.
        white_mid: Spectra of unit white noise.
        noise_gain: What it is multiplied by to be the mid signal's noise.
        level: Gain that makes it as loud as the mid signal, in bands [..., steps, 16].
        pan: Side over mid.
        own: Spectra of the side signal's own part.
        white_side: Spectra of other unit white noise.
        side_level: Gain that makes it as loud as the side signal, in bands [..., steps, 16].
    """

    tones: Any
    white_mid: Any
    noise_gain: Any
    level: Any
    pan: Any
    own: Any
    white_side: Any
    side_level: Any


def shape_layers(
    layers: Layers,
    gains: Any,  # noqa: ANN401 - of numpy or torch
    blends: tuple[Any, Any],
) -> tuple[Any, Any]:
    """Add layers up under gains.

    Args:
        layers: Of the synthesis.
        gains: [..., kinds, steps, points] in the order of `GAIN_KINDS`.
        blends: Interpolations to bins from points [points, bins], and from bands [16, bins].

    Returns:
        Spectra [..., steps, bins] of mid and of side. Where the layers are silent, so are they.
    """
    points, bands = blends
    of_bins = gains @ points
    tones, noise, breath, pan, side, side_breath = (
        of_bins[..., kind, :, :] for kind in range(len(GAIN_KINDS))
    )
    breath = breath * (layers.level @ bands)
    side_breath = side_breath * (layers.side_level @ bands)
    mid = layers.tones * tones + layers.white_mid * (layers.noise_gain * noise + breath)
    return mid, (layers.pan + pan) * mid + layers.own * side + layers.white_side * side_breath
