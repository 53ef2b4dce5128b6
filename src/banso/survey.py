"""A first listen to a recording: is there a voice, and on which channels?

It also draws every sample once, so damage anywhere in a file is found before any time is spent on
generating music for it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from banso.audio import Recording, Samples
from banso.errors import AudioError
from banso.files import check_duration

SILENCE_PEAK_DBFS = -80.0
# Louder than any float file with samples in ±32 768 instead of ±1; beyond, the data are garbage.
_MAX_PEAK = 1e6
# A channel this far below the loudest one carries no voice, only noise: it must not dilute it.
_DEAD_CHANNEL_DB = -40.0
# If averaging the channels loses more than this, they are out of phase (a mis-wired cable).
_CANCELLATION_DB = -20.0


@dataclass(frozen=True, slots=True, eq=False)
class Survey:
    """What a first listen found.

    Attributes:
        peak: Largest deviation from the channel's mean, full scale 1.
        offset: Mean of each channel [channels, 1], float32.
        mono_weights: Weights [1, channels], float32, that bring the voice to one channel.
    """

    peak: float
    offset: Samples
    mono_weights: Samples

    def analysis_mono(self, block: Samples) -> Samples:
        """Return a block as mono [samples], without its offset, for analysis only."""
        mono: Samples = (self.mono_weights @ (block - self.offset))[0]
        return mono

    def stereo(self, block: Samples) -> Samples:
        """Return a block as stereo [2, samples]: one or two channels as they are.

        More than two are brought to the centre, since what the channels mean is not known.
        """
        if block.shape[0] == 2:
            return block
        mono = block if block.shape[0] == 1 else self.mono_weights @ block
        return np.repeat(mono, 2, axis=0)


def survey(recording: Recording) -> Survey:
    """Listen to a recording once.

    Raises:
        AudioError: If it is too short or too long, silent, far beyond full scale, or damaged.
    """
    check_duration(recording.num_samples / recording.sample_rate, recording.name)
    num_channels = recording.num_channels
    total = np.zeros((num_channels, 1))
    products = np.zeros((num_channels, num_channels))
    lowest, highest = np.full((num_channels, 1), np.inf), np.full((num_channels, 1), -np.inf)
    for block in recording.blocks():
        total += block.sum(axis=1, keepdims=True, dtype=np.float64)
        # float32 products of one block; only their sum over an hour needs more digits.
        products += block @ block.T
        lowest = np.minimum(lowest, block.min(axis=1, keepdims=True))
        highest = np.maximum(highest, block.max(axis=1, keepdims=True))
    mean = total / recording.num_samples
    peak = float(np.maximum(highest - mean, mean - lowest).max())
    if peak < 10 ** (SILENCE_PEAK_DBFS / 20):
        raise AudioError(
            f"{recording.name} has no voice: it is silent (its peak is below "
            f"{SILENCE_PEAK_DBFS:.0f} dBFS); check which input was recorded"
        )
    if peak > _MAX_PEAK:
        raise AudioError(f"{recording.name} has samples up to {peak:.1e}; full scale is 1")
    covariance = products / recording.num_samples - mean @ mean.T
    return Survey(peak, mean.astype(np.float32), _mono_weights(covariance))


def _mono_weights(covariance: NDArray[np.float64]) -> Samples:
    """Weigh the channels that carry the voice equally, unless they cancel each other."""
    powers = np.maximum(np.diag(covariance), 0.0)
    loudest = int(powers.argmax())
    alive = powers >= powers[loudest] * 10 ** (_DEAD_CHANNEL_DB / 10)
    weights = alive / alive.sum()
    mono_power = weights @ covariance @ weights
    if mono_power < powers[alive].mean() * 10 ** (_CANCELLATION_DB / 10):
        weights = np.eye(len(powers))[loudest]
    row: Samples = weights.astype(np.float32)[None]
    return row
